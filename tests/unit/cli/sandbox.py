"""A sandbox beside the commands of a test, and what it received."""

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from signalpost.sandbox.rules.limits import OFF
from signalpost.sandbox.server import Sandbox


@contextmanager
def running() -> Iterator[Sandbox]:
    """A sandbox on a loop of its own, in a thread, because the commands have one too."""
    started, ended = Event(), Event()
    found: list[Sandbox] = []

    async def serve() -> None:
        async with Sandbox(limits=OFF, open=True) as sandbox:
            found.append(sandbox)
            started.set()
            await asyncio.to_thread(ended.wait)

    thread = Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    started.wait()
    try:
        yield found[0]
    finally:
        ended.set()
        thread.join()


def log(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Each request, as the sandbox logged it."""
    with urllib.request.urlopen(f"{sandbox.url}/_log") as answer:
        return [json.loads(line) for line in answer.read().splitlines()]

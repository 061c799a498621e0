import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from signalpost.sandbox.rules.limits import OFF, Limits
from signalpost.sandbox.server import Sandbox

Environment = dict[str, str]


@contextmanager
def running_sandbox(limits: Limits = OFF) -> Iterator[Sandbox]:
    """A sandbox with every webhook, which runs in a thread: a process would take half a second to start."""
    with asyncio.Runner() as runner:
        running = runner.run(Sandbox(limits=limits, open=True).__aenter__())
        thread = threading.Thread(target=runner.get_loop().run_forever)
        thread.start()
        try:
            yield running
        finally:
            runner.get_loop().call_soon_threadsafe(runner.get_loop().stop)
            thread.join()
            runner.run(running.__aexit__(None, None, None))


@pytest.fixture
def sandbox() -> Iterator[str]:
    """The address of a sandbox without limits."""
    with running_sandbox() as running:
        yield running.url


@pytest.fixture
def environment(sandbox: str, tmp_path: Path) -> Environment:
    """An environment whose webhooks are the sandbox's."""
    return environment_of(sandbox, tmp_path / "home")


def environment_of(sandbox: str, home: Path) -> Environment:
    """An environment with the webhooks of the sandbox at this address, and this data folder."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("DISCORD_", "SIGNALPOST_"))}
    for name in ("COLUMNS", "FORCE_COLOR"):
        mine.pop(name, None)
    return {
        **mine,
        "SIGNALPOST_HOME": str(home),
        "SIGNALPOST_HTTP": "127.0.0.1:0",
        "DISCORD_WEBHOOK_SIGNALS_FREE": f"{sandbox}/api/v10/webhooks/signals-free/some-token",
        "DISCORD_WEBHOOK_ALERTS_CRITICAL": f"{sandbox}/api/v10/webhooks/alerts-critical/some-token",
    }

"""The event loop of a command, and the signals that stop it."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

from signalpost.integration.loop_thread import new_loop

Result = TypeVar("Result")


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run `work` on a new event loop (uvloop if installed) and return its result."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(work)


class StopSignal:
    """Within `async with`, SIGINT and SIGTERM only set `event`."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    async def __aenter__(self) -> asyncio.Event:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self.event.set)
        return self.event

    async def __aexit__(self, *_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().remove_signal_handler(number)

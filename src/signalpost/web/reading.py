"""Reads bodies beside the event loop: one may take a tenth of a second, and hundreds may come at once."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Read = TypeVar("Read")


class Reader:
    """One thread that reads bodies, one after the other, so that the loop shares the processor with one only."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="signalpost reading")

    async def read(self, work: Callable[[], Read]) -> Read:
        """What `work` makes of a body, or raises."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        """Read no more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

"""Waiting in a test for what a service does on its own."""

import asyncio
from collections.abc import Callable
from inspect import isawaitable

_EVERY = 0.002


async def until(is_so: Callable[[], object], within: float = 30.0) -> None:
    """Wait until `is_so` returns something true, at once or once awaited.

    It is called every 2 ms, so the processor is free for what the test waits for.
    """
    async with asyncio.timeout(within):
        while not (await answer if isawaitable(answer := is_so()) else answer):
            await asyncio.sleep(_EVERY)

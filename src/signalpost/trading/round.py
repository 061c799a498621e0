"""Lets streams that process candles at the same time save together."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

_AT_MOST = 0.25
"""The longest wait for others, in seconds."""


class Round:
    """Lets tasks that process candles wait for each other before they save. Belongs to one event loop."""

    def __init__(self) -> None:
        self._at_work: set[asyncio.Task[object] | None] = set()
        self._gate: asyncio.Future[None] | None = None

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The current task is at work, so others may wait until it calls `together` or ends its work."""
        task = asyncio.current_task()
        self._at_work.add(task)
        try:
            yield
        finally:
            self._leave(task)

    async def together(self) -> None:
        """Wait until every task at work waits here, but at most a quarter of a second."""
        await asyncio.sleep(0)  # those that woke at the same time begin their work first
        if self._gate is None:
            loop = asyncio.get_running_loop()
            self._gate = loop.create_future()
            loop.call_later(_AT_MOST, self._open, self._gate)
        gate = self._gate
        self._leave(asyncio.current_task())
        await asyncio.shield(gate)  # a stream that is cancelled stops no other

    def _leave(self, task: asyncio.Task[object] | None) -> None:
        self._at_work.discard(task)
        if self._gate is not None and not self._at_work:
            self._open(self._gate)

    def _open(self, gate: asyncio.Future[None]) -> None:
        if gate is self._gate:
            self._gate = None
            gate.set_result(None)

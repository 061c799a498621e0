"""One of a lane's workers: which levels it takes, and the bell that wakes it."""

import asyncio
from collections.abc import Sequence
from math import inf

from signalpost.domain.priority import NotificationPriority


class Sender:
    """Sends one message at a time."""

    def __init__(self, levels: Sequence[NotificationPriority]) -> None:
        self.levels = levels
        self.task: asyncio.Task[None] | None = None
        self.is_calling = False
        """Whether it is in a call of the sink, which a stop cuts off."""
        self.is_cut = False
        self._bell = asyncio.Event()

    def ring(self) -> None:
        """Have it look again at what is due."""
        self._bell.set()

    def listen(self) -> None:
        """Hear only what rings from now on."""
        self._bell.clear()

    async def sleep(self, until: float) -> None:
        """Sleep until the bell rings, or until then."""
        timer = None if until == inf else asyncio.get_running_loop().call_at(until, self.ring)
        try:
            await self._bell.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def cut(self) -> None:
        """End its call of the sink, if it is in one."""
        if self.is_calling and self.task is not None:
            self.is_cut = True
            self.task.cancel()

    def was_cut(self) -> bool:
        """Whether it was `cut` that cancelled it, and not somebody else; then it goes on as if not cancelled."""
        if self.is_cut and self.task is not None:
            self.task.uncancel()
        return self.is_cut

"""One of a lane's workers: which levels it takes, and the bell that wakes it."""

import asyncio
from collections.abc import Sequence
from math import inf

from signalpost.delivery.kept_task import KeptTask
from signalpost.domain.delivery import DeliveryId
from signalpost.domain.priority import NotificationPriority


class Worker:
    """Sends one message at a time."""

    def __init__(self, levels: Sequence[NotificationPriority]) -> None:
        self.levels = levels
        self.kept: KeptTask | None = None
        self.is_calling = False
        """Whether it is in a call of the sink, which a stop cuts off."""
        self.is_cut = False
        self.is_leasing = False
        self.holds: frozenset[DeliveryId] = frozenset()
        """The deliveries that it has leased and not settled."""
        self.has_died = False
        """Whether it was restarted."""
        self._bell = asyncio.Event()

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The task that runs it now, or ran it last."""
        return None if self.kept is None else self.kept.task

    def ring(self) -> None:
        """Wake it, so that it looks again at what is due."""
        self._bell.set()

    def listen(self) -> None:
        """Ignore the calls of `ring` until now."""
        self._bell.clear()

    async def sleep(self, until: float) -> None:
        """Sleep until then, or until a call of `ring`."""
        timer = None if until == inf else asyncio.get_running_loop().call_at(until, self.ring)
        try:
            await self._bell.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def retire(self) -> None:
        """Do not restart it if it ends."""
        if self.kept is not None:
            self.kept.retire()

    def cut(self) -> None:
        """End its call of the sink, if it is in one."""
        if self.is_calling and self.task is not None:
            self.is_cut = True
            self.task.cancel()

    def was_cut(self) -> bool:
        """Whether `cut` cancelled it, and nobody else. If so, it goes on as if it was not cancelled."""
        if self.is_cut and self.task is not None:
            self.task.uncancel()
        return self.is_cut

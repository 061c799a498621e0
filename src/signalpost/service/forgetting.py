"""Deletes what ended long ago, once an hour, if the clock may be believed."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from signalpost import clock
from signalpost.delivery.clock_agreement import Agreement, from_fact, to_fact
from signalpost.delivery.outbox.commands import ForgetKeys, LoadFacts, Prune, SaveFacts
from signalpost.delivery.outbox.port import Outbox
from signalpost.errors import CommandFailed, StoreClosed, StoreFailed

PAGE = 200
PLACE, AGREED = "(clock)", "agreed"
"""Where the agreement of the clocks is kept, in place of a destination's name."""

_LOOK_EVERY = timedelta(minutes=5)
_DELETE_EVERY = timedelta(hours=1)


def boot_seconds() -> float:
    """Seconds since the machine started, suspends included where the system counts them. Nobody can set this clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Forgetting:
    """Belongs to the owner of a store. See docs/why/0024-store-migrations.md."""

    def __init__(self, outbox: Outbox, retention: timedelta, *, boot: Callable[[], float] = boot_seconds) -> None:
        self._outbox = outbox
        self._retention = retention
        self._boot = boot
        self._agreement: Agreement | None = None
        self._deleted_at: float | None = None

    async def run(self) -> None:
        """Look at the clocks every 5 minutes, and delete every hour, in pages so short that nobody waits for them."""
        while True:
            with suppress(StoreFailed, CommandFailed):
                await self.look()
                if self._agreement is not None and self._agreement.is_enough and self._is_due():
                    await self._delete(clock.now())
            await asyncio.sleep(_LOOK_EVERY.total_seconds())

    async def look(self) -> None:
        """Compare the clocks, and keep the result for the next run. Raises StoreFailed."""
        if self._agreement is None:
            kept = from_fact((await self._outbox.do(LoadFacts(PLACE))).get(AGREED))
            now, boot = clock.now(), self._boot()
            self._agreement = Agreement(now, boot) if kept is None else kept.next_run(now, boot)
        else:
            self._agreement = self._agreement.later(clock.now(), self._boot())
        await self._outbox.do(SaveFacts(PLACE, {AGREED: to_fact(self._agreement)}))

    async def end(self) -> None:
        """Keep how long the clocks agreed in this run."""
        with suppress(StoreFailed, CommandFailed, StoreClosed):
            if self._agreement is not None:
                await self.look()

    def _is_due(self) -> bool:
        now = asyncio.get_running_loop().time()
        if self._deleted_at is not None and now - self._deleted_at < _DELETE_EVERY.total_seconds():
            return False
        self._deleted_at = now
        return True

    async def _delete(self, now: datetime) -> None:
        while await self._outbox.do(Prune(now - self._retention, PAGE)) == PAGE:
            await asyncio.sleep(0)
        last = await self._outbox.do(ForgetKeys(now))
        while last:
            await asyncio.sleep(0)
            last = await self._outbox.do(ForgetKeys(now, last))

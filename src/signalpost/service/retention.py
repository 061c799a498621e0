"""Deletes old rows and ends forgotten trades once an hour, if the wall clock can be trusted.

A machine may start with a clock that is a year ahead, until it is corrected. Deleting by that clock would remove all
history and all idempotency keys. So rows are deleted only once the wall clock and the boot clock, which nobody sets,
have agreed for an hour. The time is added up over runs, because some processes never run for an hour.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec

from signalpost import clock
from signalpost.delivery.facts import CLOCK
from signalpost.delivery.outbox.commands import ForgetKeys, LoadFacts, Prune, SaveFacts
from signalpost.delivery.outbox.port import Outbox
from signalpost.errors import CommandFailed, StoreClosed, StoreFailed

PAGE = 200
AGREED = "agreed"
"""The name of the fact that holds the agreement of the clocks."""

ENOUGH = 3_600.0
"""Seconds of agreement after which the wall clock is trusted."""
_TOLERANCE = 10.0
"""How many seconds the two clocks may drift apart between two looks."""
_LONGEST_BREAK = 30 * 86_400.0
"""Seconds between two runs after which the hour begins again, even if the boot clock agrees."""
_LONGEST_UNSEEN_BREAK = 86_400.0
"""The same if the boot clock cannot confirm the break, for example after a reboot. If the wall clock is wrong by less
than this, no key is deleted too early: a signal's key is kept for 24 hours after the signal expires."""

_LOOK_EVERY = timedelta(minutes=5)
_DELETE_EVERY = timedelta(hours=1)


class Agreement(msgspec.Struct, frozen=True):
    """The reading of both clocks at the last look, and for how many seconds they have agreed."""

    wall: datetime
    boot: float
    seconds: float = 0.0

    @property
    def is_enough(self) -> bool:
        """True if rows may be deleted by the wall clock."""
        return self.seconds >= ENOUGH

    def later(self, wall: datetime, boot: float) -> "Agreement":
        """The agreement after some time in the same run."""
        passed = (wall - self.wall).total_seconds()
        agrees = passed >= 0 and abs(passed - (boot - self.boot)) <= _TOLERANCE
        return Agreement(wall, boot, min(ENOUGH, self.seconds + passed) if agrees else 0.0)

    def next_run(self, wall: datetime, boot: float) -> "Agreement":
        """The agreement at the start of another run. The time between two runs does not count."""
        passed = (wall - self.wall).total_seconds()
        is_confirmed = abs(passed - (boot - self.boot)) <= _TOLERANCE
        is_plausible = 0 <= passed <= (_LONGEST_BREAK if is_confirmed else _LONGEST_UNSEEN_BREAK)
        return Agreement(wall, boot, self.seconds if is_plausible else 0.0)


def from_fact(fact: bytes | None) -> Agreement | None:
    """The agreement that an earlier run saved; None if nothing readable was saved."""
    try:
        saved = None if fact is None else msgspec.json.decode(fact, type=Agreement)
    except (msgspec.DecodeError, UnicodeDecodeError):  # it is damaged, or another version wrote it
        return None
    return saved if saved is not None and saved.wall.tzinfo is not None else None


def to_fact(agreement: Agreement) -> bytes:
    """The agreement as it is saved for the next run."""
    return msgspec.json.encode(agreement)


def boot_seconds() -> float:
    """Seconds since the machine started, including suspends if the system counts them. Nobody can set this clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Retention:
    """Deletes old rows for the owner of a store. See docs/why/0024-store-migrations.md."""

    def __init__(
        self,
        outbox: Outbox,
        retention: timedelta,
        end_trades: Callable[[], Awaitable[int]],
    ) -> None:
        """`end_trades` ends some trades that have not changed for too long, and returns how many; 0 at the end."""
        self._outbox = outbox
        self._end_trades = end_trades
        self._retention = retention
        self._agreement: Agreement | None = None
        self._deleted_at: float | None = None

    async def run(self) -> None:
        """Look at the clocks every 5 minutes, and delete every hour, in pages so small that others hardly wait."""
        while True:
            with suppress(StoreFailed, CommandFailed):
                await self.look()
                if self._agreement is not None and self._agreement.is_enough and self._begin_if_due():
                    await self._delete(clock.now())
            await asyncio.sleep(_LOOK_EVERY.total_seconds())

    async def look(self) -> None:
        """Compare the clocks, and save the result for the next run. Raises StoreFailed."""
        if self._agreement is None:
            saved = from_fact((await self._outbox.do(LoadFacts(CLOCK))).get(AGREED))
            now, boot = clock.now(), boot_seconds()
            self._agreement = Agreement(now, boot) if saved is None else saved.next_run(now, boot)
        else:
            self._agreement = self._agreement.later(clock.now(), boot_seconds())
        await self._outbox.do(SaveFacts(CLOCK, {AGREED: to_fact(self._agreement)}))

    async def end(self) -> None:
        """Compare the clocks a last time, and save the result for the next run."""
        with suppress(StoreFailed, CommandFailed, StoreClosed):
            if self._agreement is not None:
                await self.look()

    def _begin_if_due(self) -> bool:
        """True once an hour. The hour counts as done even if deleting then fails."""
        now = asyncio.get_running_loop().time()
        if self._deleted_at is not None and now - self._deleted_at < _DELETE_EVERY.total_seconds():
            return False
        self._deleted_at = now
        return True

    async def _delete(self, now: datetime) -> None:
        while await self._end_trades():
            await asyncio.sleep(0)
        while await self._outbox.do(Prune(now - self._retention, PAGE)) == PAGE:
            await asyncio.sleep(0)
        last = await self._outbox.do(ForgetKeys(now))
        while last:
            await asyncio.sleep(0)
            last = await self._outbox.do(ForgetKeys(now, last))

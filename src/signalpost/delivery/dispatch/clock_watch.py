"""Notices that the system clock was set, while a dispatcher runs and between two runs, and keeps waits their length.

Pace, backoff and breaker go by the loop's clock, which nobody sets. What waits for a time of day is in the store: a
clock that is put forward only ends its wait early, one that is put back would make it as much longer.
"""

import asyncio

from signalpost import clock
from signalpost.delivery.dispatch.patient_outbox import PatientOutbox
from signalpost.delivery.facts import CLOCK, read_seen, seen_fact
from signalpost.delivery.outbox.commands import LoadFacts, SaveFacts, ShortenWaits
from signalpost.domain.events import ClockStepped, Listener

STEP = 1.0
"""Seconds by which two clocks may come apart unnoticed."""


class ClockWatch:
    """Belongs to one dispatcher. After a suspend the clock seems to have been put forward, and nothing is wrong.

    A replay's own clock leaps all the time: it is not watched, where `is_of_a_replay`.
    """

    def __init__(self, outbox: PatientOutbox, emit: Listener, *, is_of_a_replay: bool = False) -> None:
        self._is_watched = not is_of_a_replay
        self._outbox = outbox
        self._emit = emit
        self._offset = 0.0
        self._has_to_shorten = False

    async def begin(self) -> None:
        """Look whether the clock was put back since the last run. Raises StoreFailed."""
        if not self._is_watched:
            return
        self._offset = _offset()
        facts = await self._outbox.do(LoadFacts(CLOCK))
        seen = read_seen(facts)
        if seen is not None and (behind := (seen - clock.now()).total_seconds()) > STEP:
            self._note(-behind)
        await self._shorten()

    async def look(self) -> bool:
        """Whether the clock was set since the last look. Raises StoreFailed, and then sees to it at the next."""
        if not self._is_watched:
            return False
        self._offset, before = _offset(), self._offset
        if is_set := abs(self._offset - before) > STEP:
            self._note(self._offset - before)
        await self._shorten()
        return is_set

    async def keep(self) -> None:
        """Write the time down, for the next run. Raises StoreFailed."""
        if self._is_watched:
            await self._outbox.do(SaveFacts(CLOCK, seen_fact(clock.now())))

    def _note(self, seconds: float) -> None:
        self._emit(ClockStepped(seconds))
        self._has_to_shorten = self._has_to_shorten or seconds < 0

    async def _shorten(self) -> None:
        if self._has_to_shorten:
            await self._outbox.do(ShortenWaits(clock.now()))
            self._has_to_shorten = False


def _offset() -> float:
    """Seconds between UTC and the loop's clock: constant, but where somebody sets a clock."""
    return clock.now().timestamp() - asyncio.get_running_loop().time()

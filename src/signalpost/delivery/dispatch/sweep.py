"""Expires deliveries, and notices changes of the system clock, while a dispatcher runs and between two runs.

Pace, backoff and breaker use the loop's clock, which nobody sets. A `not_before` in the store is a time of the system
clock. If the clock is set forward, such a wait ends early. If it is set back, the wait would grow by as much, so it is
shortened.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from heapq import heappop, heappush

from signalpost import clock
from signalpost.delivery.dispatch.lane import Lane
from signalpost.delivery.facts import CLOCK, read_seen, seen_fact
from signalpost.delivery.outbox.commands import Expire, LoadFacts, SaveFacts, ShortenWaits, Stats
from signalpost.delivery.outbox.patience import RetryingOutbox
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.events import ClockStepped, Listener, Settled
from signalpost.errors import CommandFailed, StoreClosed, StoreFailed

STEP = 1.0
"""Seconds by which the two clocks may drift apart without a report."""
_SWEEP_EVERY = 60.0
_LOOK_AT_CLOCK_EVERY = 10.0
_PAGE = 500
_MOST_KNOWN = 1000


class ClockWatch:
    """Reports steps of the system clock. After a suspend the clock seems to have been set forward, which is harmless.

    With `is_replay` it does nothing, because the clock of a replay steps all the time.
    """

    def __init__(self, outbox: RetryingOutbox, emit: Listener, *, is_replay: bool = False) -> None:
        self._is_watched = not is_replay
        self._outbox = outbox
        self._emit = emit
        self._offset = 0.0
        self._has_to_shorten = False

    async def begin(self) -> None:
        """Check whether the clock was set back since the last run. Raises StoreFailed."""
        if not self._is_watched:
            return
        self._offset = _offset()
        facts = await self._outbox.do(LoadFacts(CLOCK))
        seen = read_seen(facts)
        if seen is not None and (behind := (seen - clock.now()).total_seconds()) > STEP:
            self._note(-behind)
        await self._shorten()

    async def look(self) -> bool:
        """Whether the clock was set since the last look.

        Raises StoreFailed. The waits are then shortened at the next look.
        """
        if not self._is_watched:
            return False
        self._offset, before = _offset(), self._offset
        if is_set := abs(self._offset - before) > STEP:
            self._note(self._offset - before)
        await self._shorten()
        return is_set

    async def keep(self) -> None:
        """Save the time, for the next run. Raises StoreFailed."""
        if self._is_watched:
            await self._outbox.do(SaveFacts(CLOCK, seen_fact(clock.now())))

    def _note(self, seconds: float) -> None:
        self._emit(ClockStepped(seconds))
        self._has_to_shorten = self._has_to_shorten or seconds < 0

    async def _shorten(self) -> None:
        if self._has_to_shorten:
            await self._outbox.do(ShortenWaits(clock.now()))
            self._has_to_shorten = False


class Sweep:
    """Runs once a minute, and whenever the next known `valid_until` comes."""

    def __init__(
        self,
        lanes: Mapping[str, Lane],
        outbox: RetryingOutbox,
        watch: ClockWatch,
        *,
        jitter: Callable[[], float],
        emit: Listener,
        on_clock_set: Callable[[], None],
    ) -> None:
        self._lanes = lanes
        self._outbox = outbox
        self._clock = watch
        self._jitter = jitter
        self._emit = emit
        self._on_clock_set = on_clock_set
        self._sooner = asyncio.Event()
        self._known_until: list[datetime] = []

    def expect(self, valid_until: datetime) -> None:
        """Expire a waiting delivery at this time. If too many are expected, the next minute's run expires the rest."""
        if len(self._known_until) < _MOST_KNOWN:
            is_next = not self._known_until or valid_until < self._known_until[0]
            heappush(self._known_until, valid_until)
            if is_next:
                self._sooner.set()

    async def run(self) -> None:
        """Sweep until the store is closed."""
        loop = asyncio.get_running_loop()
        tick_at = loop.time()
        while True:
            self._sooner.clear()
            if is_tick := loop.time() >= tick_at:
                tick_at = loop.time() + _SWEEP_EVERY
            try:
                if is_set := await self._clock.look():
                    self._on_clock_set()
                if is_set or is_tick:
                    await self._look_again()
                if is_tick or self._forget_past():
                    await self._expire()
                if is_tick:
                    await self._clock.keep()
            except StoreClosed:
                for lane in self._lanes.values():
                    lane.look_again()  # so that its workers notice that the store is closed, and end
                return
            except (StoreFailed, CommandFailed):
                tick_at = min(tick_at, loop.time() + 1 + self._jitter())
            await self._sleep(min(tick_at, loop.time() + _LOOK_AT_CLOCK_EVERY))

    async def _look_again(self) -> None:
        """Wake the lanes with pending deliveries: one may have come free without a wake-up."""
        counts = await self._outbox.do(Stats(only_open=True))
        for name, lane in self._lanes.items():
            if counts.get((name, DeliveryState.PENDING)):
                lane.look_again()

    def _forget_past(self) -> bool:
        """Whether a known `valid_until` has passed since the last time."""
        now, count = clock.now(), len(self._known_until)
        while self._known_until and self._known_until[0] <= now:
            heappop(self._known_until)
        return len(self._known_until) < count

    async def _expire(self) -> None:
        while expired := await self._outbox.do(Expire(clock.now(), limit=_PAGE)):
            for delivery in expired:
                self._emit(Settled(delivery))
            shorter = {delivery.id.destination for delivery in expired}
            for name, lane in self._lanes.items():  # not in the order of the set, which differs from process to process
                if name in shorter:
                    lane.look_again()

    async def _sleep(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        seconds = until - loop.time()
        if self._known_until:
            seconds = min(seconds, (self._known_until[0] - clock.now()).total_seconds())
        timer = loop.call_later(max(0.0, seconds), self._sooner.set)
        try:
            await self._sooner.wait()
        finally:
            timer.cancel()


def _offset() -> float:
    """Seconds between UTC and the loop's clock. They change only if the system clock is set."""
    return clock.now().timestamp() - asyncio.get_running_loop().time()

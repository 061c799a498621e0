"""Waits until no open delivery can be tried within the time left.

Times are seconds of the loop's clock. If a gate waits for a request to end, its time is infinity. The gate then counts
as ready in time, because a request under way may end at any time.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from math import inf

from signalpost import clock
from signalpost.delivery.dispatch.gate import Availability
from signalpost.delivery.dispatch.lane import Lane
from signalpost.delivery.outbox.commands import Open, Stats
from signalpost.delivery.outbox.patience import RetryingOutbox
from signalpost.domain.delivery import Delivery, DeliveryState
from signalpost.domain.priority import NotificationPriority

_LOOKED_AT = 1000
"""The most deliveries of a lane that are checked. Those behind them are assumed to be ready."""


class Drain:
    """Ends a drain of all lanes, or of one notification, when nothing is left to wait for."""

    def __init__(self, lanes: Mapping[str, Lane], outbox: RetryingOutbox) -> None:
        self._lanes = lanes
        self._outbox = outbox
        self._all: set[asyncio.Event] = set()
        self._each: set[asyncio.Event] = set()
        self._is_over = False

    def lane_idle(self) -> None:
        """A lane has nothing to do at the moment, so drains check again."""
        for event in (*self._all, *self._each):
            event.set()

    def delivery_settled(self) -> None:
        """A delivery was settled, so drains of one notification check again."""
        for event in self._each:
            event.set()

    def begin(self) -> None:
        """The lanes have started."""
        self._is_over = False

    def end(self) -> None:
        """The lanes have stopped, so nothing is left to wait for."""
        self._is_over = True
        self.lane_idle()

    async def all_done(self, until: float) -> None:
        """Return once no open delivery can be tried by `until`. Raises StoreClosed."""
        with _added(self._all) as news:
            while not self._is_over:
                news.clear()
                if not self._is_busy and not await self._any_in_time(until) and not (self._is_busy or news.is_set()):
                    return  # no lane has leased during the query
                await news.wait()

    async def done(self, notification_id: str, until: float) -> None:
        """Return once this notification has ended everywhere, or cannot be tried by `until`. Raises StoreClosed."""
        with _added(self._each) as news:
            while not self._is_over:
                news.clear()
                held = self._edits_held(until)
                found = await self._outbox.insist(Open(notification_ids=(notification_id,), edits_held_in=held))
                if not self._can_move(found, until) and not news.is_set():
                    return
                await news.wait()

    @property
    def _is_busy(self) -> bool:
        return any(lane.busy for lane in self._lanes.values())

    async def _any_in_time(self, until: float) -> bool:
        counts = await self._outbox.insist(Stats(only_open=True))
        for name, lane in self._lanes.items():
            if counts.get((name, DeliveryState.PENDING)) and await self._is_in_time(lane, until):
                return True
        return False

    async def _is_in_time(self, lane: Lane, until: float) -> bool:
        if _comes(lane.passes_on_at(asyncio.get_running_loop().time()), until):
            return True
        if not _comes(_first_at(lane, NotificationPriority.URGENT), until):
            return False  # not even an URGENT could leave
        held = self._edits_held(until)
        found = await self._outbox.insist(Open(lane.destination, limit=_LOOKED_AT + 1, edits_held_in=held))
        if len(found) > _LOOKED_AT and _comes(_first_at(lane, NotificationPriority.HIGH), until):
            return True
        return self._can_move(found, until)

    def _edits_held(self, until: float) -> frozenset[str]:
        """The destinations where no edit may begin in time."""
        now = asyncio.get_running_loop().time()
        return frozenset(name for name, lane in self._lanes.items() if until < lane.gate.edits_ready_at(now) < inf)

    def _can_move(self, found: Iterable[Delivery], until: float) -> bool:
        """Whether one of these open deliveries is being sent, or may be tried in time."""
        by_lane: dict[str, list[Delivery]] = {}
        for each in found:
            if each.id.destination in self._lanes:
                if each.state is DeliveryState.LEASED:
                    return True
                by_lane.setdefault(each.id.destination, []).append(each)
        now, utc = asyncio.get_running_loop().time(), clock.now()
        return any(
            _comes(self._lanes[name].passes_on_at(now), until)
            or _comes(next_try(self._lanes[name].gate.availability(now), waiting, now, utc), until)
            for name, waiting in by_lane.items()
        )


def next_try(availability: Availability, waiting: Iterable[Delivery], now: float, utc: datetime) -> float:
    """When the first of a lane's pending deliveries, given in their order, may be tried; infinity for never.

    A delivery waits behind the earlier ones of its sequence, at most until they expire. `now` and `utc` are the same
    moment.
    """
    earliest = inf
    free_at: dict[str, float] = {}
    for each in waiting:
        at = max(availability.at(each.priority, now, may_repeat=each.may_repeat), free_at.get(each.sequence, now))
        if each.not_before is not None:
            at = max(at, now + (each.not_before - utc).total_seconds())
        earliest = min(earliest, at)
        expires_at = now + (each.valid_until - utc).total_seconds()
        free_at[each.sequence] = max(free_at.get(each.sequence, now), expires_at)
    return earliest


def _first_at(lane: Lane, priority: NotificationPriority) -> float:
    now = asyncio.get_running_loop().time()
    return lane.gate.availability(now).at(priority, now)


def _comes(at: float, until: float) -> bool:
    return at <= until and at < inf


@contextmanager
def _added(events: set[asyncio.Event]) -> Iterator[asyncio.Event]:
    event = asyncio.Event()
    events.add(event)
    try:
        yield event
    finally:
        events.remove(event)

"""Intake and dispatch of one process, put together on one outbox, one bus and one view of the store's health."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from signalpost import clock
from signalpost.delivery.deduplication import NO_FILTERS, Filters
from signalpost.delivery.dispatch.dispatcher import Dispatcher
from signalpost.delivery.dispatch.gate import Gate
from signalpost.delivery.dispatch.gates import LaneSettings
from signalpost.delivery.dispatch.lane import Lane
from signalpost.delivery.intake import Intake
from signalpost.delivery.outbox.book import AddChart
from signalpost.delivery.outbox.patience import StoreHealth
from signalpost.delivery.outbox.port import Outbox
from signalpost.delivery.pacing.limits import HOST_RATE, Rate
from signalpost.delivery.routing import Routing
from signalpost.delivery.ticket_ids import TicketIds
from signalpost.domain.events import ChartQueued
from signalpost.domain.notification import payload_id
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.validity import OPEN_FOR, SIGNAL_WITHOUT_TIMEFRAME
from signalpost.telemetry.bus import Bus


class Engine:
    """Always has an intake. Has a dispatcher only while this process owns the store: from `deliver` to `release`.

    `on_put` is called after each put. `random_bits` draws the random part of ticket ids. `open_for`,
    `valid_for` and `filters` are as in Intake.
    """

    def __init__(
        self,
        outbox: Outbox,
        routing: Routing,
        bus: Bus,
        *,
        random_bits: Callable[[int], int],
        on_put: Callable[[], None] = lambda: None,
        run: str | None = None,
        open_for: timedelta = OPEN_FOR,
        valid_for: timedelta = SIGNAL_WITHOUT_TIMEFRAME,
        filters: Filters = NO_FILTERS,
    ) -> None:
        self._outbox = outbox
        self._bus = bus
        self._on_put = on_put
        self.emit = bus.emit
        self._ids = TicketIds(random_bits)
        self.store_health = StoreHealth(bus.emit)
        self.dispatcher: Dispatcher | None = None
        self.intake = Intake(
            outbox,
            routing,
            self._ids,
            emit=bus.emit,
            on_put=self._put,
            run=run,
            health=self.store_health,
            open_for=open_for,
            valid_for=valid_for,
            filters=filters,
        )

    @property
    def lanes(self) -> Mapping[str, Lane]:
        """The lanes by destination; none in a producer."""
        return MappingProxyType({}) if self.dispatcher is None else self.dispatcher.lanes

    @property
    def gates(self) -> Mapping[str, Gate]:
        """The gates by destination; none in a producer."""
        return {name: lane.gate for name, lane in self.lanes.items()}

    async def deliver(
        self,
        lanes: Mapping[str, LaneSettings],
        *,
        jitter: Callable[[], float],
        host_rate: Rate | None = HOST_RATE,
        at_most_once: frozenset[str] = frozenset(),
        is_replay: bool = False,
        may_send: Callable[[], bool] = lambda: True,
    ) -> Dispatcher:
        """Begin to deliver, as the owner of the store. If it raises StoreFailed, nothing has begun."""
        dispatcher = Dispatcher(
            self._outbox,
            lanes,
            jitter=jitter,
            bus=self._bus,
            host_rate=host_rate,
            at_most_once=at_most_once,
            is_replay=is_replay,
            health=self.store_health,
            may_send=may_send,
        )
        await dispatcher.start()
        self.dispatcher = dispatcher
        return dispatcher

    def release(self) -> Dispatcher | None:
        """Return the dispatcher, which the caller stops. New notifications no longer reach it."""
        dispatcher, self.dispatcher = self.dispatcher, None
        return dispatcher

    async def add_chart(self, sequence: str, destination: str, valid_until: datetime) -> None:
        """Queue an edit that adds a chart to a card, unless the card is about to change. Raises StoreFailed."""
        now = clock.now()
        made = await self._outbox.do(AddChart(sequence, destination, self._ids.next(now), now, valid_until))
        if made is not None:
            self.emit(ChartQueued(destination, payload_id(made.payload)))
            self._put((destination,), made.priority, valid_until)

    def _put(self, destinations: Iterable[str], priority: NotificationPriority, valid_until: datetime) -> None:
        if self.dispatcher is not None:
            self.dispatcher.wake(destinations, priority, valid_until)
        self._on_put()

"""The embeddable service: accepts notifications, and delivers them while it runs.

Everything here belongs to one event loop. Strategies in other threads use `integration`.
"""

from collections.abc import Coroutine, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Self
from warnings import warn

from signalpost.config import Config
from signalpost.config.config import checked
from signalpost.delivery.outbox.book import BookEntry, FindTrades
from signalpost.delivery.tickets import of_several
from signalpost.domain.change import CancelOrder, Change, Close, ExpireOrder, Fill, Update
from signalpost.domain.delivery import Delivery
from signalpost.domain.events import Listener
from signalpost.domain.ledger import StreamState, Unpublished
from signalpost.domain.notification import NEW, Payload
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.reports import Alert
from signalpost.domain.seconds import seconds
from signalpost.domain.signal import Signal
from signalpost.domain.text import id_of
from signalpost.domain.ticket import Ticket
from signalpost.domain.tier import UserTier
from signalpost.domain.trade import Trade
from signalpost.errors import StoreFailed
from signalpost.ingest.send_options import each_tier, several
from signalpost.service.health import Health, HealthStatus, Role
from signalpost.service.signal_verbs import SignalChange, SignalVerbs, name_of

if TYPE_CHECKING:
    from signalpost.service.charts import CandleSource

STOP_WITHIN = 10.0
"""Seconds that leaving `async with` waits for deliveries."""


class AsyncNotificationService(SignalVerbs[Coroutine[Any, Any, Ticket]]):
    """Accepts signals, alerts and other notifications, saves them to disk, and delivers each to its destinations.

    Use it as `async with AsyncNotificationService() as service:`, or call `start` and `stop`. Without a configuration
    it reads the environment. Raises InvalidConfiguration at once if that is invalid. Await the verbs that change a
    signal: they return its ticket. `candles` fetches the candles of a signal for the chart on its card; without it,
    cards have no charts.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        listeners: Iterable[Listener] = (),
        candles: "CandleSource | None" = None,
    ) -> None:
        self.config = checked(config) or Config.from_environment()
        from signalpost.service.runtime import Runtime  # with asyncio: not before it is needed

        self._runtime = Runtime(self.config, listeners, candles=candles)

    @property
    def role(self) -> Role | None:
        """Whether this process delivers from its data folder, or only queues for the process that does.

        A producer becomes the owner when that process is gone. None if the service is not running.
        """
        return self._runtime.role

    async def start(self) -> None:
        """Open the store, recover what an earlier run left, and begin to deliver; a second call changes nothing.

        If another process delivers from this data folder, this one only queues messages. Concurrent calls share one
        start; if all of them are cancelled, nothing is left behind. A start during a stop waits for its end. Raises
        StoreUnusable if the store cannot be opened, and StoreClosed if the service is stopped before it has started.
        """
        await self._runtime.start()

    async def stop(self, timeout: float | None = STOP_WITHIN) -> list[Delivery]:
        """Refuse new work, deliver for at most `timeout` seconds, close, and return what is still open.

        What is open then stays in the store, and the next run delivers it. A producer has nothing to deliver, and
        returns an empty list. Before a start it does nothing; a start that is under way is cut short. Concurrent calls
        wait for the same end. If all of them are cancelled, the service still closes, without waiting for deliveries.
        None waits without limit. Raises InvalidValue, before anything is stopped, if `timeout` is not a number, and
        StoreFailed if the store hangs.
        """
        return await self._runtime.stop(seconds(timeout))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def queue_notification(
        self,
        signal_or_alert: Payload,
        priority: NotificationPriority | int | str | None = None,
        user_tier: UserTier | str | None = None,
        additional_context: Mapping[str, object] | None = None,
        *,
        event: str = "new",
        hold: bool = True,
        tiers: Iterable[UserTier | str] = (),
        good_for: timedelta | str | None = None,
    ) -> Ticket:
        """Accept a signal, an alert or a report. A ticket with the outcome `accepted` means saved to disk.

        By default the priority depends on a signal's confidence or an alert's severity, is LOW for a status and NORMAL
        otherwise, and the tier is FREE. If the store is unavailable, the notification is held in memory, or refused if
        `hold` is False. Raises InvalidValue for invalid arguments. A failing network or disk shows only in the ticket.

        With `tiers`, it is for each of these. There is one ticket for all: refused if one of them was refused.
        `good_for`, such as "24h", is how long a signal's limit or stop order is good after its candle's close.

        `event` is deprecated for signals: use `update_signal` and its like. If the signal is in the book, `filled` and
        `closed` fill and close it at its `current_price`, `cancelled` and `expired` end its order, and an event that
        begins with `update` sets the stop, targets and notes that changed. Any other event is only a message.
        """
        intake = self._runtime.intake
        if intake is None:
            return self._runtime.not_running
        if event != NEW and isinstance(signal_or_alert, Signal):
            warn(DEPRECATED, DeprecationWarning, stacklevel=2)
            if (change := await self._reported(signal_or_alert, event)) is not None:
                name = signal_or_alert.signal_id
                return await intake.amend(name, change, exact=True, context=additional_context, hold=hold)
        payload, wanted = several(signal_or_alert, user_tier, tiers, good_for)
        accept = partial(intake.accept, payload, event=event, priority=priority, context=additional_context, hold=hold)
        return of_several([await accept(user_tier=tier) for tier in wanted])

    async def send_signal_async(
        self,
        signal: Signal,
        priority: NotificationPriority | int | str | None = None,
        user_tier: UserTier | str | None = None,
        additional_context: Mapping[str, object] | None = None,
        *,
        tiers: Iterable[UserTier | str] = (),
        good_for: timedelta | str | None = None,
    ) -> Ticket:
        """Queue a signal: `queue_notification` by another name."""
        return await self.queue_notification(
            signal, priority, user_tier, additional_context, tiers=tiers, good_for=good_for
        )

    _open = send_signal_async

    async def send_alert_async(self, alert: Alert, priority: NotificationPriority | int | str | None = None) -> Ticket:
        """Queue an alert: `queue_notification` by another name."""
        return await self.queue_notification(alert, priority)

    async def signals(self, *, only_live: bool = False, limit: int = 100) -> list[BookEntry]:
        """The newest signals of the book, each with the message that shows it in each destination.

        With `only_live`, only those that are pending or open. Raises StoreFailed if the store fails, and StoreClosed if
        the service is not running.
        """
        return list(await self._runtime.trades(FindTrades(only_live=only_live, limit=limit)))

    async def signal(self, id_or_signal: Signal | str) -> BookEntry | None:
        """One signal of the book, found as the verbs find it; None if it is unknown. Raises as `signals` does."""
        found = await self._runtime.trades(FindTrades(name=name_of(id_or_signal), exact=True))
        return found[0] if len(found) == 1 else None

    async def load_state(self, stream: str) -> StreamState | None:
        """The last committed state of a strategy's stream; None if there is none.

        Raises StoreFailed if the store fails, and StoreClosed if the service is not running.
        """
        return await self._runtime.started.engine.intake.load_state(stream)

    async def commit(
        self,
        state: StreamState,
        signals: Sequence[Signal],
        user_tier: UserTier | str | None = None,
        *,
        event: str = "new",
        additional_context: Mapping[str, object] | None = None,
        priority: NotificationPriority | int | str | None = None,
        tiers: Iterable[UserTier | str] = (),
        unpublished: Sequence[Unpublished] = (),
    ) -> list[Ticket]:
        """Save a stream's state together with the signals of its last candle, all or nothing; one ticket for each.

        With `tiers`, each signal is for each of these. The `unpublished` ones are recorded but not posted, and their
        tickets come last. Raises StoreFailed if the store fails: then the stream must not continue, and retries. Raises
        StoreClosed if the service is not running, and InvalidValue for invalid arguments.
        """
        intake = self._runtime.started.engine.intake
        context = additional_context
        wanted = [UserTier.FREE if tier is None else tier for tier in each_tier(user_tier, tiers)]
        return await intake.commit(
            state, signals, wanted, event=event, priority=priority, context=context, unpublished=unpublished
        )

    async def revise(self, signal_id: str) -> Ticket:
        """Mark a signal whose candle was corrected so that its cross is gone; a repeat changes nothing.

        Raises StoreFailed if the store fails, and StoreClosed if the service is not running.
        """
        return await self._runtime.started.engine.intake.revise(signal_id)

    async def drain(self, timeout: float | None = None, ticket_id: str | None = None) -> list[Delivery]:
        """Wait until nothing is open, for at most `timeout` seconds, and return the deliveries that still are.

        Waits for every retry, probe, pause and limit that ends within the timeout. Returns early only if nothing that
        is open can be delivered in time. A producer waits for its own notifications; without a webhook it waits only
        while another process delivers. With `ticket_id`, only that ticket's deliveries count. None waits without limit.
        Raises InvalidValue if the timeout is not a number of seconds, and StoreFailed if the store hangs.
        """
        return await self._runtime.drain(None if timeout is None else seconds(timeout), ticket_id)

    async def deliveries(self, ticket_id: str) -> list[Delivery]:
        """The present deliveries of a ticket; empty if it is unknown or the service is not running."""
        return await self._runtime.deliveries(ticket_id)

    def get_metrics(self) -> dict[str, int]:
        """Counts since the service was made. `notifications_queued` counts tickets, and the rest count deliveries.

        `oldest_command_s` is for how many seconds the oldest command has waited for the store.

        `queue_depth` covers the whole data folder. Deliveries of a producer's notifications are counted as sent by the
        process that sends them.
        """
        return self._runtime.metrics()

    async def _change(self, wanted: SignalChange) -> Ticket:
        if (intake := self._runtime.intake) is None:
            return self._runtime.not_running
        return await intake.amend(wanted.name, wanted.change, exact=True, if_version=wanted.if_version)

    async def _reported(self, signal: Signal, event: str) -> Change | None:
        """The change that `event` reports; None if the signal is not in the book, or the book cannot be read now."""
        event = id_of(event, "event")
        try:
            found = await self.signal(signal)
        except StoreFailed:
            return None
        if found is None or found.trade.signal.signal_id != signal.signal_id:
            return None
        return change_of(event, signal, found.trade)

    def health(self) -> Health:
        """The service's status, and why. A producer is healthy while some process delivers.

        Any thread may call it.
        """
        return self._runtime.health()

    def is_healthy(self) -> bool:
        """True if the status is healthy."""
        return self.health().status is HealthStatus.HEALTHY


DEPRECATED = (
    "queue_notification(event=...) is deprecated for signals: use update_signal, fill_signal, close_signal or "
    "cancel_signal"
)


def change_of(event: str, signal: Signal, trade: Trade) -> Change | None:
    """The change of `trade` that `signal` describes; None for an event that is only a message.

    `filled` and `closed` happened at `current_price`. An event that begins with `update` sets the stop, the targets
    ahead and the notes that differ from the trade; if none does, it is a note of `current_price`.
    """
    match event:
        case "filled":
            return Fill(price=signal.current_price)
        case "closed":
            return Close(price=signal.current_price)
        case "cancelled":
            return CancelOrder()
        case "expired":
            return ExpireOrder()
        case _:
            return _update(signal, trade) if event.startswith("update") else None


def _update(signal: Signal, trade: Trade) -> Update:
    news: dict[str, Any] = {}
    if signal.stop_loss is not None and signal.stop_loss != trade.stop:
        news["stop_loss"] = signal.stop_loss
    if (ahead := signal.targets[trade.hits :]) and ahead != trade.targets[trade.hits :]:
        news["targets"] = ahead
    if signal.notes and signal.notes not in (trade.signal.notes, trade.note):
        news["note"] = signal.notes
    return Update(**news or {"note": f"Price {signal.price_text(signal.current_price)}"})

"""The events that delivery emits; the log, metrics and your own listeners receive them.

Names are in the past tense. No event contains a secret. Listeners are called on the service's own loop and must not
block. See docs/why/0015-one-emission-point.md.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple, TypeVar

from signalpost.domain.delivery import Delivery
from signalpost.domain.instrument import Instrument
from signalpost.domain.notification import Notification
from signalpost.domain.reports import AlertSeverity
from signalpost.domain.ticket import Ticket
from signalpost.domain.timeframe import Timeframe


class Taken(NamedTuple):
    """Intake answered a notification; the ticket has the outcome."""

    ticket: Ticket
    notification: Notification
    destinations: tuple[str, ...]


class ChangeRefused(NamedTuple):
    """A change that was held in memory was refused when the store was available again."""

    signal: str
    """As the caller named it."""
    reason: str


class CardGone(NamedTuple):
    """The message that showed a signal is lost."""

    destination: str
    signal_id: str
    how: str
    """`deleted`, `moved` (its webhook posts elsewhere) or `locked` (its thread is)."""
    is_stopped: bool
    """True if it was deleted again after it was replaced: it is not posted again."""
    at: datetime
    channel: str | None = None
    """The id of the channel in which it was; None if that is unknown."""

    @property
    def is_for_operators(self) -> bool:
        """Whether an operator is alerted. If the card is posted again, only when that is in another channel."""
        return self.is_stopped or self.how == "moved"


class ChartQueued(NamedTuple):
    """An edit that adds a chart to the card of a signal was queued. It has no ticket."""

    destination: str
    signal_id: str


class ChartEnded(NamedTuple):
    """A chart was added to the card of a signal, or will not be."""

    destination: str
    signal_id: str
    failure: str | None = None
    """Why there is none; None if it was added."""


class SendBegan(NamedTuple):
    """Deliveries were leased for one message, and the attempt begins."""

    destination: str
    deliveries: tuple[Delivery, ...]
    waited_seconds: tuple[float, ...] = ()
    """How long each has waited since it was accepted, or since its `not_before`."""


class SendEnded(NamedTuple):
    """An attempt ended, with this outcome."""

    destination: str
    outcome: str
    """`delivered`, or the kind of evidence: rejected, unavailable, throttled, unconfirmed; `lapsed` if sending was cut
    short before an answer was saved. After the last two, the message may or may not have been shown."""
    detail: str
    took_seconds: float


class Settled(NamedTuple):
    """The result of a delivery is saved. `delivery` has its new state, which may be pending again."""

    delivery: Delivery
    notification: Notification | None = None
    shown_at: datetime | None = None
    """When its message was posted, by the destination's own clock; None for an edit, or if that is unknown."""


class PassedOn(NamedTuple):
    """A delivery to a fallback replaces one whose destination cannot be reached, and waits now."""

    delivery: Delivery
    origin: str
    """The destination that cannot be reached."""


class BreakerMoved(NamedTuple):
    """A destination's breaker is now `closed`, `open` or `half-open`."""

    destination: str
    state: str
    was: str = "closed"
    """Its state before. Only closed to open is a trip: a breaker that stays open over a restart was open already."""


class DestinationGone(NamedTuple):
    """A destination's webhook is gone for good: nothing is sent to it until a person enables it again.

    Emitted when this is discovered, and at each start.
    """

    destination: str
    reason: str
    at: datetime | None = None
    """When it was discovered, which may be before this start."""


class DestinationEnabled(NamedTuple):
    """A person enabled a destination whose webhook was gone; sending continues."""

    destination: str


class DestinationSeen(NamedTuple):
    """An answer showed which channel a destination posts to, or why it cannot post."""

    destination: str
    channel: str | None
    guild: str | None = None
    others: tuple[str, ...] = ()
    """Other destinations that post to the same channel."""
    trouble: str | None = None


class HostBanned(NamedTuple):
    """A host blocks this machine's address, and nothing is sent to it before `until`."""

    host: str
    reason: str
    until: datetime
    is_news: bool = True
    """True if no process knew of this ban before."""


class StoreMoved(NamedTuple):
    """The store became unavailable or available again."""

    is_well: bool
    reason: str = ""


class RowDamaged(NamedTuple):
    """A delivery's row in the store is damaged and was set aside: the delivery is dead, with the reason."""

    delivery: Delivery
    """The parts of it that can still be read."""
    was_open: bool
    """True if it was pending or leased; false if its state was damaged."""


class ClockStepped(NamedTuple):
    """The system clock was changed, or the machine slept, which looks like a clock set forward."""

    seconds: float
    """Negative if it was set back."""


class WorkerFailed(NamedTuple):
    """A background task, such as a sender, died and was restarted."""

    name: str
    reason: str
    """The exception's class."""
    detail: str = ""
    """The place that raised it."""


class WorkerRecovered(NamedTuple):
    """A restarted worker has run for 30 seconds without another failure."""

    name: str


class TookOver(NamedTuple):
    """The owner of the data folder is gone: this process delivers now, by its own configuration."""

    destinations: tuple[str, ...]
    """The destinations of this process."""


class OwnershipLost(NamedTuple):
    """This process was frozen for too long, and another took over. From now on it only queues messages."""

    process: int
    """The process that delivers now."""


class CandlesTaken(NamedTuple):
    """A strategy processed new candles. Its state and its signals are saved."""

    strategy: str
    """The stream's key."""
    feed: str
    candles: int
    took_seconds: float
    """From the start of the fetch until everything is saved."""
    waited_seconds: tuple[float, ...] = ()
    """From the close of each signal's candle until the signal is saved."""


class IncidentBegan(NamedTuple):
    """A feed or a strategy has failed for so long, or so often, that a person should know."""

    kind: str
    """`feed`, `stream` (one series of candles of a feed whose others work), `strategy`, or what a watchdog found:
    `silent-feed`, `silent`, `late-feed`, `late`, `cache`."""
    name: str
    """Of the feed, the series of candles or the strategy, or `cache`."""
    severity: AlertSeverity
    feed: str
    """The name of the feed, or `cache`."""
    reason: str
    since: datetime
    candles: tuple[Instrument, Timeframe] | None = None
    """Those that are missing or late; None if a strategy or the cache fails."""


class IncidentEnded(NamedTuple):
    """A feed or a strategy works again, or nothing needs the candles that failed."""

    incident: IncidentBegan
    at: datetime
    is_unused: bool = False
    """True if the candles are not needed any more: the feed may still fail."""


Event = (
    Taken
    | ChangeRefused
    | CardGone
    | ChartQueued
    | ChartEnded
    | SendBegan
    | SendEnded
    | Settled
    | PassedOn
    | BreakerMoved
    | DestinationGone
    | DestinationEnabled
    | DestinationSeen
    | HostBanned
    | StoreMoved
    | RowDamaged
    | ClockStepped
    | TookOver
    | OwnershipLost
    | WorkerFailed
    | WorkerRecovered
    | CandlesTaken
    | IncidentBegan
    | IncidentEnded
)
Listener = Callable[[Event], None]


def emit_each(emit: Listener, events: Iterable[Event]) -> None:
    """Emit the events one by one, each before the next one is found."""
    for event in events:
        emit(event)


_Marked = TypeVar("_Marked")


def hears(*kinds: type[Event]) -> Callable[[_Marked], _Marked]:
    """Mark one of our own listeners, or its class, so that a bus calls it only with events of these kinds."""

    def mark(listener: _Marked) -> _Marked:
        listener.kinds = frozenset(kinds)  # type: ignore[attr-defined]
        return listener

    return mark

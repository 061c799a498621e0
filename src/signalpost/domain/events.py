"""What happens, told once: the delivery wing emits these, and log, metrics and pages listen.

Names are past tense. None holds a secret. A listener is called on the service's own loop and must not wait. See
docs/why/0015-one-emission-point.md.
"""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from signalpost.domain.delivery import Delivery
from signalpost.domain.notification import Notification
from signalpost.domain.ticket import Ticket


class Taken(NamedTuple):
    """Intake answered: the ticket says what became of the notification."""

    ticket: Ticket
    notification: Notification
    destinations: tuple[str, ...]


class SendBegan(NamedTuple):
    """Deliveries were lent for one message, and its sending begins."""

    destination: str
    deliveries: tuple[Delivery, ...]


class SendEnded(NamedTuple):
    """A send came to an end, and this is what is known of it."""

    destination: str
    outcome: str
    """`delivered`, or the evidence in one word: rejected, unavailable, throttled, unconfirmed; `lapsed` where the
    process that sent it is gone. After the last two, nobody knows whether it was shown."""
    detail: str
    took_seconds: float


class Settled(NamedTuple):
    """A delivery's verdict is committed: it stands where `delivery` says, perhaps pending again."""

    delivery: Delivery
    notification: Notification | None = None


class BreakerMoved(NamedTuple):
    """A destination's breaker is now `closed`, `open` or `half-open`."""

    destination: str
    state: str
    was: str = "closed"
    """Its state before: to open from closed is a trip. One that is kept over a restart was open, and is."""


class DestinationGone(NamedTuple):
    """A destination's webhook is gone for good: nothing is sent through it until a person says so.

    Told when it turns out, and at each start.
    """

    destination: str
    reason: str
    at: datetime | None = None
    """Since when it is known, which may be before this start."""


class DestinationEnabled(NamedTuple):
    """A destination whose webhook was gone is sent to again, because a person said so."""

    destination: str


class DestinationSeen(NamedTuple):
    """An answer told where a destination shows, or why it can show nothing."""

    destination: str
    channel: str | None
    guild: str | None = None
    others: tuple[str, ...] = ()
    """Destinations that show in the same channel."""
    trouble: str | None = None


class HostBanned(NamedTuple):
    """A host refuses this address, and nothing is sent to it until then."""

    host: str
    reason: str
    until: datetime
    is_news: bool = True
    """Whether it was not known, to this process or an earlier one."""


class StoreMoved(NamedTuple):
    """The store failed, or is available again."""

    is_well: bool
    reason: str = ""


class RowDamaged(NamedTuple):
    """A delivery's row in the store was found damaged and set aside: the delivery is dead, for a reason it names."""

    delivery: Delivery
    """What can be read of it."""
    was_open: bool
    """Whether it was pending or leased; else its state was damaged."""


class ClockStepped(NamedTuple):
    """The system clock was set, or the machine slept, which looks like a clock that was put forward."""

    seconds: float
    """Below 0 where it was put back."""


class WorkerFailed(NamedTuple):
    """Work that goes on all the time, such as a sender, ended unexpectedly and was started again."""

    name: str
    reason: str
    """The kind of the exception."""
    detail: str = ""
    """Where it came from."""


class WorkerRecovered(NamedTuple):
    """Work that was started again has run for 30 seconds since."""

    name: str


class TookOver(NamedTuple):
    """The owner of the data folder is gone: this process delivers now, by its own configuration."""

    destinations: tuple[str, ...]
    """What it delivers to."""


class OwnershipLost(NamedTuple):
    """This process was frozen for too long, and another took over: it only queues messages from now on."""

    process: int
    """The process that delivers now."""


Event = (
    Taken
    | SendBegan
    | SendEnded
    | Settled
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
)
Listener = Callable[[Event], None]

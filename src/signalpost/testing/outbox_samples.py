"""What the contract of an outbox is checked with: made notifications, plain verdicts, and plain claims."""

from datetime import UTC, datetime, timedelta
from typing import Any

from signalpost.delivery.outbox.commands import (
    Leased,
    NewDelivery,
    NewNotification,
    Parcel,
    Settlement,
)
from signalpost.domain.alert import Alert
from signalpost.domain.delivery import Attempt, Delivery, DeliveryState
from signalpost.domain.notification import Notification
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.tier import UserTier

START = datetime(2026, 3, 2, 9, 30, 0, 123_456, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LANE = "signals-free"


def notification(
    name: str,
    sequence: str | None = None,
    event: str = "new",
    *,
    title: str = "Disk",
    priority: NotificationPriority = NotificationPriority.NORMAL,
    at: datetime = START,
    valid_for: timedelta = 60 * MINUTE,
) -> Notification:
    """A notification of an alert, its sequence being the alert's id: `name` itself unless given."""
    alert = Alert(
        alert_id=sequence or name,
        alert_type="disk",
        severity="low",
        title=title,
        message="Three per cent are left.",
        timestamp=START,
        valid_until=START + 60 * MINUTE,
    )
    return Notification(
        id=name,
        payload=alert,
        event=event,
        priority=priority,
        user_tier=UserTier.FREE,
        accepted_at=at,
        valid_until=at + valid_for,
    )


def new(told: Notification, rank: int = 0, *lanes: str, supersedes: bool = False) -> NewNotification:
    """That notification for each of the lanes, or for one; its key means the same for a day."""
    deliveries = tuple(NewDelivery(lane, rank) for lane in lanes or (LANE,))
    return NewNotification(told, deliveries, told.accepted_at + timedelta(days=1), supersedes)


def verdict(delivery: Delivery, state: DeliveryState, **changes: Any) -> Settlement:
    """A plain verdict on a delivery, with an attempt, and whatever is changed in it."""
    attempt = Attempt(START, START + MINUTE, "delivered", "200")
    plain = Settlement(delivery.id, state, attempt, delivery.attempts + 1, delivery.unanswered, delivery.may_repeat)
    return plain._replace(**changes)


def ids(lease: Leased) -> list[str]:
    """The ids of what was lent."""
    return [parcel.notification.id for parcel in lease.parcels]


def ids_of(parcels: tuple[Parcel, ...]) -> list[tuple[str, str]]:
    """The ids and destinations of what was found."""
    return [parcel.delivery.id[:2] for parcel in parcels]


def same(what: str, found: Any, expected: Any) -> None:
    """Raise AssertionError, saying what is wrong, where the two are not equal."""
    demand(found == expected, f"{what} is {found!r} and not {expected!r}")


def demand(kept: bool, broken: str) -> None:  # noqa: FBT001  # the first argument reads as the claim
    """Raise AssertionError where a promise was not kept."""
    if not kept:
        raise AssertionError(broken)

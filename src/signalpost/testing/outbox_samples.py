"""Sample notifications and verdicts for the contract test of outboxes."""

from datetime import UTC, datetime, timedelta
from typing import Any

from signalpost.delivery.outbox.commands import (
    Lease,
    Leased,
    NewDelivery,
    NewNotification,
    OutboxEntry,
    Settle,
    Settlement,
)
from signalpost.delivery.outbox.port import Outbox
from signalpost.domain.delivery import Attempt, Delivery, DeliveryState
from signalpost.domain.notification import Notification
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.reports import Alert
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
    """Make a notification of an alert. `sequence` is the alert's id and defaults to `name`."""
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


def new(made: Notification, rank: int = 0, *lanes: str) -> NewNotification:
    """Wrap a notification for `lanes`, by default LANE; its key is kept for a day."""
    deliveries = tuple(NewDelivery(lane, rank) for lane in lanes or (LANE,))
    return NewNotification(made, deliveries, made.accepted_at + timedelta(days=1))


def verdict(delivery: Delivery, state: DeliveryState, **changes: Any) -> Settlement:
    """Make a verdict with one attempt, modified by `changes`."""
    attempt = Attempt(START, START + MINUTE, "delivered", "200")
    plain = Settlement(delivery.id, state, attempt, delivery.attempts + 1, delivery.unanswered, delivery.may_repeat)
    return plain._replace(**changes)


async def end_next(outbox: Outbox, state: DeliveryState, lane: str = LANE, **changes: Any) -> Delivery:
    """Lease the next delivery of a lane and settle it with such a verdict. Returns it as it was leased."""
    (leased,) = (await outbox.do(Lease(lane, START))).entries
    await outbox.do(Settle((verdict(leased.delivery, state, **changes),)))
    return leased.delivery


def ids(lease: Leased) -> list[str]:
    """The notification ids in a lease."""
    return [entry.notification.id for entry in lease.entries]


def ids_of(entries: tuple[OutboxEntry, ...]) -> list[tuple[str, str]]:
    """The ids and destinations of the deliveries."""
    return [entry.delivery.id[:2] for entry in entries]

"""How one delivery becomes another: settled, passed on to a fallback, or revived. Pure."""

from signalpost.delivery.outbox.commands import NewDelivery, Revive, Settlement
from signalpost.delivery.outbox.lanes import Row
from signalpost.domain.delivery import NEXT_STATES, Delivery, DeliveryId, DeliveryState
from signalpost.domain.notification import Notification

REVIVABLE = frozenset({DeliveryState.DEAD, DeliveryState.UNCONFIRMED, DeliveryState.EXPIRED, DeliveryState.CANCELLED})
"""Where a delivery may be revived from."""


def first(notification: Notification, number: int, sequence: str, wanted: NewDelivery) -> Row:
    """The delivery that intake asks for."""
    delivery = Delivery(
        DeliveryId(notification.id, wanted.destination),
        wanted.state,
        notification.priority,
        wanted.rank,
        sequence,
        notification.valid_until,
        reason=wanted.reason,
    )
    return Row(number, notification.event, delivery)


def settled(row: Row, verdict: Settlement) -> Row | None:
    """The row as the verdict leaves it; None where it is not leased, or may not go there."""
    old = row.delivery
    if old.state is not DeliveryState.LEASED or verdict.state not in NEXT_STATES[old.state]:
        return None
    new = Delivery(
        old.id,
        verdict.state,
        old.priority,
        old.rank,
        old.sequence,
        old.valid_until,
        verdict.not_before,
        verdict.attempts,
        verdict.unanswered,
        verdict.may_repeat,
        verdict.reason,
        old.message_id if verdict.message is None else verdict.message.message_id,
    )
    return Row(row.number, row.event, new)


def passed_on(row: Row, fallback: NewDelivery) -> Row:
    """The settled row's delivery to another destination; it may repeat what the first may have shown."""
    old = row.delivery
    new = Delivery(
        DeliveryId(old.id.notification_id, fallback.destination),
        fallback.state,
        old.priority,
        fallback.rank,
        old.sequence,
        old.valid_until,
        may_repeat=old.may_repeat,
        reason=fallback.reason,
    )
    return row._replace(delivery=new)


def revived(row: Row, wish: Revive) -> Row | None:
    """The row's next turn; None where it is not one that may be revived."""
    old = row.delivery
    if old.state not in REVIVABLE:
        return None
    new = Delivery(
        old.id._replace(turn=old.id.turn + 1),
        DeliveryState.PENDING,
        old.priority,
        wish.rank,
        old.sequence,
        wish.valid_until,
        may_repeat=old.may_repeat or old.state is DeliveryState.UNCONFIRMED,
        reason=f"revives {old.id}",
    )
    return row._replace(delivery=new)

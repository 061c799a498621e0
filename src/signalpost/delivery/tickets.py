"""The tickets with which intake answers."""

from datetime import timedelta

from signalpost.delivery.outbox.commands import NewNotification, PutResult
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.instant import iso
from signalpost.domain.notification import Notification, payload_id
from signalpost.domain.signal import Signal
from signalpost.domain.ticket import Outcome, Refusal, Ticket

_MOST_AHEAD = timedelta(minutes=1)
"""How far in the future a signal's candle may open before the ticket carries a warning."""


def ticket_of(new: NewNotification, result: PutResult) -> Ticket:
    """The ticket of a notification that was put."""
    if result.outcome is Outcome.REFUSED:
        return conflict(new.notification)
    reasons = [each.reason for each in new.deliveries if each.state is DeliveryState.SUPPRESSED]
    if result.outcome is Outcome.ACCEPTED and len(reasons) == len(new.deliveries):
        return Ticket(Outcome.SUPPRESSED, result.notification_id, reasons[0])
    if result.number is None:
        return Ticket(result.outcome, result.notification_id)
    opened = payload_id(new.notification.payload)
    return Ticket(result.outcome, result.notification_id, signal_id=opened, version=1)


def warned(notification: Notification, ticket: Ticket) -> Ticket:
    """`ticket`, with a warning if a new signal's time is in the future."""
    signal = notification.payload
    if ticket.outcome is Outcome.REFUSED or notification.event != "new" or not isinstance(signal, Signal):
        return ticket
    ahead = signal.timestamp - notification.accepted_at
    if ahead <= _MOST_AHEAD:
        return ticket
    hours = f"{ahead / timedelta(hours=1):.1f} hours"
    warning = f"timestamp is {iso(signal.timestamp)}, {hours} in the future: the time zone is probably wrong"
    return ticket._replace(warnings=(*ticket.warnings, warning))


def conflict(notification: Notification) -> Ticket:
    """The ticket of one whose key was accepted with other content."""
    reason = f"{notification.key!r} was already accepted with different content: use a different id"
    return Ticket(Outcome.REFUSED, "", reason, Refusal.CONFLICT)

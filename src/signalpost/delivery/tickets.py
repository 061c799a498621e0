"""The tickets with which intake answers."""

from collections.abc import Sequence
from datetime import timedelta

from signalpost.delivery.outbox.commands import NewNotification, PutResult
from signalpost.delivery.routing import Routing
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.instant import iso
from signalpost.domain.notification import Notification, payload_id
from signalpost.domain.signal import Signal
from signalpost.domain.ticket import Outcome, Refusal, Ticket

_BY_WEIGHT = (Outcome.DUPLICATE, Outcome.SUPPRESSED, Outcome.ACCEPTED, Outcome.HELD, Outcome.DIRECT, Outcome.REFUSED)
"""The outcomes by weight. Of several outcomes, the one that is last here counts."""
_MOST_AHEAD = timedelta(minutes=1)
"""How far in the future a signal's candle may open before the ticket carries a warning."""


def ticket_of(new: NewNotification, result: PutResult) -> Ticket:
    """The ticket of a notification that was put."""
    if result.outcome is Outcome.REFUSED:
        return conflict(new.notification)
    opened = None if result.number is None else payload_id(new.notification.payload)
    if result.unpublished is not None:
        return Ticket(Outcome.SUPPRESSED, result.notification_id, result.unpublished, signal_id=opened)
    reasons = [each.reason for each in new.deliveries if each.state is DeliveryState.SUPPRESSED]
    if result.outcome is Outcome.ACCEPTED and len(reasons) == len(new.deliveries):
        return Ticket(Outcome.SUPPRESSED, result.notification_id, reasons[0])
    if result.number is None:
        return Ticket(result.outcome, result.notification_id)
    return Ticket(result.outcome, result.notification_id, signal_id=opened, version=result.version)


def of_several(tickets: Sequence[Ticket]) -> Ticket:
    """One ticket for the same notification for several tiers: the outcome that matters most, and all warnings."""
    if len(tickets) == 1:
        return tickets[0]
    ticket = max(tickets, key=lambda ticket: _BY_WEIGHT.index(ticket.outcome))
    known = next((each for each in tickets if each.id), ticket)
    warnings = tuple(dict.fromkeys(warning for each in tickets for warning in each.warnings))
    opened = next((each for each in tickets if each.signal_id is not None), ticket)
    return ticket._replace(
        id=ticket.id or known.id, warnings=warnings, signal_id=opened.signal_id, version=opened.version
    )


def warned(notification: Notification, ticket: Ticket, routing: Routing) -> Ticket:
    """`ticket`, with a warning if a new signal's time is in the future, or if its tier is probably a mistake."""
    signal = notification.payload
    if ticket.outcome is Outcome.REFUSED or notification.event != "new" or not isinstance(signal, Signal):
        return ticket
    doubt, ahead = routing.doubt(notification.user_tier), signal.timestamp - notification.accepted_at
    warnings = ticket.warnings if doubt is None else (*ticket.warnings, doubt)
    if ahead > _MOST_AHEAD:
        hours = f"{ahead / timedelta(hours=1):.1f} hours"
        early = f"timestamp is {iso(signal.timestamp)}, {hours} in the future: the time zone is probably wrong"
        warnings = (*warnings, early)
    return ticket._replace(warnings=warnings) if warnings else ticket


def conflict(notification: Notification) -> Ticket:
    """The ticket of a notification whose key was accepted with other content."""
    reason = f"{notification.key!r} was already accepted with different content: use another id for a new one"
    return Ticket(Outcome.REFUSED, "", reason, Refusal.CONFLICT)

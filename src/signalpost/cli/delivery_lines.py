"""Shows deliveries as tables and lines for people, and as JSON for programs."""

from collections.abc import Iterable
from typing import Any

from rich.table import Table
from rich.text import Text

from signalpost.cli.tables import table
from signalpost.cli.time_format import utc_second
from signalpost.delivery.outbox.commands import Message, OutboxEntry
from signalpost.domain.delivery import Attempt
from signalpost.domain.digest import Digest
from signalpost.domain.instant import iso
from signalpost.domain.notification import Notification
from signalpost.domain.recap import Recap
from signalpost.domain.reports import Alert, Announcement, MarketAnalysis, SystemStatus
from signalpost.domain.signal import Signal

_COLOUR_BY_STATE = {"delivered": "green", "dead": "red", "unconfirmed": "yellow", "expired": "yellow"}

_LENGTH_OF_A_TICKET = 24


def deliveries_table(entries: Iterable[OutboxEntry]) -> Table:
    """One row per delivery."""
    columns = ("accepted (UTC)", "ticket", "destination", "state", "content")
    made = table("Deliveries", *columns, wraps="content")
    made.columns[1].min_width = _LENGTH_OF_A_TICKET  # complete, even next to a long destination name
    for delivery, notification, *_ in entries:
        made.add_row(
            f"{notification.accepted_at:%m-%d %H:%M}",
            delivery.id.notification_id,
            delivery.id.destination,
            Text(delivery.state, style=_COLOUR_BY_STATE.get(delivery.state, "")),
            Text(summary_of(notification), no_wrap=True, overflow="ellipsis"),  # cut off if too long
        )
    return made


def lines_of(entry: OutboxEntry, history: tuple[Attempt, ...], message: Message | None) -> Iterable[str]:
    """A delivery with its attempts, for people."""
    delivery, notification, *_ = entry
    yield f"{delivery.id}: {delivery.state}" + (f" ({delivery.reason})" if delivery.reason else "")
    yield f"  {notification.key}, {delivery.priority.name}, valid until {utc_second(delivery.valid_until)}"
    if delivery.message_id:
        yield f"  message {delivery.message_id}" + (f", sent {utc_second(message.sent_at)}" if message else "")
    if delivery.may_repeat:
        yield "  an earlier attempt may have been shown"
    for number, attempt in enumerate(history, start=1):
        took = (attempt.ended_at - attempt.began_at).total_seconds()
        detail = f": {attempt.detail}" if attempt.detail else ""
        yield f"  {number}. {attempt.began_at:%H:%M:%S} UTC, {took:.3f} s, {attempt.outcome}{detail}"


def plain_delivery(entry: OutboxEntry) -> dict[str, Any]:
    """A delivery as JSON."""
    delivery, notification, *_ = entry
    return {
        "ticket": delivery.id.notification_id,
        "destination": delivery.id.destination,
        "turn": delivery.id.turn,
        "key": notification.key,
        "state": delivery.state,
        "priority": delivery.priority.name,
        "accepted_at": iso(notification.accepted_at),
        "valid_until": iso(delivery.valid_until),
        "not_before": None if delivery.not_before is None else iso(delivery.not_before),
        "attempts": delivery.attempts,
        "may_repeat": delivery.may_repeat,
        "reason": delivery.reason,
        "rule": delivery.rule,
        "message_id": delivery.message_id,
    }


def plain_history(history: tuple[Attempt, ...], message: Message | None) -> dict[str, Any]:
    """The attempts and the message that shows the delivery, as JSON."""
    return {
        "message": None
        if message is None
        else {"message_id": message.message_id, "sent_at": iso(message.sent_at), "version": message.version},
        "history": [
            {
                "began_at": iso(attempt.began_at),
                "ended_at": iso(attempt.ended_at),
                "outcome": attempt.outcome,
                "detail": attempt.detail,
            }
            for attempt in history
        ],
    }


def summary_of(notification: Notification) -> str:
    """Such as `BUY EUR_USD H4` or `high alert: No candles since 10:00`."""
    event = "" if notification.event == "new" else f", {notification.event}"
    match notification.payload:
        case Signal() as payload:
            return f"{payload.signal_type} {payload.stream}{event}"
        case Alert() as payload:
            return f"{payload.severity} alert: {payload.title}{event}"
        case MarketAnalysis() as payload:
            return f"analysis: {payload.title}{event}"
        case SystemStatus() as payload:
            return f"status: {payload.status}{event}"
        case Digest() as payload:
            return f"digest: {len(payload.signals)} missed"
        case Recap() as payload:
            return f"{payload.period.recurrence} recap: {payload.closed} closed"
        case payload:
            return f"announcement: {payload.title}{event}"


def kind_of(notification: Notification) -> str:
    """Its kind with an article: `a signal`."""
    return _KINDS[type(notification.payload)]


_KINDS = {
    Signal: "a signal",
    Alert: "an alert",
    MarketAnalysis: "a market analysis",
    SystemStatus: "a status report",
    Announcement: "an announcement",
    Digest: "a digest",
    Recap: "a recap",
}

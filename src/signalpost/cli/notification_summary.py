"""Describes a notification in a few words, for a table or a sentence."""

from signalpost.domain.notification import Notification
from signalpost.domain.reports import Alert, Announcement, MarketAnalysis, SystemStatus
from signalpost.domain.signal import Signal


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
}

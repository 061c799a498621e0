"""A notification in a few words, for a line of a table or a sentence."""

from signalpost.domain.alert import Alert
from signalpost.domain.announcement import Announcement
from signalpost.domain.market_analysis import MarketAnalysis
from signalpost.domain.notification import Notification
from signalpost.domain.signal import Signal
from signalpost.domain.system_status import SystemStatus


def words_of(notification: Notification) -> str:
    """What it is about: `BUY EUR_USD H4`, `high alert: No candles since 10:00`."""
    event = "" if notification.event == "new" else f", {notification.event}"
    match notification.payload:
        case Signal() as told:
            return f"{told.signal_type} {told.pair} {told.timeframe}{event}"
        case Alert() as told:
            return f"{told.severity} alert: {told.title}{event}"
        case MarketAnalysis() as told:
            return f"analysis: {told.title}{event}"
        case SystemStatus() as told:
            return f"status: {told.status}{event}"
        case told:
            return f"announcement: {told.title}{event}"


def kind_of(notification: Notification) -> str:
    """What it is, with its article: `a signal`."""
    return _KINDS[type(notification.payload)]


_KINDS = {
    Signal: "a signal",
    Alert: "an alert",
    MarketAnalysis: "a market analysis",
    SystemStatus: "a status report",
    Announcement: "an announcement",
}

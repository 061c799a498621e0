"""Builds the cards of market analyses, status reports and announcements."""

from signalpost.domain.announcement import Announcement
from signalpost.domain.market_analysis import MarketAnalysis
from signalpost.domain.system_status import SystemStatus
from signalpost.sinks.discord.embed import GREEN, RED, Card, Field

BLUE, ORANGE, GREY, PURPLE = 0x3498DB, 0xFF8C00, 0x95A5A6, 0x9B59B6

_COLOUR_BY_STATUS = {
    **dict.fromkeys(("operational", "ok", "up", "online", "healthy", "running", "started"), GREEN),
    **dict.fromkeys(("degraded", "warning", "maintenance", "starting", "stopping"), ORANGE),
    **dict.fromkeys(("down", "offline", "critical", "error", "failed", "unhealthy", "outage"), RED),
}


def analysis_card(analysis: MarketAnalysis) -> Card:
    """Build the card of `analysis`."""
    return Card(
        headline=f"Market Analysis - {analysis.title}",
        title=analysis.title,
        colour=BLUE,
        at=analysis.timestamp,
        text=analysis.text,
        fields=(Field("Pair", str(analysis.pair)),) if analysis.pair else (),
        facts=tuple(analysis.context.items()),
    )


def status_card(status: SystemStatus) -> Card:
    """Build the card of `status`."""
    title = f"System Status - {status.status}"
    return Card(
        headline=title,
        title=title,
        colour=_COLOUR_BY_STATUS.get(status.status.lower(), GREY),
        at=status.timestamp,
        text=status.message,
        fields=(Field("Uptime", str(status.uptime).partition(".")[0]),) if status.uptime is not None else (),
        facts=tuple(status.metrics.items()),
    )


def announcement_card(announcement: Announcement) -> Card:
    """Build the card of `announcement`."""
    return Card(
        headline=announcement.title,
        title=announcement.title,
        colour=PURPLE,
        at=announcement.timestamp,
        text=announcement.text,
    )

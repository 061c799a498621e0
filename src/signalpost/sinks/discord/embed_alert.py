"""Builds the card of an alert; colour and title show the severity."""

from collections.abc import Iterator

from signalpost.domain.alert import Alert, AlertSeverity, AlertStatus
from signalpost.sinks.discord.embed import Card, Field, field, when

COLOUR_BY_SEVERITY = {
    AlertSeverity.CRITICAL: 0xFF0000,
    AlertSeverity.HIGH: 0xFF8C00,
    AlertSeverity.MEDIUM: 0xFFFF00,
    AlertSeverity.LOW: 0x00FFFF,
    AlertSeverity.INFO: 0x0080FF,
}

_LONGEST_NAME = 100


def alert_card(alert: Alert) -> Card:
    """Build the card of `alert`."""
    escalated = "ESCALATED: " if alert.escalation_level else ""
    title = f"{escalated}{alert.severity.upper()} Alert - {alert.title}"
    return Card(
        headline=title,
        title=title,
        colour=COLOUR_BY_SEVERITY[alert.severity],
        at=alert.timestamp,
        text=alert.message,
        fields=tuple(_fields(alert)),
        facts=tuple(alert.context.items()),
    )


def _fields(alert: Alert) -> Iterator[Field]:
    if alert.source:
        yield field("Source", alert.source, _LONGEST_NAME)
    yield field("Type", alert.alert_type, _LONGEST_NAME)
    if alert.status is not AlertStatus.ACTIVE:
        yield Field("Status", alert.status.capitalize())
    if alert.acknowledged_by:
        yield field("Acknowledged By", alert.acknowledged_by, _LONGEST_NAME)
    if alert.escalation_level:
        yield Field("Escalation", str(alert.escalation_level))
    if alert.tags:
        yield field("Tags", ", ".join(alert.tags), _LONGEST_NAME)
    yield Field("Since", when(alert.timestamp))
    yield field("Alert ID", alert.alert_id, _LONGEST_NAME)

"""The default priority of a payload, from a signal's confidence or an alert's severity."""

from decimal import Decimal

from signalpost.domain.alert import Alert, AlertSeverity
from signalpost.domain.notification import Payload
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.signal import Signal
from signalpost.domain.system_status import SystemStatus

URGENT_ABOVE = Decimal("0.9")
HIGH_ABOVE = Decimal("0.8")

_BY_SEVERITY = {
    AlertSeverity.CRITICAL: NotificationPriority.URGENT,
    AlertSeverity.HIGH: NotificationPriority.HIGH,
    AlertSeverity.MEDIUM: NotificationPriority.NORMAL,
    AlertSeverity.LOW: NotificationPriority.LOW,
    AlertSeverity.INFO: NotificationPriority.LOW,
}


def usual_priority(payload: Payload) -> NotificationPriority:
    """The default priority: a confidence above 0.9 is URGENT, above 0.8 HIGH; a critical alert is URGENT."""
    match payload:
        case Signal(confidence_score=confidence) if confidence is not None and confidence > URGENT_ABOVE:
            return NotificationPriority.URGENT
        case Signal(confidence_score=confidence) if confidence is not None and confidence > HIGH_ABOVE:
            return NotificationPriority.HIGH
        case Alert(severity=severity):
            return _BY_SEVERITY[severity]
        case SystemStatus():
            return NotificationPriority.LOW
        case _:
            return NotificationPriority.NORMAL

import pytest

from signalpost import Alert, Announcement, MarketAnalysis, NotificationPriority, Signal, SystemStatus
from signalpost.domain.notification import usual_priority

WHEN = "2026-01-05T12:00:00Z"


def signal(confidence: str | None) -> Signal:
    return Signal(
        pair="EURUSD", timeframe="H4", signal_type="BUY", entry_price=1, timestamp=WHEN, confidence_score=confidence
    )


@pytest.mark.parametrize(
    ("confidence", "priority"),
    [
        ("0.91", NotificationPriority.URGENT),
        ("0.9", NotificationPriority.HIGH),
        ("0.81", NotificationPriority.HIGH),
        ("0.8", NotificationPriority.NORMAL),
        ("0", NotificationPriority.NORMAL),
        (None, NotificationPriority.NORMAL),
    ],
)
def test_a_signal_is_as_urgent_as_it_is_confident(confidence: str | None, priority: NotificationPriority) -> None:
    assert usual_priority(signal(confidence)) is priority


@pytest.mark.parametrize(
    ("severity", "priority"),
    [
        ("critical", NotificationPriority.URGENT),
        ("high", NotificationPriority.HIGH),
        ("medium", NotificationPriority.NORMAL),
        ("low", NotificationPriority.LOW),
        ("info", NotificationPriority.LOW),
    ],
)
def test_an_alert_is_as_urgent_as_it_is_severe(severity: str, priority: NotificationPriority) -> None:
    assert usual_priority(Alert(alert_type="feed", severity=severity, title="t")) is priority


def test_a_status_is_low_and_other_payloads_are_normal() -> None:
    assert usual_priority(SystemStatus(status="operational")) is NotificationPriority.LOW
    assert usual_priority(MarketAnalysis(title="t", text="x")) is NotificationPriority.NORMAL
    assert usual_priority(Announcement(title="t", text="x")) is NotificationPriority.NORMAL

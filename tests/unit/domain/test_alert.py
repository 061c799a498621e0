from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from signalpost import Alert, AlertSeverity, AlertStatus, Context, InvalidValue
from tests.surface.errors import Facts, facts_of

NOW = datetime(2025, 8, 20, 5, 0, 1, tzinfo=UTC)


def made(**fields: Any) -> Alert:
    return Alert(**{"alert_type": "database_connectivity", "severity": "high", "title": "No database", **fields})


def test_an_alert_needs_a_type_a_severity_and_a_title() -> None:
    alert = made()
    assert (alert.severity, alert.status, alert.timestamp) == (AlertSeverity.HIGH, AlertStatus.ACTIVE, NOW)
    assert (alert.message, alert.context, alert.tags, alert.escalation_level) == ("", Context(), (), 0)
    assert (alert.source, alert.acknowledged_by, alert.acknowledged_at, alert.resolved_at) == (None, None, None, None)
    assert alert.alert_id.startswith("database-connectivity:20250820T050001Z:")


def test_every_field_is_converted() -> None:
    alert = made(
        message="down\ud800",
        timestamp="2025-08-20T07:00:00+02:00",
        alert_id=" a1 ",
        context={"host": "db1", "tries": np.int64(3)},
        status="Acknowledged",
        source="feed",
        tags=["db", "eu"],
        acknowledged_by="ops",
        acknowledged_at="2025-08-20T05:01:00Z",
        resolved_at="2025-08-20T05:02:00Z",
        escalation_level=np.int64(1),
    )
    assert (alert.message, alert.alert_id, alert.status) == ("down\ufffd", "a1", AlertStatus.ACKNOWLEDGED)
    assert alert.timestamp == datetime(2025, 8, 20, 5, tzinfo=UTC)
    assert alert.context == Context({"host": "db1", "tries": 3})
    assert (alert.tags, alert.source, alert.acknowledged_by) == (("db", "eu"), "feed", "ops")
    assert alert.acknowledged_at == datetime(2025, 8, 20, 5, 1, tzinfo=UTC)
    assert alert.resolved_at == datetime(2025, 8, 20, 5, 2, tzinfo=UTC)
    assert (type(alert.escalation_level), alert.escalation_level) == (int, 1)


@pytest.mark.parametrize(
    "other",
    [
        {"alert_type": "other"},
        {"severity": "low"},
        {"title": "Other"},
        {"message": "other"},
        {"timestamp": "2025-08-20T05:00:02Z"},
        {"context": {"host": "db2"}},
        {"source": "other"},
        {"tags": ["other"]},
    ],
    ids=lambda other: next(iter(other)),
)
def test_two_alerts_of_one_second_that_differ_have_different_ids(other: dict[str, Any]) -> None:
    assert made(**other).alert_id != made().alert_id == made().alert_id


def test_later_changes_to_an_alert_do_not_change_its_id() -> None:
    alert = made()
    moved = alert.but(status="resolved", escalation_level=2, acknowledged_by="ops", title="ESCALATED: No database")
    assert moved.alert_id == alert.alert_id
    assert made(status="resolved", escalation_level=2, acknowledged_by="ops").alert_id == alert.alert_id


SEVERITIES = "critical, high, medium, low, info"
STATUSES = "active, acknowledged, resolved, suppressed"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", Facts("missing", "alert_type")),
        ("a\nb", Facts("not-printable", "alert_type", "'a\\nb'", "200")),
        ("huge", Facts("unknown-word", "severity", "'huge'", SEVERITIES)),
        (" ", Facts("missing", "title")),
        (None, Facts("not-text", "message", "None")),
        ("2025-08-20", Facts("no-time-zone", "timestamp", "2025-08-20T00:00:00")),
        ("", Facts("missing", "alert_id")),
        (None, Facts("not-a-mapping", "context", "None")),
        ("gone", Facts("unknown-word", "status", "'gone'", STATUSES)),
        (1, Facts("not-text", "source", "1")),
        ("db", Facts("not-a-list", "tags", "'db'")),
        (None, Facts("not-a-list", "tags", "None")),
        ([""], Facts("missing", "tags")),
        ("", Facts("missing", "acknowledged_by")),
        (1, Facts("out-of-range", "acknowledged_at", "1", "1973 to 2286")),
        (1, Facts("out-of-range", "resolved_at", "1", "1973 to 2286")),
        (True, Facts("out-of-range", "escalation_level", "True", "0 to 100")),
        (-1, Facts("out-of-range", "escalation_level", "-1", "0 to 100")),
        (NOW, Facts("not-after", "valid_until", "2025-08-20T05:00:01Z", "2025-08-20T05:00:01Z")),
    ],
)
def test_an_invalid_field_is_refused_with_its_facts(given: object, expected: Facts) -> None:
    with pytest.raises(InvalidValue) as error:
        made(**{str(expected.field): given})
    assert facts_of(error.value) == [expected]
    assert str(expected.field) in str(error.value)
    assert (expected.value or "") in str(error.value)

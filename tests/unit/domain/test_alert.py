from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from signalpost import Alert, AlertSeverity, AlertStatus, Context, InvalidValue

NOW = datetime(2025, 8, 20, 5, 0, 1, tzinfo=UTC)


def made(**fields: Any) -> Alert:
    return Alert(**{"alert_type": "database_connectivity", "severity": "high", "title": "No database", **fields})


def test_an_alert_needs_a_type_a_severity_and_a_title() -> None:
    alert = made()
    assert (alert.severity, alert.status, alert.timestamp) == (AlertSeverity.HIGH, AlertStatus.ACTIVE, NOW)
    assert (alert.message, alert.context, alert.tags, alert.escalation_level) == ("", Context(), (), 0)
    assert (alert.source, alert.acknowledged_by, alert.acknowledged_at, alert.resolved_at) == (None, None, None, None)
    assert alert.alert_id.startswith("database-connectivity:20250820T050001Z:")


def test_all_that_is_given_is_converted() -> None:
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


def test_what_happens_to_an_alert_does_not_change_its_id() -> None:
    alert = made()
    moved = alert.but(status="resolved", escalation_level=2, acknowledged_by="ops", title="ESCALATED: No database")
    assert moved.alert_id == alert.alert_id
    assert made(status="resolved", escalation_level=2, acknowledged_by="ops").alert_id == alert.alert_id


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"alert_type": ""}, "alert_type is empty: give it a text"),
        ({"alert_type": "a\nb"}, "alert_type is 'a\\nb': give one line"),
        ({"severity": "huge"}, "severity is 'huge': give one of critical, high, medium, low, info"),
        ({"title": " "}, "title is empty: give it a text"),
        ({"message": None}, "message is None: give text"),
        ({"timestamp": "2025-08-20"}, "timestamp is 2025-08-20T00:00:00, which names no time zone"),
        ({"alert_id": ""}, "alert_id is empty: give it a text"),
        ({"context": None}, "the context is None: give a mapping of names to facts"),
        ({"status": "gone"}, "status is 'gone': give one of active, acknowledged, resolved, suppressed"),
        ({"source": 1}, "source is 1: give text"),
        ({"tags": "db"}, "tags is 'db': give a list of texts"),
        ({"tags": None}, "tags is None: give a list of texts"),
        ({"tags": [""]}, "tags is empty: give it a text"),
        ({"acknowledged_by": ""}, "acknowledged_by is empty: give it a text"),
        ({"acknowledged_at": 1}, "acknowledged_at is 1: as Unix time it is not between"),
        ({"resolved_at": 1}, "resolved_at is 1: as Unix time it is not between"),
        ({"escalation_level": True}, "escalation_level is True: give a whole number from 0 to 100"),
        ({"escalation_level": -1}, "escalation_level is -1: give a whole number from 0 to 100"),
        ({"valid_until": NOW}, "valid_until is 2025-08-20T05:00:01Z, not after"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_to_mend(fields: dict[str, Any], refusal: str) -> None:
    with pytest.raises(InvalidValue) as error:
        made(**fields)
    assert str(error.value).startswith(refusal)

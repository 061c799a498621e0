from typing import Any

import pytest

from signalpost.sinks.discord.message import message
from tests.unit.sinks.notifications import alert, item


def embed(**fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = message([item(alert(**fields))])["embeds"][0]
    return made


def shown(**fields: Any) -> list[tuple[str, str]]:
    return [(field["name"], field["value"]) for field in embed(**fields)["fields"]]


@pytest.mark.parametrize(
    ("severity", "colour"),
    [("critical", 0xFF0000), ("high", 0xFF8C00), ("medium", 0xFFFF00), ("low", 0x00FFFF), ("info", 0x0080FF)],
)
def test_colour_and_first_word_tell_the_severity(severity: str, colour: int) -> None:
    body = message([item(alert(severity=severity))])
    assert body["embeds"][0]["color"] == colour
    assert body["content"] == body["embeds"][0]["title"] == f"{severity.upper()} Alert - No database"


def test_the_message_is_the_text() -> None:
    assert embed(message="It *refuses*.")["description"] == r"It \*refuses\*."
    assert "description" not in embed()


def test_a_plain_alert_tells_its_type_its_time_and_its_id() -> None:
    assert shown(alert_id="a-1") == [
        ("Type", "database_connectivity"),
        ("Since", "<t:1755666000:f> (<t:1755666000:R>)"),
        ("Alert ID", "a-1"),
    ]


def test_all_that_an_alert_says_is_told() -> None:
    told = shown(
        alert_id="a-1",
        source="store",
        status="acknowledged",
        acknowledged_by="Ada",
        escalation_level=2,
        tags=["db", "disk_1"],
        context={"free_bytes": 0},
    )
    assert told == [
        ("Source", "store"),
        ("Type", "database_connectivity"),
        ("Status", "Acknowledged"),
        ("Acknowledged By", "Ada"),
        ("Escalation", "2"),
        ("Tags", "db, disk_1"),
        ("Since", "<t:1755666000:f> (<t:1755666000:R>)"),
        ("Alert ID", "a-1"),
        ("Free Bytes", "0"),
    ]


def test_an_escalated_alert_says_so_first() -> None:
    assert embed(escalation_level=1)["title"] == "ESCALATED: CRITICAL Alert - No database"

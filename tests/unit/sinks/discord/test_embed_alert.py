from typing import Any

import pytest

from signalpost.sinks.discord.message import message
from tests.surface.texts import assert_stored
from tests.unit.sinks.notifications import alert, as_text, item


def embed(**fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = message([item(alert(**fields))])["embeds"][0]
    return made


def shown(**fields: Any) -> list[tuple[str, str]]:
    return [(field["name"], field["value"]) for field in embed(**fields)["fields"]]


@pytest.mark.parametrize(
    ("severity", "colour"),
    [("critical", 0xFF0000), ("high", 0xFF8C00), ("medium", 0xFFFF00), ("low", 0x00FFFF), ("info", 0x0080FF)],
)
def test_colour_and_first_word_show_the_severity(severity: str, colour: int) -> None:
    body = message([item(alert(severity=severity))])
    assert body["embeds"][0]["color"] == colour
    assert body["content"] == body["embeds"][0]["title"]
    assert body["content"].startswith(severity.upper())
    assert body["content"].endswith("No database")


def test_the_message_is_the_text() -> None:
    assert embed(message="It *refuses*.")["description"] == r"It \*refuses\*."
    assert "description" not in embed()


def test_a_plain_alert_shows_its_type_its_time_and_its_id() -> None:
    assert [value for _, value in shown(alert_id="a-1")] == [
        "database_connectivity",
        "<t:1755666000:f> (<t:1755666000:R>)",
        "a-1",
    ]


def test_the_card_of_an_alert_shows_everything() -> None:
    made = alert(
        alert_id="a-1",
        source="store",
        status="acknowledged",
        acknowledged_by="Ada",
        escalation_level=2,
        tags=["db", "disk_1"],
        context={"free_bytes": 0},
    )
    assert_stored("card-of-an-alert", as_text(message([item(made)])))


def test_the_title_of_an_escalated_alert_begins_with_a_mark() -> None:
    plain, escalated = embed()["title"], embed(escalation_level=1)["title"]
    assert escalated.endswith(plain)
    assert escalated != plain

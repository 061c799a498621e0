from datetime import timedelta

import pytest

from signalpost.sinks.discord.message import message
from tests.unit.sinks.notifications import analysis, announcement, item, status


def test_an_analysis_shows_its_pair_and_its_facts() -> None:
    body = message([item(analysis(pair="EUR/USD", context={"trend": "up"}))])
    embed = body["embeds"][0]
    assert "Calm" in body["content"]
    assert (embed["title"], embed["description"], embed["color"]) == ("Calm", analysis().text, 0x3498DB)
    assert [(field["name"], field["value"]) for field in embed["fields"]] == [("Pair", "EUR_USD"), ("Trend", "up")]


def test_an_analysis_without_a_pair_has_no_fields() -> None:
    assert "fields" not in message([item(analysis())])["embeds"][0]


@pytest.mark.parametrize(
    ("word", "colour"),
    [("Operational", 0x00FF00), ("degraded", 0xFF8C00), ("DOWN", 0xFF0000), ("holiday", 0x95A5A6)],
)
def test_the_colour_of_a_status_shows_how_bad_it_is(word: str, colour: int) -> None:
    body = message([item(status(status=word))])
    assert body["embeds"][0]["color"] == colour
    assert body["content"] == body["embeds"][0]["title"]
    assert word in body["content"]


def test_a_status_shows_its_uptime_in_whole_seconds_and_its_metrics() -> None:
    made = status(message="Well.", uptime=timedelta(days=1, hours=2, milliseconds=5), metrics={"queue_depth": 0})
    embed = message([item(made)])["embeds"][0]
    assert embed["description"] == "Well."
    assert [(field["name"], field["value"]) for field in embed["fields"]] == [
        ("Uptime", "1 day, 2:00:00"),
        ("Queue Depth", "0"),
    ]


def test_an_uptime_of_zero_is_shown() -> None:
    assert message([item(status(uptime=timedelta()))])["embeds"][0]["fields"][0]["value"] == "0:00:00"


def test_an_announcement_shows_its_title_and_text() -> None:
    body = message([item(announcement())])
    embed = body["embeds"][0]
    assert (body["content"], embed["title"], embed["description"]) == ("Welcome", "Welcome", announcement().text)
    assert embed["color"] == 0x9B59B6

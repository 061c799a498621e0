from datetime import timedelta
from typing import Any

import pytest

from signalpost import Alert, Announcement, MarketAnalysis, SystemStatus, UserTier
from signalpost.sinks.discord.cards.alert import alert_card, resolved_companion
from signalpost.sinks.discord.cards.look import Colours, Event, Look, Sending
from signalpost.sinks.discord.cards.reports import analysis_card, announcement_card, status_card
from signalpost.sinks.discord.cards.view import View
from tests.contracts.discord_limits import refusals
from tests.unit.sinks.discord.cards.lives import ALERT_LOOK, NOON, ROLE

ADMIN = View(tier=UserTier.ADMIN)
COLOURS = Colours()
LOOK = Look()
REPLAY = View(tier=UserTier.ADMIN, run="march")


def alert(**changes: Any) -> Alert:
    given = {"alert_type": "disk_io", "severity": "high", "title": "Disk slow", "timestamp": NOON, "alert_id": "a"}
    return Alert(**(given | changes))


def lines(body: dict[str, Any]) -> list[str]:
    return str(body["embeds"][0].get("description", "")).split("\n")


def of_alert(view: View = ADMIN, **changes: Any) -> dict[str, Any]:
    return alert_card(alert(**changes), ALERT_LOOK, view, NOON + timedelta(minutes=7))


@pytest.mark.parametrize(
    ("severity", "colour", "is_silent", "pings"),
    [
        ("critical", COLOURS.red, False, True),
        ("high", COLOURS.orange, False, False),
        ("medium", COLOURS.grey, True, False),
        ("low", COLOURS.grey, True, False),
        ("info", COLOURS.grey, True, False),
    ],
)
def test_severity_decides_colour_sound_and_ping(severity: str, colour: int, is_silent: bool, pings: bool) -> None:
    body = of_alert(severity=severity)
    assert body["content"].startswith(f"{severity.upper()} · Disk slow")
    assert body["embeds"][0]["color"] == colour
    assert ("flags" in body, ROLE in str(body)) == (is_silent, pings)


def test_an_alert_without_a_message_says_since_when() -> None:
    assert lines(of_alert())[0].startswith("Since <t:")
    assert lines(of_alert())[0].endswith(":R>.")
    assert lines(of_alert(status="resolved"))[0].startswith("**It is over** after a problem since <t:")
    assert lines(of_alert(severity="low"))[0] == "-# disk IO"
    assert "It has lasted since <t:" in lines(of_alert(escalation_level=2))[0]


def test_an_escalated_alert_says_how_long_nobody_acknowledged_it() -> None:
    body = of_alert(message="The disk is slow. Messages wait.", escalation_level=2)
    assert lines(body)[0].startswith("**Nobody has acknowledged this for 7 min.** The disk is slow since <t:")
    assert lines(body)[-1] == "-# HIGH · level 2"
    assert ROLE in body["content"]


def test_a_resolved_alert_says_how_long_it_was() -> None:
    ended = {"status": "resolved", "message": "The disk is fast", "source": "host"}
    body = of_alert(**ended, resolved_at=NOON + timedelta(minutes=90))
    assert lines(body)[0].startswith("**The disk is fast** after 1 h 30 min, from <t:")
    assert lines(body)[-1] == "-# was HIGH · host"
    assert ROLE not in str(of_alert(**ended, severity="critical"))
    assert lines(of_alert(**ended))[0].startswith("**The disk is fast** after a problem since <t:")


def test_facts_tags_and_a_person_are_shown_and_escaped() -> None:
    body = of_alert(
        message="*Bold* @everyone", tags=["fx"], acknowledged_by="Ann", context={"queue_size": 7, "ok": True}
    )
    assert "\\*Bold\\*" in lines(body)[0]
    assert "@everyone" not in str(body)
    assert "-# disk IO · acknowledged by Ann · fx · queue size 7" in lines(body)
    assert "-# ok yes" in lines(body)


def test_a_long_title_is_cut_and_stays_on_one_line() -> None:
    body = of_alert(title="A very long\ntitle of an alert that goes on")
    assert body["content"] == "HIGH · A very long title of an aler…"
    assert lines(body)[0] == "**A very long title of an alert that goes on**"
    assert "**" not in str(lines(of_alert(message="")))


def test_a_long_title_of_a_person_is_whole_in_the_card() -> None:
    title = "Nothing will be sent during the whole of next week"
    assert lines(analysis(title=title))[0] == f"**{title}**"
    body = announcement_card(Announcement(title=title, text="Rest.", timestamp=NOON), LOOK, View())
    assert lines(body) == [f"**{title}**", "Rest."]


def test_an_alert_may_repeat_and_an_edit_keeps_its_headline() -> None:
    body = of_alert(View(may_repeat=True))
    assert body["embeds"][0]["footer"]["text"].endswith(" · may repeat")
    edited = of_alert(View(is_edit=True), severity="critical")
    assert (edited["content"], "roles" in edited["allowed_mentions"]) == ("CRITICAL · Disk slow", False)


def test_a_replays_alert_is_silent() -> None:
    assert "flags" in of_alert(REPLAY, severity="critical")
    assert of_alert(REPLAY)["content"] == "REPLAY · HIGH · Disk slow"
    assert of_alert(REPLAY)["embeds"][0]["footer"]["text"].endswith(" · replay")
    assert ROLE not in str(of_alert(REPLAY, severity="critical"))


def test_the_companion_of_a_resolved_alert_can_be_loud_or_off_and_needs_no_link() -> None:
    loud = resolved_companion(alert(), Look(companions={Event.RESOLVED: Sending.ON}), ADMIN)
    assert loud == {"content": "RESOLVED · Disk slow", "allowed_mentions": {"parse": []}}
    assert resolved_companion(alert(), Look(companions={Event.RESOLVED: Sending.OFF}), ADMIN) is None


def analysis(**changes: Any) -> dict[str, Any]:
    given = {"title": "Quiet week", "text": "Wait. Nothing else.", "timestamp": NOON}
    return analysis_card(MarketAnalysis(**(given | changes)), Look(producer="Acme"), View())


def test_an_analysis_has_its_thesis_in_bold_and_keeps_markdown() -> None:
    assert analysis()["content"] == "ANALYSIS · Quiet week"
    assert lines(analysis()) == [
        "**Wait.** Nothing else.",
        "-# By Acme",
        "-# A view, not a signal. Not financial advice.",
    ]
    assert lines(analysis(text="**Wait** and\nsee"))[:2] == ["**Wait** and", "see"]
    assert lines(analysis(text="Wait\nand *see*"))[:2] == ["**Wait**", "and *see*"]
    assert "-# trend up · regime calm" in lines(analysis(context={"trend": "up", "regime": "calm"}))


@pytest.mark.parametrize("title", ["EURUSD: calm", "EUR/USD: calm"])
def test_an_analysis_names_its_pair_once(title: str) -> None:
    assert analysis(pair="EUR_USD", title=title)["content"] == f"ANALYSIS · {title}"


def test_an_analysis_without_a_producer_is_by_nobody() -> None:
    body = analysis_card(MarketAnalysis(title="Calm", text="Wait", timestamp=NOON), LOOK, View())
    assert not any("By" in line for line in lines(body))


def test_a_text_that_is_cut_inside_a_code_block_closes_it() -> None:
    body = analysis(text="Levels\n```\n" + "1.08500 " * 600 + "\n```")
    assert lines(body)[-1] != "```"
    assert str(lines(body)).count("```") % 2 == 0
    assert refusals(body) == []


@pytest.mark.parametrize("title", ["BUY now", "sell everything", "**BUY** this", "> SELL"])
def test_a_headline_that_looks_like_a_signal_is_a_note(title: str) -> None:
    body = announcement_card(Announcement(title=title, text="No.", timestamp=NOON), LOOK, View())
    assert body["content"] == f"NOTE · {title}"


@pytest.mark.parametrize("title", ["Buyers beware", "No signals\ntoday", "SELLING soon"])
def test_any_other_headline_stays_on_one_line(title: str) -> None:
    body = announcement_card(Announcement(title=title, text="a\n\n# b", timestamp=NOON), LOOK, View())
    assert body["content"] == title.replace("\n", " ")
    assert lines(body) == ["a", "", "# b"]


def test_an_edited_announcement_keeps_its_headline_and_a_repeat_is_marked() -> None:
    text = Announcement(title="Hello", text="World", timestamp=NOON)
    assert announcement_card(text, Look(username="Acme"), View(is_edit=True))["content"] == "Hello"
    marked = announcement_card(text, LOOK, View(may_repeat=True))
    assert marked["embeds"][0]["footer"]["text"] == "Announcement · may repeat"
    assert announcement_card(text, LOOK, REPLAY)["flags"] == 4096
    assert announcement_card(text, LOOK, REPLAY)["content"] == "REPLAY · Hello"


def status(word: str, message: str = "", since: Any = None, **fields: Any) -> dict[str, Any]:
    return status_card(SystemStatus(status=word, message=message, timestamp=NOON, **fields), LOOK, View(), since)


@pytest.mark.parametrize(
    ("word", "content", "colour", "is_silent"),
    [
        ("ok", "OPERATIONAL", COLOURS.green, True),
        ("Maintenance", "DEGRADED", COLOURS.orange, False),
        ("outage", "DOWN", COLOURS.red, False),
        ("unheard of", "INFO · unheard of", COLOURS.grey, True),
    ],
)
def test_a_status_begins_with_a_word_that_programs_know(word: str, content: str, colour: int, is_silent: bool) -> None:
    body = status(word)
    assert (body["content"], body["embeds"][0]["color"], "flags" in body) == (content, colour, is_silent)
    assert refusals(body) == []


def test_a_status_of_one_line_is_its_headline_if_it_fits() -> None:
    assert status("down", "Discord is away.")["content"] == "DOWN · Discord is away"
    assert lines(status("down", "Discord is away."))[0].startswith("Since <t:")
    assert lines(status("down", "Discord is away."))[0].endswith(":R>.")
    long = status("down", "Discord has not answered for a very long time. Messages wait.")
    assert long["content"] == "DOWN · Discord has not answered for…"
    assert lines(long)[0].startswith("**Discord has not answered for a very long time** since <t:")
    assert lines(long)[0].endswith("Messages wait.")


def test_a_status_that_is_over_says_how_long_it_was() -> None:
    over = status("ok", "On time\nIt is over.", NOON - timedelta(hours=2))
    assert lines(over)[0].startswith("**It is over.** It lasted 2 h, from <t:")
    began = int((NOON - timedelta(hours=2)).timestamp())
    assert f"<t:{began}:t>" in lines(status("down", "Late\nSlow", NOON - timedelta(hours=2)))[0]


def test_a_status_is_escaped_and_counts_its_figures() -> None:
    figures = {"waiting": 12345, "mean_ms": 1.5, "paused": True}
    body = status("ok", "On *time*\n`x`", uptime=timedelta(days=12, hours=4), metrics=figures)
    assert body["content"] == "OPERATIONAL · On \\*time\\*"
    assert lines(body)[0] == "**\\`x\\`**"
    assert lines(body)[1] == "-# up 12 d 4 h · 12,345 waiting · mean ms 1.5"
    assert lines(body)[2] == "-# paused yes"

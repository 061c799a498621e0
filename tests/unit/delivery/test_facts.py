from datetime import UTC, datetime, timedelta

import pytest

from signalpost.delivery.facts import (
    INCIDENTS,
    Gone,
    Pace,
    ban_fact,
    card_gone_fact,
    gone_fact,
    incident_fact,
    name_fact,
    of_host,
    of_webhook,
    pace_fact,
    read_ban,
    read_cards_gone,
    read_gone,
    read_incidents,
    read_name,
    read_pace,
)
from signalpost.delivery.pacing.host import Ban
from signalpost.delivery.pacing.pacer import PaceMemory
from signalpost.domain.events import CardGone, IncidentBegan
from signalpost.domain.instrument import Instrument
from signalpost.domain.reports import AlertSeverity
from signalpost.domain.timeframe import Timeframe

NOW = datetime(2025, 8, 20, 5, tzinfo=UTC)
KEPT = PaceMemory((40.0, 0.5), 30.0)
NOTHING = Pace(PaceMemory((), 0.0), None)
ENDED = Gone("unknown webhook", NOW)
SHUT_OUT = Ban("403, a page", 600.0)


def test_a_gone_webhook_is_remembered_until_it_is_enabled() -> None:
    assert read_gone({}) is None
    assert read_gone(gone_fact(ENDED)) == ENDED
    assert gone_fact(None) == {"disabled": b""}


@pytest.mark.parametrize("unreadable", [b"true", b"\xff", b"{", b'"unknown webhook"'])
def test_a_webhook_with_an_unreadable_fact_counts_as_gone(unreadable: bytes) -> None:
    found = read_gone({"disabled": unreadable})
    assert found is not None
    assert found.reason
    assert found.at is None


@pytest.mark.parametrize("unreadable", [b"true", b"\xff", b"{", b'{"how": "deleted", "is_stopped": true, "at": "x"}'])
def test_a_lost_card_is_remembered_until_it_is_reported(unreadable: bytes) -> None:
    gone = CardGone("d", "a signal", "moved", is_stopped=False, at=NOW, channel="c1")
    kept = card_gone_fact(gone)
    assert read_cards_gone({**kept.facts, "card gone other": unreadable, "pace": b"{}"}, "d") == [gone]
    assert (kept.subject.name, set(kept.facts.values()) == {b""}) == ("d", False)
    assert card_gone_fact(gone, is_reported=True).facts == dict.fromkeys(kept.facts, b"")


@pytest.mark.parametrize("candles", [None, (Instrument("EUR_USD"), Timeframe("H4"))])
def test_an_incident_is_remembered_until_it_is_over(candles: tuple[Instrument, Timeframe] | None) -> None:
    incident = IncidentBegan("stream", "EUR_USD_H4", AlertSeverity.HIGH, "oanda", "code 503", NOW, candles)
    kept = incident_fact(incident)
    assert kept.subject == INCIDENTS
    ((name, value),) = kept.facts.items()
    damaged = value.replace(b"high", b"odd")
    assert read_incidents({name: value, "other": damaged, "pace": b"{}"}) == [incident]
    assert incident_fact(incident, is_over=True).facts == {name: b""}


def test_the_pace_ages_with_the_clock() -> None:
    assert read_pace(pace_fact(KEPT, NOW), NOW) == (KEPT, None)
    assert read_pace(pace_fact(KEPT, NOW), NOW + timedelta(seconds=10)).memory == PaceMemory((50.0, 10.5), 20.0)
    refused = KEPT._replace(refusals=(500.0, 1.0))
    assert read_pace(pace_fact(refused, NOW), NOW + timedelta(seconds=10)).memory.refusals == (510.0, 11.0)
    assert read_pace(pace_fact(KEPT, NOW), NOW + timedelta(hours=1)).memory.held_for == 0.0


def test_the_pace_is_kept_with_its_webhook_and_channel() -> None:
    shown = KEPT._replace(channel="77")
    assert read_pace(pace_fact(shown, NOW, "1-ab"), NOW) == Pace(shown, "1-ab")


def test_waits_keep_their_length_if_the_clock_was_set_back() -> None:
    assert read_pace(pace_fact(KEPT, NOW), NOW - timedelta(hours=1)).memory == KEPT
    assert read_ban(ban_fact(SHUT_OUT, NOW), NOW - timedelta(hours=1)) == SHUT_OUT


@pytest.mark.parametrize("unreadable", [b"{}", b"[", b'{"at":"2025-08-20T05:00:00","ages":[],"held_for":1}', b"\xff"])
def test_an_unreadable_pace_counts_as_none(unreadable: bytes) -> None:
    assert read_pace({"pace": unreadable}, NOW) == NOTHING
    assert read_pace({}, NOW) == NOTHING


def test_a_ban_is_kept_until_it_is_over() -> None:
    fact = ban_fact(SHUT_OUT, NOW)
    assert read_ban(fact, NOW + timedelta(seconds=599)) == Ban("403, a page", 1.0)
    assert read_ban(fact, NOW + timedelta(seconds=600)) is None
    assert read_ban({}, NOW) is None


@pytest.mark.parametrize("unreadable", [b"{}", b"[", b'{"at":"2025-08-20T05:00:00","held_for":1,"reason":""}', b"\xff"])
def test_an_unreadable_ban_counts_as_none(unreadable: bytes) -> None:
    assert read_ban({"ban": unreadable}, NOW) is None


def test_facts_of_webhooks_and_hosts_are_apart_from_those_of_a_destination_of_the_same_name() -> None:
    assert of_webhook("1-ab") == ("1-ab", "webhook")
    assert of_host("discord.com") == ("discord.com", "host")
    assert (read_name(name_fact("signals-free")), read_name({})) == ("signals-free", None)

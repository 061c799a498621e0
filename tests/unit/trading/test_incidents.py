from datetime import UTC, datetime, timedelta

from signalpost.domain.events import IncidentBegan, IncidentEnded
from signalpost.domain.instrument import Instrument
from signalpost.domain.reports import AlertSeverity
from signalpost.domain.timeframe import Timeframe
from signalpost.trading.incidents import FEED, STRATEGY, STREAM, Incidents, named

AT = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)
HIGH, CRITICAL = AlertSeverity.HIGH, AlertSeverity.CRITICAL


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def fail(incidents: Incidents, stream: str, seconds: float) -> list[IncidentBegan]:
    return list(incidents.feed_failed("oanda", stream, "code 503", after(seconds)))


def work(incidents: Incidents, stream: str, seconds: float) -> list[IncidentEnded]:
    return list(incidents.worked("oanda", stream, after(seconds)))


def test_a_feed_that_fails_for_a_minute_is_one_incident_however_many_streams_it_has() -> None:
    incidents = Incidents()
    assert fail(incidents, "a", 0) == fail(incidents, "b", 1) == fail(incidents, "a", 59) == []
    (began,) = fail(incidents, "a", 60)
    assert began == IncidentBegan(FEED, "oanda", HIGH, "oanda", "code 503", AT)
    assert fail(incidents, "b", 70) == fail(incidents, "a", 90) == []
    assert work(incidents, "b", 100) == [IncidentEnded(began, after(100))]
    assert work(incidents, "a", 101) == []


def test_a_feed_that_requires_a_long_wait_is_an_incident_after_a_minute_too() -> None:
    incidents, candles = Incidents(), (Instrument("EUR_USD"), Timeframe("M1"))
    assert list(incidents.waits("a", AT)) == []
    assert list(incidents.feed_failed("oanda", "a", "code 429", AT, candles)) == []
    assert list(incidents.waits("a", after(59))) == []
    (began,) = incidents.waits("a", after(61))
    assert began == IncidentBegan(FEED, "oanda", HIGH, "oanda", "code 429", AT, candles)
    assert list(incidents.waits("a", after(90))) == []


def test_a_stream_that_fails_alone_is_an_incident_of_its_own() -> None:
    incidents = Incidents()
    fail(incidents, "a", 0)
    work(incidents, "b", 30)
    (began,) = fail(incidents, "a", 61)
    assert (began.kind, began.name, began.feed) == (STREAM, "a", "oanda")
    assert work(incidents, "b", 62) == []
    assert work(incidents, "a", 63) == [IncidentEnded(began, after(63))]


def test_a_stream_that_still_fails_when_its_feed_works_again_is_reported() -> None:
    incidents = Incidents()
    fail(incidents, "a", 0)
    (of_feed,) = fail(incidents, "a", 60)
    assert work(incidents, "b", 70) == [IncidentEnded(of_feed, after(70))]
    (of_stream,) = fail(incidents, "a", 71)
    assert (of_stream.kind, of_stream.since) == (STREAM, AT)


def test_a_failure_that_ends_within_a_minute_is_no_incident() -> None:
    incidents = Incidents()
    fail(incidents, "a", 0)
    assert work(incidents, "a", 50) == fail(incidents, "a", 61) == []


def leave(incidents: Incidents, stream: str, seconds: float) -> list[IncidentEnded]:
    return list(incidents.left("oanda", stream, after(seconds)))


def test_the_incident_of_a_feed_ends_with_the_last_stream_that_needs_it() -> None:
    incidents = Incidents()
    for seconds in (0, 60):
        began = fail(incidents, "a", seconds)
        fail(incidents, "b", seconds)
    assert leave(incidents, "a", 70) == []
    assert "b since" in next(iter(incidents.reasons(after(70))))
    assert leave(incidents, "b", 80) == [IncidentEnded(began[0], after(80), is_unused=True)]
    assert list(incidents.reasons(after(80))) == leave(incidents, "b", 90) == []


def test_the_incident_of_a_stream_ends_when_it_leaves_a_feed_that_works_or_fails_for_others() -> None:
    incidents = Incidents()
    fail(incidents, "a", 0)
    work(incidents, "b", 30)
    (began,) = fail(incidents, "a", 61)
    fail(incidents, "b", 62)
    assert leave(incidents, "a", 63) == [IncidentEnded(began, after(63), is_unused=True)]
    assert leave(incidents, "b", 64) == [], "it was not reported yet"


def test_an_incident_of_an_earlier_process_is_not_repeated_and_ends() -> None:
    (of_feed,) = [*fail(Incidents(), "a", 0), IncidentBegan(FEED, "oanda", HIGH, "oanda", "code 503", AT)]
    of_strategy = IncidentBegan(STRATEGY, "a", CRITICAL, "oanda", "KeyError", AT)
    incidents = Incidents([of_feed, of_strategy])
    assert fail(incidents, "a", 100) == fail(incidents, "a", 161) == []
    assert list(incidents.strategy_failed("oanda", "a", "KeyError", 1, after(170))) == []
    assert work(incidents, "a", 180) == [IncidentEnded(of_feed, after(180)), IncidentEnded(of_strategy, after(180))]


def test_an_incident_of_an_earlier_process_is_over_if_nothing_needs_the_candles_any_more() -> None:
    named_after = [(FEED, "oanda"), (FEED, "gone"), (STREAM, "a"), (STREAM, "followed"), (STRATEGY, "b"), (STREAM, "c")]
    opened = [IncidentBegan(kind, name, HIGH, "oanda", "code 503", AT) for kind, name in named_after]
    incidents = Incidents(opened, [("oanda", "a")])
    ended = list(incidents.only([("files", "followed")], after(1)))
    assert [(each.incident.name, each.is_unused) for each in ended] == [("gone", True), ("b", True), ("c", True)]
    assert list(incidents.only([], after(2))) == [IncidentEnded(opened[3], after(2), is_unused=True)]


def test_a_strategy_that_raises_is_an_incident_at_once_and_critical_from_the_fifth_error() -> None:
    incidents = Incidents()
    errors = [
        list(incidents.strategy_failed("oanda", "a", "KeyError", number, after(number))) for number in range(1, 7)
    ]
    assert [[(each.kind, each.severity, each.since) for each in began] for began in errors] == [
        [(STRATEGY, HIGH, after(1))],
        [],
        [],
        [],
        [(STRATEGY, CRITICAL, after(1))],
        [],
    ]
    assert work(incidents, "a", 10) == [IncidentEnded(errors[4][0], after(10))]
    assert list(incidents.reasons(after(11))) == []


def test_health_names_each_feed_and_each_strategy_that_fails() -> None:
    incidents = Incidents()
    for stream in "abcde":
        fail(incidents, stream, 0)
    assert list(incidents.reasons(after(9))) == []
    list(incidents.strategy_failed("oanda", "f", "KeyError", 1, after(0)))
    of_feed, of_strategy = incidents.reasons(after(10))
    assert (of_feed.code, of_strategy.code) == ("feed-failed", "strategy-failed")
    assert all(fact in of_feed for fact in ("oanda", "a, b, c and 2 more", "code 503", "2026-03-03T10:00:00Z"))


def test_the_first_names_and_the_number_of_the_others() -> None:
    assert named(["b", "a"]) == "a, b"
    assert named(["d", "b", "a", "c"]) == "a, b, c and 1 more"

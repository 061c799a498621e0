from datetime import UTC, datetime, timedelta
from functools import partial

from signalpost.domain.events import IncidentBegan, IncidentEnded
from signalpost.domain.instrument import Instrument
from signalpost.domain.reports import AlertSeverity
from signalpost.domain.timeframe import Timeframe
from signalpost.trading.feeds.port import Series
from signalpost.trading.incidents import FEED, STRATEGY, STREAM, Incidents, named

AT = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)
HIGH, CRITICAL = AlertSeverity.HIGH, AlertSeverity.CRITICAL


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def series(stream: str, feed: str = "oanda") -> Series:
    """The series of a stream; those with names of one letter differ."""
    return Series(feed, Instrument("EUR_USD"), Timeframe(f"M{ord(stream[0]) - ord('a') + 1}"))


def fail(incidents: Incidents, stream: str, seconds: float) -> list[IncidentBegan]:
    return list(incidents.feed_failed(series(stream), stream, "code 503", after(seconds)))


def work(incidents: Incidents, stream: str, seconds: float) -> list[IncidentEnded]:
    return list(incidents.worked(series(stream), stream, after(seconds)))


def test_a_feed_that_fails_for_a_minute_is_one_incident_however_many_streams_it_has() -> None:
    incidents = Incidents()
    assert fail(incidents, "a", 0) == fail(incidents, "b", 1) == fail(incidents, "a", 59) == []
    (began,) = fail(incidents, "a", 60)
    assert began == IncidentBegan(FEED, "oanda", HIGH, "oanda", "code 503", AT, series("a")[1:])
    assert fail(incidents, "b", 70) == fail(incidents, "a", 90) == []
    assert work(incidents, "b", 100) == [IncidentEnded(began, after(100))]
    assert work(incidents, "a", 101) == []


def test_a_feed_that_requires_a_long_wait_is_an_incident_after_a_minute_too() -> None:
    incidents = Incidents()
    assert list(incidents.waits("a", AT)) == []
    assert list(incidents.feed_failed(series("a"), "a", "code 429", AT)) == []
    assert list(incidents.waits("a", after(59))) == []
    (began,) = incidents.waits("a", after(61))
    assert began == IncidentBegan(FEED, "oanda", HIGH, "oanda", "code 429", AT, series("a")[1:])
    assert list(incidents.waits("a", after(90))) == []


def test_a_stream_that_fails_alone_is_an_incident_of_its_own() -> None:
    incidents = Incidents()
    fail(incidents, "a", 0)
    work(incidents, "b", 30)
    (began,) = fail(incidents, "a", 61)
    assert (began.kind, began.name, began.feed) == (STREAM, "EUR_USD M1 of oanda", "oanda")
    assert work(incidents, "b", 62) == []
    assert work(incidents, "a", 63) == [IncidentEnded(began, after(63))]


def test_a_stream_that_still_fails_when_its_feed_works_again_is_reported() -> None:
    incidents = Incidents()
    fail(incidents, "a", 0)
    (of_feed,) = fail(incidents, "a", 60)
    assert work(incidents, "b", 70) == [IncidentEnded(of_feed, after(70))]
    (of_stream,) = fail(incidents, "a", 71)
    assert (of_stream.kind, of_stream.since) == (STREAM, AT)


def test_a_stream_that_has_not_been_tried_since_its_feed_works_is_not_reported_unless_it_waits_long() -> None:
    incidents = Incidents()
    fail(incidents, "a", 0)
    (of_feed,) = fail(incidents, "a", 60)
    assert work(incidents, "b", 70) == [IncidentEnded(of_feed, after(70))]
    assert list(incidents.waits("a", after(90))) == list(incidents.waits("a", after(120))) == []
    (of_stream,) = incidents.waits("a", after(121))
    assert (of_stream.kind, of_stream.since) == (STREAM, AT)


def test_a_failure_that_ends_within_a_minute_is_not_an_incident() -> None:
    incidents = Incidents()
    fail(incidents, "a", 0)
    assert work(incidents, "a", 50) == fail(incidents, "a", 61) == []


def leave(incidents: Incidents, stream: str, seconds: float) -> list[IncidentEnded]:
    return list(incidents.left(series(stream), stream, after(seconds)))


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
    series_of = {"a": series("a"), "followed": series("f", "files"), "gone": series("g")}
    opened = [
        *(IncidentBegan(FEED, name, HIGH, name, "code 503", AT) for name in ("oanda", "gone")),
        *(
            IncidentBegan(STREAM, name, HIGH, each.feed, "code 503", AT, (each.pair, each.timeframe))
            for name, each in series_of.items()
        ),
        IncidentBegan(STREAM, "unknown", HIGH, "oanda", "without its candles", AT),
        *(IncidentBegan(STRATEGY, name, HIGH, "oanda", "KeyError", AT) for name in "ab"),
        IncidentBegan("of a newer version", "a", HIGH, "oanda", "unknown", AT),
    ]
    incidents = Incidents(opened, {"a": series("a")})
    ended = list(incidents.only([series_of["followed"]], after(1)))
    assert [(each.incident.kind, each.incident.name) for each in ended if each.is_unused] == [
        (FEED, "gone"),
        (STREAM, "gone"),
        (STREAM, "unknown"),
        (STRATEGY, "b"),
        ("of a newer version", "a"),
    ]
    assert [each.incident.name for each in incidents.only([], after(2))] == ["followed"]


def test_a_series_that_two_streams_need_is_one_incident_until_both_work() -> None:
    incidents = Incidents()
    needs = {each: partial(incidents.feed_failed, series("a"), each, "code 404") for each in ("a", "follower")}
    for each in needs.values():
        assert list(each(after(0))) == []
    work(incidents, "b", 30)
    (began,) = [event for each in needs.values() for event in each(after(61))]
    assert (began.kind, began.name) == (STREAM, "EUR_USD M1 of oanda")
    assert list(incidents.worked(series("a"), "follower", after(70))) == []
    assert list(incidents.worked(series("a"), "a", after(71))) == [IncidentEnded(began, after(71))]


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

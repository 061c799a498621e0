"""Watchdogs: one incident for silent feeds, late candles and a stale cache, and none while the market is closed."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost.domain.events import IncidentBegan, IncidentEnded
from signalpost.domain.instrument import Instrument
from signalpost.domain.reports import AlertSeverity
from signalpost.domain.timeframe import Timeframe
from signalpost.trading.calendar import ALWAYS, FX, Calendar, calendar_of
from signalpost.trading.feeds.port import Series
from signalpost.trading.incidents import CACHE, LATE, LATE_FEED, SILENT, SILENT_FEED, Incidents
from signalpost.trading.watchdogs import FeedAnswer, WatchdogLimits, late_by, missing

AT = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
Found = list[tuple[str, str, str]]
PAIRS = {"b": "GBP_USD"}
"""The pairs of the streams. All others have EUR_USD."""
OF_A = "EUR_USD H1 of files"


def look(
    at: datetime,
    newest: datetime | None,
    stream: str = "a",
    *,
    news: bool = False,
    oldest: datetime | None = None,
    timeframe: str = "H1",
    calendar: Calendar = ALWAYS,
    forming: datetime | None = None,
) -> FeedAnswer:
    first = oldest or (newest if news else None)
    series = Series("files", Instrument(PAIRS.get(stream, "EUR_USD")), Timeframe(timeframe))
    return FeedAnswer(series, stream, calendar, newest, first, at, forming)


def found(incidents: Incidents, *looks: FeedAnswer) -> Found:
    """What began and ended, by kind and name."""
    return [kind for each in looks for kind in map(_plain, incidents.answered(each))]


def _plain(event: IncidentBegan | IncidentEnded) -> tuple[str, str, str]:
    if isinstance(event, IncidentBegan):
        return "began", event.kind, event.name
    return "unused" if event.is_unused else "ended", event.incident.kind, event.incident.name


def test_a_feed_that_brings_nothing_new_for_three_candles_is_one_incident_until_it_does() -> None:
    incidents = Incidents()
    quiet = [look(AT + minutes * MINUTE, AT - HOUR) for minutes in range(0, 181, 10)]
    assert found(incidents, *quiet) == []
    (began,) = incidents.answered(look(AT + 3 * HOUR + MINUTE, AT - HOUR))
    assert isinstance(began, IncidentBegan)
    assert (began.kind, began.name, began.severity, began.feed) == (SILENT_FEED, "files", AlertSeverity.HIGH, "files")
    assert (began.since, began.candles) == (AT + HOUR + MINUTE, ("EUR_USD", "H1")), "when the first one was due"
    assert "2026-03-03T09:00:00Z" in began.reason
    assert [each.code for each in incidents.reasons(began.since)] == ["feed-silent"]
    assert found(incidents, look(AT + 3 * HOUR + 2 * MINUTE, AT - HOUR), look(AT + 9 * HOUR, AT - HOUR)) == []
    assert found(incidents, look(AT + 9 * HOUR, AT + 6 * HOUR, news=True)) == []  # not up to date yet
    ended = found(incidents, look(AT + 9 * HOUR + MINUTE, AT + 8 * HOUR, news=True))
    assert ended == [("ended", SILENT_FEED, "files")]
    assert list(incidents.reasons(AT + 9 * HOUR)) == []


def test_a_silent_stream_of_a_feed_that_brings_other_candles_is_an_incident_of_its_own() -> None:
    incidents = Incidents()
    for hour in range(3):
        at = AT + hour * HOUR
        assert found(incidents, look(at, at - HOUR, "b", news=True), look(at, AT - HOUR)) == []
    at = AT + 3 * HOUR + MINUTE
    assert found(incidents, look(at, at - HOUR - MINUTE, "b", news=True)) == []
    assert found(incidents, look(at, AT - HOUR)) == [("began", SILENT, OF_A)]
    assert found(incidents, look(at, at - HOUR - MINUTE, "b")) == []
    assert found(incidents, look(at, at - HOUR - MINUTE, news=True)) == [("ended", SILENT, OF_A)]


def test_only_a_new_candle_ends_the_silence_of_a_feed() -> None:
    """A stream of days is up to date for a day, even if its feed is dead."""
    incidents = Incidents()
    found(incidents, look(AT, AT - 34 * HOUR, "days", timeframe="D"))
    assert found(incidents, look(AT + 4 * HOUR, AT - HOUR)) == [("began", SILENT_FEED, "files")]
    assert found(incidents, look(AT + 5 * HOUR, AT - 34 * HOUR, "days", timeframe="D")) == []


def test_nothing_is_silent_right_after_a_start_and_an_incident_outlives_it() -> None:
    incidents = Incidents()
    assert found(incidents, look(AT, AT - 50 * HOUR), look(AT + 9 * MINUTE, AT - 50 * HOUR)) == []
    (began,) = incidents.answered(look(AT + 10 * MINUTE, AT - 50 * HOUR))
    assert isinstance(began, IncidentBegan)
    after = Incidents([began])
    assert found(after, *(look(AT + HOUR + each * MINUTE, AT - 50 * HOUR) for each in range(30))) == []
    assert [each.code for each in after.reasons(AT)] == ["feed-silent"]
    assert found(after, look(AT + 2 * HOUR, AT + HOUR, news=True)) == [("ended", SILENT_FEED, "files")]


def test_a_feed_without_any_candle_is_silent_from_the_start_on() -> None:
    incidents = Incidents()
    assert found(incidents, look(AT + 30 * MINUTE, None), look(AT + 4 * HOUR, None)) == []
    assert found(incidents, look(AT + 4 * HOUR + MINUTE, None)) == [("began", SILENT_FEED, "files")]


def test_a_market_without_trades_is_not_silent_if_the_feed_shows_the_candle_that_is_forming() -> None:
    at = AT + 9 * HOUR + 30 * MINUTE
    assert found(Incidents(), look(AT, AT), look(at, AT, forming=AT + 9 * HOUR)) == []


def test_short_candles_must_be_missing_for_ten_minutes() -> None:
    incidents = Incidents()
    found(incidents, look(AT - HOUR, AT - HOUR, timeframe="S5"))
    looks = [look(AT + each * MINUTE, AT - timedelta(seconds=5), timeframe="S5") for each in range(12)]
    assert found(incidents, *looks[:11]) == []
    assert found(incidents, looks[11]) == [("began", SILENT_FEED, "files")]


def friday(hour: int, minute: int = 0) -> datetime:
    """In New York."""
    return datetime(2026, 2, 27, hour + 5, minute, tzinfo=UTC)


def test_a_weekend_is_neither_silence_nor_lateness() -> None:
    incidents = Incidents()
    sunday = friday(17) + 2 * DAY
    found(incidents, look(friday(16, 1), friday(15), news=True, calendar=FX))
    hours = (look(friday(17) + hour * HOUR, friday(15), calendar=FX) for hour in range(49))
    assert found(incidents, *hours) == []
    # The last candle of Friday comes when the market has opened again.
    assert found(incidents, look(sunday + 4 * MINUTE, friday(16), news=True, calendar=FX)) == []


@pytest.mark.parametrize(
    ("calendar", "last", "resumes"),
    [
        (FX, datetime(2026, 12, 24, 21, tzinfo=UTC), datetime(2026, 12, 27, 22, tzinfo=UTC)),  # until Sunday
        (FX, datetime(2025, 12, 31, 21, tzinfo=UTC), datetime(2026, 1, 1, 22, tzinfo=UTC)),
        (calendar_of("always", (), [date(2026, 3, 3)]), AT.replace(hour=0) - HOUR, AT.replace(day=4, hour=0)),
        (
            calendar_of("custom", ["Mon-Fri 09:30-16:00 America/New_York"], [date(2026, 11, 26)]),
            datetime(2026, 11, 25, 20, tzinfo=UTC),
            datetime(2026, 11, 27, 14, 30, tzinfo=UTC),
        ),
        (
            calendar_of("custom", ["Mon-Fri 18:00-17:00 America/New_York"], [date(2026, 11, 26)]),
            datetime(2026, 11, 25, 21, tzinfo=UTC),
            datetime(2026, 11, 26, 23, tzinfo=UTC),
        ),
    ],
)
def test_nothing_is_missing_on_a_holiday(calendar: Calendar, last: datetime, resumes: datetime) -> None:
    begins = calendar.closes_at(last, Timeframe("H1"))
    assert calendar.trades_from(begins) == resumes
    assert str(calendar._replace(holidays=frozenset())) == str(calendar)
    hours = int((resumes + HOUR - begins) / HOUR)
    at = [begins + hour * HOUR for hour in range(1, hours)]
    assert [missing(look(each, last, calendar=calendar), last, 3) for each in at] == [None] * len(at)
    assert missing(look(resumes + HOUR + MINUTE, last, calendar=calendar), last, 3) is not None
    assert late_by(look(resumes, last, calendar=calendar), last, resumes + MINUTE) == MINUTE


def test_late_candles_are_one_incident_until_one_is_on_time() -> None:
    incidents = Incidents()
    assert found(incidents, look(AT, AT - HOUR, news=True)) == []  # the first look shows no lateness
    assert found(incidents, look(AT + HOUR + 5 * MINUTE, AT - HOUR)) == []
    assert found(incidents, look(AT + HOUR + 6 * MINUTE, AT, news=True)) == []  # 5 minutes are proven
    assert found(incidents, look(AT + 2 * HOUR + 7 * MINUTE, AT)) == []
    (began,) = incidents.answered(look(AT + 2 * HOUR + 8 * MINUTE, AT + HOUR, news=True))
    assert isinstance(began, IncidentBegan)
    assert (began.kind, began.name, began.severity) == (LATE_FEED, "files", AlertSeverity.MEDIUM)
    assert began.since == AT + 2 * HOUR, "when the candle closed"
    assert "420 s" in began.reason
    assert [each.code for each in incidents.reasons(AT)] == ["feed-late"]
    assert found(incidents, look(AT + 3 * HOUR + 7 * MINUTE, AT + HOUR)) == []
    assert found(incidents, look(AT + 3 * HOUR + 8 * MINUTE, AT + 2 * HOUR, news=True)) == []
    assert found(incidents, look(AT + 4 * HOUR, AT + 3 * HOUR, news=True)) == [("ended", LATE_FEED, "files")]


def test_candles_that_arrive_together_are_as_late_as_the_first_of_them() -> None:
    def batch(before: datetime | None) -> Found:
        at, incidents = AT + 7 * MINUTE, Incidents()
        first = look(at - timedelta(seconds=10), before, timeframe="M1")
        return found(incidents, first, look(at, AT + 6 * MINUTE, oldest=AT, timeframe="M1"))

    assert batch(AT - MINUTE) == [("began", LATE_FEED, "files")]
    assert batch(None) == [], "the feed had no candle, so the older ones are its history"
    assert batch(AT - 10 * MINUTE) == [], "so many candles were missing that it was a silence"


def test_a_late_stream_of_a_punctual_feed_is_an_incident_of_its_own() -> None:
    incidents = Incidents()
    found(incidents, look(AT, AT - HOUR), look(AT, AT - HOUR, "b"), look(AT + HOUR + MINUTE, AT, "b", news=True))
    found(incidents, look(AT + HOUR + 9 * MINUTE, AT - HOUR))
    assert found(incidents, look(AT + HOUR + 10 * MINUTE, AT, news=True)) == [("began", LATE, OF_A)]


def late(at: datetime, stream: str) -> list[FeedAnswer]:
    """Two answers, of which the second has the candle that closed at `at`, 10 minutes late."""
    return [look(at + 9 * MINUTE, at - 2 * HOUR, stream), look(at + 10 * MINUTE, at - HOUR, stream, news=True)]


def in_time(at: datetime, stream: str) -> list[FeedAnswer]:
    """Two answers, of which the second has the candle that closed at `at`."""
    return [look(at, at - 2 * HOUR, stream), look(at + MINUTE, at - HOUR, stream, news=True)]


def test_a_feed_is_late_as_long_as_any_of_its_streams_is() -> None:
    incidents = Incidents()
    assert found(incidents, *late(AT, "a"), *late(AT, "b")) == [("began", LATE_FEED, "files")]
    later = AT + HOUR
    assert found(incidents, *in_time(later, "b")) == [], "a is late"
    assert found(incidents, *late(later, "a")) == []
    assert found(incidents, *in_time(later + HOUR, "b"), *in_time(later + HOUR, "a")) == [("ended", LATE_FEED, "files")]


def test_a_feed_is_late_after_a_restart_until_the_stream_that_was_late_is_on_time() -> None:
    incidents = Incidents(_began_late(), {"a": look(AT, AT).series})
    assert list(incidents.only((), AT)) == []
    assert found(incidents, *in_time(AT + HOUR, "b")) == []
    assert found(incidents, *in_time(AT + HOUR, "a")) == [("ended", LATE_FEED, "files")]


def test_a_late_stream_that_is_not_used_any_more_keeps_no_feed_late() -> None:
    incidents = Incidents(_began_late())
    assert list(incidents.only([look(AT, AT, "b").series], AT)) == []
    assert found(incidents, *in_time(AT + HOUR, "b")) == [("ended", LATE_FEED, "files")]
    incidents = Incidents()
    found(incidents, *late(AT, "a"), *in_time(AT, "b"))
    assert list(incidents.left(look(AT, AT).series, "a", AT)) == []
    assert found(incidents, *in_time(AT + HOUR, "b")) == [("ended", LATE_FEED, "files")]


def test_a_late_stream_that_becomes_silent_keeps_no_feed_late() -> None:
    incidents = Incidents()
    found(incidents, *late(AT, "a"), look(AT + 9 * HOUR, AT - HOUR))
    ended = found(incidents, *in_time(AT + 10 * HOUR, "b"), *in_time(AT + 11 * HOUR, "b"))
    assert ended == [("ended", SILENT_FEED, "files"), ("ended", LATE_FEED, "files")]


def _began_late() -> list[IncidentBegan]:
    incidents = Incidents()
    return [each for answer in late(AT, "a") for each in incidents.answered(answer) if isinstance(each, IncidentBegan)]


def test_a_series_that_two_streams_need_is_one_incident_until_both_are_well() -> None:
    incidents = Incidents()
    found(incidents, *in_time(AT, "b"))
    assert found(incidents, *late(AT, "a"), *late(AT, "follower")) == [("began", LATE, OF_A)]
    assert found(incidents, *in_time(AT + HOUR, "follower")) == []
    assert found(incidents, *in_time(AT + HOUR, "a")) == [("ended", LATE, OF_A)]
    silent = [look(AT + 9 * HOUR, AT, each) for each in ("a", "follower")]
    found(incidents, *in_time(AT + 8 * HOUR, "b"))
    assert found(incidents, *silent) == [("began", SILENT, OF_A)]
    assert found(incidents, *in_time(AT + 9 * HOUR, "follower")) == []
    assert list(incidents.left(silent[0].series, "follower", AT)) == [], "a needs it"
    assert [*map(_plain, incidents.left(silent[0].series, "a", AT))] == [("unused", SILENT, OF_A)]


def test_candles_after_an_outage_or_a_silence_are_not_late() -> None:
    incidents = Incidents()
    found(incidents, look(AT, AT - HOUR))
    assert found(incidents, look(AT + 9 * HOUR, AT + 7 * HOUR, news=True)) == []  # no look meanwhile
    incidents = Incidents()
    silent = found(incidents, look(AT, AT - HOUR), look(AT + 5 * HOUR, AT - HOUR))
    assert silent == [("began", SILENT_FEED, "files")]
    back = look(AT + 5 * HOUR + 10 * MINUTE, AT + 4 * HOUR, news=True)
    assert found(incidents, look(AT + 5 * HOUR + 9 * MINUTE, AT - HOUR), back) == [("ended", SILENT_FEED, "files")]


def test_a_watchdog_that_is_off_begins_nothing_and_ends_what_an_earlier_process_began() -> None:
    high = AlertSeverity.HIGH
    opened = [IncidentBegan(kind, "files", high, "files", "x", AT) for kind in (SILENT_FEED, LATE_FEED)]
    candles = Instrument("EUR_USD"), Timeframe("H1")
    opened += [IncidentBegan(kind, OF_A, high, "files", "x", AT, candles) for kind in (SILENT, LATE)]
    opened += [IncidentBegan(CACHE, CACHE, high, CACHE, "x", AT)]
    incidents = Incidents(opened, limits=WatchdogLimits(0, timedelta(), 0))
    first = look(AT, AT - HOUR)
    assert found(incidents, first) == [("unused", SILENT_FEED, "files"), ("unused", SILENT, OF_A)]
    late = look(AT + 90 * HOUR, AT, news=True)
    assert found(incidents, late) == [("unused", LATE_FEED, "files"), ("unused", LATE, OF_A)]
    assert found(incidents, look(AT + 190 * HOUR, AT)) == []
    assert [*map(_plain, incidents.cached(9, "away", AT))] == [("unused", CACHE, CACHE)]


def test_a_stream_that_leaves_takes_its_incidents_along_and_the_last_one_those_of_the_feed() -> None:
    incidents = Incidents()
    found(incidents, look(AT, AT - HOUR), look(AT, AT - HOUR, "b"))
    assert found(incidents, look(AT + 5 * HOUR, AT - HOUR)) == [("began", SILENT_FEED, "files")]
    assert list(incidents.left(look(AT, AT).series, "a", AT)) == []
    assert [*map(_plain, incidents.left(look(AT, AT, "b").series, "b", AT))] == [("unused", SILENT_FEED, "files")]


def test_a_cache_that_misses_three_rounds_is_one_incident_until_it_has_saved_all() -> None:
    incidents = Incidents()
    assert list(incidents.cached(None, "away", AT)) == list(incidents.cached(2, "away", AT)) == []
    (began,) = incidents.cached(3, "Redis is away", AT)
    assert isinstance(began, IncidentBegan)
    assert (began.kind, began.severity, began.candles) == (CACHE, AlertSeverity.MEDIUM, None)
    assert "Redis is away" in began.reason
    assert list(incidents.cached(4, "away", AT + HOUR)) == list(incidents.only((), AT)) == []
    after = Incidents([began])
    assert list(after.cached(None, None, AT)) == []  # nothing was written yet
    assert list(after.cached(0, None, AT + HOUR)) == [IncidentEnded(began, AT + HOUR)]
    assert list(Incidents([began]).without_cache(AT)) == [IncidentEnded(began, AT, is_unused=True)]


@given(
    minutes=st.lists(st.tuples(st.integers(1, 90), st.booleans()), min_size=1, max_size=60),
    silent=st.integers(1, 4),
    timeframe=st.sampled_from(["M5", "H1", "H4"]),
)
def test_begins_and_ends_alternate_and_a_feed_that_is_up_to_date_has_none(
    minutes: list[tuple[int, bool]], silent: int, timeframe: str
) -> None:
    incidents, length = Incidents(limits=WatchdogLimits(silent_candles=silent)), Timeframe(timeframe).duration
    at, newest, opened = AT, Timeframe(timeframe).candle_open(AT) - length, set[str]()
    for passed, is_fed in minutes:
        at += passed * MINUTE
        last = Timeframe(timeframe).candle_open(at) - length if is_fed else newest
        for event in incidents.answered(look(at, last, news=last > newest, timeframe=timeframe)):
            kind = event.kind if isinstance(event, IncidentBegan) else event.incident.kind
            assert (kind in opened) is isinstance(event, IncidentEnded)
            opened ^= {kind}
        newest = last
        if is_fed:
            assert SILENT_FEED not in opened
        elif at - newest > (max(silent, -(-10 * MINUTE // length)) + 1) * length + MINUTE and at - AT > 91 * MINUTE:
            assert SILENT_FEED in opened

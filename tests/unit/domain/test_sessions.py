from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost.domain.sessions import TRADING_SESSIONS, is_market_open, open_sessions, until_traded, zone_named
from signalpost.errors import InvalidValue


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("instant", "names"),
    [
        # Wednesday in the northern summer: London is at UTC+1, New York at -4, Sydney at +10.
        ("2025-08-20T05:00", ("Sydney", "Tokyo")),
        ("2025-08-20T06:00", ("Tokyo",)),
        ("2025-08-20T07:00", ("Tokyo", "London")),
        ("2025-08-20T09:00", ("London",)),
        ("2025-08-20T12:00", ("London", "New York")),
        ("2025-08-20T16:00", ("New York",)),
        ("2025-08-20T20:59", ("New York",)),
        ("2025-08-20T21:00", ("Sydney",)),
        # Wednesday in the northern winter: London at UTC, New York at -5, Sydney at +11.
        ("2025-01-15T07:59", ("Tokyo",)),
        ("2025-01-15T08:00", ("Tokyo", "London")),
        ("2025-01-15T12:59", ("London",)),
        ("2025-01-15T13:00", ("London", "New York")),
        ("2025-01-15T20:00", ("Sydney", "New York")),
        ("2025-01-15T05:00", ("Tokyo",)),
        # For two weeks in March, New York is on summer time and London is not.
        ("2025-03-19T12:00", ("London", "New York")),
        ("2025-03-19T07:30", ("Tokyo",)),
    ],
)
def test_a_centre_follows_its_own_clock_and_summer_time(instant: str, names: tuple[str, ...]) -> None:
    assert open_sessions(utc(instant)) == names


@pytest.mark.parametrize(
    ("instant", "is_open"),
    [
        ("2025-08-22T20:59:59", True),
        ("2025-08-22T21:00", False),
        ("2025-08-23T12:00", False),
        ("2025-08-24T20:59:59", False),
        ("2025-08-24T21:00", True),
        ("2025-01-17T21:59", True),
        ("2025-01-17T22:00", False),
        ("2025-01-19T21:59", False),
        ("2025-01-19T22:00", True),
    ],
)
def test_the_market_is_closed_from_friday_to_sunday_at_17_in_new_york(instant: str, is_open: bool) -> None:
    assert is_market_open(utc(instant)) is is_open
    assert is_open or open_sessions(utc(instant)) == ()


def test_a_centre_is_closed_on_its_own_saturday_while_new_york_still_trades_on_friday() -> None:
    assert open_sessions(utc("2025-01-17T21:00")) == ("New York",)


def test_a_centre_is_closed_on_its_own_monday_until_the_market_opens() -> None:
    assert open_sessions(utc("2025-01-19T20:30")) == ()
    assert open_sessions(utc("2025-01-19T22:00")) == ("Sydney",)


instants = st.integers(1_262_304_000, 2_051_222_400).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
"""From 2010 to 2035."""


@given(instants)
def test_open_sessions_depend_on_the_instant_and_not_on_its_zone(instant: datetime) -> None:
    shown = instant.astimezone(ZoneInfo("Asia/Kolkata"))
    assert open_sessions(shown) == open_sessions(instant)
    assert set(open_sessions(instant)) <= {session.name for session in TRADING_SESSIONS}


@given(instants)
def test_while_the_market_is_open_at_least_one_centre_is(instant: datetime) -> None:
    assert bool(open_sessions(instant)) is is_market_open(instant)


def test_each_centre_is_open_nine_hours_of_every_day_of_a_midweek() -> None:
    hours = [utc("2025-08-19T00:00") + timedelta(hours=hour) for hour in range(24)]
    counts = [sum(session.is_open(hour) for hour in hours) for session in TRADING_SESSIONS]
    assert counts == [9, 9, 9, 9]


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2025-08-20T12:00", 4, "2025-08-20T16:00"),
        ("2025-08-22T20:00", 1, "2025-08-22T21:00"),  # until the market closes
        ("2025-08-22T20:00", 2, "2025-08-24T22:00"),
        ("2025-08-22T21:00", 4, "2025-08-25T01:00"),  # Friday's last H4 candle, known at its close
        ("2025-08-23T10:00", 1, "2025-08-24T22:00"),
        ("2025-03-07T22:00", 4, "2025-03-10T01:00"),  # summer time begins on that Sunday in New York
        ("2025-08-22T20:00", 144, "2025-09-01T20:00"),  # over two weekends
        ("2025-08-22T20:00", 168, "2025-08-29T20:00"),  # a week contains its weekend
    ],
)
def test_a_weekend_does_not_count(start: str, hours: int, end: str) -> None:
    assert utc(start) + until_traded(utc(start), timedelta(hours=hours)) == utc(end)


@given(
    st.integers(0, 24 * 365 * 10),
    st.integers(1, 167),
)
def test_the_market_is_open_for_that_long(since: int, hours: int) -> None:
    start = utc("2020-01-01T00:00") + timedelta(hours=since)
    took = until_traded(start, timedelta(hours=hours))
    begun = [start + timedelta(hours=hour) for hour in range(took // timedelta(hours=1))]
    assert sum(map(is_market_open, begun)) == hours
    assert is_market_open(begun[-1])


@pytest.mark.parametrize("name", ["localtime", "posixrules", "America", "x"])
def test_only_the_name_of_a_zone_is_accepted(name: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        zone_named(name)
    assert [(each.code, each.field) for each in caught.value.errors] == [("unknown-word", "sessions")]

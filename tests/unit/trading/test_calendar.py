from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost.domain.instrument import Instrument
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import InvalidValue
from signalpost.trading.calendar import ALWAYS, FX, Calendar, calendar_of
from signalpost.trading.feeds.bundled import bundled_candles, bundled_days, bundled_pairs

NEW_YORK = ZoneInfo("America/New_York")
STOCKS = calendar_of("custom", ["Mon-Fri 09:30-16:00 America/New_York"])
TOKYO = calendar_of("custom", ["Mon-Fri 09:00-11:30 Asia/Tokyo", "Mon-Fri 12:30-15:30 Asia/Tokyo"])
FUTURES = calendar_of("custom", ["Sun-Thu 18:00-17:00 America/New_York"])
NEVER_CLOSES = calendar_of("custom", ["Mon-Sun 00:00-24:00 America/New_York"])
SUNDAYS = calendar_of("custom", ["Sun 02:30-03:15 America/New_York"])
CALENDARS = (FX, ALWAYS, STOCKS, TOKYO, FUTURES, NEVER_CLOSES, SUNDAYS)

calendars = st.sampled_from(CALENDARS)
timeframes = st.sampled_from(["S5", "M1", "M15", "H1", "H4", "H5", "D", "D3", "W", "W2"]).map(Timeframe)
near_a_switch = st.sampled_from(["2024-03-10T07:00Z", "2024-11-03T06:00Z", "2024-03-31T01:00Z", "2024-10-27T01:00Z"])
instants = st.one_of(
    st.integers(1_262_304_000, 2_051_222_400).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    st.builds(
        lambda text, minutes: datetime.fromisoformat(text) + timedelta(minutes=minutes),
        near_a_switch,
        st.integers(-6_000, 6_000),
    ),
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("calendar", "timeframe", "opened", "closes", "next_open"),
    [
        # FX, H4: the week ends with the candle that opens on Friday at 13:00 in New York
        (FX, "H4", "2024-11-01T13:00", "2024-11-01T17:00", "2024-11-01T17:00"),
        (FX, "H4", "2024-11-01T17:00", "2024-11-01T21:00", "2024-11-03T22:00"),  # over the end of summer time
        (FX, "H4", "2024-03-08T18:00", "2024-03-08T22:00", "2024-03-10T21:00"),  # and its start
        # on another grid, the last candle ends with the market
        (FX, "H4", "2024-08-23T20:00", "2024-08-23T21:00", "2024-08-25T21:00"),
        # a candle that opens before the market does
        (FX, "H4", "2024-08-25T20:00", "2024-08-26T00:00", "2024-08-26T00:00"),
        (FX, "H4", "2024-08-24T10:00", "2024-08-24T14:00", "2024-08-25T21:00"),
        # FX, D: from 17:00 to 17:00
        (FX, "D", "2024-10-30T21:00", "2024-10-31T21:00", "2024-10-31T21:00"),
        (FX, "D", "2024-10-31T21:00", "2024-11-01T21:00", "2024-11-03T22:00"),
        (FX, "D", "2024-11-03T22:00", "2024-11-04T22:00", "2024-11-04T22:00"),
        (FX, "D", "2024-11-05T00:00", "2024-11-06T00:00", "2024-11-06T00:00"),  # a feed whose days are those of UTC
        # FX, W: OANDA's weeks open on Friday when the market closes; others open with it
        (FX, "W", "2024-10-25T21:00", "2024-11-01T21:00", "2024-11-03T22:00"),
        (FX, "W", "2024-11-01T21:00", "2024-11-08T22:00", "2024-11-10T22:00"),
        (FX, "W", "2024-03-08T22:00", "2024-03-15T21:00", "2024-03-17T21:00"),
        (FX, "W", "2024-10-27T21:00", "2024-11-01T21:00", "2024-11-03T22:00"),
        (ALWAYS, "H4", "2024-11-01T20:00", "2024-11-02T00:00", "2024-11-02T00:00"),
        (ALWAYS, "D", "2024-11-02T00:00", "2024-11-03T00:00", "2024-11-03T00:00"),
        (ALWAYS, "W", "2024-10-28T00:00", "2024-11-04T00:00", "2024-11-04T00:00"),
        # shares: the last candle is short
        (STOCKS, "H1", "2024-11-01T18:30", "2024-11-01T19:30", "2024-11-01T19:30"),
        (STOCKS, "H1", "2024-11-01T19:30", "2024-11-01T20:00", "2024-11-04T14:30"),
        (STOCKS, "D", "2024-11-01T13:30", "2024-11-01T20:00", "2024-11-04T14:30"),
        (STOCKS, "D", "2024-11-01T00:00", "2024-11-01T20:00", "2024-11-04T14:30"),
        (STOCKS, "W", "2024-10-28T13:30", "2024-11-01T20:00", "2024-11-04T14:30"),
        # Tokyo pauses at noon
        (TOKYO, "H1", "2024-11-01T02:00", "2024-11-01T02:30", "2024-11-01T03:30"),
        (TOKYO, "D", "2024-11-01T00:00", "2024-11-01T06:30", "2024-11-04T00:00"),
        # futures trade over midnight
        (FUTURES, "H4", "2024-11-04T03:00", "2024-11-04T07:00", "2024-11-04T07:00"),
        (FUTURES, "H4", "2024-11-04T19:00", "2024-11-04T22:00", "2024-11-04T23:00"),
        (FUTURES, "D", "2024-11-03T23:00", "2024-11-04T22:00", "2024-11-04T23:00"),
        # local days, one of 25 hours
        (NEVER_CLOSES, "D", "2024-11-03T04:00", "2024-11-04T05:00", "2024-11-04T05:00"),
        (NEVER_CLOSES, "H4", "2024-11-03T04:00", "2024-11-03T08:00", "2024-11-03T08:00"),
    ],
)
def test_candles_close_and_open(calendar: Calendar, timeframe: str, opened: str, closes: str, next_open: str) -> None:
    assert calendar.closes_at(utc(opened), Timeframe(timeframe)) == utc(closes)
    assert calendar.next_open(utc(opened), Timeframe(timeframe)) == utc(next_open)


@pytest.mark.parametrize(
    ("calendar", "at", "is_open"),
    [
        (FX, "2024-11-01T20:59", True),
        (FX, "2024-11-01T21:00", False),
        (FX, "2024-11-03T21:59", False),
        (FX, "2024-11-03T22:00", True),
        (ALWAYS, "2024-11-02T12:00", True),
        (STOCKS, "2024-11-01T13:29", False),
        (STOCKS, "2024-11-01T13:30", True),
        (STOCKS, "2024-11-01T20:00", False),
        (STOCKS, "2024-11-02T15:00", False),
        (TOKYO, "2024-11-01T03:00", False),
        (FUTURES, "2024-11-04T04:00", True),
        (FUTURES, "2024-11-04T22:30", False),
    ],
)
def test_a_market_is_open_in_its_sessions(calendar: Calendar, at: str, *, is_open: bool) -> None:
    assert calendar.is_open(utc(at)) is is_open


@pytest.mark.parametrize(
    ("calendar", "timeframe", "earlier", "later", "missing"),
    [
        (FX, "H4", "2024-11-01T17:00", "2024-11-03T22:00", 0),
        (FX, "H4", "2024-11-01T13:00", "2024-11-03T22:00", 1),
        (FX, "H4", "2024-11-01T17:00", "2024-11-04T06:00", 2),
        (FX, "H4", "2024-11-04T06:00", "2024-11-04T10:00", 0),
        (FX, "H4", "2024-11-04T10:00", "2024-11-04T10:00", 0),
        (FX, "D", "2024-10-31T21:00", "2024-11-03T22:00", 0),
        (FX, "D", "2024-10-31T21:00", "2024-11-05T22:00", 2),
        (FX, "W", "2024-10-25T21:00", "2024-11-01T21:00", 0),
        (FX, "W", "2024-10-25T21:00", "2024-11-08T22:00", 1),
        (ALWAYS, "S5", "2024-01-01T00:00:00", "2025-01-01T00:00:00", 366 * 17_280 - 1),
        (STOCKS, "H1", "2024-11-01T19:30", "2024-11-04T14:30", 0),
        (STOCKS, "H1", "2024-11-01T13:30", "2024-11-04T14:30", 6),
    ],
)
def test_only_candles_of_an_open_market_are_missing(
    calendar: Calendar, timeframe: str, earlier: str, later: str, missing: int
) -> None:
    assert calendar.missing(utc(earlier), utc(later), Timeframe(timeframe)) == missing


@pytest.mark.parametrize("pair", bundled_pairs())
def test_real_weekends_are_not_gaps_but_holidays_are(pair: Instrument) -> None:
    """The bundled candles follow midnight in Athens, which is 17:00 or 18:00 in New York."""
    times = [candle.time for candle in bundled_candles(pair)]
    gaps = {
        earlier.date(): missing
        for earlier, later in pairwise(times)
        if (missing := FX.missing(earlier, later, Timeframe("H4")))
    }
    assert set(gaps.values()) == {6}
    assert {day.strftime("%a %m-%d") for day in gaps} == {"Thu 12-24", "Thu 12-31"}


@pytest.mark.parametrize("pair", bundled_pairs())
def test_real_days_open_when_the_calendar_says(pair: Instrument) -> None:
    times = [candle.time for candle in bundled_days(pair).candles]
    steps = [(earlier, later) for earlier, later in pairwise(times) if later - earlier < timedelta(days=4)]
    assert len(steps) > 500
    assert all(FX.next_open(earlier, Timeframe("D")) == later for earlier, later in steps)


@given(calendars, instants, timeframes)
def test_a_candle_closes_after_it_opened_and_the_next_opens_in_an_open_market(
    calendar: Calendar, opened: datetime, timeframe: Timeframe
) -> None:
    closes, following = calendar.closes_at(opened, timeframe), calendar.next_open(opened, timeframe)
    assert opened < closes <= following
    assert closes - opened <= timeframe.duration + timedelta(hours=1)
    assert calendar.is_open(following)
    assert not any(
        calendar.is_open(closes + part * (following - closes) / 7) for part in range(7) if closes < following
    )


@given(calendars, instants, timeframes, st.integers(0, 40))
def test_as_many_candles_are_missing_as_were_left_out(
    calendar: Calendar, earlier: datetime, timeframe: Timeframe, left_out: int
) -> None:
    later = calendar.next_open(earlier, timeframe)
    for _ in range(left_out):
        later = calendar.next_open(later, timeframe)
    assert calendar.missing(earlier, later, timeframe) == left_out


@given(instants, st.integers(0, 60))
def test_shares_are_traded_by_the_clock_of_new_york(at: datetime, minutes: int) -> None:
    local = (at + timedelta(minutes=minutes)).astimezone(NEW_YORK)
    of_day = (local.hour, local.minute)
    assert STOCKS.is_open(local.astimezone(UTC)) is (local.weekday() < 5 and (9, 30) <= of_day < (16, 0))


@pytest.mark.parametrize(
    ("name", "sessions", "code", "field", "value"),
    [
        ("forex", [], "unknown-word", "calendar", "'forex'"),
        ("fx", ["Mon 09:00-10:00 UTC"], "conflict", "sessions", "['Mon 09:00-10:00 UTC']"),
        ("custom", [], "missing", "sessions", None),
        ("custom", ["9-5"], "invalid-session", "sessions", "'9-5'"),
        ("custom", ["Mon 09:00-25:00 UTC"], "invalid-session", "sessions", "'Mon 09:00-25:00 UTC'"),
        ("custom", ["Mon 09:00-24:30 UTC"], "invalid-session", "sessions", "'Mon 09:00-24:30 UTC'"),
        ("custom", ["Mon-Fry 09:00-10:00 UTC"], "unknown-word", "sessions", "'Fry'"),
        ("custom", ["Mon 09:00-10:00 Mars/Base"], "unknown-word", "sessions", "'Mars/Base'"),
        ("custom", ["Mon 09:00-10:00 America"], "unknown-word", "sessions", "'America'"),
        ("custom", ["Mon 09:00-10:00 ../etc"], "unknown-word", "sessions", "'../etc'"),
    ],
)
def test_an_invalid_calendar_is_refused(
    name: str, sessions: list[str], code: str, field: str, value: str | None
) -> None:
    with pytest.raises(InvalidValue) as caught:
        calendar_of(name, sessions)
    fault = caught.value.errors[0]
    assert (fault.code, fault.field, fault.value) == (code, field, value)


def test_a_calendar_is_known_by_its_name() -> None:
    assert calendar_of("fx") is FX
    assert calendar_of("always") is ALWAYS
    assert [str(calendar) for calendar in (FX, ALWAYS)] == ["fx", "always"]
    assert len({str(each) for each in CALENDARS}) == len(CALENDARS)


@pytest.mark.parametrize("calendar", [STOCKS, TOKYO, FUTURES, NEVER_CLOSES, SUNDAYS])
def test_a_custom_calendar_is_written_as_its_sessions(calendar: Calendar) -> None:
    assert calendar_of("custom", str(calendar).split(", ")) == calendar

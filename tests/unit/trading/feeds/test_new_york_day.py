from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from signalpost import Candle
from signalpost.trading.feeds.new_york_day import daily_candles, day_start

H4 = timedelta(hours=4)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def candles(first: str, number: int, price: int = 100) -> Iterator[Candle]:
    """Consecutive H4 candles: the n-th opens at price + n, closes one above, and reaches five below and above."""
    for n in range(number):
        low, high = price + n - 5, price + n + 5
        yield Candle(time=at(first) + n * H4, open=price + n, high=high, low=low, close=price + n + 1, volume=n)


def test_a_day_contains_the_candles_that_open_in_it() -> None:
    days = daily_candles(candles("2025-01-06T22:00", 6), "H4").candles
    assert days == (Candle(time=at("2025-01-06T22:00"), open=100, high=110, low=95, close=106, volume=15),)


def test_the_day_starts_at_17_in_new_york_summer_and_winter() -> None:
    assert day_start(at("2025-01-07T21:59:59")) == at("2025-01-06T22:00")
    assert day_start(at("2025-01-07T22:00")) == at("2025-01-07T22:00")
    assert day_start(at("2025-07-07T20:59:59")) == at("2025-07-06T21:00")
    assert day_start(at("2025-07-07T21:00")) == at("2025-07-07T21:00")


def test_the_days_of_the_clock_change_have_23_and_25_hours() -> None:
    assert day_start(at("2025-03-09T21:00")) - day_start(at("2025-03-09T20:59")) == timedelta(hours=23)
    assert day_start(at("2025-11-02T22:00")) - day_start(at("2025-11-02T21:59")) == timedelta(hours=25)


def test_an_unfinished_last_day_is_dropped() -> None:
    assert len(daily_candles(candles("2025-01-06T22:00", 11), "H4").candles) == 1
    assert len(daily_candles(candles("2025-01-06T22:00", 12), "H4").candles) == 2


def test_an_incomplete_first_day_is_dropped() -> None:
    late = daily_candles(candles("2025-01-07T02:00", 11), "H4").candles
    assert [day.time for day in late] == [at("2025-01-07T22:00")]


def test_without_candles_there_are_no_days() -> None:
    assert daily_candles([], "H4") == ((), ())


def test_a_day_has_a_volume_only_if_all_its_candles_have() -> None:
    some = [candle.but(volume=None) if n == 3 else candle for n, candle in enumerate(candles("2025-01-06T22:00", 6))]
    assert daily_candles(some, "H4").candles[0].volume is None


def test_a_candle_across_the_days_end_belongs_to_the_day_it_opened_in() -> None:
    # In the weeks between the American and the European clock change, EET candles open an hour late.
    days, weeks = daily_candles(candles("2025-03-10T22:00", 12), "H4")
    assert [(day.time, day.close) for day in days] == [(at("2025-03-10T21:00"), 106), (at("2025-03-11T21:00"), 112)]
    assert weeks == (date(2025, 3, 10),)


def test_sunday_evening_belongs_to_mondays_week() -> None:
    sunday = daily_candles(candles("2025-03-09T22:00", 6), "H4")
    assert sunday.straddling_weeks == (date(2025, 3, 10),)


@given(st.integers(1, 60), st.integers(0, 8760))
def test_no_candle_is_lost_or_counted_twice(number: int, hours: int) -> None:
    start = at("2025-01-01T22:00") + timedelta(hours=hours)
    made = list(candles(start.replace(tzinfo=None).isoformat(), number))
    days = daily_candles(made, "H4").candles
    counted = [candle for candle in made if any(day.time == day_start(candle.time) for day in days)]
    assert sum((day.volume for day in days if day.volume is not None), Decimal(0)) == sum(c.volume for c in counted)
    assert len(made) - len(counted) <= 6 + 6

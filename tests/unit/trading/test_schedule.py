from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost.domain.timeframe import Timeframe
from signalpost.trading.calendar import ALWAYS, FX
from signalpost.trading.schedule import GRACE, Slot, lag, next_look, retry_of_feed, retry_of_strategy

M1, H4 = Timeframe("M1"), Timeframe("H4")
AT = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def test_a_stream_is_fetched_as_its_next_candle_closes() -> None:
    look = next_look(None, AT, None, AT + MINUTE + GRACE, ALWAYS, M1)
    assert look.slot == Slot(AT + MINUTE, AT + 2 * MINUTE + GRACE, AT + 3 * MINUTE + GRACE)
    assert look.at == AT + 2 * MINUTE + GRACE


def test_a_candle_that_is_not_in_is_polled_for_until_the_next_one_is_due() -> None:
    slot, now = Slot.of(AT, ALWAYS, M1), AT + MINUTE + GRACE
    waits = []
    while True:
        look = next_look(slot, AT - MINUTE, None, now, ALWAYS, M1)
        assert look.slot is not None
        if look.slot.opened > AT:
            break
        waits.append((look.at - now) / SECOND)
        slot, now = look.slot, look.at
    assert waits == [1, 2, 5, 10, 10, 10, 10, 10, 2]
    assert look.slot == Slot.of(AT + MINUTE, ALWAYS, M1)._replace(polls=1)
    assert look.at == now + SECOND


def test_a_candle_that_still_forms_after_its_close_is_polled_for() -> None:
    slot, now = Slot.of(AT, ALWAYS, M1), AT + MINUTE + GRACE
    assert next_look(slot, AT - MINUTE, AT, now, ALWAYS, M1).at == now + SECOND


def test_a_slot_is_empty_if_a_later_candle_forms() -> None:
    slot, now = Slot.of(AT, ALWAYS, M1), AT + MINUTE + GRACE
    look = next_look(slot, AT - MINUTE, AT + MINUTE, now, ALWAYS, M1)
    assert look == (AT + 2 * MINUTE + GRACE, Slot.of(AT + MINUTE, ALWAYS, M1))


def test_a_feed_without_candles_is_polled() -> None:
    assert next_look(None, None, None, AT, ALWAYS, M1) == (AT + 10 * SECOND, None)


def test_the_weekend_is_not_a_gap() -> None:
    friday = datetime(2026, 3, 6, 18, 0, tzinfo=UTC)
    look = next_look(None, friday, None, friday + timedelta(hours=4) + GRACE, FX, H4)
    assert look.at == datetime(2026, 3, 9, 1, 0, 1, tzinfo=UTC)  # Sunday 17:00 in New York, and four hours


def test_a_long_silence_is_polled_for_each_minute() -> None:
    slot = Slot.of(AT, ALWAYS, H4)
    now = slot.due + timedelta(minutes=10)
    assert next_look(slot, AT - H4.duration, None, now, ALWAYS, H4).at == now + MINUTE


def test_a_closed_market_is_polled_each_hour_and_when_it_opens() -> None:
    friday = datetime(2026, 3, 6, 18, 0, tzinfo=UTC)  # its candle is the week's last one, and missing
    opens = datetime(2026, 3, 8, 21, 0, tzinfo=UTC)  # Sunday 17:00 in New York
    slot, now, looks = Slot.of(friday, FX, H4), friday + H4.duration + GRACE, []
    while now < opens + MINUTE:
        look = next_look(slot, friday - H4.duration, None, now, FX, H4)
        assert look.slot is not None
        slot, now = look.slot, look.at
        looks.append(now)
    weekend = [at for at in looks if at >= friday + H4.duration + timedelta(minutes=11)]
    assert len(weekend) == 48
    assert weekend[-2:] == [opens + GRACE, opens + GRACE + MINUTE]
    assert slot.opened == friday, "it is waited for until the next candle is due"


@given(
    st.sampled_from(["S5", "M1", "H1", "H4", "D"]),
    st.timedeltas(timedelta(), timedelta(days=30)),
    st.booleans(),
    st.sampled_from([ALWAYS, FX]),
)
def test_the_next_look_is_ahead_and_no_later_than_the_next_candle_is_due(
    timeframe: str, silent: timedelta, is_first: bool, calendar: object
) -> None:
    length, market = Timeframe(timeframe), FX if calendar is FX else ALWAYS
    now = AT + silent
    slot = None if is_first else Slot.of(market.next_open(AT, length), market, length)
    look = next_look(slot, AT, None, now, market, length)
    assert look.slot is not None
    assert now < look.at <= look.slot.until
    assert look.slot.due <= now or look.at == look.slot.due
    assert look.slot.until > now


@pytest.mark.parametrize(("failures", "seconds"), [(1, 1), (2, 2), (3, 4), (7, 60), (50, 60)])
def test_a_feed_is_retried_from_1_s_doubling_to_60(failures: int, seconds: int) -> None:
    assert retry_of_feed(failures, None, None, AT) == AT + seconds * SECOND


def test_a_feed_is_retried_at_the_next_close_and_not_before_it_permits() -> None:
    slot = Slot.of(AT, ALWAYS, M1)
    assert retry_of_feed(9, None, slot, slot.due - 3 * SECOND) == slot.due
    assert retry_of_feed(9, None, slot, slot.until - 3 * SECOND) == slot.until
    assert retry_of_feed(9, None, slot, slot.until + 3 * SECOND) == slot.until + 63 * SECOND
    assert retry_of_feed(1, 120.0, slot, slot.due - 3 * SECOND) == slot.due + 117 * SECOND
    assert retry_of_feed(1, -5.0, None, AT) == AT + SECOND
    assert retry_of_feed(1, 1e9, None, AT) == AT + timedelta(hours=1)


def test_a_strategy_that_raises_pauses_longer_and_longer() -> None:
    pauses = [(retry_of_strategy(failures, AT) - AT) / MINUTE for failures in (1, 2, 3, 4, 5, 6, 99)]
    assert pauses == [5, 5, 15, 15, 30, 30, 30]


def test_a_stream_lags_since_its_next_candle_should_have_closed() -> None:
    assert lag(AT, ALWAYS, M1, AT + 2 * MINUTE + 30 * SECOND) == 30 * SECOND
    assert lag(AT, ALWAYS, M1, AT + MINUTE) == timedelta()
    friday = datetime(2026, 3, 6, 18, 0, tzinfo=UTC)  # the last candle before the weekend
    monday = FX.closes_at(FX.next_open(friday, H4), H4)
    assert lag(friday, FX, H4, monday) == timedelta()
    assert lag(friday, FX, H4, monday + MINUTE) == MINUTE


def test_a_stream_does_not_lag_on_a_holiday_or_while_a_later_candle_forms() -> None:
    eve = datetime(2025, 12, 24, 18, tzinfo=UTC)
    assert lag(eve, FX, H4, eve + timedelta(hours=28)) == timedelta()
    assert lag(eve, FX, H4, eve + timedelta(hours=32, minutes=1)) == MINUTE
    assert lag(AT, ALWAYS, M1, AT + 9 * MINUTE, AT + 9 * MINUTE) == timedelta()
    assert lag(AT, ALWAYS, M1, AT + 11 * MINUTE, AT + 9 * MINUTE) == MINUTE

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from signalpost import (
    Candle,
    Filtered,
    InvalidConfiguration,
    InvalidValue,
    MAUnifiedConfig,
    MAUnifiedStrategy,
    OutOfOrder,
    Signal,
)
from signalpost.domain.instant import iso
from tests.surface.errors import Facts, facts_of

START = datetime(2024, 1, 1, tzinfo=UTC)
H4 = timedelta(hours=4)
Answer = Signal | Filtered | None


def strategy(**other: Any) -> MAUnifiedStrategy:
    settings = {"pair": "EUR_USD", "timeframe": "H4", "fast": 1, "slow": 2, "atr_period": 1, "sl_mult": 2, "tp_mult": 3}
    return MAUnifiedStrategy(MAUnifiedConfig(**{**settings, **other}))


def flat(index: int, close: str, *, start: datetime = START) -> Candle:
    return Candle(time=start + index * H4, open=close, high=close, low=close, close=close)


def answers(tried: MAUnifiedStrategy, *closes: str, start: datetime = START) -> list[Answer]:
    return [tried.on_candle(flat(index, close, start=start)) for index, close in enumerate(closes)]


def signal_of(answer: Answer) -> Signal:
    assert isinstance(answer, Signal), answer
    return answer


def test_a_cross_above_buys_at_the_close_with_stop_and_target_in_true_ranges() -> None:
    signal = signal_of(answers(strategy(), "1.10000", "1.09000", "1.10500")[-1])
    assert (signal.signal_type, signal.entry_price) == ("BUY", Decimal("1.105"))
    assert signal.atr_value == Decimal("0.015")  # from the last close
    assert signal.stop_loss == Decimal("1.075")
    assert signal.take_profit == Decimal("1.15")
    assert (signal.fast_ma, signal.slow_ma) == (Decimal("1.105"), Decimal("1.0975"))
    assert (signal.risk_reward_ratio, signal.atr_multiplier_sl, signal.atr_multiplier_tp) == (Decimal("1.5"), 2, 3)


def test_a_cross_below_sells_with_stop_above_and_target_below() -> None:
    signal = signal_of(answers(strategy(), "1.10000", "1.11000", "1.09500")[-1])
    assert (signal.signal_type, signal.stop_loss, signal.take_profit) == ("SELL", Decimal("1.125"), Decimal("1.05"))


def test_a_signal_has_its_candles_time_and_is_known_at_the_close() -> None:
    signal = signal_of(answers(strategy(), "1.10000", "1.09000", "1.10500")[-1])
    assert (signal.timestamp, signal.known_at) == (START + 2 * H4, START + 3 * H4)
    assert (signal.created_at, signal.updated_at, signal.valid_until) == (
        START + 3 * H4,
        START + 3 * H4,
        START + 4 * H4,
    )
    assert signal.signal_id == "ma-unified:EUR_USD:H4:BUY:20240101T080000Z"


def test_a_custom_key_is_part_of_the_id() -> None:
    signal = signal_of(answers(strategy(key="quick"), "1.1", "1.09", "1.105")[-1])
    assert signal.signal_id == "ma-unified:EUR_USD:H4:quick:BUY:20240101T080000Z"


def test_the_first_candle_that_can_cross_is_the_one_after_both_averages_are_warm() -> None:
    assert answers(strategy(), "1.1", "1.2")[-1] is None
    inverted = strategy(fast=3, slow=1, inverted=True)
    assert [answer is None for answer in answers(inverted, "1.1", "1.1", "1.2", "1.0")] == [True, True, True, False]


def test_a_tie_is_not_a_cross_and_leaving_it_is_one() -> None:
    answered = answers(strategy(), "1.1", "1.1", "1.1", "1.2", "1.2", "1.3")
    assert [answer and answer.signal_type for answer in answered] == [None, None, None, "BUY", None, "BUY"]


def test_a_tie_that_floats_miss_is_a_tie() -> None:
    """The average of 0.1, 0.3 and 0.2 is 0.2, but more with floats, which would miss the next cross."""
    assert (0.1 + 0.3 + 0.2) / 3 > 0.2
    answered = answers(strategy(slow=3, sl_mult="0.1", tp_mult="0.3"), "0.1", "0.3", "0.2", "0.1")
    assert [answer and answer.signal_type for answer in answered] == [None, None, None, "SELL"]


def test_inverted_averages_cross_the_other_way() -> None:
    inverted = strategy(fast=2, slow=1, inverted=True)
    assert signal_of(answers(inverted, "1.10000", "1.11000", "1.09500")[-1]).signal_type == "BUY"


def test_a_signal_has_no_confidence_unless_it_is_configured() -> None:
    assert signal_of(answers(strategy(), "1.1", "1.09", "1.105")[-1]).confidence_score is None
    confident = strategy(confidence="0.85")
    assert signal_of(answers(confident, "1.1", "1.09", "1.105")[-1]).confidence_score == Decimal("0.85")


def test_derived_prices_keep_18_decimals() -> None:
    signal = signal_of(answers(strategy(atr_period=3), "1.10000", "1.09000", "1.10500")[-1])
    assert signal.atr_value == Decimal("0.008333333333333333")
    assert signal.stop_loss == Decimal("1.088333333333333333")
    assert signal.take_profit == Decimal("1.13")


def filtered(tried: MAUnifiedStrategy, *closes: str, start: datetime = START) -> Filtered:
    answer = answers(tried, *closes, start=start)[-1]
    assert isinstance(answer, Filtered), answer
    return answer


def test_a_cross_while_the_atr_is_cold_is_filtered() -> None:
    for cold in (
        filtered(strategy(atr_period=4), "1.1", "1.09", "1.105"),
        filtered(strategy(atr_period=4, atr="wilder"), "1.1", "1.1", "1.09", "1.105"),
    ):
        assert cold.filters == ("atr cold",)
        assert "4" in cold.reasons[0]
    assert signal_of(answers(strategy(atr_period=4), "1.1", "1.1", "1.09", "1.105")[-1])


def test_a_cross_below_the_minimum_atr_is_filtered_and_one_at_it_is_kept() -> None:
    closes = ("1.10000", "1.09000", "1.10500")
    refused = filtered(strategy(min_atr="0.015000001"), *closes)
    assert refused.filters == ("min atr",)
    assert "0.015 < 0.015000001" in refused.reasons[0]
    assert signal_of(answers(strategy(min_atr="0.015"), *closes)[-1])


def test_a_cross_below_the_minimum_reward_is_filtered_and_one_at_it_is_kept() -> None:
    closes = ("1.10000", "1.09000", "1.10500")
    refused = filtered(strategy(tp_mult="2.999", min_rr="1.5"), *closes)
    assert refused.filters == ("min rr",)
    assert "1.4995 < 1.5" in refused.reasons[0]
    assert signal_of(answers(strategy(min_rr="1.5"), *closes)[-1])
    assert signal_of(answers(strategy(sl_mult="0.3", tp_mult="0.9", min_rr="3"), *closes)[-1])


def test_no_reward_is_lost_to_the_rounding_of_floats() -> None:
    """With floats, (tp - entry) / (entry - sl) falls below 1.5 here; exactly, three true ranges to two are 1.5."""
    signal = signal_of(answers(strategy(min_rr="1.5"), "1.16957", "1.16767", "1.16941")[-1])
    entry, stop, target = (float(price or 0) for price in (signal.entry_price, signal.stop_loss, signal.take_profit))
    assert (target - entry) / (entry - stop) < 1.5


def test_all_reasons_are_reported() -> None:
    answer = filtered(strategy(min_atr=1, min_rr=2), "1.1", "1.09", "1.105")
    assert len(answer.reasons) == 2
    assert (answer.signal_type, answer.filters) == ("BUY", ("min atr", "min rr"))


def test_a_cross_is_filtered_if_the_market_does_not_move() -> None:
    """The averages may cross over older candles while the last ones do not move at all."""
    still = strategy(fast=2, slow=4)
    assert filtered(still, "1.1", "1.1", "1.2", "1.1", "1.1").filters == ("atr zero",)


@pytest.mark.parametrize(
    ("settings", "facts"),
    [
        ({"sl_mult": 100}, r"stop_loss\D+-0\.395"),
        ({"tp_mult": "1e-17"}, r"take_profit\D+1\.105\D+entry\D+1\.10500"),
        ({"tp_mult": "1e18", "sl_mult": "1e-12"}, r"risk_reward_ratio\D+1"),
        ({"tp_mult": "1e18", "sl_mult": "1e17", "fast": 2, "slow": 1, "inverted": True}, r"take_profit\D+-\d"),
    ],
)
def test_a_cross_with_prices_out_of_range_is_filtered(settings: dict[str, Any], facts: str) -> None:
    answer = filtered(strategy(**settings), "1.10000", "1.09000", "1.10500")
    assert answer.filters == ("out of range",)
    assert re.search(facts, answer.reasons[0])


def test_a_cross_at_the_end_of_the_calendar_is_filtered() -> None:
    start = datetime(8999, 12, 31, 12, tzinfo=UTC)
    answer = filtered(strategy(), "1.1", "1.09", "1.105", start=start)
    assert answer.filters == ("out of range",)
    assert "timestamp" in answer.reasons[0]
    assert "8999-12-31T20:00:00" in answer.reasons[0]


def test_a_price_of_one_tick_at_the_finest_scale_makes_signals() -> None:
    tiny = strategy(pair="ONE_TICK", places=12, sl_mult="0.1", tp_mult="0.3")
    signal = signal_of(answers(tiny, "0.000000000001", "0.000000000001", "0.000000000002")[-1])
    assert (signal.stop_loss, signal.take_profit) == (Decimal("1.9E-12"), Decimal("2.3E-12"))


def test_a_stop_or_target_at_zero_is_filtered_because_it_would_count_as_missing() -> None:
    edge = strategy(pair="CL1!", places=0, sl_mult="1.5", tp_mult=2)
    (answer,) = [each for each in answers(edge, "4", "2", "6", "12") if each is not None]
    assert isinstance(answer, Filtered)
    assert answer.filters == ("out of range",)


def test_a_candle_at_or_below_zero_is_refused_if_the_pair_cannot_have_it() -> None:
    tried = strategy()
    before = tried.snapshot()
    with pytest.raises(InvalidValue) as refusal:
        tried.on_candle(flat(0, "-1"))
    assert (refusal.value.code, refusal.value.field) == ("out-of-range", "low")
    assert tried.snapshot() == before


@pytest.mark.parametrize("index", [2, 1, 0])
def test_a_candle_that_is_not_newer_is_refused_and_changes_nothing(index: int) -> None:
    tried = strategy()
    answers(tried, "1.1", "1.1", "1.1")
    before = tried.snapshot()
    with pytest.raises(OutOfOrder, match="EUR_USD_H4") as refusal:
        tried.on_candle(flat(index, "1.2"))
    expected = Facts("out-of-order", "time", iso(START + index * H4), "after 2024-01-01T08:00:00Z")
    assert facts_of(refusal.value) == [expected]
    assert tried.snapshot() == before


@pytest.mark.parametrize("name", ["high", "low", "close"])
def test_a_price_finer_than_the_streams_ticks_is_refused_and_changes_nothing(name: str) -> None:
    tried = strategy()
    answers(tried, "1.1", "1.1")
    before = tried.snapshot()
    prices = {"open": "1.15", "high": "1.2", "low": "1.1", "close": "1.15"}
    fine = Candle(time=START + 5 * H4, **{**prices, name: prices[name] + "00001"})
    with pytest.raises(InvalidValue, match="5") as refusal:
        tried.on_candle(fine)
    assert facts_of(refusal.value) == [Facts("too-fine", None, prices[name] + "00001", "5 decimals")]
    assert tried.snapshot() == before


def test_a_pair_with_unknown_decimals_needs_places() -> None:
    with pytest.raises(InvalidConfiguration, match="BTC_PERP") as refusal:
        strategy(pair="BTC_PERP")
    assert facts_of(refusal.value) == [Facts("missing", "places", None, "0 to 18")]


def test_on_ticks_finds_the_same_crosses() -> None:
    closes = [11, 11, 12, 10, 10, 13]
    alone, whole = strategy(places=0), strategy(places=0)
    crosses = [alone.on_ticks(close, close, close) for close in closes]
    assert [cross != 0 for cross in crosses] == [answer is not None for answer in answers(whole, *map(str, closes))]
    assert Fraction(alone.snapshot()["slow"]["window"][-1]) == 13

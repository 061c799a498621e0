"""Which of the user's filters stops a new signal, and what is remembered of those that were posted."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost import InvalidValue, Signal, SignalDeduplicationService
from signalpost.delivery.deduplication import FilterRule, Filters, Posted, SignalHistory, decide
from tests.unit.delivery.intake_harness import NOW, signal

MINUTE, MILLISECOND = timedelta(minutes=1), timedelta(milliseconds=1)
CANDLE = timedelta(hours=4)


def rule_of(made: Signal, **filters: Any) -> FilterRule | None:
    decision = decide(made, NOW, Filters(**filters), SignalHistory())
    assert decision.allowed == bool(decision) == (decision.rule is None) == (decision.reason is None)
    return decision.rule


def test_nothing_stops_a_signal_by_default() -> None:
    assert rule_of(signal(timeframe=None)) is None


@pytest.mark.parametrize(
    ("fields", "filters", "rule"),
    [
        ({}, {"notifications_enabled": False}, "notifications-disabled"),
        ({}, {"pairs": {"GBP_USD"}}, "pair-not-enabled"),
        ({}, {"pairs": {"GBP_USD", "EUR/USD"}}, None),
        ({"pair": "BTC/USDT"}, {"pairs": {"BTC/USDT:USDT"}}, "pair-not-enabled"),
        ({}, {"timeframes": {"H1"}}, "timeframe-not-enabled"),
        ({}, {"timeframes": {"4h"}}, None),
        ({"timeframe": None}, {"timeframes": {"H4"}}, "timeframe-not-enabled"),
        ({}, {"min_confidence": "0.7"}, "min-confidence"),
        ({"confidence_score": "0.69"}, {"min_confidence": "0.7"}, "min-confidence"),
        ({"confidence_score": 0.7}, {"min_confidence": 0.7}, None),
        ({}, {"min_rr": 1.5}, "min-rr"),
        ({"stop_loss": "1.09", "take_profit": "1.115"}, {"min_rr": 1.5}, None),
        ({"stop_loss": "1.09", "take_profit": "1.1149"}, {"min_rr": 1.5}, "min-rr"),
        ({"stop_loss": "1.097", "take_profit": "1.102"}, {"min_rr": "0.6666666666666666666666666667"}, None),
        ({"risk_reward_ratio": "1.499999999"}, {"min_rr": "1.5"}, None),
        ({"risk_reward_ratio": "1.4999999989"}, {"min_rr": "1.5"}, "min-rr"),
    ],
)
def test_rules_that_need_only_the_signal(fields: dict[str, Any], filters: dict[str, Any], rule: str | None) -> None:
    assert rule_of(signal(**fields), **filters) == rule


@pytest.mark.parametrize(
    ("filters", "field"),
    [
        ({"min_confidence": 1.1}, "min_confidence"),
        ({"min_rr": -1}, "min_rr"),
        ({"max_per_hour": -1}, "max_per_hour"),
        ({"pair_cooldown_minutes": True}, "pair_cooldown_minutes"),
    ],
)
def test_invalid_limits_are_rejected(filters: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidValue) as error:
        Filters(**filters)
    assert [fault.field for fault in error.value.errors] == [field]


def test_only_a_signal_of_the_same_strategy_pair_timeframe_side_and_candle_is_a_duplicate() -> None:
    service = SignalDeduplicationService()
    assert service.judge(signal(signal_id="a"), NOW)
    assert service.judge(signal(signal_id="b"), NOW).rule is FilterRule.DUPLICATE
    others = (
        {"pair": "GBPUSD"},
        {"timeframe": "H1"},
        {"signal_type": "SELL"},
        {"strategy_name": "another"},
        {"timestamp": "2026-01-05T08:00:00Z"},
    )
    assert [service.judge(signal(**fields), NOW).rule for fields in others] == [None] * len(others)
    assert service.judge(signal(signal_id="c"), NOW + 10 * CANDLE).rule is FilterRule.DUPLICATE


def test_a_repeat_of_an_id_is_a_duplicate_with_any_filters() -> None:
    earlier = Posted(NOW, signal(signal_id="a"))
    service = SignalDeduplicationService(Filters(), [earlier])
    assert service.judge(signal(signal_id="a"), NOW).rule is FilterRule.DUPLICATE
    assert service.judge(signal(signal_id="b"), NOW).allowed
    assert service.judge(signal(signal_id="b"), NOW).rule is FilterRule.DUPLICATE


def test_a_cooldown_stops_the_side_of_the_pairs_last_signal_only() -> None:
    service = SignalDeduplicationService(Filters(pair_cooldown_minutes=15))
    steps = (
        (0, "EURUSD", "BUY", True),
        (14, "EUR/USD", "BUY", False),
        (14, "GBPUSD", "BUY", True),
        (14, "EURUSD", "SELL", True),
        (14, "EURUSD", "BUY", True),
        (28, "EURUSD", "BUY", False),
        (29, "EURUSD", "BUY", True),
    )
    for number, (minutes, pair, side, allowed) in enumerate(steps):
        made = signal(signal_id=str(number), pair=pair, signal_type=side)
        decision = service.judge(made, NOW + minutes * MINUTE)
        assert decision.rule == (None if allowed else FilterRule.PAIR_COOLDOWN), number


def test_the_last_of_two_signals_at_the_same_time_decides_a_cooldown() -> None:
    posted = [Posted(NOW, signal(signal_id=side, signal_type=side)) for side in ("SELL", "BUY")]
    filters = Filters(pair_cooldown_minutes=15)
    assert decide(signal(), NOW, filters, SignalHistory(posted)).rule is FilterRule.PAIR_COOLDOWN
    assert decide(signal(), NOW, filters, SignalHistory(posted[::-1])).allowed


def test_signals_that_were_posted_while_the_clock_was_far_ahead_do_not_count() -> None:
    later = Posted(NOW + 400 * CANDLE, signal(signal_id="later"))
    service = SignalDeduplicationService(Filters(pair_cooldown_minutes=15, max_per_day=1), [later])
    assert service.judge(signal(), NOW).allowed


@given(
    gaps=st.lists(st.integers(0, 40_000), min_size=1, max_size=60),
    minute=st.integers(0, 3),
    hour=st.integers(0, 6),
    day=st.integers(0, 12),
)
def test_no_period_has_more_signals_than_its_limit_and_none_is_stopped_early(
    gaps: list[int], minute: int, hour: int, day: int
) -> None:
    limits = {60: minute, 3600: hour, 86_400: day}
    service = SignalDeduplicationService(Filters(max_per_minute=minute, max_per_hour=hour, max_per_day=day))
    posted: list[int] = []
    at = 0
    for number, gap in enumerate(gaps):
        at += gap
        full = [limit for period, limit in limits.items() if limit and _within(posted, at, period) >= limit]
        decision = service.judge(signal(signal_id=str(number)), NOW + timedelta(seconds=at))
        assert decision.allowed == (not full)
        if decision.allowed:
            posted.append(at)


def _within(posted: list[int], at: int, period: int) -> int:
    return sum(at - each < period for each in posted)


@given(st.decimals("0.01", "5", places=2))
def test_a_signal_whose_ratio_is_the_limit_passes(ratio: Decimal) -> None:
    made = signal(entry_price="1.1", stop_loss="1.09", take_profit=str(Decimal("1.1") + ratio * Decimal("0.01")))
    assert rule_of(made, min_rr=ratio) is None
    assert rule_of(made, min_rr=ratio + Decimal("0.001")) is FilterRule.MIN_RR

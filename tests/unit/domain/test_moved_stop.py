"""A stop can move to break-even and beyond; R counts from the initial stop."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost import InvalidValue, Signal, SignalType
from tests.surface.errors import Facts, facts_of


def made(**fields: Any) -> Signal:
    plain = {"pair": "EUR_USD", "timeframe": "H4", "signal_type": "BUY", "entry_price": "1.10"}
    return Signal(**{**plain, "timestamp": "2025-08-20T01:00:00Z", "stop_loss": "1.09", **fields})


def test_a_moved_stop_keeps_the_risk_of_the_first_one() -> None:
    signal = made(targets=["1.12", "1.14"])
    assert signal.initial_stop is None
    even = signal.but(stop_loss="1.10")
    trailed = even.but(stop_loss="1.13")
    for moved, stop in ((even, "1.10"), (trailed, "1.13"), (trailed.but(stop_loss="1.09"), "1.09")):
        assert (moved.stop_loss, moved.initial_stop) == (Decimal(stop), Decimal("1.09"))
        assert (moved.risk, moved.r_multiple("1.12"), moved.risk_reward_ratio) == (Decimal("0.01"), 2, 2)
        assert Signal.from_json(moved.to_json()) == moved
    assert (signal.stop_pips, even.stop_pips, trailed.stop_pips) == (100, 0, -300)


@given(
    st.sampled_from(SignalType), st.integers(1, 200), st.integers(1, 200), st.lists(st.integers(-300, 300), max_size=5)
)
def test_a_stop_may_be_anywhere_before_the_last_target(
    side: SignalType, risk: int, reward: int, moves: list[int]
) -> None:
    at = lambda distance: 1000 + side.sign * distance  # noqa: E731
    fields = {"pair": "US500", "signal_type": side, "entry_price": 1000, "stop_loss": at(-risk)}
    signal = made(**fields, take_profit=at(reward))
    for move in moves:
        if move < reward:
            signal = signal.but(stop_loss=at(move))
            assert signal.stop_loss == at(move)
            assert signal.risk == risk
            assert signal.r_multiple(at(-risk)) == -1
            assert signal.initial_stop in {None, at(-risk)}
        else:
            with pytest.raises(InvalidValue) as refusal:
                signal.but(stop_loss=at(move))
            limit = f"{'below' if side is SignalType.BUY else 'above'} {at(reward)}"
            assert facts_of(refusal.value) == [Facts("wrong-side", "stop_loss", str(at(move)), limit)]


def test_the_same_stop_again_does_not_move_it() -> None:
    assert made().but(stop_loss="1.090") == made()


def test_without_targets_a_moved_stop_may_be_anywhere() -> None:
    assert made().but(stop_loss="1.5").risk == Decimal("0.01")


def test_the_initial_stop_is_on_the_losing_side_of_the_entry() -> None:
    for stop in ("1.10", "1.11"):
        with pytest.raises(InvalidValue) as refusal:
            made(stop_loss="1.12", initial_stop=stop)
        assert facts_of(refusal.value) == [Facts("wrong-side", "initial_stop", stop, "below 1.10")]
    assert made(stop_loss="1.12", initial_stop="1.08").risk == Decimal("0.02")
    assert made(initial_stop=0).initial_stop is None


def test_a_new_plan_and_a_removed_stop_have_no_initial_stop() -> None:
    moved = made().but(stop_loss="1.10")
    assert moved.but(stop_loss=None).risk is None
    assert moved.but(stop_loss="1.19", entry_price="1.2").initial_stop is None
    assert moved.but(stop_loss="1.11", signal_type="SELL").initial_stop is None
    assert made(stop_loss=None).but(stop_loss="1.09").initial_stop is None
    assert moved.but(stop_loss="1.08", initial_stop=None).risk == Decimal("0.02")


def test_an_invalid_stop_is_reported_with_the_other_faults() -> None:
    with pytest.raises(InvalidValue) as refusal:
        made().but(stop_loss="x", confidence_score=2)
    assert [(fault.code, fault.field) for fault in refusal.value.errors] == [
        ("not-a-number", "stop_loss"),
        ("out-of-range", "confidence_score"),
    ]

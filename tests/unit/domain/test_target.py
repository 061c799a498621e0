"""A signal has several targets, each with an optional share; the first one is its `take_profit`."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost import InvalidValue, Signal, SignalType
from signalpost.domain.target import MOST_TARGETS, Target
from tests.surface.errors import Facts, facts_of

OPEN = "2025-08-20T01:00:00Z"


def made(**fields: Any) -> Signal:
    plain = {"pair": "EUR_USD", "timeframe": "H4", "signal_type": "BUY", "entry_price": "1.10", "timestamp": OPEN}
    return Signal(**{**plain, **fields})


@pytest.mark.parametrize(
    "targets",
    [
        ["1.12", "1.13"],
        [1.12, Decimal("1.13")],
        (Target("1.12"), Target("1.13")),
        [("1.12", None), ["1.13", None]],
        [{"price": "1.12"}, {"price": "1.13", "share": None}],
        {"1.12": 1, "1.13": 2}.keys(),
    ],
    ids=str,
)
def test_targets_are_prices_pairs_mappings_or_targets(targets: Any) -> None:
    signal = made(targets=targets)
    assert signal.targets == (Target(Decimal("1.12")), Target(Decimal("1.13")))
    assert (signal.take_profit, signal.shares) == (Decimal("1.12"), (50, 50))
    assert (signal.target_pips, signal.pips_of_targets) == (200, (200, 300))


def test_take_profit_and_targets_follow_each_other() -> None:
    assert made().targets == made(targets=None).targets == made(targets=[]).shares == ()
    assert made(take_profit="1.12").targets == (Target("1.12"),)
    assert made(take_profit=0, targets=["1.12"]).take_profit == Decimal("1.12")
    assert made(take_profit="1.120", targets=["1.12", "1.13"]).targets[0].price == Decimal("1.12")
    with pytest.raises(InvalidValue) as refusal:
        made(take_profit="1.11", targets=["1.12"])
    assert facts_of(refusal.value) == [Facts("conflict", "take_profit", "1.11", "targets: 1.12")]


@pytest.mark.parametrize(
    ("targets", "code", "value", "limit"),
    [
        ("1.12", "not-a-list", "'1.12'", None),
        ({"price": 1.12}, "not-a-list", "{'price': 1.12}", None),
        (1.12, "not-a-list", "1.12", None),
        ([f"1.{n}" for n in range(20, 31)], "too-many", None, "10"),
        (["1.12", "x"], "not-a-number", "'x'", None),
        (["1.12", ("1.13", 50, 1)], "not-a-number", "['1.13', 50, 1]", None),
        ([{"price": "1.12", "size": 1}], "not-a-number", "{'price': '1.12', 'size': 1}", None),
        (["0"], "out-of-range", "0", "not 0"),
        (["-1"], "out-of-range", "-1", "above 0"),
        ([("1.12", 0)], "out-of-range", "0", "above 0, at most 100"),
        ([("1.12", "100.1%")], "out-of-range", "100.1", "above 0, at most 100"),
        ([("1.12", 60), ("1.13", "40.01")], "out-of-range", "100.01", "100"),
        ([("1.12", 60), ("1.13", 20), "1.14"], "missing", "2", "3"),
        (["1.12", "1.12"], "wrong-order", "1.12", "above 1.12"),
        (["1.12", "1.14", "1.13"], "wrong-order", "1.13", "above 1.14"),
    ],
    ids=str,
)
def test_invalid_targets_are_refused_with_their_facts(
    targets: Any, code: str, value: str | None, limit: str | None
) -> None:
    with pytest.raises(InvalidValue) as refusal:
        made(targets=targets)
    ((found, field, quoted, bound),) = facts_of(refusal.value)
    assert (found, field, bound) == (code, "targets", limit)
    assert value is None or quoted == value


def test_all_faults_of_targets_are_reported() -> None:
    with pytest.raises(InvalidValue) as refusal:
        made(targets=["x", ("1.12", 101), "1.13"], stop_loss="y")
    assert [fault.code for fault in refusal.value.errors] == ["not-a-number", "not-a-number", "out-of-range"]
    with pytest.raises(InvalidValue) as refusal:
        made(targets=["1.09", "1.12", "1.11"], stop_loss="1.2")
    assert [(fault.code, fault.field) for fault in refusal.value.errors] == [
        ("wrong-side", "stop_loss"),
        ("wrong-side", "take_profit"),
        ("wrong-order", "targets"),
    ]


@given(
    st.sampled_from(SignalType),
    st.lists(st.integers(1, 99), min_size=1, max_size=MOST_TARGETS, unique=True),
    st.booleans(),
)
def test_only_targets_in_the_order_in_which_price_reaches_them_are_accepted(
    side: SignalType,
    steps: list[int],
    are_sorted: bool,
) -> None:
    steps = sorted(steps) if are_sorted else steps
    prices = [Decimal(100 + side.sign * step) for step in steps]
    fields = {"pair": "US500", "signal_type": side, "entry_price": 100, "targets": prices}
    if steps == sorted(steps):
        signal = made(**fields)
        assert [target.price for target in signal.targets] == prices
        assert signal.take_profit == prices[0]
        assert abs(sum(map(Fraction, signal.shares)) - 100) <= Fraction(len(steps), 2 * 10**18)
        assert Signal.from_json(signal.to_json()) == signal
    else:
        with pytest.raises(InvalidValue) as refusal:
            made(**fields)
        assert {fault.code for fault in refusal.value.errors} == {"wrong-order"}


def test_shares_are_as_given_or_equal_parts_of_a_hundred() -> None:
    assert made(targets=[("1.12", "50%"), ("1.13", 25)]).shares == (50, 25)
    third = Decimal("33.333333333333333333")
    assert made(targets=["1.12", "1.13", "1.14"]).shares == (third, third, third)
    assert made(take_profit="1.12").shares == (100,)


def test_prices_of_targets_set_the_places_of_a_market_without_its_own() -> None:
    assert made(pair="US500", entry_price=100, targets=[101, "102.25"]).price_places == 2
    assert made(pair="US500", entry_price=100, entry_zone=("99.5", 101)).price_places == 1


@pytest.mark.parametrize(
    ("before", "change", "targets"),
    [
        ({"take_profit": "1.12"}, {"take_profit": "1.13"}, [("1.13", None)]),
        ({"take_profit": "1.12"}, {"take_profit": None}, []),
        ({}, {"take_profit": "1.13"}, [("1.13", None)]),
        ({"targets": [("1.12", 50)]}, {"take_profit": "1.13"}, [("1.13", 50)]),
        ({"targets": ["1.12", "1.14"]}, {"take_profit": "1.13"}, [("1.13", None), ("1.14", None)]),
        ({"targets": ["1.12", "1.14"]}, {"take_profit": 0}, []),
        ({"targets": ["1.12", "1.14"]}, {"targets": ["1.15"]}, [("1.15", None)]),
        ({"targets": ["1.12", "1.14"]}, {"targets": ()}, []),
        (
            {"take_profit": "1.12"},
            {"take_profit": "1.13", "targets": ["1.13", "1.14"]},
            [("1.13", None), ("1.14", None)],
        ),
        ({"targets": ["1.12", "1.14"]}, {"notes": "x"}, [("1.12", None), ("1.14", None)]),
    ],
    ids=str,
)
def test_a_copy_with_other_targets_keeps_both_fields_equal(
    before: dict[str, Any], change: dict[str, Any], targets: list[tuple[str, int | None]]
) -> None:
    signal = made(stop_loss="1.09", **before).but(**change)
    assert signal.targets == tuple(Target(price, share) for price, share in targets)
    assert signal.take_profit == (signal.targets[0].price if targets else None)
    assert signal.initial_stop is None
    ratio = None if not targets else (Decimal(targets[0][0]) - Decimal("1.10")) * 100
    assert signal.risk_reward_ratio == ratio

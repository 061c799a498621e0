import re
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signalpost import InvalidConfiguration, InvalidSnapshot
from signalpost.trading.indicators.moving_average import ExponentialMovingAverage, SimpleMovingAverage
from tests.surface.errors import Facts, facts_of


def test_the_simple_average_covers_the_last_values_once_there_are_enough() -> None:
    average = SimpleMovingAverage(3)
    assert [average.update(value) for value in (1, 2, 4, 9)] == [None, None, 7, 15]
    assert (average.value, average.total) == (Fraction(5), 15)


def test_the_simple_average_is_cold_until_its_period_is_full() -> None:
    average = SimpleMovingAverage(2)
    average.update(7)
    assert (average.is_warm, average.value, average.total) == (False, None, 7)
    average.update(8)
    assert (average.is_warm, average.value) == (True, Fraction(15, 2))


def test_the_exponential_average_starts_at_the_simple_one_and_has_weight_two_in_period_plus_one() -> None:
    average = ExponentialMovingAverage(3)
    assert [average.update(value) for value in (1, 2)] == [None, None]
    assert (average.is_warm, average.value) == (False, None)
    average.update(6)
    assert (average.is_warm, average.value) == (True, 3)  # (1 + 2 + 6) / 3
    average.update(10)
    assert average.value == Fraction(13, 2)  # 3 + (10 - 3) / 2


def test_a_weight_of_one_in_period_is_wilders_smoothing() -> None:
    average = ExponentialMovingAverage(4, weight=Fraction(1, 4))
    for value in (1, 2, 3, 6, 11):
        average.update(value)
    assert average.value == 5  # (3 x 3 + 11) / 4


def to_unit(value: Fraction) -> Fraction:
    """`value` rounded half to even to the unit of 2**-64."""
    return Fraction(round(value * 2**64), 2**64)


@pytest.mark.parametrize("first", [1, 2])
def test_an_average_that_does_not_divide_evenly_is_rounded_to_the_nearest_unit(first: int) -> None:
    average = ExponentialMovingAverage(3)
    for value in (first, 0, 0):
        average.update(value)
    assert average.value == to_unit(Fraction(first, 3)) != Fraction(first, 3)


@settings(print_blob=True)
@given(st.lists(st.integers(-(10**31), 10**31), max_size=40), st.integers(1, 12), st.integers(2, 12))
def test_each_step_of_the_exponential_average_is_rounded_only_once(values: list[int], period: int, wilder: int) -> None:
    for weight in (Fraction(2, period + 1), Fraction(1, wilder)):
        average, expected = ExponentialMovingAverage(period, weight=weight), Fraction(0)
        for index, value in enumerate(values):
            average.update(value)
            if index + 1 == period:
                expected = to_unit(Fraction(sum(values[:period]), period))
            elif index >= period:
                expected = to_unit(expected + (value - expected) * weight)
            assert average.value == (expected if index + 1 >= period else None)


def test_both_with_a_period_of_one_are_the_value_itself() -> None:
    for average in (SimpleMovingAverage(1), ExponentialMovingAverage(1)):
        for value in (5, 7, 0, -3):
            average.update(value)
            assert average.value == value


@pytest.mark.parametrize("period", [0, -1, True, 2.0, "3", None, 100_001])
@pytest.mark.parametrize("average", [SimpleMovingAverage, ExponentialMovingAverage])
def test_a_period_is_a_whole_number_of_candles(average: type, period: object) -> None:
    with pytest.raises(InvalidConfiguration, match=re.escape(repr(period))) as refusal:
        average(period)
    assert facts_of(refusal.value) == [Facts("out-of-range", "period", repr(period), "1 to 100000")]


def test_the_longest_period_is_accepted() -> None:
    average = SimpleMovingAverage(100_000)
    for value in range(100_001):
        average.update(value)
    assert average.value == Fraction(100_001, 2)  # of 1 to 100,000


@settings(print_blob=True)
@given(st.lists(st.integers(-9, 9), max_size=9), st.lists(st.integers(-9, 9), max_size=9))
@pytest.mark.parametrize("average", [SimpleMovingAverage, ExponentialMovingAverage])
def test_a_restored_average_continues_as_if_never_stopped(average: type, before: list[int], after: list[int]) -> None:
    whole, stopped, resumed = average(4), average(4), average(4)
    for value in before:
        whole.update(value)
        stopped.update(value)
    resumed.restore(stopped.snapshot())
    assert [resumed.update(value) for value in after] == [whole.update(value) for value in after]
    assert resumed.value == whole.value


@pytest.mark.parametrize("average", [SimpleMovingAverage, ExponentialMovingAverage])
def test_a_restored_average_does_not_change_the_saved_state(average: type) -> None:
    saved = {"window": [1], "seed": [1], "scaled": None}
    restored = average(4)
    restored.restore(saved)
    restored.update(2)
    assert saved == {"window": [1], "seed": [1], "scaled": None}


@pytest.mark.parametrize(
    ("average", "saved", "code"),
    [
        (SimpleMovingAverage(2), {}, "not-a-list"),
        (SimpleMovingAverage(2), {"window": [1, 2, 3]}, "not-a-list"),
        (SimpleMovingAverage(2), {"window": [1, 2.0]}, "not-a-list"),
        (SimpleMovingAverage(2), {"window": [True]}, "not-a-list"),
        (SimpleMovingAverage(2), {"window": "12"}, "not-a-list"),
        (ExponentialMovingAverage(2), {"seed": []}, "not-a-number"),
        (ExponentialMovingAverage(2), {"seed": [1, 2], "scaled": None}, "not-a-list"),
        (ExponentialMovingAverage(2), {"seed": [1], "scaled": "18446744073709551616"}, "conflict"),
        (ExponentialMovingAverage(2), {"seed": [], "scaled": 1.5}, "not-a-number"),
    ],
)
def test_a_damaged_state_is_refused_and_changes_nothing(
    average: SimpleMovingAverage | ExponentialMovingAverage, saved: dict[str, object], code: str
) -> None:
    average.update(1)
    before = average.snapshot()
    with pytest.raises(InvalidSnapshot) as refusal:
        average.restore(saved)
    assert refusal.value.code == code
    assert refusal.value.field in {"window", "seed", "scaled"}
    assert average.snapshot() == before

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from decimal import Context, Decimal, FloatOperation, localcontext
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost.domain.exact import (
    decimal_of,
    difference,
    fixed,
    integer_of,
    non_negative,
    places_of,
    plain,
    positive,
    product,
    quotient,
    ratio_text,
    rounded,
    step,
    total,
    whole,
)
from signalpost.errors import InvalidValue, as_text, shown
from tests.surface.errors import Facts, facts_of

Hostile = Callable[[], AbstractContextManager[Context]]


class Loud(float):
    """A float with a misleading `repr`."""

    def __repr__(self) -> str:
        return "loud"

    __str__ = __repr__


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


def kind(given: object) -> str:
    return type(given).__name__


@st.composite
def admitted(draw: st.DrawFn) -> Decimal:
    """Any number above zero that a constructor accepts: up to 48 digits, from 1e-30 to below 1e19."""
    digits = draw(st.integers(1, 48))
    number = draw(st.integers(10 ** (digits - 1), 10**digits - 1))
    exponent = draw(st.integers(digits - 19, digits + 29))
    return Decimal((0, tuple(map(int, str(number))), -exponent))


def half_even(value: Fraction) -> Fraction:
    return Fraction(round(value * 10**18), 10**18)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (1, "1"),
        (-1.5, "-1.5"),
        (1.1, "1.1"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1.1234567890123, "1.1234567890123"),
        (1e-7, "1E-7"),
        ("1.10", "1.10"),
        (" +1.5e2\n", "1.5E+2"),
        (".5", "0.5"),
        ("5.", "5"),
        (Decimal("1.2300"), "1.2300"),
        (np.float64(1.1), "1.1"),
        (np.float32(1.1), "1.1"),
        (np.float16(1.1), "1.1"),
        (np.longdouble("1.1"), "1.1"),
        (np.int64(-7), "-7"),
        (np.uint8(7), "7"),
        (np.str_("1.4"), "1.4"),
        (pd.Series([1.25]).iloc[0], "1.25"),
        (pd.Series([3], dtype="Int64").iloc[0], "3"),
        (Loud(1.1), "1.1"),
        ("-0", "0"),
        (-0.0, "0.0"),
        ("9" * 19, "9" * 19),
        ("1e-30", "1E-30"),
    ],
)
def test_a_number_is_read_from_its_shortest_text(given: object, expected: str) -> None:
    number = decimal_of(given, "price")  # type: ignore[arg-type]
    assert type(number) is Decimal
    assert str(number) == expected


def test_a_subclass_of_decimal_becomes_a_plain_one() -> None:
    class Money(Decimal):
        pass

    assert type(decimal_of(Money("1.2"), "price")) is Decimal


@pytest.mark.parametrize("given", ["nan", "-NaN", "inf", "+Infinity", float("nan"), np.float32("inf"), Decimal("sNaN")])
def test_a_number_that_is_not_finite_is_refused(given: object) -> None:
    with pytest.raises(InvalidValue) as refusal:
        decimal_of(given, "price")  # type: ignore[arg-type]
    (fault,) = facts_of(refusal.value)
    assert (fault.code, fault.field) == ("not-a-number", "price")
    assert not Decimal(str(fault.value)).is_finite()


@pytest.mark.parametrize(
    "given",
    [
        *("", "1_000", "1,1", "0x1", "\u0661", "nan1", "--1", "1.1.1", "1 1", "1\0", "\ud800", "snan", "1e", "one"),
        *(None, True, False, [], {}, b"1.1", 1j, object(), Unprintable()),
        *(
            np.bool_(True),
            np.array([1.1]),
            np.array([1, 2]),
            np.complex128(1),
            np.datetime64("2020"),
            np.timedelta64(4, "h"),
        ),
        *(pd.NA, pd.NaT, pd.Series([1.1, 2.2]), pd.Timestamp(0), Fraction(1, 3), "1e99999999999999999999"),
    ],
    ids=kind,
)
def test_anything_but_a_number_is_refused_with_its_value(given: object) -> None:
    with pytest.raises(InvalidValue) as refusal:
        decimal_of(given, "price")  # type: ignore[arg-type]
    (fault,) = facts_of(refusal.value)
    assert (fault.code, fault.field) == ("not-a-number", "price")
    assert fault.value in {shown(given), shown(as_text(given))}
    assert fault.value in str(refusal.value)


@pytest.mark.parametrize(
    "given",
    ["1e19", "1e-31", 1e300, 5e-324, 10**5000, "1." + "1" * 48, "9" * 5000, Decimal("1e400"), "1e-400"],
    ids=kind,
)
def test_a_magnitude_that_no_market_quotes_is_refused_in_a_short_error(given: object) -> None:
    with pytest.raises(InvalidValue, match="48") as refusal:
        decimal_of(given, "price")  # type: ignore[arg-type]
    (fault,) = facts_of(refusal.value)
    assert (fault.code, fault.field, fault.limit) == ("out-of-range", "price", "1e-30 to 1e18")
    assert len(str(refusal.value)) < 160


def test_zero_is_neither_above_zero_nor_negative() -> None:
    assert non_negative(0, "size") == 0
    for number in (0, -1):
        with pytest.raises(InvalidValue) as refusal:
            positive(number, "price")
        assert facts_of(refusal.value) == [Facts("out-of-range", "price", str(number), "above 0")]
    with pytest.raises(InvalidValue) as refusal:
        non_negative(-0.1, "size")
    assert facts_of(refusal.value) == [Facts("out-of-range", "size", "-0.1", "0 or more")]
    assert positive("1e-30", "price") == Decimal("1e-30")


@pytest.mark.parametrize("given", [0, 12, np.int64(12), np.uint8(3), np.array(5)])
def test_whole_numbers_of_any_kind_become_int(given: object) -> None:
    number = whole(given, "places", most=12)
    assert type(number) is int
    assert number == given


@pytest.mark.parametrize(
    "given",
    [True, np.bool_(True), 5.0, "5", None, -1, 13, 10**5000, np.array([1, 2]), np.timedelta64(4, "h"), Decimal(1)],
    ids=kind,
)
def test_anything_but_a_whole_number_within_the_limits_is_refused(given: object) -> None:
    with pytest.raises(InvalidValue) as refusal:
        whole(given, "places", most=12)
    assert facts_of(refusal.value) == [Facts("out-of-range", "places", shown(given), "0 to 12")]


def test_a_boolean_is_not_an_integer() -> None:
    assert integer_of(3) == 3
    assert integer_of(True) is None


@given(admitted(), admitted())
def test_arithmetic_matches_fractions_in_any_decimal_context(hostile: Hostile, one: Decimal, other: Decimal) -> None:
    with hostile():
        taken = decimal_of(one, "one")
        results = (
            taken,
            difference(one, other),
            product(one, other),
            total([one, other, one]),
            quotient(one, other),
            quotient(difference(one, other), other),
            rounded(Fraction(one) / Fraction(other)),
            decimal_of(str(one), "one"),
        )
    exact_one, exact_other = Fraction(one), Fraction(other)
    ratio = half_even(exact_one / exact_other)
    assert [Fraction(result) for result in results] == [
        exact_one,
        exact_one - exact_other,
        exact_one * exact_other,
        2 * exact_one + exact_other,
        ratio,
        half_even((exact_one - exact_other) / exact_other),
        ratio,
        exact_one,
    ]


@given(st.integers(-(10**40), 10**40), st.integers(0, 12))
def test_fixed_text_has_its_places_and_is_rounded_half_to_even(hostile: Hostile, ticks: int, places: int) -> None:
    number = Decimal(ticks).scaleb(-14, Context(prec=60))
    with hostile():
        text = fixed(number, places)
    assert len(text.partition(".")[2]) == places
    assert "E" not in text
    assert Fraction(text) == Fraction(round(Fraction(number) * 10**places), 10**places)


@pytest.mark.parametrize(("dividend", "expected"), [("1", "0E-18"), ("3", "2E-18"), ("5", "2E-18")])
def test_a_tie_is_rounded_to_even(dividend: str, expected: str) -> None:
    assert quotient(Decimal(dividend), Decimal("2e18")) == Decimal(expected)


@pytest.mark.parametrize(
    ("dividend", "divisor", "expected"),
    [
        (Decimal("0.1"), Decimal(20), "+0.01"),
        (5 * 10**299 - 1, 10**302, "0.00"),
        (-5 * 10**299, 10**302, "-0.01"),
        (-5 * 10**299 + 1, 10**302, "0.00"),
    ],
)
def test_half_rounds_away_from_zero_and_nothing_smaller_does(
    dividend: Decimal | int, divisor: Decimal | int, expected: str
) -> None:
    assert ratio_text(dividend, divisor, 2) == expected


@pytest.mark.parametrize(
    ("number", "expected"), [("1.500", "1.5"), ("1E+2", "100"), ("100", "100"), ("0E+3", "0"), ("-0.10", "-0.1")]
)
def test_plain_text_has_no_trailing_zeros_and_no_power_of_ten(hostile: Hostile, number: str, expected: str) -> None:
    with hostile():
        assert str(plain(Decimal(number))) == expected


@pytest.mark.parametrize(("number", "places"), [("1.50", 2), ("1", 0), ("1E+2", 0), ("1E-7", 7), ("NaN", 0)])
def test_places_are_the_decimals_a_number_is_written_with(number: str, places: int) -> None:
    assert places_of(Decimal(number)) == places


def test_a_step_is_one_unit_of_the_last_place(hostile: Hostile) -> None:
    with hostile():
        assert [str(step(places)) for places in (0, 2, 12)] == ["1", "0.01", "1E-12"]


def test_a_value_that_is_not_a_number_is_refused_even_without_decimal_traps() -> None:
    with localcontext(Context(traps=[])), pytest.raises(InvalidValue):
        decimal_of(Fraction(1, 3), "price")  # type: ignore[arg-type]


def test_a_float_is_accepted_even_if_mixing_floats_and_decimals_is_trapped() -> None:
    with localcontext(Context(traps=[FloatOperation])):
        assert positive(1.1, "price") == Decimal("1.1")


def test_threads_can_round_at_the_same_time() -> None:
    numbers = [Decimal(number) for number in range(1, 400)]
    with ThreadPoolExecutor(8) as threads:
        for one, result in zip(numbers, threads.map(lambda one: quotient(one, Decimal(7)), numbers), strict=True):
            assert Fraction(result) == half_even(Fraction(one) / 7)

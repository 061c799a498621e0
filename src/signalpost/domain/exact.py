"""Exact arithmetic for prices, ratios and confidences.

Each of them is a `Decimal`. A float is read from its shortest text (`1.1` is 1.1, not 1.100000000000000088). The result
of a division is rounded once, half to even, to 18 decimals. No arithmetic here depends on the calling thread's decimal
context.
"""

import re
from collections.abc import Iterable
from decimal import (
    ROUND_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    Context,
    Decimal,
    DecimalException,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    Subnormal,
)
from fractions import Fraction
from functools import cache, reduce
from numbers import Real
from operator import index
from typing import Protocol, SupportsFloat, SupportsIndex, cast

from signalpost.errors import InvalidValue

PLACES = 18
"""Decimals of a derived value."""

_UNIT = 10**PLACES
_ONE = Decimal(1)
_WIDE = Context(prec=250, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])
# 250 digits hold any sum or product of two admitted numbers exactly. Rounding a quotient to 250 digits and then to 18
# decimals equals rounding it once: different quotients of 48-digit numbers differ within their first 120 digits.
_CUT_OFF = Context(prec=250, rounding=ROUND_DOWN)
_HALF_UP = Context(prec=250, rounding=ROUND_HALF_UP)
_MOST_DIGITS = 48
_LARGEST = 18
_SMALLEST = -30
_ADMITTED = Context(
    prec=_MOST_DIGITS, Emax=_LARGEST, Emin=_SMALLEST, traps=[Inexact, Overflow, Subnormal, InvalidOperation]
)
_DECIMAL_TEXT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class _NumpyScalar(SupportsFloat, Protocol):
    """A number of another library, such as numpy or pandas, whose `str` is its shortest text."""

    def item(self) -> object: ...


Number = Decimal | int | float | str | _NumpyScalar
"""The types that constructors accept for a number."""


def decimal_of(value: Number, name: str) -> Decimal:
    """`value` as a finite `Decimal`, converted through its text; `name` is the field in errors.

    Raises InvalidValue for NaN, infinity, booleans, text that is not a plain decimal number, and magnitudes beyond any
    market price.
    """
    number = value if type(value) is Decimal else _parsed(value, name)
    if not number.is_finite():
        raise InvalidValue.of(
            name, number, f"use a finite number, or omit {name} if it is unknown", code="not-a-number"
        )
    try:
        return _ADMITTED.plus(number)  # the same number, except that -0 becomes 0; an error if it does not fit
    except DecimalException:
        raise InvalidValue.of(
            name,
            number,
            f"use a number of at most {_MOST_DIGITS} digits, between 1e{_SMALLEST} and 1e{_LARGEST}",
            code="out-of-range",
            limit=f"1e{_SMALLEST} to 1e{_LARGEST}",
        ) from None


def positive(value: Number, name: str) -> Decimal:
    """`value` as a `Decimal` above zero. Raises InvalidValue otherwise."""
    number = decimal_of(value, name)
    if number <= 0:
        raise _out_of_range(name, number, "it must be above zero", "above 0")
    return number


def non_negative(value: Number, name: str) -> Decimal:
    """`value` as a `Decimal` of zero or more. Raises InvalidValue otherwise."""
    number = decimal_of(value, name)
    if number < 0:
        raise _out_of_range(name, number, "it cannot be negative", "0 or more")
    return number


def share(value: Number, name: str) -> Decimal:
    """`value` as a `Decimal` from 0 to 1. Raises InvalidValue otherwise."""
    number = decimal_of(value, name)
    if not 0 <= number <= 1:
        raise _out_of_range(name, number, "use a number from 0 to 1, such as 0.85", "0 to 1")
    return number


def percentage(value: Number, name: str) -> Decimal:
    """`value`, in per cent, as a `Decimal` above 0 and at most 100; text may end with `%`. Raises InvalidValue."""
    number = decimal_of(value.strip().removesuffix("%") if isinstance(value, str) else value, name)
    if not 0 < number <= 100:
        raise _out_of_range(name, number, "use a percentage above 0, at most 100", "above 0, at most 100")
    return number


def whole(value: object, name: str, *, most: int) -> int:
    """`value` as a whole number from 0 to `most`. Raises InvalidValue otherwise."""
    number = integer_of(value)
    if number is None or not 0 <= number <= most:
        raise _out_of_range(name, value, f"use a whole number from 0 to {most}", f"0 to {most}")
    return number


def integer_of(value: object) -> int | None:
    """`value` as an int if its type is an integer type, including numpy's; None for booleans and other types."""
    if type(value) is int:  # fast path: nearly always
        return value
    # Not isinstance(value, SupportsIndex): checking a protocol takes 50 times longer.
    if isinstance(value, bool) or not hasattr(type(value), "__index__"):
        return None
    try:
        return index(cast("SupportsIndex", value))
    except TypeError:  # numpy arrays have an index only if they hold a single integer
        return None


def difference(minuend: Decimal, subtrahend: Decimal) -> Decimal:
    """`minuend` minus `subtrahend`, exactly."""
    return _WIDE.subtract(minuend, subtrahend)


def total(numbers: Iterable[Decimal]) -> Decimal:
    """The sum of `numbers`, exactly."""
    return reduce(_WIDE.add, numbers, Decimal(0))


def product(one: Decimal, other: Decimal) -> Decimal:
    """`one` times `other`, exactly."""
    return _WIDE.multiply(one, other)


def quotient(dividend: Decimal | Fraction, divisor: Decimal) -> Decimal:
    """`dividend` divided by `divisor`, rounded half to even to 18 decimals, without trailing zeros."""
    if isinstance(dividend, Decimal):
        return plain(_WIDE.quantize(_WIDE.divide(dividend, divisor), step(PLACES)))
    return rounded(dividend / Fraction(divisor))


def rounded(value: Fraction) -> Decimal:
    """`value` rounded half to even to 18 decimals, without trailing zeros."""
    return plain(Decimal(round(value * _UNIT)).scaleb(-PLACES, _WIDE))  # Fraction rounds half to even, exactly


def plain(number: Decimal) -> Decimal:
    """`number` without trailing zeros after the point and without an exponent: `100`, not `1E+2`."""
    text = str(number)
    if text[-1] != "0" and "E" not in text:  # fast path: most prices are plain already
        return number
    short = number.normalize(_WIDE)
    return _WIDE.quantize(short, _ONE) if "E+" in str(short) else short


def fixed(number: Decimal, places: int) -> str:
    """`number` as text with exactly `places` decimals, rounded half to even, never with an exponent."""
    return format(_WIDE.quantize(number, step(places)), "f")


def ratio_text(dividend: Decimal | int, divisor: Decimal | int, places: int) -> str:
    """`dividend` divided by `divisor`, as text with `places` decimals and its sign; zero has none.

    Rounded once, half away from zero.
    """
    ratio = _HALF_UP.quantize(_CUT_OFF.divide(dividend, divisor), step(places))  # cutting off never makes a half
    return format(ratio, "+f" if ratio else "zf")


@cache
def step(places: int) -> Decimal:
    """One unit of the last of `places` decimals: `0.01` for two."""
    return Decimal((0, (1,), -places))


def places_of(number: Decimal) -> int:
    """The number of decimals that `number` is written with."""
    exponent = number.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _parsed(value: object, name: str) -> Decimal:
    if isinstance(value, str):
        text = value.strip()
        if _DECIMAL_TEXT.fullmatch(text) or text.lower().lstrip("+-") in {"nan", "inf", "infinity"}:
            return _decimal(text, name)
        raise _not_a_number(text, name)
    if isinstance(value, float):
        return Decimal(float.__repr__(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, (Decimal, Real)) and not isinstance(value, bool):
        return _decimal(str(value), name)
    raise _not_a_number(value, name)


def _decimal(text: str, name: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # the text of a fraction, or an exponent too large for Decimal
        raise _not_a_number(text, name) from None


def _out_of_range(name: str, value: object, advice: str, limit: str) -> InvalidValue:
    return InvalidValue.of(name, value, advice, code="out-of-range", limit=limit)


def _not_a_number(value: object, name: str) -> InvalidValue:
    return InvalidValue.of(name, value, "use a number such as 1.16344, with a dot and no commas", code="not-a-number")

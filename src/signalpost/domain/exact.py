"""Exact numbers in, exact numbers out.

Every price, ratio and confidence is a `Decimal`. A float comes in through its shortest text (`1.1` is 1.1, not
1.100000000000000088), and what is derived by division is an exact fraction rounded once, half to even, to 18
decimals. No arithmetic here depends on the calling thread's decimal context.
"""

import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Protocol, SupportsFloat

from signalpost.errors import InvalidValue

PLACES = 18
"""Decimals that a derived value keeps."""

_UNIT = 10**PLACES
_LARGEST_EXPONENT = 18
_SMALLEST_EXPONENT = -30
_MOST_DIGITS = 48
_DECIMAL_TEXT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class _NumpyScalar(SupportsFloat, Protocol):
    """A foreign number: its `str` is its shortest text, as numpy's and pandas' scalars have it."""

    def item(self) -> object: ...


Number = Decimal | int | float | str | _NumpyScalar
"""What a constructor takes where a number is meant."""


def decimal_of(value: Number, name: str) -> Decimal:
    """`value` as a finite `Decimal`, taken through its text; `name` is how an error calls it.

    Raises InvalidValue for NaN, infinity, booleans, text that is no plain decimal number, and magnitudes no market quotes.
    """
    if type(value) is Decimal:
        number = value
    else:
        number = _parsed(value, name)
    if not number.is_finite():
        raise InvalidValue(f"{name} is {number}: give a finite number, or leave it out if it is not known")
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)  # finite, as checked above
    too_small = exponent < _SMALLEST_EXPONENT or len(number.as_tuple().digits) > _MOST_DIGITS
    if too_small or exponent > _LARGEST_EXPONENT or number.adjusted() > _LARGEST_EXPONENT:
        raise InvalidValue(
            f"{name} is {_shown(number)}: give at most {-_SMALLEST_EXPONENT} decimals and a magnitude below 1e{_LARGEST_EXPONENT}"
        )
    return number


def positive(value: Number, name: str) -> Decimal:
    """`value` as a `Decimal` above zero. Raises InvalidValue otherwise."""
    number = decimal_of(value, name)
    if number <= 0:
        raise InvalidValue(f"{name} is {_shown(number)}: it must be above zero")
    return number


def non_negative(value: Number, name: str) -> Decimal:
    """`value` as a `Decimal` of zero or more. Raises InvalidValue otherwise."""
    number = decimal_of(value, name)
    if number < 0:
        raise InvalidValue(f"{name} is {_shown(number)}: it cannot be negative")
    return number


def fraction_of(number: Decimal) -> Fraction:
    """`number` as the fraction it is."""
    return Fraction(*number.as_integer_ratio())


def rounded(value: Fraction, *, keep: int = 0) -> Decimal:
    """`value` rounded half to even to 18 decimals, without trailing zeros beyond the first `keep` decimals."""
    units = round(value * _UNIT)  # Fraction rounds half to even, exactly
    sign = "-" if units < 0 else ""
    whole, decimals = divmod(abs(units), _UNIT)
    text = f"{decimals:0{PLACES}d}".rstrip("0").ljust(keep, "0")
    return Decimal(f"{sign}{whole}.{text}" if text else f"{sign}{whole}")


def places_of(number: Decimal) -> int:
    """How many decimals `number` is written with."""
    exponent = number.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _parsed(value: object, name: str) -> Decimal:
    if isinstance(value, bool) or value is None or type(value).__name__ in {"bool", "bool_"}:
        raise InvalidValue(f"{name} is {value!r}: give a number, such as 1.16344 or '1.16344'")
    if isinstance(value, str):
        text = value.strip()
    elif isinstance(value, (int, float, Decimal)) or hasattr(value, "item"):
        text = str(value)
    else:
        raise InvalidValue(f"{name} is a {type(value).__name__}: give a Decimal, int, float or text")
    if text.lower().lstrip("+-") not in {"nan", "inf", "infinity"} and not _DECIMAL_TEXT.fullmatch(text):
        raise InvalidValue(f"{name} is {text[:40]!r}: give a plain decimal number, such as '1.16344'")
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent that no Decimal can hold
        raise InvalidValue(f"{name} is {text[:40]!r}: give a plain decimal number, such as '1.16344'") from None


def _shown(number: Decimal) -> str:
    text = str(number)
    return text if len(text) <= 40 else f"{text[:37]}..."

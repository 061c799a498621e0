"""Instants: aware, in UTC, to the microsecond. Naive times are rejected because they are ambiguous."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from signalpost.domain.exact import decimal_of
from signalpost.errors import InvalidValue

Instant = datetime | str | int | float | Decimal
"""The types that constructors accept for an instant.

An aware datetime, a pandas Timestamp with a zone, ISO 8601 text, or Unix time as a number or as text. The size of the
number decides whether it is in seconds, milliseconds, microseconds or nanoseconds.
"""

EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""The range of valid times, without LATEST itself. Every time computed from one of them stays in the calendar, and
Discord can show it. EARLIEST is before Unix time because some candles are."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = tuple((10**power, Decimal(10 ** (8 + power)), Decimal(10 ** (10 + power))) for power in (0, 3, 6, 9))
"""Each unit of Unix time: how many make a second, and the range of its numbers (March 1973 to November 2286).

The ranges do not overlap.
"""
_LIKE_A_DATE = (Decimal(190_000_000_000), Decimal(210_000_000_000))
"""`202508200100` is a date in digits; as milliseconds it would be in 1976."""
_UNIX_TEXT = re.compile(r"[+-]?\d+(\.\d*)?", re.ASCII)
_HOUR_24 = re.compile(r"\S{7,10}[^\d:-]24")
"""A date with the hour 24: midnight at the end of a day. Python accepts it since 3.14."""
_DATE = 8
"""Digits of a date, such as `20250820`: too small for Unix time."""


def utc(value: Instant, name: str) -> datetime:
    """`value` as an aware datetime in UTC; `name` is the field in errors.

    A pandas Timestamp becomes a plain datetime. Raises InvalidValue for a naive time, with advice on how to localise
    it, for a number that is not clearly Unix time, and for a time before 1900 or after 8999.
    """
    if isinstance(value, str):
        text = value.strip()
        value = _from_unix(text, name) if _UNIX_TEXT.fullmatch(text) and len(text) != _DATE else _parsed(value, name)
        if value.tzinfo is UTC:
            return _in_range(value, name)
    elif not isinstance(value, datetime):
        value = _from_unix(value, name)
    if type(value) is datetime and value.tzinfo is UTC:  # fast path: nearly always
        return _in_range(value, name)
    if value != value:  # pandas' NaT is a datetime that is not equal to itself
        raise _invalid_time(value, name)
    if value.utcoffset() is None:
        problem = (
            f"{name} is {value.isoformat()}, which has no time zone: add one, such as a 'Z' at the end of text, "
            "value.replace(tzinfo=datetime.UTC), or pandas' .tz_localize('UTC')"
        )
        raise InvalidValue(problem, code="no-time-zone", field=name, value=value.isoformat())
    try:
        moved = value.astimezone(UTC)
        plain = datetime(
            moved.year, moved.month, moved.day, moved.hour, moved.minute, moved.second, moved.microsecond, tzinfo=UTC
        )
    except (OverflowError, ValueError):  # a pandas Timestamp can be outside the years 1 to 9999
        raise _out_of_range(value.isoformat(), name) from None
    return _in_range(plain, name)


def _in_range(instant: datetime, name: str) -> datetime:
    if EARLIEST <= instant < LATEST:
        return instant
    raise _out_of_range(iso(instant), name)


def _out_of_range(text: str, name: str) -> InvalidValue:
    advice, limit = f"use a time from {EARLIEST.year} to {LATEST.year - 1}", f"{iso(EARLIEST)} to {iso(LATEST)}"
    return InvalidValue(f"{name} is {text}: {advice}", code="out-of-range", field=name, value=text, limit=limit)


def compact(instant: datetime) -> str:
    """`instant`, which is in UTC, as part of an id: `20250820T010000Z`, with microseconds unless they are 0."""
    text = instant.isoformat().removesuffix("+00:00")
    return f"{text[:4]}{text[5:7]}{text[8:13]}{text[14:16]}{text[17:]}Z"


def iso(instant: datetime) -> str:
    """`instant`, which is in UTC, as ISO 8601 text ending in `Z`."""
    return instant.isoformat().removesuffix("+00:00") + "Z"


def from_iso(text: str) -> datetime:
    """ISO 8601 text as a datetime, with or without a zone. Raises ValueError, for the same texts in every Python."""
    if "\0" in text or _HOUR_24.match(text):  # Python 3.11 would stop parsing at a NUL
        raise ValueError(text)
    return datetime.fromisoformat(text)


def _parsed(text: str, name: str) -> datetime:
    try:
        return from_iso(text.strip())
    except ValueError:
        raise _invalid_time(text, name) from None


def _from_unix(value: object, name: str) -> datetime:
    try:
        number = decimal_of(value, name)  # type: ignore[arg-type]  # any other type raises InvalidValue
    except InvalidValue:
        raise _invalid_time(value, name) from None
    for in_a_second, least, most in _UNITS:
        if least <= number < most and not _LIKE_A_DATE[0] <= number < _LIKE_A_DATE[1]:
            return _EPOCH + timedelta(microseconds=int(Fraction(number) * 10**6 / in_a_second))
    advice = (
        "not a Unix time between 1973 and 2286 in seconds, milliseconds, "
        "microseconds or nanoseconds; use an ISO 8601 time with its zone, such as '2025-08-20T01:00:00Z'"
    )
    raise InvalidValue.of(name, value, advice, code="out-of-range", limit="1973 to 2286")


def _invalid_time(value: object, name: str) -> InvalidValue:
    advice = (
        "use an ISO 8601 time with its zone, such as '2025-08-20T01:00:00Z', Unix seconds "
        "or milliseconds, or an aware datetime"
    )
    return InvalidValue.of(name, value, advice, code="invalid-time")

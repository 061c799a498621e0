"""What programs that fill templates send: quoted numbers, words for nothing. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from signalpost.domain.exact import decimal_of
from signalpost.errors import InvalidValue

_NOTHING = frozenset({"", "nan", "na", "n/a", "null", "none", "undefined", "-"})
_MILLISECONDS_FROM = 100_000_000_000
"""Unix times above are in milliseconds: as seconds they would be of the year 5138."""


def flat(data: Mapping[str, Any], depth: int = 2) -> dict[str, Any]:
    """`data` without what says nothing, its names in small letters, and the names of objects in it beside its own.

    An outer name comes before an inner one. `context` stays as it is.
    """
    told = {name.strip().lower(): value for name, value in data.items()}
    inner = {name: value for name, value in told.items() if isinstance(value, dict) and name != "context" and depth > 0}
    own = {name: value for name, value in told.items() if name not in inner and not says_nothing(value)}
    for value in inner.values():
        own = flat(value, depth - 1) | own
    return own


def says_nothing(value: object) -> bool:
    """Whether `value` stands for something that is not known."""
    return value is None or (isinstance(value, str) and value.strip().lower() in _NOTHING)


def first(data: Mapping[str, Any], *names: str) -> tuple[str, Any] | None:
    """The first of `names` that `data` has, with its value."""
    return next(((name, data[name]) for name in names if name in data), None)


def moment(value: object) -> object:
    """A time as ISO text or as seconds or milliseconds since 1970; anything else as it is, for its check to refuse."""
    if isinstance(value, str) and not value.strip().isdigit():
        return value
    try:
        number = decimal_of(value, "time")  # type: ignore[arg-type]  # whatever it is, it raises only this
        seconds = number / 1000 if abs(number) >= _MILLISECONDS_FROM else number
        return datetime.fromtimestamp(float(seconds), UTC)
    except (InvalidValue, ValueError, OverflowError, OSError):
        return value


def number(value: object) -> Decimal | None:
    """`value` as a number; None where it is none."""
    try:
        return decimal_of(value, "number")  # type: ignore[arg-type]  # whatever it is, it raises only this
    except InvalidValue:
        return None

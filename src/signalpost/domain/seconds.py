"""A caller's timeout, as seconds, and a duration in words, such as 30m."""

import math
import re
from datetime import timedelta

from signalpost.errors import InvalidValue

DURATION = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST = timedelta(days=366)
WITHOUT_BOUND = 1e9
"""Seconds, about thirty years: the interpreter's locks accept it, and no wait reaches it."""


def seconds(timeout: float | None, name: str = "timeout") -> float:
    """`timeout` in seconds: None and infinity become WITHOUT_BOUND, negative values 0.

    Raises InvalidValue if it is not a number of seconds; `name` is the field in errors.
    """
    if timeout is None:
        return WITHOUT_BOUND
    is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if not is_number or (isinstance(timeout, float) and math.isnan(timeout)):
        raise InvalidValue.of(
            name, timeout, "use a number of seconds, or None to wait without a limit", code="not-a-number"
        )
    return float(max(0, min(timeout, WITHOUT_BOUND)))


def duration(given: timedelta | str, name: str) -> timedelta:
    """A duration, or the one that text such as 90m, 12h or 30d names. Raises InvalidValue with the field `name`."""
    lasts = given if isinstance(given, timedelta) else timedelta()
    if isinstance(given, str) and (found := DURATION.fullmatch(given.strip().lower())):
        lasts = timedelta(**{UNITS[found[2]]: int(found[1])})
    if timedelta() < lasts <= _LONGEST:
        return lasts
    advice = f"give a duration from 1s to {_LONGEST.days}d, such as 30m, 2h or 7d"
    raise InvalidValue.of(name, given, advice, code="not-a-duration", limit=f"{_LONGEST.days}d")

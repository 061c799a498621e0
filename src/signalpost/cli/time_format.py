"""Parses and formats times and durations for people: `30d`, `2026-01-31`, `in 3 min`."""

import re
from datetime import UTC, datetime, timedelta

from signalpost import clock
from signalpost.domain.instant import utc
from signalpost.domain.seconds import DURATION, UNITS
from signalpost.errors import InvalidValue

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def parse_time(text: str, option: str) -> datetime:
    """Parse a time: how long ago (90m, 12h, 30d), a day (its start in UTC), or ISO 8601 with a zone.

    Raises InvalidValue with the field `option`.
    """
    given = text.strip()
    if found := DURATION.fullmatch(given.lower()):
        try:
            return clock.now() - timedelta(**{UNITS[found[2]]: int(found[1])})
        except OverflowError:
            advice = "use a shorter time, such as 30d, because this is before the year 1"
            raise InvalidValue.of(option, text, advice, code="out-of-range") from None
    try:
        if _DAY.fullmatch(given):
            return datetime.fromisoformat(given).replace(tzinfo=UTC)
        return utc(given, option)
    except (InvalidValue, ValueError):
        problem = "use a duration (90m, 12h, 30d), a day (2026-01-31), or a time with its zone (2026-01-31T10:00:00Z)"
        raise InvalidValue.of(option, text, problem, code="invalid-time") from None


def format_duration(duration: timedelta) -> str:
    """Format a duration in a suitable unit: `0.4 s`, `12 s`, `3 min`, `5 h`, `2 days`."""
    seconds = abs(duration.total_seconds())
    if seconds < 10:
        return f"{seconds:.2g} s"
    for unit, size, most in (("s", 1, 120), ("min", 60, 7_200), ("h", 3_600, 172_800)):
        if seconds < most:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"


def format_time(instant: datetime, now: datetime) -> str:
    """Format a time with its distance from `now`: `2026-01-31 10:00:00 UTC (3 min ago)`."""
    distance = format_duration(instant - now)
    return f"{utc_second(instant)} ({f'{distance} ago' if instant <= now else f'in {distance}'})"


def utc_second(instant: datetime) -> str:
    """Format a time: `2026-01-31 10:00:00 UTC`."""
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"

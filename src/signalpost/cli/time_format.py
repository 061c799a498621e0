"""Times as people give and read them: `30d` ago, `2026-01-31`, `in 3 min`."""

import re
from datetime import UTC, datetime, timedelta

from signalpost import clock
from signalpost.domain.instant import utc
from signalpost.domain.text import shown
from signalpost.errors import InvalidValue

_AGO = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST = timedelta(days=366)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def parse_time(text: str, option: str) -> datetime:
    """The instant that `text` means: so long ago (90m, 12h, 30d), a day's begin in UTC, or ISO 8601 with its zone.

    Raises InvalidValue, naming `option`.
    """
    given = text.strip()
    if found := _AGO.fullmatch(given.lower()):
        try:
            return clock.now() - timedelta(**{_UNITS[found[2]]: int(found[1])})
        except OverflowError:
            raise InvalidValue(
                f"{option} is {shown(text)}, which is before all calendars: give less",
                code="out-of-range",
                field=option,
                value=shown(text),
            ) from None
    try:
        if _DAY.fullmatch(given):
            return datetime.fromisoformat(given).replace(tzinfo=UTC)
        return utc(given, option)
    except (InvalidValue, ValueError):
        raise InvalidValue(
            f"{option} is {shown(text)}: give how long ago (90m, 12h, 30d), a day (2026-01-31), or an instant with its "
            "zone (2026-01-31T10:00:00Z)",
            code="invalid-time",
            field=option,
            value=shown(text),
        ) from None


def parse_duration(text: str, option: str) -> timedelta:
    """The time that `text` means: 90m, 12h, 30d. Raises InvalidValue, naming `option`."""
    found = _AGO.fullmatch(text.strip().lower())
    if found and int(found[1]) and (lasts := timedelta(**{_UNITS[found[2]]: int(found[1])})) <= _LONGEST:
        return lasts
    raise InvalidValue(
        f"{option} is {shown(text)}: give a time such as 30m, 2h or 7d, a year at most",
        code="not-a-duration",
        field=option,
        value=shown(text),
        limit=f"{_LONGEST.days}d",
    )


def format_duration(length: timedelta) -> str:
    """How long that is, in the unit that suits it: `0.4 s`, `12 s`, `3 min`, `5 h`, `2 days`."""
    seconds = abs(length.total_seconds())
    if seconds < 10:
        return f"{seconds:.2g} s"
    for unit, size, most in (("s", 1, 120), ("min", 60, 7_200), ("h", 3_600, 172_800)):
        if seconds < most:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"


def format_time(instant: datetime, now: datetime) -> str:
    """An instant for people, and how far it is from `now`: `2026-01-31 10:00:00 UTC (3 min ago)`."""
    distance = format_duration(instant - now)
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC ({f'{distance} ago' if instant <= now else f'in {distance}'})"

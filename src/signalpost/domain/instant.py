"""Instants: aware, in UTC, to the microsecond. A naive time is refused, because nobody can tell what it means."""

from contextlib import suppress
from datetime import UTC, datetime

from signalpost.domain.text import shown
from signalpost.errors import InvalidValue

Instant = datetime | str
"""What a constructor takes where an instant is meant.

An aware datetime, a pandas Timestamp with a zone, or ISO 8601 text.
"""


def utc(value: Instant, name: str) -> datetime:
    """`value` as an aware datetime in UTC; `name` is how an error calls it.

    A pandas Timestamp becomes a plain datetime. Raises InvalidValue for a naive time, showing how to localise it.
    """
    if type(value) is datetime and value.tzinfo is UTC:
        return value
    if isinstance(value, str):
        value = _parsed(value, name)
    if not isinstance(value, datetime) or value != value:  # pandas' NaT is a datetime that differs from itself
        raise InvalidValue(
            f"{name} is {shown(value)}: give an ISO 8601 time with its zone, such as '2025-08-20T01:00:00Z', or an "
            "aware datetime"
        )
    if value.utcoffset() is None:
        raise InvalidValue(
            f"{name} is {value.isoformat()}, which names no time zone: add one, as in text that ends in 'Z', "
            "value.replace(tzinfo=datetime.UTC), or pandas' .tz_localize('UTC')"
        )
    try:
        moved = value.astimezone(UTC)
        return datetime(
            moved.year, moved.month, moved.day, moved.hour, moved.minute, moved.second, moved.microsecond, tzinfo=UTC
        )
    except (OverflowError, ValueError):  # pandas counts beyond the years 1 to 9999
        raise InvalidValue(f"{name} is {value.isoformat()}, which is outside the calendar in UTC") from None


def compact(instant: datetime) -> str:
    """`instant`, which is in UTC, as it stands in an id: `20250820T010000Z`, with microseconds where there are some."""
    fraction = f".{instant.microsecond:06d}" if instant.microsecond else ""
    day, time = instant.isoformat(timespec="seconds")[:19].split("T")
    return f"{day.replace('-', '')}T{time.replace(':', '')}{fraction}Z"


def iso(instant: datetime) -> str:
    """`instant`, which is in UTC, as ISO 8601 text that ends in `Z`."""
    return instant.isoformat().removesuffix("+00:00") + "Z"


def _parsed(text: str, name: str) -> datetime:
    with suppress(ValueError):
        if "\0" not in text:  # Python 3.11 would stop reading there
            return datetime.fromisoformat(text.strip())
    raise InvalidValue(f"{name} is {shown(text)}: give an ISO 8601 time with its zone, such as '2025-08-20T01:00:00Z'")

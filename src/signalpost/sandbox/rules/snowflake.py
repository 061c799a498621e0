"""Discord's ids: 64 bits, of which the upper 42 are the milliseconds since 2015."""

from datetime import UTC, datetime, timedelta
from hashlib import blake2b

EPOCH = datetime(2015, 1, 1, tzinfo=UTC)
_COUNTED = 1 << 22
_A_YEAR_OF_CHANNELS = 31_536_000_000
_FIRST_CHANNELS = 220_924_800_000
"""Milliseconds from 2015 to 2022; ids derived from names look as if created in that year."""


def snowflake(at: datetime, count: int) -> str:
    """Make the id of the `count`th object, created at `at`."""
    return str((at - EPOCH) // timedelta(milliseconds=1) * _COUNTED + count % _COUNTED)


def snowflake_of(name: str) -> str:
    """Derive a constant id from `name`; a name that is already an id is returned as is."""
    if name.isascii() and name.isdigit() and 17 <= len(name) <= 20:
        return name
    drawn = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")
    return str((_FIRST_CHANNELS + drawn % _A_YEAR_OF_CHANNELS) * _COUNTED + (drawn >> 40) % _COUNTED)

"""Ids: 64 bits, of which the upper 42 are the milliseconds since 2015."""

from datetime import UTC, datetime, timedelta
from hashlib import blake2b

EPOCH = datetime(2015, 1, 1, tzinfo=UTC)
_COUNTED = 1 << 22
_A_YEAR_OF_CHANNELS = 31_536_000_000
_FIRST_CHANNELS = 220_924_800_000
"""Milliseconds from 2015 to 2022: ids that are made of names look as if they were made in that year."""


def snowflake(at: datetime, count: int) -> str:
    """The id of what came into being at `at`, as the `count`th thing of all."""
    return str((at - EPOCH) // timedelta(milliseconds=1) * _COUNTED + count % _COUNTED)


def instant_of(snowflake: str) -> datetime:
    """When the thing with this id came into being."""
    return EPOCH + timedelta(milliseconds=int(snowflake) // _COUNTED)


def snowflake_of(name: str) -> str:
    """The id that stands for `name`, always the same; a name that is an id already is its own."""
    if name.isascii() and name.isdigit() and 17 <= len(name) <= 20:
        return name
    drawn = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")
    return str((_FIRST_CHANNELS + drawn % _A_YEAR_OF_CHANNELS) * _COUNTED + (drawn >> 40) % _COUNTED)

"""Ids of tickets. They are unique, and later ids sort later, so the newest rows of a store are next to each other."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_RANDOM_BITS = 52


class TicketIds:
    """Makes ids of 24 hexadecimal digits: 44 bits of milliseconds, then 52 random bits.

    `bits(n)` returns n random bits; a seeded source repeats the same ids. If two processes make an id in the same
    millisecond, both are equal once in 4.5e15 times.
    """

    def __init__(self, bits: Callable[[int], int]) -> None:
        self._bits = bits
        self._last = 0

    def next(self, now: datetime) -> str:
        """An id that sorts after all earlier ones of this object, even if the clock was set back."""
        made = ((now - _EPOCH) // _MILLISECOND << _RANDOM_BITS) | self._bits(_RANDOM_BITS)
        self._last = max(made, self._last + 1)
        return f"{self._last:024x}"


def first_of(instant: datetime) -> str:
    """A lower bound of all ids made at `instant` or later."""
    return f"{max(0, (instant - _EPOCH) // _MILLISECOND) << _RANDOM_BITS:024x}"

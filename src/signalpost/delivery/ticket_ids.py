"""Ids of tickets: unique, and later ones sort later, so that the newest rows of a store lie together."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_RANDOM_BITS = 52


class TicketIds:
    """Makes ids of 24 hexadecimal digits: 44 bits of milliseconds, then 52 bits of chance.

    `bits(n)` gives n random bits; a seeded source makes the same ids again. Two makers that share a store meet in one
    millisecond once in four million thousand million.
    """

    def __init__(self, bits: Callable[[int], int]) -> None:
        self._bits = bits
        self._last = 0

    def next(self, now: datetime) -> str:
        """An id that sorts after all that this object made before, also where the clock went back."""
        made = ((now - _EPOCH) // _MILLISECOND << _RANDOM_BITS) | self._bits(_RANDOM_BITS)
        self._last = max(made, self._last + 1)
        return f"{self._last:024x}"


def first_of(instant: datetime) -> str:
    """What sorts before every id that is made at `instant` or later."""
    return f"{max(0, (instant - _EPOCH) // _MILLISECOND) << _RANDOM_BITS:024x}"

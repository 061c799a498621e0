"""A token bucket for each of many keys. Pure: `now` is in seconds of any monotonic clock."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

MOST_KEYS = 10_000
"""Beyond that, the least recently used key is forgotten."""


class Rate(NamedTuple):
    """`burst` at once, then `a_second` per second."""

    burst: int
    a_second: float


class Rates:
    """Applies one rate to each key."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._left: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def wait(self, key: Hashable, now: float) -> float:
        """Take a token of `key` and return 0, or take none and return the seconds until there is one."""
        left, at = self._left.pop(key, (float(self._rate.burst), now))
        left = min(float(self._rate.burst), left + (now - at) * self._rate.a_second)
        is_free = left >= 1
        self._left[key] = (left - is_free, now)
        if len(self._left) > MOST_KEYS:
            self._left.popitem(last=False)
        return 0.0 if is_free else (1 - left) / self._rate.a_second

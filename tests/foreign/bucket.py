"""Discord's limit of a route, in real time: so many requests in so many seconds, told in headers."""

from collections import deque
from typing import NamedTuple, Protocol


class Standing(NamedTuple):
    """Whether a request is let through, and what is left then."""

    is_free: bool
    remaining: int
    reset_after: float
    """Seconds until the whole limit is there again; for a request that is not let through, until another may come."""


class Bucket(Protocol):
    """One route's limit of one webhook."""

    limit: int

    def take(self, now: float) -> Standing:
        """A request came at `now`."""


class FixedBucket:
    """The window begins with its first request, and all of it is free again when it is over."""

    def __init__(self, limit: int, period: float) -> None:
        self.limit = limit
        self._period = period
        self._ends_at = 0.0
        self._used = 0

    def take(self, now: float) -> Standing:
        if now >= self._ends_at:
            self._ends_at, self._used = now + self._period, 0
        is_free = self._used < self.limit
        self._used += is_free
        return Standing(is_free, self.limit - self._used, self._ends_at - now)


class SlidingBucket:
    """A slot is free again one period after it was used: in no stretch of a period are there more than the limit."""

    def __init__(self, limit: int, period: float) -> None:
        self.limit = limit
        self._period = period
        self._used: deque[float] = deque()

    def take(self, now: float) -> Standing:
        while self._used and self._used[0] + self._period <= now:
            self._used.popleft()
        if len(self._used) >= self.limit:
            return Standing(is_free=False, remaining=0, reset_after=self._used[0] + self._period - now)
        self._used.append(now)
        return Standing(is_free=True, remaining=self.limit - len(self._used), reset_after=self._period)

"""Discord's rate limit of a route, in real time: so many requests in so many seconds."""

from collections import deque
from typing import NamedTuple, Protocol


class Admission(NamedTuple):
    """Whether a request is accepted, and how many more would be."""

    is_free: bool
    remaining: int
    reset_after: float
    """Seconds until the whole limit is free again; for a rejected request, until the next may come."""


class Bucket(Protocol):
    """The rate limit of one route of one webhook."""

    limit: int

    def take(self, now: float) -> Admission:
        """A request came at `now`."""


class FixedBucket:
    """The window begins with its first request. After its end the whole limit is free again."""

    def __init__(self, limit: int, period: float) -> None:
        self.limit = limit
        self._period = period
        self._ends_at = 0.0
        self._used = 0

    def take(self, now: float) -> Admission:
        if now >= self._ends_at:
            self._ends_at, self._used = now + self._period, 0
        is_free = self._used < self.limit
        self._used += is_free
        return Admission(is_free, self.limit - self._used, self._ends_at - now)


class SlidingBucket:
    """Each slot is free again one period after its use, so no period contains more requests than the limit."""

    def __init__(self, limit: int, period: float) -> None:
        self.limit = limit
        self._period = period
        self._used: deque[float] = deque()

    def take(self, now: float) -> Admission:
        while self._used and self._used[0] + self._period <= now:
            self._used.popleft()
        if len(self._used) >= self.limit:
            return Admission(is_free=False, remaining=0, reset_after=self._used[0] + self._period - now)
        self._used.append(now)
        return Admission(is_free=True, remaining=self.limit - len(self._used), reset_after=self._period)

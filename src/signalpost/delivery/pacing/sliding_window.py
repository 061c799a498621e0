"""A window that slides: so many requests in any stretch of so many seconds."""

from bisect import insort
from collections import deque
from contextlib import suppress
from math import inf

GUARD = 0.05
"""Seconds by which requests on their way may overtake one another before a window that counts beginnings is wrong."""


class SlidingWindow:
    """At most `limit` requests in any `period`, counted from their end; one that has not ended is within.

    Weakness: a request that hangs fills its slot for as long as it hangs. With `counts_beginnings` it does not; then a
    request counts from its beginning and GUARD seconds longer, and one that takes more than GUARD longer to arrive than
    a later one can let the far end see one too many. Remembers `limit` times, and not what was sent.
    """

    def __init__(self, limit: int, period: float, *, counts_beginnings: bool = False) -> None:
        self.limit = limit
        self.period = period
        self.in_flight = 0
        self._counts_beginnings = counts_beginnings
        self._counted: deque[float] = deque()

    def used(self, now: float) -> int:
        """How many slots are filled; what is over is forgotten."""
        counted, period = self._counted, self.period
        while counted and counted[0] + period <= now:
            counted.popleft()
        return self.in_flight + len(counted)

    def ready_at(self, now: float, slots: int) -> float:
        """When fewer than `slots` of the slots will be filled; infinity where that waits for a request to end."""
        excess = self.in_flight + len(self._counted) - slots
        if excess < 0:
            return now
        if self.in_flight >= slots:
            return inf
        return max(now, self._counted[excess] + self.period)

    def begin(self, now: float) -> None:
        """A request begins."""
        if self._counts_beginnings:
            self.used(now)
            self._counted.append(now + GUARD)
        else:
            self.in_flight += 1

    def end(self, now: float) -> None:
        """A request that began has ended, however it went."""
        if not self._counts_beginnings:
            self.in_flight -= 1
            self.used(now)
            self._counted.append(now)

    def give_back(self, began: float) -> None:
        """A request that began at `began` was not made after all; perhaps it counts no longer."""
        if self._counts_beginnings:
            with suppress(ValueError):
                self._counted.remove(began + GUARD)
        else:
            self.in_flight -= 1

    def count(self, at: float) -> None:
        """A request ended at `at`, perhaps before this window was made."""
        self.used(at)
        insort(self._counted, at)

    def take_over(self, other: "SlidingWindow", in_flight: int) -> None:
        """Count what `other` counts, and so many of its requests that have not ended: they will end here."""
        for at in other._counted:
            self.count(at)
        other.in_flight -= in_flight
        self.in_flight += in_flight

    def ages(self, now: float) -> tuple[float, ...]:
        """How many seconds ago the requests ended that are still counted."""
        self.used(now)
        return tuple(now - at for at in self._counted)

"""A sliding window: it limits the number of requests in any period of a given length."""

from bisect import insort
from collections import deque
from contextlib import suppress
from math import inf

from signalpost.delivery.pacing.limits import usable_slots
from signalpost.domain.priority import NotificationPriority

GUARD = 0.05
"""Seconds by which requests may overtake each other in transit without harm, if their beginnings are counted."""


class SlidingWindow:
    """At most `limit` requests in any `period`, counted from their end. A request that has not ended always counts.

    Weakness: a hanging request occupies its slot for as long as it hangs. With `counts_beginnings` it does not: then a
    request counts from its beginning, and GUARD seconds longer. But if it takes more than GUARD seconds longer to
    arrive than a later one, Discord can see one request too many. The window stores up to `limit` times, and no
    contents.
    """

    def __init__(self, limit: int, period: float, *, counts_beginnings: bool = False) -> None:
        self.resize(limit, period)
        self.in_flight = 0
        self._counts_beginnings = counts_beginnings
        self._counted: deque[float] = deque()

    def resize(self, limit: int, period: float) -> None:
        """From now on, at most `limit` requests in any `period`."""
        self.limit, self.period = limit, period
        self.slots = {priority: usable_slots(limit, period, priority) for priority in NotificationPriority}
        """How many slots each priority may use."""

    def used(self, now: float) -> int:
        """How many slots are occupied. Drops the expired ones."""
        counted, period = self._counted, self.period
        while counted and counted[0] + period <= now:
            counted.popleft()
        return self.in_flight + len(counted)

    def ready_at(self, now: float, slots: int) -> float:
        """When fewer than `slots` will be occupied; infinity if that needs a request to end first."""
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
        """A request that began has ended, with any outcome."""
        if not self._counts_beginnings:
            self.in_flight -= 1
            self.used(now)
            self._counted.append(now)

    def give_back(self, began: float) -> None:
        """A request that began at `began` was not made after all. It may have expired already."""
        if self._counts_beginnings:
            with suppress(ValueError):
                self._counted.remove(began + GUARD)
        else:
            self.in_flight -= 1

    def count(self, at: float) -> None:
        """A request ended at `at`, perhaps before this window existed."""
        self.used(at)
        insort(self._counted, at)

    def take_over(self, other: "SlidingWindow", in_flight: int) -> None:
        """Count everything that `other` counts, and `in_flight` of its unfinished requests, which will end here."""
        for at in other._counted:
            self.count(at)
        other.in_flight -= in_flight
        self.in_flight += in_flight

    def ages(self, now: float) -> tuple[float, ...]:
        """For each request that is still counted: how many seconds ago it ended."""
        self.used(now)
        return tuple(now - at for at in self._counted)

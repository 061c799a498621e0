"""The rate limit that Discord sends in its answers."""

from math import inf

from signalpost.delivery.pacing.limits import Rate
from signalpost.delivery.pacing.sliding_window import SlidingWindow
from signalpost.sinks.evidence import RateFacts

LONGEST_BELIEVED = 3600.0
"""Seconds. A longer window is a mistake, such as a date instead of a duration."""

_UNLIMITED = 1 << 40
_CHANGED = 0.75
"""If a new window is shorter than this share of the known one, the limit has changed. Otherwise the answer was late."""


class Bucket(SlidingWindow):
    """A window whose limit and period are `assumed` (None: unlimited) until an answer contains them.

    It counts our own requests, so a late or reordered answer does no harm. The number of remaining requests in an
    answer only matters if it is lower than our own requests explain: then others use the webhook too. Weakness: the
    requests of others between two of our answers, or during a slow one, are noticed too late.
    """

    def __init__(self, assumed: Rate | None) -> None:
        super().__init__(*(assumed or (_UNLIMITED, 0.0)))
        self._begun = 0
        self._left = _UNLIMITED
        self._left_until = -inf

    def ready_at(self, now: float, slots: int) -> float:
        """When fewer than `slots` will be occupied; infinity if that needs a request to end first."""
        ready = super().ready_at(now, slots)
        if now < self._left_until and self._left <= self.limit - slots:
            return max(ready, self._left_until)
        return ready

    def begin(self, now: float) -> None:
        """A request begins."""
        super().begin(now)
        self._begun += 1
        self._left -= 1

    def give_back(self, began: float) -> None:
        """A request that began at `began` was not made after all."""
        super().give_back(began)
        self._begun -= 1
        self._left += 1

    def mark(self, now: float) -> int:
        """A number to pass to `learn` later. Take it when a request has begun, before Discord has counted it."""
        return self.used(now) - self._begun

    def learn(self, facts: RateFacts, now: float, mark: int) -> None:
        """Apply the limits from the answer to a request that has just ended; `mark` was taken when it began."""
        if facts.limit < 1 or not 0 <= facts.reset_after <= LONGEST_BELIEVED:
            return
        is_shorter = facts.remaining == facts.limit - 1 and facts.reset_after < _CHANGED * self.period
        if facts.limit != self.limit or facts.reset_after > self.period or is_shorter:
            self.resize(facts.limit, facts.reset_after)
        ours_at_most = mark + self._begun
        if facts.remaining < self.limit - ours_at_most:
            self._left = facts.remaining - self.in_flight
            self._left_until = now + facts.reset_after
        else:
            self._left_until = -inf

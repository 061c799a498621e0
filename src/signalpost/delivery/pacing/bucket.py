"""The limit that a far end tells in its answers."""

from math import inf

from signalpost.delivery.pacing.limits import Rate, slots_open
from signalpost.delivery.pacing.sliding_window import SlidingWindow
from signalpost.domain.priority import NotificationPriority
from signalpost.sinks.evidence import RateFacts

LONGEST_BELIEVED = 3600.0
"""Seconds: a window longer than this is a mistake, such as a date where a duration belongs."""

_UNLIMITED = 1 << 40
_CHANGED = 0.75
"""A fresh window this much shorter than the one that is known is a new limit, and not an answer made late."""


class Bucket:
    """A window whose limit and period are `assumed` (None for none) until answers tell them.

    Our own requests are counted here, so that an answer that comes late or out of turn does no harm; what the answers
    say of requests that are left matters only where it is less than ours left when it was counted: then others write
    there too. Weakness: others that write between two of our answers, or while one is slow, are seen too late.
    """

    def __init__(self, assumed: Rate | None) -> None:
        limit, period = assumed or (_UNLIMITED, 0.0)
        self.window = SlidingWindow(limit, period)
        self._begun = 0
        self._left = _UNLIMITED
        self._left_until = -inf

    def ready_at(self, now: float, priority: NotificationPriority, *, reserve: bool) -> float:
        """When the next request of `priority` may begin; infinity where that waits for one to end."""
        limit = self.window.limit
        slots = slots_open(limit, self.window.period, priority) if reserve else limit
        ready = self.window.ready_at(now, slots)
        if now < self._left_until and self._left <= limit - slots:
            return max(ready, self._left_until)
        return ready

    def begin(self, now: float) -> None:
        """A request begins."""
        self.window.begin(now)
        self._begun += 1
        self._left -= 1

    def end(self, now: float) -> None:
        """A request has ended."""
        self.window.end(now)

    def give_back(self, began: float) -> None:
        """A request that began at `began` was not made after all."""
        self.window.give_back(began)
        self._begun -= 1
        self._left += 1

    def mark(self, now: float) -> int:
        """What `learn` needs to know of a request that has just begun: it was counted after that, nobody knows when."""
        return self.window.used(now) - self._begun

    def learn(self, facts: RateFacts, now: float, mark: int) -> None:
        """Believe what the answer of a request that has just ended says; `mark` was made when it began."""
        if facts.limit < 1 or not 0 <= facts.reset_after <= LONGEST_BELIEVED:
            return
        window = self.window
        is_fresh = facts.remaining == facts.limit - 1
        if facts.limit != window.limit or (is_fresh and facts.reset_after < _CHANGED * window.period):
            window.limit, window.period = facts.limit, facts.reset_after
        else:
            window.period = max(window.period, facts.reset_after)
        most_of_ours = mark + self._begun
        if facts.remaining < window.limit - most_of_ours:
            self._left = facts.remaining - window.in_flight
            self._left_until = now + facts.reset_after
        else:
            self._left_until = -inf

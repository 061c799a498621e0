"""Whether a destination has answered since it left something unanswered, and when to probe it.

A message that may have been shown is not sent again to a destination that is silent: that would use up its last try. It
waits until the destination has answered another message or a probe. A new process knows of no answer yet.
"""

from math import inf

BETWEEN_QUESTIONS = 1.8
"""Seconds, at most, from the beginning of a question to the next."""
SPREAD = 0.2
"""The random part of that time."""


class Liveness:
    """One destination's. A question is a probe of a destination whose breaker is not open.

    Times are seconds of the loop's clock.
    """

    def __init__(self) -> None:
        self.has_answered = False
        """Whether the latest request was answered in a way that shows life."""
        self.ask_at = inf
        """When to ask; infinity if nothing waits for an answer, or a question is under way."""
        self._is_wanted = False
        self._is_asking = False
        self._next_at = -inf

    @property
    def may_ask_at(self) -> float:
        """When a question may begin at the earliest; infinity while one is under way."""
        return inf if self._is_asking else self._next_at

    def wait_for_answer(self, now: float) -> None:
        """A delivery that may repeat waits for an answer."""
        self._is_wanted = True
        if not self._is_asking:
            self.ask_at = max(now, self._next_at)

    def begin(self, now: float, jitter: float) -> None:
        """A question begins."""
        self._is_asking = True
        self.ask_at = inf
        self._next_at = now + BETWEEN_QUESTIONS * (1 - SPREAD * (1 - jitter))

    def end(self, now: float) -> None:
        """The question ended; call `learn` with its answer."""
        self._is_asking = False
        if self._is_wanted:
            self.ask_at = max(now, self._next_at)

    def learn(self, *, is_alive: bool) -> bool:
        """A message or a question ended. Returns whether deliveries that waited for an answer may leave now."""
        self.has_answered = is_alive
        if not is_alive or not self._is_wanted:
            return False
        self._is_wanted = False
        self.ask_at = inf
        return True

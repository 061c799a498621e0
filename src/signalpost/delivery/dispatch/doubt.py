"""Whether a far end has answered since something was sent to it that it did not answer, and when to ask it. Pure.

What may have been shown is not sent again into silence: that would use up its last try on a far end that is away. It
waits until the far end has answered something well: another message, or a question that shows nothing. A new process
knows of no answer yet.
"""

from math import inf

BETWEEN_QUESTIONS = 1.8
"""Seconds, at most, from the beginning of a question to the next."""
SPREAD = 0.2
"""The part of them that is left to chance."""


class Doubt:
    """What is known of one far end. Times are seconds of the loop's clock."""

    def __init__(self) -> None:
        self.has_answered = False
        """Whether the last that is known of the far end is an answer that shows life."""
        self.ask_at = inf
        """When to ask; infinity where nothing waits for an answer, or it is asked already."""
        self._is_wanted = False
        self._is_asking = False
        self._next_at = -inf

    @property
    def may_ask_at(self) -> float:
        """When a question may begin at the earliest; infinity while one is under way."""
        return inf if self._is_asking else self._next_at

    def wait_for_answer(self, now: float) -> None:
        """Something waits that may repeat."""
        self._is_wanted = True
        if not self._is_asking:
            self.ask_at = max(now, self._next_at)

    def begin(self, now: float, jitter: float) -> None:
        """A question begins."""
        self._is_asking = True
        self.ask_at = inf
        self._next_at = now + BETWEEN_QUESTIONS * (1 - SPREAD * (1 - jitter))

    def end(self, now: float) -> None:
        """The question ended; what it said is learnt apart."""
        self._is_asking = False
        if self._is_wanted:
            self.ask_at = max(now, self._next_at)

    def learn(self, *, is_alive: bool) -> bool:
        """Something sent or asked came to an end. Answers whether what waited for an answer may go now."""
        self.has_answered = is_alive
        if not is_alive or not self._is_wanted:
            return False
        self._is_wanted = False
        self.ask_at = inf
        return True

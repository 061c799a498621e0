"""Whether a destination answers, and when to probe it.

A message that may have been shown is not sent again to a silent destination: that would use up its last attempt. It
waits until the destination has answered another message or a probe. A new process knows of no answer yet.
"""

from math import inf

BETWEEN_PROBES = 1.8
"""Seconds, at most, from the beginning of one probe to the next."""
SPREAD = 0.2
"""The random part of that time."""


class Liveness:
    """One destination's liveness. Times are seconds of the loop's clock. An open breaker has its own probe times."""

    def __init__(self) -> None:
        self.has_answered = False
        """Whether the answer to the latest request shows that the destination is alive."""
        self.probe_at = inf
        """When to probe; infinity if nothing waits for an answer, or a probe is under way."""
        self.is_wanted = False
        """Whether a delivery waits for an answer."""
        self._is_probing = False
        self._next_at = -inf

    @property
    def may_probe_at(self) -> float:
        """When a probe may begin at the earliest; infinity while one is under way."""
        return inf if self._is_probing else self._next_at

    def wait_for_answer(self, now: float) -> None:
        """Note that a delivery that may be a repeat waits for an answer."""
        self.is_wanted = True
        if not self._is_probing:
            self.probe_at = max(now, self._next_at)

    def begin(self, now: float, jitter: float) -> None:
        """A probe begins."""
        self._is_probing = True
        self.probe_at = inf
        self._next_at = now + BETWEEN_PROBES * (1 - SPREAD * (1 - jitter))

    def end(self, now: float) -> None:
        """The probe ended; call `learn` with its answer."""
        self._is_probing = False
        if self.is_wanted:
            self.probe_at = max(now, self._next_at)

    def learn(self, *, is_alive: bool) -> bool:
        """Record the end of a message or a probe. Returns whether waiting deliveries may be sent now."""
        self.has_answered = is_alive
        if not is_alive or not self.is_wanted:
            return False
        self.is_wanted = False
        self.probe_at = inf
        return True

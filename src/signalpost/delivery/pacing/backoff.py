"""How long to wait before the same thing is tried again."""

from typing import NamedTuple

LONGEST_WAIT = 86_400.0
"""Seconds: a far end that asks for more is asked again after a day."""

_MOST_STEPS = 64


class Backoff(NamedTuple):
    """Waits that grow with each failure, drawn between nothing and their ceiling, so that many do not come at once."""

    base: float = 1.0
    """Seconds at most after the first failure."""
    factor: float = 2.0
    ceiling: float = 60.0

    def delay(self, failures: int, jitter: float) -> float:
        """Seconds to wait after so many failures, with `jitter` from 0 up to 1."""
        steps = min(max(failures - 1, 0), _MOST_STEPS)  # clamped first: a float cannot hold every power
        return jitter * min(self.ceiling, self.base * self.factor**steps)


def bounded(seconds: float) -> float:
    """A wait that a far end asked for, within reason: not below 0, at most LONGEST_WAIT; 0 where it is no number."""
    return min(seconds, LONGEST_WAIT) if seconds > 0 else 0.0

"""How long to wait before the same thing is tried again."""

from typing import NamedTuple

LONGEST_WAIT = 86_400.0
"""Seconds. A longer wait that an answer demands is cut to this."""

_MOST_STEPS = 64


class Backoff(NamedTuple):
    """Waits that grow with each failure, up to a ceiling. A random part of each is used, so that retries spread out."""

    base: float = 1.0
    """The longest wait after the first failure, in seconds."""
    factor: float = 2.0
    ceiling: float = 60.0

    def delay(self, failures: int, jitter: float) -> float:
        """Seconds to wait after this number of failures, with `jitter` from 0 up to 1."""
        steps = min(max(failures - 1, 0), _MOST_STEPS)  # clamped first, because large powers overflow a float
        return jitter * min(self.ceiling, self.base * self.factor**steps)


def bounded(seconds: float) -> float:
    """A wait that an answer demands, limited to 0 up to LONGEST_WAIT; 0 if it is not a number."""
    return min(seconds, LONGEST_WAIT) if seconds > 0 else 0.0

"""How much Discord takes: the limits, and the sliding windows that count them.

Only the bucket shows in the headers. 5 per 2 s of a webhook and 30 per 60 s of a channel are not documented but
confirmed by staff in 2017 (discord-api-docs issue 367); 50 per second of an address and 10,000 invalid requests per
10 minutes are documented. What counts against the channel is not known in detail: here every POST, PATCH and DELETE
that its bucket lets through, also one that fails.
"""

from collections import deque
from typing import NamedTuple

_CLOCK_NOISE = 1e-9
"""Seconds: whoever waits as long as was said is not early by a rounding of floats."""


class Rate(NamedTuple):
    """At most so many requests in any stretch of so many seconds."""

    requests: int
    seconds: float


class Limits(NamedTuple):
    """What is limited, and how far; None is without limit."""

    bucket: Rate | None = Rate(5, 2)
    """Of one webhook and route."""
    channel: Rate | None = Rate(30, 60)
    """Of all webhooks of a channel together; no header shows it."""
    ip: Rate | None = Rate(50, 1)
    """Of all requests from one address: the global limit of those who send no Authorization."""
    invalid: Rate | None = Rate(10_000, 600)
    """Of answers 401, 403 and 429 (not of scope `shared`) to one address, before it is banned."""
    ban_seconds: float = 3600


REAL = Limits()
RAISED = Limits(bucket=Rate(50, 2), channel=Rate(300, 60))
"""Ten times what a webhook and a channel have: for a replay that is faster than the market was."""
OFF = Limits(bucket=None, channel=None, ip=None, invalid=None)


class Window:
    """A sliding window: it remembers when each request was taken that still counts."""

    __slots__ = ("_rate", "_taken")

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._taken: deque[float] = deque()

    def remaining(self, now: float) -> int:
        """How many requests would be taken at `now`."""
        while self._taken and self._taken[0] + self._rate.seconds <= now + _CLOCK_NOISE:
            self._taken.popleft()
        return self._rate.requests - len(self._taken)

    def take(self, now: float) -> bool:
        """Whether a request is taken at `now`; one that is not, does not count."""
        if self.remaining(now) <= 0:
            return False
        self._taken.append(now)
        return True

    def until_free(self, now: float) -> float:
        """Seconds until a request would be taken."""
        return 0.0 if self.remaining(now) > 0 else self._taken[0] + self._rate.seconds - now

    def until_full(self, now: float) -> float:
        """Seconds until as many requests as ever would be taken."""
        self.remaining(now)
        return self._taken[-1] + self._rate.seconds - now if self._taken else 0.0

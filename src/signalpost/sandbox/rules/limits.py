"""Discord's rate limits, and the sliding windows that count requests.

Only the bucket shows in the headers. 5 per 2 s for a webhook and 30 per 60 s for a channel are not documented but
confirmed by staff in 2017 (discord-api-docs issue 367); 50 per second for an address and 10,000 invalid requests per
10 minutes are documented. Discord does not document which requests count against the channel; here every POST that its
bucket lets through counts, even if it fails. Nor does it document how many edits of messages older than an hour it
takes; a bot's author reports about 3 per 20 s in a channel (starboard-4 issue 118).
"""

from collections import deque
from typing import NamedTuple

_CLOCK_NOISE = 1e-9
"""Seconds of tolerance, so that float rounding does not make a client that waited exactly long enough too early."""


class Rate(NamedTuple):
    """At most `requests` in any `seconds`."""

    requests: int
    seconds: float


class Limits(NamedTuple):
    """The rate limits; None disables one."""

    bucket: Rate | None = Rate(5, 2)
    """Per webhook and route; posts and edits share one."""
    channel: Rate | None = Rate(30, 60)
    """Per channel, shared by its webhooks; no header shows it."""
    ip: Rate | None = Rate(50, 1)
    """Per IP address: the global limit for requests without Authorization."""
    invalid: Rate | None = Rate(10_000, 600)
    """Answers 401, 403 and 429 (except scope `shared`) to one IP address before it is banned."""
    ban_seconds: float = 3600
    edits: Rate | None = None
    """A bucket for edits alone; None lets them share the posts' bucket."""
    old_edits: Rate | None = Rate(3, 20)
    """Per channel: edits of messages older than an hour; no header shows it (code 30046)."""


REAL = Limits()
RAISED = Limits(bucket=Rate(50, 2), channel=Rate(300, 60), old_edits=Rate(30, 20))
"""Ten times the real limits of webhooks and channels, for a replay faster than the market."""
OFF = Limits(bucket=None, channel=None, ip=None, invalid=None, old_edits=None)


class Window:
    """A sliding window over the times of accepted requests."""

    __slots__ = ("_rate", "_taken")

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._taken: deque[float] = deque()

    def remaining(self, now: float) -> int:
        """Number of requests it would accept at `now`."""
        while self._taken and self._taken[0] + self._rate.seconds <= now + _CLOCK_NOISE:
            self._taken.popleft()
        return self._rate.requests - len(self._taken)

    def take(self, now: float) -> bool:
        """Accept a request at `now` if the window is not full. A rejected request does not count."""
        if self.remaining(now) <= 0:
            return False
        self._taken.append(now)
        return True

    def until_free(self, now: float) -> float:
        """Seconds until it accepts a request."""
        return 0.0 if self.remaining(now) > 0 else self._taken[0] + self._rate.seconds - now

    def until_full(self, now: float) -> float:
        """Seconds until the whole window is free."""
        self.remaining(now)
        return self._taken[-1] + self._rate.seconds - now if self._taken else 0.0

"""Discord's rate limits, the sliding windows that count requests, and the answers to requests over a limit.

Only the bucket shows in the headers. 5 per 2 s for a webhook and 30 per 60 s for a channel are not documented but
confirmed by staff in 2017 (discord-api-docs issue 367); 50 per second for an address and 10,000 invalid requests per
10 minutes are documented. Discord does not document which requests count against the channel; here every POST that
passes its bucket and names an existing webhook counts, even if it fails. Nor does Discord document how many edits of
messages older than an hour it accepts; a bot's author reports about 3 per 20 s in a channel (starboard-4 issue 118).
"""

import math
from collections import deque
from collections.abc import Mapping
from hashlib import blake2b
from typing import NamedTuple

from signalpost.sandbox.rules.exchange import OLD_EDITS, Address, HttpAnswer, Moment, limited_answer

_CLOCK_NOISE = 1e-9
"""Seconds of tolerance: with float rounding, a client that waited exactly long enough could otherwise be too early."""


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


_INVALID = frozenset({401, 403, 429})
_BANNED = b"""<!DOCTYPE html>
<html lang="en-US"><head><title>Access denied | discord.com used Cloudflare to restrict access</title></head>
<body><h1>Error 1015</h1><p>You are being rate limited</p><p>error code: 1015</p></body></html>
"""


class RateRules:
    """The rate limit windows of one Discord."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._windows: dict[tuple[str, ...], Window] = {}
        self._banned_until: dict[str, float] = {}

    def at_the_edge(self, ip: str, now: Moment) -> HttpAnswer | None:
        """The refusal for a banned IP address or one over the global limit; None if the request may pass."""
        if (banned := self._banned_for(ip, now)) > 0:
            return HttpAnswer(429, {"Content-Type": "text/html", "Retry-After": str(math.ceil(banned))}, _BANNED)
        window = self._window(self._limits.ip, "ip", ip)
        if window is None or window.take(now.seconds):
            return None
        return _limited(window.until_free(now.seconds), {"X-RateLimit-Global": "true"}, "global")

    def of_the_bucket(self, address: Address, method: str, now: Moment) -> tuple[Mapping[str, str], HttpAnswer | None]:
        """The headers that show the bucket, and the refusal if it is empty."""
        rate = self._limits.bucket
        if method == "PATCH" and address.message is not None:
            if self._limits.edits is None:
                address, method = address._replace(message=None), "POST"
            else:
                rate = self._limits.edits
        bucket = bucket_of(address, method)
        window = self._window(rate, "bucket", bucket, address.webhook, address.token)
        if window is None or rate is None:
            return {}, None
        taken = window.take(now.seconds)
        reset_after = _milliseconds(window.until_full(now.seconds) if taken else window.until_free(now.seconds))
        headers = {
            "X-RateLimit-Limit": str(rate.requests),
            "X-RateLimit-Remaining": str(window.remaining(now.seconds)),
            "X-RateLimit-Reset": f"{now.at.timestamp() + reset_after:.3f}",
            "X-RateLimit-Reset-After": f"{reset_after:.3f}",
            "X-RateLimit-Bucket": bucket,
        }
        return headers, None if taken else _limited(reset_after, headers, "user")

    def of_the_channel(self, channel: str, now: Moment, headers: Mapping[str, str]) -> HttpAnswer | None:
        """The refusal of a post if the channel's hidden limit is reached, else None. `headers` are the bucket's."""
        window = self._window(self._limits.channel, "channel", channel)
        if window is None or window.take(now.seconds):
            return None
        return _limited(window.until_free(now.seconds), headers, "shared")

    def of_old_edits(self, channel: str, now: Moment, headers: Mapping[str, str]) -> HttpAnswer | None:
        """The refusal of an edit of an old message if the channel's limit of those is reached, else None."""
        window = self._window(self._limits.old_edits, "old edits", channel)
        if window is None or window.take(now.seconds):
            return None
        limited = limited_answer(_milliseconds(window.until_free(now.seconds)), OLD_EDITS)
        return limited._replace(headers={**headers, **limited.headers})

    def note(self, ip: str, answer: HttpAnswer, now: Moment) -> None:
        """Count `answer` towards a ban if it is an invalid request; answers during a ban do not count."""
        is_counted = answer.status in _INVALID and answer.headers.get("X-RateLimit-Scope") != "shared"
        window = self._window(self._limits.invalid, "invalid", ip)
        if window is None or not is_counted or self._banned_for(ip, now) > 0:
            return
        window.take(now.seconds)
        if window.remaining(now.seconds) == 0:
            self._banned_until[ip] = now.seconds + self._limits.ban_seconds

    def _banned_for(self, ip: str, now: Moment) -> float:
        return self._banned_until.get(ip, now.seconds) - now.seconds

    def _window(self, rate: Rate | None, *key: str) -> Window | None:
        if rate is None:
            return None
        if key not in self._windows:
            self._windows[key] = Window(rate)
        return self._windows[key]


def bucket_of(address: Address, method: str) -> str:
    """The bucket's hash in the headers: one per route, the same for every webhook."""
    route = f"{method} /webhooks/:webhook/:token{'/messages/:message' if address.message else ''}"
    return blake2b(route.encode(), digest_size=16).hexdigest()


def _milliseconds(seconds: float) -> float:
    """Round up to whole milliseconds, so that a client that waits this long is never early."""
    return math.ceil(seconds * 1000 - 1e-7) / 1000


def _limited(seconds: float, headers: Mapping[str, str], scope: str) -> HttpAnswer:
    limited = limited_answer(_milliseconds(seconds), scope=scope)
    return limited._replace(headers={**headers, **limited.headers})

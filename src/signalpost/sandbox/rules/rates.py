"""Applies the rate limits and builds their headers."""

import math
from collections.abc import Mapping
from hashlib import blake2b

from signalpost.sandbox.rules.address import Address
from signalpost.sandbox.rules.exchange import HttpAnswer, Moment
from signalpost.sandbox.rules.limits import Limits, Rate, Window
from signalpost.sandbox.rules.refusal import OLD_EDITS, limited_answer

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

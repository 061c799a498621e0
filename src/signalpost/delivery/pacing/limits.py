"""Settings of pacing: assumed limits, and the slots reserved for urgent messages."""

from functools import lru_cache
from typing import NamedTuple

from signalpost.domain.priority import NotificationPriority

LONG_WINDOW = 10.0
"""Seconds. Of a window at least this long, a tenth is reserved; of a shorter one, a single slot."""


class Rate(NamedTuple):
    """At most `limit` requests in any `period`, in seconds."""

    limit: int
    period: float


class Limits(NamedTuple):
    """Limits of one destination, besides those that its answers contain."""

    messages_a_minute: int | None = None
    """The operator's own limit; None for none."""
    burst: Rate | None = Rate(5, 2.0)
    """Assumed for a webhook until headers give its limit. Discord's headers show it; its staff confirmed it in 2017."""
    channel: Rate | None = Rate(28, 60.0)
    """Assumed for a channel. Discord's own limit is 30, and no header contains it."""
    reserve: bool = True
    """Whether a part of each window is reserved for URGENT and HIGH."""


NOTHING_ASSUMED = Limits(burst=None, channel=None)
"""No assumed limits: only headers, Retry-After, bans and refusals count."""

HOST_RATE = Rate(50, 1.0)
"""Discord's limit for one address without authorization."""


@lru_cache(maxsize=1024)
def slots_open(limit: int, period: float, priority: NotificationPriority) -> int:
    """How many of a window's slots `priority` may use, at least one.

    Of a long window, a tenth (at least one slot) is reserved for URGENT, and another tenth for URGENT and HIGH. Of a
    short window, one slot is reserved for URGENT.
    """
    if priority is NotificationPriority.URGENT:
        return limit
    tenth = limit // 10 if period >= LONG_WINDOW else 0
    reserved = max(1, tenth)
    if priority is not NotificationPriority.HIGH:
        reserved += tenth
    return max(1, limit - reserved)

"""The settings of pacing: what is assumed about a far end, and what is kept for the urgent."""

from functools import lru_cache
from typing import NamedTuple

from signalpost.domain.priority import NotificationPriority

LONG_WINDOW = 10.0
"""Seconds from which a window is long enough to keep a tenth of it."""


class Rate(NamedTuple):
    """So many requests in any `period` of seconds."""

    limit: int
    period: float


class Limits(NamedTuple):
    """What one destination is paced by, besides what its answers tell."""

    messages_a_minute: int | None = None
    """What the operator wants; None for no such limit."""
    burst: Rate | None = Rate(5, 2.0)
    """Assumed of a webhook until headers tell. Shown by Discord's headers, and named by its staff in 2017."""
    channel: Rate | None = Rate(28, 60.0)
    """Assumed of a channel. Discord's own number is 30, in no header."""
    reserve: bool = True
    """Whether a part of each window is kept for URGENT and HIGH."""


NOTHING_ASSUMED = Limits(burst=None, channel=None)
"""Only what the far end answers limits: headers, Retry-After, bans and refusals."""

HOST_RATE = Rate(50, 1.0)
"""What Discord allows one address without authorization."""


@lru_cache(maxsize=1024)
def slots_open(limit: int, period: float, priority: NotificationPriority) -> int:
    """How many of a window's slots `priority` may fill, at least one.

    Long windows keep a tenth, at least one, for URGENT, and a tenth more for URGENT and HIGH; short ones keep one for
    URGENT.
    """
    if priority is NotificationPriority.URGENT:
        return limit
    tenth = limit // 10 if period >= LONG_WINDOW else 0
    kept = max(1, tenth)
    if priority is not NotificationPriority.HIGH:
        kept += tenth
    return max(1, limit - kept)

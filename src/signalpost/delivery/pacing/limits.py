"""Settings of pacing: assumed limits, and the slots reserved for urgent messages."""

from typing import NamedTuple

from signalpost.domain.priority import NotificationPriority

LONG_WINDOW = 10.0
"""Seconds. Of a window at least this long, a tenth (at least one slot) is reserved for URGENT, and another tenth for
URGENT and HIGH. Of a shorter one, a single slot is reserved for URGENT."""


class Rate(NamedTuple):
    """At most `limit` requests in any `period`, in seconds."""

    limit: int
    period: float


class Limits(NamedTuple):
    """Limits of one destination, in addition to those that Discord's answers report."""

    messages_a_minute: int | None = None
    """The operator's own limit; None for none."""
    burst: Rate | None = Rate(5, 2.0)
    """The webhook's limit until a response header reports the real one. Headers have shown 5 in 2 seconds; Discord's
    staff confirmed it in 2017."""
    channel: Rate | None = Rate(28, 60.0)
    """Assumed for a channel, because no header reports it. Discord allows 30."""
    reserve: bool = True
    """Whether a part of each window is reserved for URGENT and HIGH."""


NOTHING_ASSUMED = Limits(burst=None, channel=None)
"""No assumed limits: only those that the server's answers report apply, and the pause after many 401, 403 or 429."""

HOST_RATE = Rate(50, 1.0)
"""Discord's limit for requests from one IP address without an Authorization header."""


def usable_slots(limit: int, period: float, priority: NotificationPriority) -> int:
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

"""A delivery's place in its lane. It is fixed when the delivery is accepted, and an old one still moves to the front.

The rank is the time of acceptance plus an offset by priority: none for HIGH, 5 minutes for NORMAL, an hour for LOW.
URGENT is ahead of all others. So one index is enough, and no rank has to change as time passes.
"""

from datetime import UTC, datetime, timedelta

from signalpost.domain.priority import NotificationPriority

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_BEFORE_ALL = timedelta(days=365 * 400)
_OFFSET = {
    NotificationPriority.URGENT: -_BEFORE_ALL,
    NotificationPriority.HIGH: timedelta(),
    NotificationPriority.NORMAL: timedelta(minutes=5),
    NotificationPriority.LOW: timedelta(minutes=60),
}
_OFFSET_MICROSECONDS = {priority: offset // _MICROSECOND for priority, offset in _OFFSET.items()}


def rank_of(priority: NotificationPriority, accepted_at: datetime) -> int:
    """The rank, in microseconds since 1970. A delivery with a lower rank leaves earlier."""
    return (accepted_at - _EPOCH) // _MICROSECOND + _OFFSET_MICROSECONDS[priority]

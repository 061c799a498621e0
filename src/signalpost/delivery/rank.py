"""A delivery's place in its lane, fixed when it is accepted. That *is* the aging rule: who waits long enough is first.

The rank is the instant of acceptance plus an offset by priority: none for HIGH, 5 minutes for NORMAL, an hour for LOW;
URGENT stands before all others. One index serves it, and nothing has to be moved as time goes by.
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
    """The rank, in microseconds since 1970, of what was accepted then with this priority; lower leaves earlier."""
    return (accepted_at - _EPOCH) // _MICROSECOND + _OFFSET_MICROSECONDS[priority]

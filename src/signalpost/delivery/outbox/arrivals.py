"""What other processes have put into a SQLite outbox since one last looked."""

import sqlite3
from typing import NamedTuple

from signalpost.delivery.outbox.row_checks import PRIORITIES, is_text
from signalpost.domain.priority import NotificationPriority

_SINCE = """
SELECT destination, max(priority), count(*) FROM notification CROSS JOIN delivery ON notification_id = id
WHERE notification.number > ? AND state = 'pending' GROUP BY destination"""


class Arrival(NamedTuple):
    """What waits for one destination, and was put by others."""

    destination: str
    priority: NotificationPriority
    """The highest among them."""
    deliveries: int


def arrived_since(db: sqlite3.Connection, number: int) -> tuple[Arrival, ...]:
    """What waits of the notifications after `number`: it costs what those are, however many there are in all."""
    found = db.execute(_SINCE, (number,))
    return tuple(
        Arrival(name, PRIORITIES.get(priority, NotificationPriority.URGENT), count)
        for name, priority, count in found
        if is_text(name)  # whoever reads a damaged row sets it aside
    )

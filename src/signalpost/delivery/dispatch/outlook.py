"""Computes when an open delivery may next be tried, which decides how long a drain waits. Pure.

Times are seconds of the loop's clock. A gate that waits for a request to end says infinity, which counts as soon: a
request that is under way may end at any time.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from math import inf
from typing import NamedTuple

from signalpost.domain.delivery import Delivery
from signalpost.domain.priority import NotificationPriority


class Outlook(NamedTuple):
    """What one destination allows from now on."""

    is_gone: bool
    """Whether its webhook no longer exists."""
    opens_at: float
    """When its breaker lets a message or a probe through."""
    paced_at: Mapping[NotificationPriority, float]
    """When limits, holds and bans let a message of each priority through."""
    asked_at: float
    """When the next question whether it is alive may begin; minus infinity if it has answered one."""

    def at(self, priority: NotificationPriority, now: float, *, may_repeat: bool = False) -> float:
        """When a delivery of this priority may be tried; infinity for never."""
        if self.is_gone:
            return inf
        gates = [self.opens_at, self.paced_at[priority]]
        if may_repeat:
            gates.append(self.asked_at)
        return max(now, *(gate for gate in gates if gate != inf))


def next_try(outlook: Outlook, waiting: Iterable[Delivery], now: float, utc: datetime) -> float:
    """When the first of a lane's pending deliveries, given in their order, may be tried; infinity for never.

    A delivery waits behind the earlier ones of its sequence, until they expire if it takes that long. `now` and `utc`
    are the same moment.
    """
    earliest = inf
    free_at: dict[str, float] = {}
    for each in waiting:
        at = max(outlook.at(each.priority, now, may_repeat=each.may_repeat), free_at.get(each.sequence, now))
        if each.not_before is not None:
            at = max(at, now + (each.not_before - utc).total_seconds())
        earliest = min(earliest, at)
        expires_at = now + (each.valid_until - utc).total_seconds()
        free_at[each.sequence] = max(free_at.get(each.sequence, now), expires_at)
    return earliest

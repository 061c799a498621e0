"""Knows when a lane may have something to lease, without a query, so that no worker polls the store. Pure.

A level is a priority; NORMAL includes LOW. For each level the answer is now, a certain time (a `not_before`), or never
(until a delivery is put or comes free).
"""

from collections.abc import Iterable, Mapping
from math import inf

from signalpost.domain.delivery import Delivery
from signalpost.domain.priority import NotificationPriority

URGENT, HIGH, NORMAL = NotificationPriority.URGENT, NotificationPriority.HIGH, NotificationPriority.NORMAL
LEVELS = (URGENT, HIGH, NORMAL)
EXPRESS = (URGENT, HIGH)

Version = Mapping[NotificationPriority, int]
"""Counts for each level how often a lease became possible."""


class ReadyIndex:
    """The time from which each level may have something to lease. A new index assumes now for all of them."""

    def __init__(self) -> None:
        self._at = dict.fromkeys(LEVELS, -inf)
        self._behind: set[str] = set()
        """Sequences in flight behind which others may wait."""
        self._express_is_news = True
        self._version = dict.fromkeys(LEVELS, 0)

    @property
    def version(self) -> Version:
        """Take this before a lease, and pass it to `found_none` afterwards."""
        return dict(self._version)

    def at(self, level: NotificationPriority) -> float:
        """When there may be something of this level; infinity if nothing is expected."""
        return self._at[level]

    def put(self, priority: NotificationPriority) -> None:
        """A delivery of this priority was put, and perhaps more of lower ones."""
        self._expect_now(level for level in LEVELS if level <= max(priority, NORMAL))
        self._express_is_news = self._express_is_news or priority >= HIGH

    def look_again(self) -> None:
        """There may be something at every level, whatever was known."""
        self._expect_now(LEVELS)
        self._express_is_news = True

    def expect(self, priority: NotificationPriority, at: float) -> None:
        """A delivery of this priority may be leased from `at` on."""
        level = max(priority, NORMAL)
        self._at[level] = min(self._at[level], at)
        self._version[level] += 1

    def found_none(
        self, levels: Iterable[NotificationPriority], next_at: float, version: Version, in_flight: Iterable[Delivery]
    ) -> None:
        """A lease that began at `version` found nothing to send at these levels before `next_at`.

        This is ignored for levels where a lease became possible since. Deliveries may wait behind those `in_flight`.
        But no express delivery waits behind one below HIGH, unless it was put since the last lease: when it was put, it
        raised the one before it.
        """
        levels = [level for level in levels if version[level] == self._version[level]]
        if not levels:
            return
        for level in levels:
            self._at[level] = next_at
        is_full = NORMAL in levels
        for delivery in in_flight:
            if is_full or self._express_is_news or delivery.priority >= HIGH:
                self._behind.add(delivery.sequence)
        if HIGH in levels:
            self._express_is_news = False

    def settled(self, delivery: Delivery) -> bool:
        """A delivery is no longer in flight. Returns whether another may have come free."""
        for level in LEVELS if self._express_is_news else (NORMAL,):
            self._version[level] += 1
        if delivery.sequence in self._behind:
            self._behind.remove(delivery.sequence)
            self._expect_now(LEVELS)
        elif delivery.priority >= HIGH:
            self._expect_now(EXPRESS)
        else:
            return False
        return True

    def _expect_now(self, levels: Iterable[NotificationPriority]) -> None:
        for level in levels:
            self._at[level] = -inf
            self._version[level] += 1

"""Tells from when on a lane may have something to lease, without a query, so that no worker polls the store. Pure.

A level is a priority; NORMAL includes LOW. For each level the answer is: now, at a certain time (a `not_before`), or
never, until something is put or comes free.
"""

from collections.abc import Iterable, Mapping
from math import inf

from signalpost.domain.delivery import Delivery
from signalpost.domain.priority import NotificationPriority

URGENT, HIGH, NORMAL = NotificationPriority.URGENT, NotificationPriority.HIGH, NotificationPriority.NORMAL
LEVELS = (URGENT, HIGH, NORMAL)
EXPRESS = (URGENT, HIGH)

Version = Mapping[NotificationPriority, int]
"""Counts for each level how often something became possible there."""


class ReadyIndex:
    """From when on each level may have something to lease. A new index assumes that all of them have."""

    def __init__(self) -> None:
        self._at = dict.fromkeys(LEVELS, -inf)
        self._behind: set[str] = set()
        """Sequences in flight that others may wait behind."""
        self._express_is_news = True
        self._version = dict.fromkeys(LEVELS, 0)

    @property
    def version(self) -> Version:
        """To be taken before a lease, and passed to `found_none` after it."""
        return dict(self._version)

    def at(self, level: NotificationPriority) -> float:
        """From when on there may be something of this level; infinity if nothing is known."""
        return self._at[level]

    def put(self, priority: NotificationPriority) -> None:
        """Something of this priority was put, and perhaps more of lower ones."""
        self._hope(level for level in LEVELS if level <= max(priority, NORMAL))
        self._express_is_news = self._express_is_news or priority >= HIGH

    def look_again(self) -> None:
        """Forget what is known: there may be something at every level."""
        self._hope(LEVELS)
        self._express_is_news = True

    def expect(self, priority: NotificationPriority, at: float) -> None:
        """Something of this priority may be leased from `at` on."""
        level = max(priority, NORMAL)
        self._at[level] = min(self._at[level], at)
        self._version[level] += 1

    def found_none(
        self, levels: Iterable[NotificationPriority], next_at: float, version: Version, in_flight: Iterable[Delivery]
    ) -> None:
        """A lease that began at `version` found nothing to send at these levels before `next_at`.

        This is ignored for levels where something became possible since. Deliveries may wait behind those that were
        `in_flight`. But nothing express waits behind one below HIGH, unless it was put since the last lease: when it
        was put, it raised the one before it.
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
            self._hope(LEVELS)
        elif delivery.priority >= HIGH:
            self._hope(EXPRESS)
        else:
            return False
        return True

    def _hope(self, levels: Iterable[NotificationPriority]) -> None:
        for level in levels:
            self._at[level] = -inf
            self._version[level] += 1

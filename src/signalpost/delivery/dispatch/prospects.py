"""What a lane knows of its waiting deliveries without asking the store: pure, so that no sender has to poll.

A level stands for a priority; NORMAL stands for LOW as well. For each level it is known from when on there may be
something to lease: at once, at a moment (a `not_before`), or never, until something is put or comes free.
"""

from collections.abc import Iterable, Mapping
from math import inf

from signalpost.domain.delivery import Delivery
from signalpost.domain.priority import NotificationPriority

URGENT, HIGH, NORMAL = NotificationPriority.URGENT, NotificationPriority.HIGH, NotificationPriority.NORMAL
LEVELS = (URGENT, HIGH, NORMAL)
EXPRESS = (URGENT, HIGH)

Version = Mapping[NotificationPriority, int]
"""For each level, how often something became possible there."""


class Prospects:
    """From when on there may be something to lease at each level. Begins knowing nothing: there may be at all."""

    def __init__(self) -> None:
        self._at = dict.fromkeys(LEVELS, -inf)
        self._behind: set[str] = set()
        """Sequences in flight that may have kept others from being leased."""
        self._express_is_news = True
        self._version = dict.fromkeys(LEVELS, 0)

    @property
    def version(self) -> Version:
        """Tells, for each level, whether something became possible since a look at the store began."""
        return dict(self._version)

    def at(self, level: NotificationPriority) -> float:
        """From when on there may be something of this level; infinity where nothing is known of."""
        return self._at[level]

    def put(self, priority: NotificationPriority) -> None:
        """Something of this priority was put, and perhaps others of lower ones."""
        self._hope(level for level in LEVELS if level <= max(priority, NORMAL))
        self._express_is_news = self._express_is_news or priority >= HIGH

    def look_again(self) -> None:
        """What was known is no longer certain."""
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
        """A look that began at `version` found nothing at these levels before `next_at`, past what was in flight.

        It is believed of the levels where nothing became possible since. Others may wait behind what is in flight. They
        need not be looked for behind a delivery below HIGH, unless something express was put since the last look: what
        waits behind it lifted it when it was put.
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
        """A delivery is no longer in flight. Answers whether another may have come free by that."""
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

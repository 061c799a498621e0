"""Knows when a lane may have something to lease, without a query, so that no worker polls the store. Pure.

A level is a priority; NORMAL includes LOW. For each level, the index knows when a lease may next find something: now,
at a certain time (a `not_before`), or only after a delivery is put or comes free.
"""

from collections.abc import Iterable
from math import inf

from signalpost.domain.delivery import Delivery
from signalpost.domain.priority import NotificationPriority

URGENT, HIGH, NORMAL = NotificationPriority.URGENT, NotificationPriority.HIGH, NotificationPriority.NORMAL
LEVELS = (URGENT, HIGH, NORMAL)
EXPRESS = (URGENT, HIGH)


class ReadyIndex:
    """Knows, for each level, the time from which there may be something to lease. At first: now, for all levels."""

    def __init__(self) -> None:
        self.at = dict.fromkeys(LEVELS, -inf)
        """When there may be something of each level; infinity if nothing is expected."""
        self.edits_at = -inf
        """The same for edits of all levels, which may leave while the limits of messages per minute stop posts."""
        self._blocking: set[str] = set()
        """Sequences in flight that other deliveries may wait for."""
        self._has_new_express = True
        """True if an URGENT or HIGH delivery may have been put since the last lease of these levels."""
        self.version = 0
        """Counts how often a lease became possible. Read it before a lease, and pass it to `found_none` afterwards."""
        self._changed_in = dict.fromkeys(LEVELS, 0)
        """The version in which a lease last became possible at each level."""

    def put(self, priority: NotificationPriority) -> None:
        """Note that a delivery of this priority was put, and perhaps others of lower priorities."""
        self._expect_now(LEVELS[LEVELS.index(max(priority, NORMAL)) :])
        self._has_new_express = self._has_new_express or priority >= HIGH

    def look_again(self) -> None:
        """Note that there may be something at every level, whatever was known."""
        self._expect_now(LEVELS)
        self._has_new_express = True

    def expect(self, priority: NotificationPriority, at: float) -> None:
        """Note that a delivery of this priority may be leased from `at` on."""
        level = max(priority, NORMAL)
        self.edits_at = min(self.edits_at, at)
        self.at[level] = min(self.at[level], at)
        self._change((level,))

    def found_none(
        self,
        levels: Iterable[NotificationPriority],
        next_at: float,
        version: int,
        in_flight: Iterable[Delivery],
        *,
        posts: bool = True,
        edits: bool = True,
    ) -> None:
        """Note that a lease that began at `version` found nothing to send at these levels before `next_at`.

        It looked for `posts`, for `edits`, or for both. This is ignored for levels where a lease became possible since.
        Other deliveries of a sequence may wait until the one in `in_flight` has ended. An URGENT or HIGH delivery waits
        only for another such one, because putting it raises the earlier deliveries of its sequence. The exception is
        one put since the last lease: the delivery before it may already be in flight with its old priority.
        """
        levels = [level for level in levels if self._changed_in[level] <= version]
        if not levels:
            return
        includes_normal = NORMAL in levels
        for level in levels if posts else ():
            self.at[level] = next_at
        if edits and includes_normal and version == self.version:
            self.edits_at = next_at
        for delivery in in_flight:
            if includes_normal or self._has_new_express or delivery.priority >= HIGH:
                self._blocking.add(delivery.sequence)
        if posts and HIGH in levels:
            self._has_new_express = False

    def note_settled(self, delivery: Delivery) -> bool:
        """Note that a delivery is no longer in flight. True if another may have come free."""
        self._change(LEVELS if self._has_new_express else LEVELS[-1:])
        if delivery.sequence in self._blocking:
            self._blocking.remove(delivery.sequence)
            self._expect_now(LEVELS)
        elif delivery.priority >= HIGH:
            self._expect_now(EXPRESS)
        else:
            return False
        return True

    def _expect_now(self, levels: Iterable[NotificationPriority]) -> None:
        self.edits_at = -inf
        self.at.update(dict.fromkeys(levels, -inf))
        self._change(levels)

    def _change(self, levels: Iterable[NotificationPriority]) -> None:
        self.version += 1
        self._changed_in.update(dict.fromkeys(levels, self.version))

"""What destinations share: the host that they are reached at, and the channel that they show in."""

from collections.abc import Callable
from math import inf
from weakref import WeakValueDictionary

from signalpost.delivery.pacing.bucket import Bucket
from signalpost.delivery.pacing.limits import HOST_RATE, Rate
from signalpost.delivery.pacing.sliding_window import SlidingWindow

REFUSALS_PERIOD = 600.0
REFUSALS_OF_A_HOST = 500
"""Refusals in 10 minutes that pause a host; Discord bans an address at 10,000."""


class Channel:
    """What is limited together because it shows in one place, by a limit that no header tells."""

    def __init__(self, rate: Rate | None) -> None:
        self.window = SlidingWindow(*rate) if rate else None
        self.held_until = -inf


class Host:
    """What all destinations of one API host share. `rate` None assumes no limit of its own."""

    def __init__(self, rate: Rate | None = HOST_RATE) -> None:
        self.window = SlidingWindow(*rate, counts_beginnings=True) if rate else None
        self.refusals = SlidingWindow(REFUSALS_OF_A_HOST, REFUSALS_PERIOD)
        self.held_until = -inf
        self.buckets: WeakValueDictionary[str, Bucket] = WeakValueDictionary()
        """By the scope that answers name; one that no destination uses any more is forgotten."""
        self.channels: WeakValueDictionary[str, Channel] = WeakValueDictionary()
        """By the name that answers give."""
        self._stuck: set[Callable[[], None]] = set()

    def call_at_end(self, wake: Callable[[], None]) -> None:
        """Have `wake` called once, when the next request to this host ends: its end may free what `wake` waits for."""
        self._stuck.add(wake)

    def ended(self) -> None:
        """A request has ended, or was not made: call those who wait for it."""
        if self._stuck:
            stuck, self._stuck = self._stuck, set()
            for wake in stuck:
                wake()

"""What destinations share: the host that they are reached at, and the channel that they show in."""

from collections.abc import Callable
from math import inf
from typing import NamedTuple
from weakref import WeakValueDictionary

from signalpost.delivery.pacing.bucket import Bucket
from signalpost.delivery.pacing.limits import HOST_RATE, Rate
from signalpost.delivery.pacing.sliding_window import SlidingWindow

REFUSALS_PERIOD = 600.0
REFUSALS_OF_A_HOST = 500
"""Refusals in 10 minutes that pause a host; Discord bans an address at 10,000."""

TRIED_AFTER = 30.0
"""Seconds: after a wait as long as this, which is a ban's, one request tries alone; a global 429 asks for less."""


class Ban(NamedTuple):
    """That a host takes nothing from this address: why, and for how many seconds from now."""

    reason: str
    held_for: float
    is_told: bool = True
    """Whether people are told; not of a moment that a host asks for because of too many requests."""


class Channel:
    """What is limited together because it shows in one place, by a limit that no header tells."""

    def __init__(self, rate: Rate | None) -> None:
        self.window = SlidingWindow(*rate) if rate else None
        self.held_until = -inf


class Host:
    """What all destinations of one API host share. `rate` None assumes no limit of its own.

    A ban, and any other wait that it asks for, holds them all. After a long one, one request tries before the others
    may: where an address is shut out, many at once would only renew that. `is_kept` tells whether the outbox knows of
    it, or that it is over, and `is_news` whether nobody was told of it.
    """

    def __init__(self, rate: Rate | None = HOST_RATE, *, name: str = "") -> None:
        self.name = name
        self.window = SlidingWindow(*rate, counts_beginnings=True) if rate else None
        self.refusals = SlidingWindow(REFUSALS_OF_A_HOST, REFUSALS_PERIOD)
        self.held_until = -inf
        self.held_for_reason = ""
        self._is_told = True
        self.is_kept = True
        self.is_news = False
        self._wants_trial = False
        self._trial: object = None
        self.buckets: WeakValueDictionary[str, Bucket] = WeakValueDictionary()
        """By the scope that answers name; one that no destination uses any more is forgotten."""
        self.channels: WeakValueDictionary[str, Channel] = WeakValueDictionary()
        """By the name that answers give."""
        self._shown_in: dict[str, str] = {}
        self._at_end: dict[Callable[[], None], None] = {}  # not a set: who came first is woken first, in every run
        self._at_return: dict[Callable[[], None], None] = {}

    def call_when_free(self, wake: Callable[[], None], *, at_end: bool) -> None:
        """Have `wake` called once, when the next slot is given back; with `at_end` also when the next request ends."""
        (self._at_end if at_end else self._at_return)[wake] = None

    def hold(self, ban: Ban, now: float) -> None:
        """Let nothing begin as long as the ban lasts, where that is longer than was known."""
        self._wants_trial = self._wants_trial or ban.held_for >= TRIED_AFTER
        self.is_news = self.is_news or self.held_until <= now
        if (until := now + ban.held_for) > self.held_until:
            self.held_until, self.held_for_reason, self.is_kept = until, ban.reason, False
            self._is_told = ban.is_told

    def keep(self, held_until: float) -> None:
        """The outbox knows of this much."""
        self.is_kept = self.held_until == held_until

    def ready_at(self) -> float:
        """When it may be asked something; infinity while one request tries after a wait."""
        return self.held_until if self._trial is None else inf

    def begin(self, request: object) -> None:
        """A request begins, which may be the one that tries."""
        if self._wants_trial and self._trial is None:
            self._trial = request

    def end(self, request: object, now: float, *, was_made: bool) -> None:
        """It ended. Where it tried, the others may follow, unless it was told to wait again, or was not made."""
        if request is self._trial:
            self._trial = None
            self._wants_trial = not was_made or self.held_until > now
            self.is_kept = self.is_kept and self._wants_trial  # that it is over is news too

    def ban(self, now: float) -> Ban | None:
        """What holds all of them now; None where nothing does."""
        if self.held_until <= now:
            return None
        return Ban(self.held_for_reason, self.held_until - now, self._is_told)

    def show_in(self, channel: str, destination: str) -> tuple[str, ...]:
        """Note where a destination shows. Answers which others show there."""
        self._shown_in[destination] = channel
        return tuple(name for name, other in self._shown_in.items() if other == channel and name != destination)

    def ended(self) -> None:
        """A request has ended: call those who wait for that."""
        if self._at_end:
            waiting, self._at_end = self._at_end, {}
            for wake in waiting:
                wake()

    def gave_back(self) -> None:
        """A slot was not used: call all who wait for one."""
        self.ended()
        waiting, self._at_return = self._at_return, {}
        for wake in waiting:
            wake()

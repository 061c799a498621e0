"""Limits that destinations share: those of their API host, and those of the channel that they post to."""

from collections.abc import Callable
from math import inf
from typing import NamedTuple
from weakref import WeakValueDictionary

from signalpost.delivery.pacing.bucket import Bucket
from signalpost.delivery.pacing.limits import HOST_RATE, Rate
from signalpost.delivery.pacing.sliding_window import SlidingWindow

REFUSALS_PERIOD = 600.0
REFUSALS_OF_A_HOST = 500
"""Refusals in 10 minutes that pause a host. Discord bans an address at 10,000."""

TRIED_AFTER = 30.0
"""Seconds. After a wait of at least this, a single request is tried first. Bans are longer, a global 429 is shorter."""


class Ban(NamedTuple):
    """A host accepts no requests from this address: the reason, and for how many seconds from now."""

    reason: str
    held_for: float
    is_reported: bool = True
    """Whether it is reported. A short wait because of too many requests is not."""


class Refusals(SlidingWindow):
    """Refusals count towards a ban. If there are too many, nothing may begin until enough of them are old."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit, REFUSALS_PERIOD)
        self.held_until = -inf

    def count(self, at: float) -> None:
        """A request was refused at `at`."""
        super().count(at)
        self.held_until = self.ready_at(-inf, self.limit)


class Channel:
    """One channel's limit, which no header contains, and its pause. Webhooks that post there share both."""

    def __init__(self, rate: Rate | None) -> None:
        self.window = SlidingWindow(*rate) if rate else None
        self.held_until = -inf
        self.edits_held_until = -inf
        """Edits of old messages have a limit of their own."""


class Host:
    """The limits that all destinations of one API host share. With `rate` None the host has no assumed limit.

    A ban, or any other wait that the host demands, pauses them all. After a long one, a single request is tried first:
    many at once could renew a ban. `is_kept` is True if the pause, or its end, is saved. `is_news` is True
    if the pause was not reported yet.
    """

    def __init__(self, rate: Rate | None = HOST_RATE, *, name: str = "") -> None:
        self.name = name
        self.window = SlidingWindow(*rate, counts_beginnings=True) if rate else None
        self.refusals = Refusals(REFUSALS_OF_A_HOST)
        self.held_until = -inf
        self.held_for_reason = ""
        self._is_reported = True
        self.is_kept = True
        self.is_news = False
        self._wants_trial = False
        self._trial: object = None
        self.buckets: WeakValueDictionary[str, Bucket] = WeakValueDictionary()
        """By the scope in the answers. A bucket that no destination uses any more is dropped."""
        self.channels: WeakValueDictionary[str, Channel] = WeakValueDictionary()
        """By the channel id in the answers."""
        self._channel_of: dict[str, str] = {}
        self._at_end: dict[
            Callable[[], None], None
        ] = {}  # not a set: lanes are woken in the order in which they came, in every run
        self._at_return: dict[Callable[[], None], None] = {}

    def call_when_free(self, wake: Callable[[], None], *, at_end: bool) -> None:
        """Call `wake` once, when the next slot is given back; with `at_end` also when the next request ends."""
        (self._at_end if at_end else self._at_return)[wake] = None

    def hold(self, ban: Ban, now: float) -> None:
        """Pause until the ban ends, unless the current pause ends later."""
        self._wants_trial = self._wants_trial or ban.held_for >= TRIED_AFTER
        self.is_news = self.is_news or self.held_until <= now
        if (until := now + ban.held_for) > self.held_until:
            self.held_until, self.held_for_reason, self.is_kept = until, ban.reason, False
            self._is_reported = ban.is_reported

    def keep(self, held_until: float) -> None:
        """Note that a pause until `held_until` is saved in the store."""
        self.is_kept = self.held_until == held_until

    def ready_at(self) -> float:
        """When a request may begin; infinity while a single request is tried after a long pause."""
        return max(self.held_until, self.refusals.held_until) if self._trial is None else inf

    def begin(self, request: object) -> None:
        """A request begins. After a long pause, the first one is the trial."""
        if self._wants_trial and self._trial is None:
            self._trial = request

    def end(self, request: object, now: float, *, was_made: bool) -> None:
        """A request ended. After the trial others may follow, unless it led to another pause or was not made."""
        if request is self._trial:
            self._trial = None
            self._wants_trial = not was_made or self.held_until > now
            self.is_kept = self.is_kept and self._wants_trial  # the end of the pause has to be saved too

    def ban(self, now: float) -> Ban | None:
        """The ban that pauses all destinations now, if there is one."""
        if self.held_until <= now:
            return None
        return Ban(self.held_for_reason, self.held_until - now, self._is_reported)

    def note_channel(self, channel: str, destination: str) -> tuple[str, ...]:
        """Note the channel that a destination posts to. Returns the other destinations that post there."""
        self._channel_of[destination] = channel
        return tuple(name for name, other in self._channel_of.items() if other == channel and name != destination)

    def ended(self) -> None:
        """A request has ended: call everything that waits for that."""
        if self._at_end:
            waiting, self._at_end = self._at_end, {}
            for wake in waiting:
                wake()

    def gave_back(self) -> None:
        """A slot was not used: call everything that waits for a slot."""
        self.ended()
        waiting, self._at_return = self._at_return, {}
        for wake in waiting:
            wake()

"""One destination's pace: the latest of all limits and pauses that apply to its next request."""

from typing import NamedTuple

from signalpost.delivery.pacing.backoff import bounded
from signalpost.delivery.pacing.bucket import Bucket
from signalpost.delivery.pacing.host import Ban, Channel, Host, Refusals
from signalpost.delivery.pacing.limits import Limits
from signalpost.delivery.pacing.sliding_window import SlidingWindow
from signalpost.domain.priority import NotificationPriority
from signalpost.sinks.evidence import Answered, RateFacts, Receipt, Throttled
from signalpost.sinks.port import Answer

REFUSALS_OF_A_DESTINATION = 50
_REFUSALS = frozenset({401, 403, 429})


class Slot:
    """A request that has begun, until it ends or is given back. A message also holds the breaker's permit."""

    __slots__ = ("began", "is_edit", "is_probe", "mark", "permit")

    def __init__(self, is_probe: bool, is_edit: bool, began: float, mark: int) -> None:  # noqa: FBT001  # the pacer's
        self.is_probe = is_probe
        self.is_edit = is_edit
        self.began = began
        self.mark = mark
        self.permit = 0


class PaceMemory(NamedTuple):
    """The state of a pacer that should outlive a restart."""

    ages: tuple[float, ...]
    """For each of its last requests: how many seconds ago it ended."""
    held_for: float
    """Seconds for which it still has to wait."""
    channel: str | None = None
    """The channel that it posts to, if known."""
    refusals: tuple[float, ...] = ()
    """For each refusal that counts towards a ban: how many seconds ago it happened."""
    edits_held_for: float = 0.0
    """Seconds for which edits still have to wait."""

    @property
    def is_empty(self) -> bool:
        """Whether a new process would behave the same without it."""
        return not (self.ages or self.held_for or self.refusals or self.edits_held_for)

    def joined(self, other: "PaceMemory") -> "PaceMemory":
        """Both together, for one destination."""
        ages = tuple(sorted(self.ages + other.ages, reverse=True))
        refusals = tuple(sorted(self.refusals + other.refusals, reverse=True))
        held = max(self.held_for, other.held_for), max(self.edits_held_for, other.edits_held_for)
        return PaceMemory(ages, held[0], self.channel or other.channel, refusals, held[1])


class Pause(NamedTuple):
    """A time in which nothing may begin, because of a demanded wait or too many refusals."""

    seconds: float
    reason: str
    host: str | None = None
    """The host's name, if all its destinations are paused."""


class Pacer:
    """Knows when a destination's next request may begin, and learns from each answer.

    It counts every request, including failures and probes. A request in flight counts as if its message was shown.
    """

    def __init__(self, limits: Limits, host: Host) -> None:
        self.host = host
        self._reserve = limits.reserve
        self._minute = SlidingWindow(limits.messages_a_minute, 60.0) if limits.messages_a_minute else None
        self._refusals = Refusals(REFUSALS_OF_A_DESTINATION)
        self._channel_rate = limits.channel
        self._channel = Channel(limits.channel)
        self._channel_name: str | None = None
        self._own = self._minute
        """The requests of this destination in the last minute, without those of others in its channel."""
        if self._own is None and limits.channel is not None:
            self._own = SlidingWindow(limits.channel.limit, 60.0)
        self._burst = limits.burst
        self._bucket = self._edit_bucket = Bucket(limits.burst)
        """Edits share the bucket of posts until an answer shows that they have their own."""
        self._scope: str | None = None
        self._edit_scope: str | None = None
        self._slots: dict[Slot, None] = {}  # in the order in which they began
        self._arrange()

    def ready_at(self, now: float, priority: NotificationPriority) -> float:
        """When the next request of `priority` may begin, `now` at the earliest.

        Infinity if a request has to end first, perhaps one of another destination of the host.
        """
        return self._ready_at(now, priority, self._limiting, self._channel.held_until)

    def edits_ready_at(self, now: float) -> float:
        """When the next edit may begin, which no limit of messages per minute counts. Infinity as for `ready_at`."""
        held_until = max(self._channel.held_until, self._channel.edits_held_until)
        return self._ready_at(now, NotificationPriority.HIGH, self._edit_windows, held_until)

    def _ready_at(
        self, now: float, priority: NotificationPriority, windows: tuple[SlidingWindow, ...], held_until: float
    ) -> float:
        ready = max(now, held_until, self.host.ready_at(), self._refusals.held_until)
        if not self._reserve:
            priority = NotificationPriority.URGENT
        for window in windows:
            if (at := window.ready_at(now, window.slots[priority])) > ready:
                ready = at
        return ready

    def is_held(self, now: float, *, is_edit: bool = False) -> bool:
        """Whether an answer demanded a wait that is not over."""
        held_until = max(self.host.held_until, self._channel.held_until)
        return now < (max(held_until, self._channel.edits_held_until) if is_edit else held_until)

    def paused_for(self, now: float) -> Pause | None:
        """For how long not even URGENT may begin, because of a demanded wait or too many refusals.

        Any thread may call it.
        """
        host, own = self.host, self._refusals
        pauses = (
            Pause(host.held_until - now, host.held_for_reason, host.name),
            Pause(self._channel.held_until - now, "it is rate limited"),
            Pause(host.refusals.held_until - now, _refused(host.refusals), host.name),
            Pause(own.held_until - now, _refused(own)),
        )
        longest = max(pauses, key=lambda pause: pause.seconds)
        return longest if longest.seconds > 0 else None

    def begin(self, now: float, *, is_probe: bool = False, is_edit: bool = False) -> Slot:
        """A request begins. Its slot is occupied until `end` or `give_back`."""
        for window in self._edit_windows if is_edit else self._windows:
            window.begin(now)
        slot = Slot(is_probe, is_edit, now, (self._edit_bucket if is_edit else self._bucket).mark(now))
        self._slots[slot] = None
        self.host.begin(slot)
        return slot

    def is_an_edit(self, slot: Slot) -> None:
        """A request that began as a post turned out to be an edit, which fewer limits count."""
        if not slot.is_edit:
            for window in self._windows:
                window.give_back(slot.began)
            slot.is_edit = True
            for window in self._edit_windows:
                window.begin(slot.began)
            slot.mark = self._edit_bucket.mark(slot.began)

    def give_back(self, slot: Slot) -> None:
        """The request was not made after all, and does not count."""
        del self._slots[slot]
        self.host.end(slot, 0.0, was_made=False)
        for window in self._edit_windows if slot.is_edit else self._windows:
            window.give_back(slot.began)

    def end(self, slot: Slot, now: float, outcome: object = None) -> None:
        """The request ended, with a receipt, an answer, evidence, or an unknown outcome (None)."""
        del self._slots[slot]
        for window in self._edit_windows if slot.is_edit else self._windows:
            window.end(now)
        match outcome:
            case Receipt(rate=rate, channel=name) | Answer(rate=rate, channel=name):
                if rate is not None:
                    self._learn(rate, now, slot)
                if name is not None:
                    self.set_channel(name)
            case Throttled():
                self._hold(outcome, now)  # its headers may belong to another limit, so only the wait counts
            case Answered(rate=RateFacts() as facts):
                self._learn(facts, now, slot)
        self.host.end(slot, now, was_made=True)
        if _is_refusal(outcome):
            self._refusals.count(now)
            self.host.refusals.count(now)

    def set_channel(self, channel: str) -> None:
        """The destination posts to this channel. It shares the limit and pauses of others that do."""
        if channel == self._channel_name:
            return
        if self._channel_name is not None:
            self._leave_channel()
        self._channel_name = channel
        own, shared = self._channel, self.host.channels.setdefault(channel, self._channel)
        if shared is not own:
            shared.held_until = max(shared.held_until, own.held_until)
            shared.edits_held_until = max(shared.edits_held_until, own.edits_held_until)
            if own.window is not None and shared.window is not None:
                shared.window.take_over(own.window, in_flight=self._posts)
            self._channel = shared
            self._arrange()

    def _leave_channel(self) -> None:
        """The webhook now posts to another channel. Its earlier requests still count in the former one.

        A demanded wait goes with it, because the answer may have been about the webhook.
        """
        former, self._channel = self._channel, Channel(self._channel_rate)
        self._channel.held_until, self._channel.edits_held_until = former.held_until, former.edits_held_until
        if former.window is not None and self._channel.window is not None:
            former.window.in_flight -= self._posts
            self._channel.window.in_flight += self._posts
        self._arrange()

    def memory(self, now: float) -> PaceMemory:
        """The state that should outlive a restart."""
        ages = self._own.ages(now) if self._own else ()
        held_for = max(0.0, self._channel.held_until - now)
        edits_held_for = max(0.0, self._channel.edits_held_until - now)
        return PaceMemory(ages, held_for, self._channel_name, self._refusals.ages(now), edits_held_for)

    def recall(self, memory: PaceMemory, now: float) -> None:
        """Restore the state of an earlier process: Discord still counts its requests, and its pauses still apply.

        Call this before the first request begins.
        """
        for age in memory.ages:
            for window in (self._channel.window, self._bucket, self._own):
                if window is not None:
                    window.count(now - age)
        for age in memory.refusals:
            self._refusals.count(now - age)
            self.host.refusals.count(now - age)
        channel = self._channel
        channel.held_until = max(channel.held_until, now + bounded(memory.held_for))
        if memory.edits_held_for:
            channel.edits_held_until = max(channel.edits_held_until, now + bounded(memory.edits_held_for))
        if memory.channel is not None:
            self.set_channel(memory.channel)

    @property
    def _posts(self) -> int:
        """How many requests in flight are not edits."""
        return sum(not slot.is_edit for slot in self._slots)

    def _arrange(self) -> None:
        """Choose the windows that count a post, those that limit one, and those that do both for an edit."""
        host, channel = self.host.window, self._channel.window
        self._windows = _known(channel, self._bucket, host, self._own)
        self._limiting = _known(channel, self._bucket, host, self._minute)
        self._edit_windows = _known(self._edit_bucket, host)

    def _hold(self, throttled: Throttled, now: float) -> None:
        seconds = bounded(throttled.retry_after)
        if throttled.scope == "host":
            self.host.hold(Ban(throttled.reason, seconds, throttled.is_ban), now)
        elif throttled.scope == "edits":
            self._channel.edits_held_until = max(self._channel.edits_held_until, now + seconds)
        else:
            self._channel.held_until = max(self._channel.held_until, now + seconds)

    def _learn(self, facts: RateFacts, now: float, slot: Slot) -> None:
        if slot.is_edit:
            self._learn_of_edits(facts, now, slot)
            return
        if facts.scope != self._scope:
            if slot.is_probe:
                return  # a probe has another bucket
            own, shared = self._bucket, self.host.buckets.setdefault(facts.scope, self._bucket)
            if shared is not own:
                has_edits = self._edit_bucket is own
                shared.take_over(own, in_flight=len(self._slots) if has_edits else self._posts)
                self._bucket = shared
                self._edit_bucket = shared if has_edits else self._edit_bucket
                self._arrange()
                for each in (slot, *self._slots):
                    each.mark = shared.mark(
                        now
                    )  # as if they began now, because this bucket counts requests of others too
            self._scope = facts.scope
        self._bucket.learn(facts, now, slot.mark)

    def _learn_of_edits(self, facts: RateFacts, now: float, slot: Slot) -> None:
        # Until a post is answered, it is unknown whether edits have a bucket of their own, so both count together.
        if facts.scope != self._edit_scope and self._scope is not None:
            if facts.scope == self._scope:
                mine = self._bucket
            else:
                mine = self.host.buckets.setdefault(facts.scope, Bucket(self._burst))
            if mine is not self._edit_bucket:
                edits = [each for each in self._slots if each.is_edit]
                self._edit_bucket.in_flight -= len(edits)
                mine.in_flight += len(edits)
                mine.count(now)  # the one that has just ended
                self._edit_bucket = mine
                self._arrange()
                for each in (slot, *edits):
                    each.mark = mine.mark(now)
            self._edit_scope = facts.scope
        self._edit_bucket.learn(facts, now, slot.mark)


def _known(*windows: SlidingWindow | None) -> tuple[SlidingWindow, ...]:
    return tuple(window for window in windows if window is not None)


def _refused(window: SlidingWindow) -> str:
    return f"it refused {window.limit} requests in {window.period / 60:.0f} minutes"


def _is_refusal(outcome: object) -> bool:
    """Whether it counts towards a ban. A 429 because of a limit shared with others does not."""
    return getattr(outcome, "status", None) in _REFUSALS and not getattr(outcome, "is_shared", False)

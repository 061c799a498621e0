"""A destination's gate: it says when a request may begin, and learns from how each request ended.

It combines pace, breaker, liveness and whether the webhook is gone. It never uses the store: `unsaved` returns the
facts that should outlive a restart, and the caller saves them. Times are seconds of the loop's clock.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from math import inf
from typing import NamedTuple

from signalpost import clock
from signalpost.delivery.dispatch import attempt
from signalpost.delivery.dispatch.attempt import SendResult
from signalpost.delivery.dispatch.decide import SendOutcome
from signalpost.delivery.facts import Gone, ban_fact, breaker_fact, gone_fact, of_host, pace_fact, read_breaker
from signalpost.delivery.outbox.commands import SaveFacts, Subject
from signalpost.delivery.pacing.backoff import bounded
from signalpost.delivery.pacing.breaker import BreakerState, CircuitBreaker
from signalpost.delivery.pacing.liveness import Liveness
from signalpost.delivery.pacing.pacer import PaceMemory, Pacer, Slot
from signalpost.domain.delivery import Delivery, DeliveryId
from signalpost.domain.events import BreakerMoved, DestinationGone, DestinationSeen, HostBanned, Listener
from signalpost.domain.priority import NotificationPriority
from signalpost.errors import Evidence
from signalpost.sinks.evidence import Receipt, Rejected, Throttled, Unconfirmed
from signalpost.sinks.port import Answer, Sink

CLOCK_GRAIN = 0.005
"""Seconds added to the end of each request. uvloop's clock counts whole milliseconds, rounded down, so a window that is
exact by that clock would be too short by the destination's clock."""
LOOK_AFTER = 1.0
"""Seconds from the start to the first look at the destination."""


class Webhook:
    """Whether a webhook is gone for good, shared by all destinations that send through it.

    Its facts are stored under `subject`. `identity` identifies it without being a secret; None for other sinks.
    """

    def __init__(self, subject: Subject, identity: str | None = None) -> None:
        self.subject = subject
        self.identity = identity
        self.gone: Gone | None = None
        """None as long as it is not gone."""
        self.is_saved = True
        """Whether the outbox has the current state."""
        self._subscribers: list[Callable[[], None]] = []

    def subscribe(self, call: Callable[[], None]) -> None:
        """Call `call` when the webhook turns out to be gone, and when a person enables it again."""
        self._subscribers.append(call)

    def close(self, gone: Gone) -> None:
        """The webhook is gone. The first reason is kept."""
        if self.gone is None:
            self.gone, self.is_saved = gone, False
            self._notify()

    def saved(self, gone: Gone | None) -> None:
        """The outbox has saved `gone`. If the state has changed since, it still has to be saved."""
        self.is_saved = self.gone is gone

    def reopen(self) -> None:
        """A person enabled it again, and the outbox has saved that."""
        self.gone, self.is_saved = None, True
        self._notify()

    def _notify(self) -> None:
        for call in self._subscribers:
            call()


class Unsaved(NamedTuple):
    """Facts that should outlive a restart and are not saved yet."""

    facts: SaveFacts
    saved: Callable[[], None]
    """Call this once the outbox has saved them."""


class Availability(NamedTuple):
    """The earliest times at which a gate may let deliveries through, as known now."""

    is_gone: bool
    """Whether the webhook no longer exists."""
    opens_at: float
    """When the breaker lets a message or a probe through."""
    paced_at: Mapping[NotificationPriority, float]
    """When limits, pauses and bans let a message of each priority through."""
    probed_at: float
    """When the next liveness probe may begin; minus infinity if no delivery has to wait for an answer."""

    def at(self, priority: NotificationPriority, now: float, *, may_repeat: bool = False) -> float:
        """When a delivery of this priority may be tried; infinity for never."""
        if self.is_gone:
            return inf
        gates = [self.opens_at, self.paced_at[priority]]
        if may_repeat:
            gates.append(self.probed_at)
        return max(now, *(gate for gate in gates if gate != inf))


class Gate:
    """One destination's gate. All methods are synchronous except `probe` and `look`, which call the sink.

    With `fetches_details` it requests the webhook's type and channel once, as soon as nothing else is due.
    """

    def __init__(
        self,
        destination: str,
        sink: Sink,
        pacer: Pacer,
        breaker: CircuitBreaker,
        webhook: Webhook,
        *,
        fetches_details: bool,
        jitter: Callable[[], float],
        emit: Listener,
    ) -> None:
        self.destination = destination
        self.sink = sink
        self.pacer = pacer
        self.breaker = breaker
        self.webhook = webhook
        self.liveness = Liveness()
        self.takes_messages: bool | None = None
        """Whether it accepted the latest message that was not at fault itself; None if there was none."""
        self.failures: Counter[DeliveryId] = Counter()
        """How often each delivery failed since the destination accepted one."""
        self._jitter = jitter
        self._emit = emit
        self._on_change: Callable[[], None] = lambda: None
        # How many changes there were, and how many of them are saved.
        self._pace_changes = self._pace_saved = 0
        self._breaker_changes = self._breaker_saved = 0
        self._wants_look = fetches_details
        self._look_from = inf
        self._seen: str | None = None
        """The channel that was last reported."""
        self._refusal: str | None = None
        """Why it refuses every message; None if it does not, as far as is known."""
        webhook.subscribe(self._webhook_changed)

    def subscribe(self, call: Callable[[], None]) -> None:
        """Call `call` whenever the gate may let more through."""
        self._on_change = call

    @property
    def gone(self) -> Gone | None:
        """Why the destination is gone for good; None as long as it is not."""
        return self.webhook.gone

    @property
    def is_open(self) -> bool:
        """Whether the breaker lets only probes through."""
        return self.breaker.state is BreakerState.OPEN

    @property
    def is_well(self) -> bool:
        """Whether the breaker lets everything through."""
        return self.breaker.state is BreakerState.CLOSED

    @property
    def is_on_trial(self) -> bool:
        """Whether the breaker lets only one message through."""
        return self.breaker.state is BreakerState.HALF_OPEN

    def ready_at(self, now: float, priority: NotificationPriority) -> float:
        """When a message of this priority may begin; infinity if that waits for a request to end."""
        return max(self.breaker.ready_at(now), self.pacer.ready_at(now, priority))

    def edits_ready_at(self, now: float) -> float:
        """When an edit may begin; infinity if that waits for a request to end."""
        return max(self.breaker.ready_at(now), self.pacer.edits_ready_at(now))

    def probe_at(self, now: float) -> float:
        """When the next probe of an open breaker should begin; infinity if none is due."""
        return max(self.breaker.probe_at, self.pacer.ready_at(now, NotificationPriority.URGENT))

    def liveness_probe_at(self, now: float) -> float:
        """When to probe because a delivery waits for an answer; infinity if none does, or the breaker is open."""
        if self.is_open or self.liveness.has_answered:
            return inf
        urgent_at = self.pacer.ready_at(now, NotificationPriority.URGENT)
        return max(self.liveness.probe_at, self.breaker.question_at, urgent_at)

    def look_at(self, now: float) -> float:
        """When to look at the webhook; infinity if no look is needed, or the breaker is not closed.

        The look takes a slot that every priority may use, never one that is kept for URGENT.
        """
        if not (self._wants_look and self.is_well):
            return inf
        return max(self._look_from, self.pacer.ready_at(now, NotificationPriority.NORMAL))

    def availability(self, now: float) -> Availability:
        """When it may let deliveries through, for drains."""
        paced_at = {priority: self.pacer.ready_at(now, priority) for priority in NotificationPriority}
        is_known = self.is_open or self.liveness.has_answered  # the answer to the breaker's probe counts too
        return Availability(
            is_gone=self.gone is not None,
            opens_at=self.breaker.probe_at if self.is_open else self.breaker.ready_at(now),
            paced_at=paced_at,
            probed_at=-inf if is_known else max(self.liveness.may_probe_at, self.breaker.question_at),
        )

    def start(self, now: float) -> None:
        """Schedule the first look, when the lane starts."""
        self._look_from = now + LOOK_AFTER

    def begin(self, now: float, *, is_edit: bool = False) -> Slot:
        """Begin a message. Set `is_edit` only if it is certainly an edit."""
        held = self.pacer.begin(now, is_edit=is_edit)
        held.permit = self.breaker.begin()
        return held

    def still_allows(self, held: Slot, now: float) -> bool:
        """Whether sending is still allowed after the lease, which takes as long as a commit."""
        is_held = self.pacer.is_held(now, is_edit=held.is_edit)
        return self.gone is None and self.breaker.is_current(held.permit) and not is_held

    def give_back(self, held: Slot) -> None:
        """The message was not sent after all."""
        self.pacer.give_back(held)
        self.breaker.give_back(held.permit)
        self.pacer.host.gave_back()

    def end(self, held: Slot, now: float, result: SendResult | None, first: Delivery) -> bool:
        """Record the end of a message. One without a result was abandoned, and still counts as a request.

        Returns False if, before this result, the destination was known not to accept messages.
        """
        took_messages = self.takes_messages is not False
        self._pace_changes += 1
        outcome = None if result is None else result.outcome
        self.pacer.end(held, now + CLOCK_GRAIN, outcome)
        is_failure = None if result is None else result.is_failure
        if is_failure is None:
            self.breaker.give_back(held.permit)
        else:
            is_its_own = is_failure and self._is_its_own(first, outcome)
            if isinstance(outcome, Receipt):
                self.takes_messages = True
                self.failures.clear()
            elif is_failure:
                self.failures[first.id] += 1
                if self.is_on_trial or not is_its_own:
                    self.takes_messages = False
            jitter, permit = self._jitter(), held.permit
            self._moved(self.breaker.record(permit, now, jitter, is_failure=is_failure, is_its_own=is_its_own))
        self._learn(is_alive=is_failure is False)
        self._note_refusal(outcome)
        self.observe(outcome)
        self.pacer.host.ended()
        return took_messages

    def end_direct(self, slot: Slot, now: float, outcome: SendOutcome | None) -> None:
        """Record the end of a message sent without the queue. It counts for the pace, but not for the breaker."""
        self.pacer.end(slot, now + CLOCK_GRAIN, outcome)
        self._note_refusal(outcome)
        self.observe(outcome)
        self.pacer.host.ended()

    def observe(self, outcome: SendOutcome | Answer | None) -> None:
        """Note a channel, a webhook that is gone, and a ban of this address."""
        match outcome:
            case Receipt() | Answer():
                self._see(outcome)
            case Rejected(is_gone=True):
                self.webhook.close(Gone(outcome.reason, clock.now()))
            case Throttled(is_ban=True) if self.pacer.host.is_news:
                self.pacer.host.is_news = False
                until = clock.now() + timedelta(seconds=bounded(outcome.retry_after))
                self._emit(HostBanned(self.pacer.host.name, outcome.reason, until))

    async def look(self, now: Callable[[], float]) -> None:
        """Probe once, to find out the webhook's type and channel."""
        if self.look_at(now()) > now():
            return  # another request has begun since; after a ban only one may be tried
        self._wants_look = False
        await self.probe(now)

    async def probe(self, now: Callable[[], float]) -> None:
        """Check that the destination is alive, without showing a message."""
        began = now()
        self.liveness.begin(began, self._jitter())
        slot, permit = self.pacer.begin(began, is_probe=True), self.breaker.begin_probe(began)
        answer: Answer | Evidence | None = None
        try:
            answer = await attempt.probe(self.destination, self.sink, self.breaker.interval)
        finally:
            self.pacer.end(slot, now() + CLOCK_GRAIN, answer)
            self._pace_changes += 1
            is_alive = answer is not None and attempt.is_alive(answer)
            self._moved(self.breaker.record_probe(permit, now(), self._jitter(), is_alive=is_alive))
            self._breaker_changes += self.is_open  # because the time of the next probe is saved too
            self.liveness.end(now())
            self._learn(is_alive=is_alive)
            self.observe(answer)
            self.pacer.host.ended()

    def unsaved(self, now: float) -> tuple[Unsaved, ...]:
        """All facts that should outlive a restart and are not saved yet."""
        found = []
        webhook, host = self.webhook, self.pacer.host
        if not webhook.is_saved:
            gone = webhook.gone
            found.append(Unsaved(SaveFacts(webhook.subject, gone_fact(gone)), lambda: webhook.saved(gone)))
        if not host.is_kept:
            facts, until = ban_fact(host.ban(now), clock.now()), host.held_until
            found.append(Unsaved(SaveFacts(of_host(host.name), facts), lambda: host.keep(until)))
        if facts := self._own_facts(now):
            pace, breaker = self._pace_changes, self._breaker_changes
            found.append(Unsaved(SaveFacts(Subject(self.destination), facts), lambda: self._saved(pace, breaker)))
        return tuple(found)

    def restore_breaker(self, facts: Mapping[str, bytes], now: float) -> None:
        """Open the breaker if an earlier process had it open."""
        memory = read_breaker(facts, clock.now())
        if memory is not None:
            self._moved(self.breaker.recall(memory, now))
            self._breaker_saved = self._breaker_changes

    def restore(self, memory: PaceMemory, gone: Gone | None, lapsed: int, now: float) -> None:
        """Restore the state of an earlier process, and count the `lapsed` messages that it may have sent just now."""
        self.pacer.recall(memory._replace(ages=(*memory.ages, *[0.0] * lapsed)), now)
        self.webhook.gone = self.webhook.gone or gone
        if self.webhook.gone is not None:
            self._emit(DestinationGone(self.destination, *self.webhook.gone))

    def _own_facts(self, now: float) -> dict[str, bytes]:
        facts: dict[str, bytes] = {}
        if self._breaker_saved < self._breaker_changes:
            facts |= breaker_fact(self.breaker.memory(now), clock.now())
        if self._pace_saved < self._pace_changes:
            memory = self.pacer.memory(now)
            if not memory.is_empty:
                facts |= pace_fact(memory, clock.now(), self.webhook.identity)
        return facts

    def _saved(self, pace: int, breaker: int) -> None:
        self._pace_saved, self._breaker_saved = pace, breaker

    def _webhook_changed(self) -> None:
        if self.webhook.gone is not None:
            self._emit(DestinationGone(self.destination, *self.webhook.gone))
        self._on_change()

    def _moved(self, state: BreakerState | None) -> None:
        if state is not None:
            self._breaker_changes += 1
            self._emit(BreakerMoved(self.destination, state, self.breaker.came_from))
            self._on_change()

    def _is_its_own(self, first: Delivery, outcome: SendOutcome | None) -> bool:
        """Whether the message is more likely at fault than the destination; see the breaker."""
        is_again = first.may_repeat and isinstance(outcome, Unconfirmed) and outcome.is_answered
        return is_again and (self.is_on_trial or self.takes_messages is True)

    def _learn(self, *, is_alive: bool) -> None:
        if self.liveness.learn(is_alive=is_alive):
            self._on_change()

    def _note_refusal(self, outcome: SendOutcome | None) -> None:
        """Report an answer to a message that any other message would get too, such as 404 if its thread was deleted."""
        match outcome:
            case Receipt():
                self._refusal = None
            case Rejected(status=401 | 403 | 404, is_gone=False) if self._refusal is None:
                self._refusal = f"it refuses messages, whatever they say: {outcome.reason}"
                self._emit(DestinationSeen(self.destination, self._seen, trouble=self._refusal))

    def _see(self, answer: Receipt | Answer) -> None:
        channel, guild = answer.channel, answer.guild
        trouble = (answer.trouble or self._refusal) if isinstance(answer, Answer) else None
        if guild is not None:  # links need the server, and only a look shows it
            self._wants_look = False
        if channel is not None and (channel != self._seen or trouble is not None):
            self._seen = channel
            others = self.pacer.host.note_channel(channel, self.destination)
            self._emit(DestinationSeen(self.destination, channel, guild, others, trouble))

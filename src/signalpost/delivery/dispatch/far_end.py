"""What a lane knows of its far end: its pace, its breaker, and whether it is gone for good."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import timedelta
from math import inf
from typing import NamedTuple

from signalpost import clock
from signalpost.delivery import facts as stored
from signalpost.delivery.dispatch import attempt
from signalpost.delivery.dispatch.attempt import Tried
from signalpost.delivery.dispatch.decide import Ending
from signalpost.delivery.dispatch.doubt import Doubt
from signalpost.delivery.dispatch.outlook import Outlook
from signalpost.delivery.dispatch.patient_outbox import PatientOutbox
from signalpost.delivery.dispatch.standing import Standing
from signalpost.delivery.facts import Gone, place_of_host
from signalpost.delivery.outbox.commands import LoadFacts, SaveFacts
from signalpost.delivery.pacing.backoff import bounded
from signalpost.delivery.pacing.breaker import BreakerState, CircuitBreaker
from signalpost.delivery.pacing.pacer import PaceMemory, Pacer, Slot
from signalpost.domain.delivery import Delivery, DeliveryId
from signalpost.domain.events import BreakerMoved, DestinationGone, DestinationSeen, HostBanned, Listener
from signalpost.domain.priority import NotificationPriority
from signalpost.errors import CommandFailed, Evidence, StoreClosed
from signalpost.sinks.evidence import Receipt, Rejected, Throttled, Unconfirmed
from signalpost.sinks.port import Answer, Sink

CLOCK_GRAIN = 0.005
"""Seconds by which a request counts as ended later than the loop's clock says: uvloop's counts whole milliseconds,
rounded down, so that a window that is exact by that clock is too short by the far end's."""


LOOK_AFTER = 1.0
"""Seconds after the start in which an answered message may save the question what a far end is."""


class Request(NamedTuple):
    """What a message holds from its lease to its end: a slot of the pace, and the breaker's permit."""

    slot: Slot
    permit: int


class Unkept(NamedTuple):
    """Something that should outlive a restart, and does not yet."""

    facts: SaveFacts
    keep: Callable[[], None]
    """To be called when the outbox holds it."""


class Recalled(NamedTuple):
    """What earlier processes knew of a far end."""

    memory: PaceMemory
    gone: Gone | None


class FarEnd:
    """Says when a request may begin, and learns from how each ended. `on_change` is called where more became possible.

    Times are seconds of the loop's clock.
    """

    def __init__(
        self,
        destination: str,
        sink: Sink,
        pacer: Pacer,
        breaker: CircuitBreaker,
        *,
        standing: Standing,
        webhook: str | None,
        looks: bool,
        outbox: PatientOutbox,
        jitter: Callable[[], float],
        emit: Listener,
        on_change: Callable[[], None],
    ) -> None:
        self.pacer = pacer
        self.breaker = breaker
        self.doubt = Doubt()
        self.standing = standing
        self.takes_messages: bool | None = None
        """Whether the last that is known is that it does; None where nothing is. What it cannot bear says nothing."""
        self.failures: Counter[DeliveryId] = Counter()
        """How often the message of each delivery failed since it took one."""
        self._destination = destination
        self._sink = sink
        self._outbox = outbox
        self._jitter = jitter
        self._emit = emit
        self._on_change = on_change
        self._pace_news = self._pace_kept = 0
        self._breaker_news = self._breaker_kept = 0
        """How often there was something to keep, and how much of that the outbox holds."""
        self._webhook = webhook
        self._wants_look = looks
        self._look_from = inf
        self._seen: str | None = None
        """The channel that was last told."""
        standing.follow(self._follow)

    @property
    def gone_for(self) -> str | None:
        """Why the destination is gone for good; None as long as it is not."""
        return None if self.standing.gone is None else self.standing.gone.reason

    @property
    def is_open(self) -> bool:
        """Whether the breaker lets nothing but probes through."""
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
        """When a message of this priority may begin; infinity where that waits for something to end."""
        return max(self.breaker.ready_at(now), self.pacer.ready_at(now, priority))

    def probe_at(self, now: float) -> float:
        """When a probe should begin; infinity where none is wanted."""
        return max(self.breaker.probe_at, self.pacer.ready_at(now, NotificationPriority.URGENT))

    def question_at(self, now: float) -> float:
        """When to ask whether it is alive, because something waits for an answer; infinity where nothing does."""
        if self.is_open or self.doubt.has_answered:
            return inf
        urgent_at = self.pacer.ready_at(now, NotificationPriority.URGENT)
        return max(self.doubt.ask_at, self.breaker.question_at, urgent_at)

    def outlook(self, now: float) -> Outlook:
        """What this destination allows from now on."""
        paced_at = {priority: self.pacer.ready_at(now, priority) for priority in NotificationPriority}
        is_known = self.is_open or self.doubt.has_answered  # a probe that is answered is an answer, too
        return Outlook(
            is_gone=self.gone_for is not None,
            opens_at=self.breaker.probe_at if self.is_open else self.breaker.ready_at(now),
            paced_at=paced_at,
            asked_at=-inf if is_known else max(self.doubt.may_ask_at, self.breaker.question_at),
        )

    def begin(self, now: float) -> Request:
        """A message begins."""
        return Request(self.pacer.begin(now), self.breaker.begin())

    def still_allows(self, request: Request, now: float) -> bool:
        """Whether nothing was learnt since the message began that forbids it: a lease takes as long as a commit."""
        return self.gone_for is None and self.breaker.is_current(request.permit) and not self.pacer.is_held(now)

    def give_back(self, request: Request) -> None:
        """No message was sent after all."""
        self.pacer.give_back(request.slot)
        self.breaker.give_back(request.permit)
        self.pacer.host.gave_back()

    def end(self, request: Request, now: float, tried: Tried | None, first: Delivery) -> bool:
        """A message ended; `tried` is None where it was abandoned, which counts as a request all the same.

        Answers whether, as far as was known before, the far end takes messages.
        """
        is_taken = self.takes_messages is not False
        self._pace_news += 1
        known = None if tried is None else tried.known
        self.pacer.end(request.slot, now + CLOCK_GRAIN, None if isinstance(known, Ending) else known)
        is_failure = None if tried is None else tried.is_failure
        if is_failure is None:
            self.breaker.give_back(request.permit)
        else:
            is_its_own = is_failure and self._is_its_own(first, known)
            if isinstance(known, Receipt):
                self.takes_messages = True
                self.failures.clear()
            elif is_failure:
                self.failures[first.id] += 1
                if self.is_on_trial or not is_its_own:
                    self.takes_messages = False
            jitter, permit = self._jitter(), request.permit
            self._moved(self.breaker.record(permit, now, jitter, is_failure=is_failure, is_its_own=is_its_own))
        self._learn(is_alive=is_failure is False)
        self.notice(known)
        self.pacer.host.ended()
        return is_taken

    def notice(self, known: object) -> None:
        """Tell where it shows; stop sending where it turns out to be gone for good, or the host bans this address."""
        if isinstance(known, Receipt | Answer):
            self._see(known)
        if isinstance(known, Rejected) and known.is_gone:
            self.standing.end(Gone(known.reason, clock.now()))
        if isinstance(known, Throttled) and known.is_ban and self.pacer.host.is_news:
            self.pacer.host.is_news = False
            until = clock.now() + timedelta(seconds=bounded(known.retry_after))
            self._emit(HostBanned(self.pacer.host.name, known.reason, until))

    def start(self, now: float) -> None:
        """It is sent to from now on."""
        self._look_from = now + LOOK_AFTER

    def look_at(self, now: float) -> float:
        """When to ask, for the first time, what it is and where it shows; infinity where that is known or unwanted.

        Only with a slot that is open to all, and so never instead of an URGENT.
        """
        if not (self._wants_look and self.is_well):
            return inf
        return max(self._look_from, self.pacer.ready_at(now, NotificationPriority.NORMAL))

    async def look(self, now: Callable[[], float]) -> None:
        """Ask what it is and where it shows; that it does not answer is no reason to ask again."""
        if self.look_at(now()) > now():
            return  # another request began since this was decided: after a ban, that one tries alone
        self._wants_look = False
        with suppress(StoreClosed):
            await self.probe(now)
            await self.remember(now())

    async def probe(self, now: Callable[[], float]) -> None:
        """Ask the far end, showing nothing, whether it is alive."""
        began = now()
        self.doubt.begin(began, self._jitter())
        slot, permit = self.pacer.begin(began, is_probe=True), self.breaker.begin_probe(began)
        answer: Answer | Evidence | None = None
        try:
            answer = await attempt.probe(self._destination, self._sink, self.breaker.interval)
        finally:
            self.pacer.end(slot, now() + CLOCK_GRAIN, answer)
            self._pace_news += 1
            is_alive = answer is not None and attempt.is_alive(answer)
            self._moved(self.breaker.record_probe(permit, now(), self._jitter(), is_alive=is_alive))
            self._breaker_news += self.is_open  # when it probes next is kept as well
            self.doubt.end(now())
            self._learn(is_alive=is_alive)
            self.notice(answer)
            self.pacer.host.ended()

    def unkept(self, now: float) -> tuple[Unkept, ...]:
        """What should outlive a restart, and does not yet."""
        found = []
        standing, host = self.standing, self.pacer.host
        if not standing.is_kept:
            gone = standing.gone
            facts = stored.gone_fact(gone)
            found.append(Unkept(SaveFacts(standing.place, facts), lambda: standing.keep(gone)))
        if not host.is_kept:
            facts, until = stored.ban_fact(host.ban(now), clock.now()), host.held_until
            found.append(Unkept(SaveFacts(place_of_host(host.name), facts), lambda: host.keep(until)))
        if facts := self._own_facts(now):
            pace, moves = self._pace_news, self._breaker_news
            found.append(Unkept(SaveFacts(self._destination, facts), lambda: self._keep(pace, moves)))
        return tuple(found)

    async def remember(self, now: float) -> None:
        """Keep what a question taught; what a message taught is kept with its verdict. Raises StoreClosed."""
        for each in self.unkept(now):
            with suppress(CommandFailed):  # it would fail again, and is logged
                await self._outbox.insist(each.facts)
            each.keep()

    async def load(self, names: Collection[str]) -> Recalled:
        """What earlier processes kept. Raises StoreFailed.

        `names` are the destinations that there are now. What the webhook sent under another name, which there is no
        more, counts for this one.
        """
        outbox, standing = self._outbox, self.standing
        known = await outbox.do(LoadFacts(standing.place))
        facts = await outbox.do(LoadFacts(self._destination))
        own = stored.read_pace(facts, clock.now())
        memory = own.memory
        if own.webhook != self._webhook:  # another webhook has its own holds and its own channel
            memory = PaceMemory(memory.ages, 0.0)
        former = stored.read_name(known)
        if former is not None and former not in names:
            facts = await outbox.do(LoadFacts(former))
            moved = stored.read_pace(facts, clock.now())
            if moved.webhook == self._webhook:
                memory = memory.joined(moved.memory)
        if self._webhook is not None and former != self._destination:
            await outbox.do(SaveFacts(standing.place, stored.name_fact(self._destination)))
        return Recalled(memory, stored.read_gone(known))

    def recall(self, kept: Recalled, lapsed: int, now: float) -> None:
        """Take up what was kept, and count the `lapsed` messages that the last process may just have sent."""
        memory = kept.memory
        self.pacer.recall(memory._replace(ages=(*memory.ages, *[0.0] * lapsed)), now)
        self.standing.gone = self.standing.gone or kept.gone
        if self.standing.gone is not None:
            self._emit(DestinationGone(self._destination, *self.standing.gone))

    def recall_breaker(self, facts: Mapping[str, bytes], now: float) -> None:
        """Leave the far end alone as an earlier process did."""
        memory = stored.read_breaker(facts, clock.now())
        if memory is not None:
            self._moved(self.breaker.recall(memory, now))
            self._breaker_kept = self._breaker_news

    def _own_facts(self, now: float) -> dict[str, bytes]:
        facts: dict[str, bytes] = {}
        if self._breaker_kept < self._breaker_news:
            facts |= stored.breaker_fact(self.breaker.memory(now), clock.now())
        if self._pace_kept < self._pace_news:
            memory = self.pacer.memory(now)
            if not memory.is_empty:
                facts |= stored.pace_fact(memory, clock.now(), self._webhook)
        return facts

    def _keep(self, pace: int, moves: int) -> None:
        self._pace_kept, self._breaker_kept = pace, moves

    async def enable(self) -> None:
        """A person says that the destination is there again. Raises StoreFailed."""
        await self._outbox.do(SaveFacts(self.standing.place, stored.gone_fact(None)))
        self.standing.enable()

    def _follow(self) -> None:
        """The webhook turned out to be gone, or is there again."""
        if self.standing.gone is not None:
            self._emit(DestinationGone(self._destination, *self.standing.gone))
        self._on_change()

    def _moved(self, state: BreakerState | None) -> None:
        if state is not None:
            self._breaker_news += 1
            self._emit(BreakerMoved(self._destination, state, self.breaker.came_from))
            self._on_change()

    def _is_its_own(self, first: Delivery, known: object) -> bool:
        """Whether a failure is more likely the message's than the far end's: see the breaker."""
        is_again = first.may_repeat and isinstance(known, Unconfirmed) and known.is_answered
        return is_again and (self.is_on_trial or self.takes_messages is True)

    def _learn(self, *, is_alive: bool) -> None:
        if self.doubt.learn(is_alive=is_alive):
            self._on_change()

    def _see(self, known: Receipt | Answer) -> None:
        channel = known.channel
        guild, trouble = (known.guild, known.trouble) if isinstance(known, Answer) else (None, None)
        if channel is not None and (channel != self._seen or trouble is not None):
            self._seen, self._wants_look = channel, False
            others = self.pacer.host.show_in(channel, self._destination)
            self._emit(DestinationSeen(self._destination, channel, guild, others, trouble))

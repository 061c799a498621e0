"""One destination's lane: its senders, its pace and its breaker. Nothing in here is shared but the host's limits.

A sender waits first and leases last. While it waits it holds nothing, so an URGENT that is put in the meantime is what
it leases. Where only the slots kept for the urgent are open, it leases nothing else. No sender polls: it sleeps until
the moment that breaker, pace or a `not_before` name, or until a bell rings because something was put or came free.

No await stands between reading what is known and acting on it, so there is nothing to lock.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from math import inf
from typing import NamedTuple

from signalpost import clock
from signalpost.delivery.dispatch import attempt, lane_memory
from signalpost.delivery.dispatch.attempt import Tried
from signalpost.delivery.dispatch.decide import Ending, Known, decide
from signalpost.delivery.dispatch.patient_outbox import PatientOutbox
from signalpost.delivery.dispatch.prospects import EXPRESS, LEVELS, NORMAL, URGENT, Prospects
from signalpost.delivery.outbox.commands import Bury, Lease, Parcel, SaveFacts, Settle
from signalpost.delivery.pacing.backoff import Backoff
from signalpost.delivery.pacing.breaker import BreakerState, CircuitBreaker
from signalpost.delivery.pacing.pacer import Pacer, Slot
from signalpost.domain.delivery import Delivery, DeliveryId, DeliveryState
from signalpost.domain.events import BreakerMoved, DestinationGone, Listener, SendBegan, SendEnded, Settled
from signalpost.domain.priority import NotificationPriority
from signalpost.errors import Evidence, StoreClosed, StoreFailed
from signalpost.sinks.evidence import Rejected
from signalpost.sinks.port import Answer, Sink

_BURIED_AT_ONCE = 500
_log = logging.getLogger("signalpost")


class Sender:
    """One of a lane's workers: it sends one message at a time."""

    def __init__(self, levels: Sequence[NotificationPriority]) -> None:
        self.levels = levels
        self.bell = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.may_be_cut = False
        """Whether it is in a call of the sink, which a stop ends."""
        self.is_cut = False


class Tools(NamedTuple):
    """What a lane works with."""

    sink: Sink
    outbox: PatientOutbox
    pacer: Pacer
    breaker: CircuitBreaker
    backoff: Backoff
    jitter: Callable[[], float]
    emit: Listener
    on_pending: Callable[[datetime], None]
    """Told the `valid_until` of a delivery that goes back to waiting."""
    on_rest: Callable[[], None]
    """Told that the lane may have come to rest."""


class Lane:
    """Sends what waits for one destination, `workers` at a time: one of several takes only URGENT and HIGH.

    Its senders never die of what a sink, a store or a listener does.
    """

    def __init__(self, destination: str, tools: Tools, *, workers: int = 2, most_items: int = 1) -> None:
        self.destination = destination
        self.pacer = tools.pacer
        self.breaker = tools.breaker
        self.gone_for: str | None = None
        """Why the destination is gone for good; None as long as it is not."""
        self._tools = tools
        self._workers = workers
        self._most_items = most_items
        self._prospects = Prospects()
        self._senders: list[Sender] = []
        self._in_flight: dict[DeliveryId, Delivery] = {}
        self._busy = 0
        self._is_stopping = False
        self._is_gone_known = False
        self._failed_last: DeliveryId | None = None
        self._store_failures = 0

    @property
    def in_flight(self) -> int:
        """How many deliveries are being sent or settled."""
        return len(self._in_flight)

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is in flight, and nothing can be delivered now."""
        if self._busy:
            return False
        return self.breaker.state is BreakerState.OPEN or self._prospects.earliest > _now()

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """The senders at work."""
        return [sender.task for sender in self._senders if sender.task is not None]

    def recall(self, facts: Mapping[str, bytes], lapsed: int) -> None:
        """Take up what an earlier process kept, and count what it may just have sent."""
        self.gone_for = lane_memory.gone_for(facts)
        self._is_gone_known = self.gone_for is not None
        memory = lane_memory.pace(facts, clock.now())
        self.pacer.recall(memory._replace(ages=(*memory.ages, *[0.0] * lapsed)), _now())

    async def enable(self) -> None:
        """A person says that the destination is there again. Raises StoreFailed."""
        await self._tools.outbox.do(SaveFacts(self.destination, lane_memory.gone_fact(None)))
        self.gone_for = None
        self._is_gone_known = False
        self.look_again()

    def start(self) -> None:
        """Begin to send."""
        self._is_stopping = False
        self._in_flight.clear()
        self._prospects.look_again()
        levels = [LEVELS] * max(1, self._workers - 1) + [EXPRESS] * (self._workers > 1)
        self._senders = [Sender(each) for each in levels]
        for number, sender in enumerate(self._senders, start=1):
            name = f"signalpost sender {number} of {self.destination}"
            sender.task = asyncio.get_running_loop().create_task(self._work(sender), name=name)

    def wake(self, priority: NotificationPriority) -> None:
        """Something was put, of this priority at the highest."""
        self._prospects.put(priority)
        for sender in self._senders:
            if max(priority, NORMAL) >= sender.levels[-1]:
                sender.bell.set()

    def look_again(self) -> None:
        """Something may have come free that nobody told of."""
        self._prospects.look_again()
        self._ring()

    def halt(self) -> None:
        """Lease nothing more, and cut off what is being sent; the senders end once that is settled."""
        self._is_stopping = True
        self._ring()
        for sender in self._senders:
            if sender.may_be_cut and sender.task is not None:
                sender.is_cut = True
                sender.task.cancel()

    async def _work(self, sender: Sender) -> None:
        while not self._is_stopping:
            sender.bell.clear()
            try:
                await self._step(sender)
            except StoreClosed:
                return
            except Exception as fault:  # noqa: BLE001  # a lane outlives whatever happens to one message
                if not isinstance(fault, StoreFailed):
                    _log.error("a sender of %s met %s: it goes on", self.destination, type(fault).__name__)
                await self._pause(sender)
            else:
                self._store_failures = 0
                await asyncio.sleep(0)  # a store and a sink that never wait would keep everyone else waiting

    async def _step(self, sender: Sender) -> None:
        """Do the one thing that is due, or sleep until something is."""
        now = _now()
        if self.gone_for is not None:
            if sender is self._senders[0] and self._prospects.earliest <= now:
                await self._bury(self.gone_for)
            else:
                await self._sleep(sender, self._prospects.earliest if sender is self._senders[0] else inf)
        elif self.breaker.state is BreakerState.OPEN:
            at = max(self.breaker.probe_at, self.pacer.ready_at(now, URGENT))
            await (self._sleep(sender, at) if at > now else self._probe(sender, now))
        else:
            at, level = self._next(sender, now)
            await (self._sleep(sender, at) if at > now else self._take(sender, level, now))

    def _next(self, sender: Sender, now: float) -> tuple[float, NotificationPriority]:
        """When this sender can lease something next, and the lowest level that may be leased now."""
        ready = breaker = self.breaker.ready_at(now)
        at, lowest = inf, URGENT
        for level in reversed(sender.levels):
            if ready > now or level is sender.levels[-1]:
                ready = max(breaker, self.pacer.ready_at(now, level))
                lowest = level
            at = min(at, max(ready, self._prospects.at(level)))
        if now < at and any(self._prospects.at(level) <= now for level in sender.levels):
            self.pacer.host.call_when_free(self._ring, at_end=at == inf)
        return at, lowest

    async def _sleep(self, sender: Sender, until: float) -> None:
        if self.is_at_rest:
            self._tools.on_rest()
        timer = None if until == inf else asyncio.get_running_loop().call_at(until, sender.bell.set)
        try:
            await sender.bell.wait()
        finally:
            if timer is not None:
                timer.cancel()

    async def _pause(self, sender: Sender) -> None:
        """Leave the store alone for a while, whatever rings."""
        self._store_failures += 1
        until = _now() + self._tools.outbox.delay(self._store_failures)
        while not self._is_stopping and _now() < until:
            sender.bell.clear()
            await self._sleep(sender, until)

    async def _take(self, sender: Sender, level: NotificationPriority, now: float) -> None:
        """Lease, send and settle one message; a slot that is not used is given back."""
        slot, permit = self.pacer.begin(now), self.breaker.begin()
        self._busy += 1
        tried = None
        parcels: Sequence[Parcel] = ()
        try:
            try:
                parcels = await self._lease(level)
                if parcels:
                    tried = await self._send(sender, parcels)
            finally:
                self._learn(slot, permit, parcels, tried)
            if tried is not None:
                await self._conclude(parcels, tried)
                await self._remember()
        finally:
            self._busy -= 1

    async def _lease(self, level: NotificationPriority) -> Sequence[Parcel]:
        is_trial = self.breaker.state is BreakerState.HALF_OPEN
        version, in_flight = self._prospects.version, dict(self._in_flight)
        limit = 2 if is_trial else self._most_items
        lease = Lease(self.destination, clock.now(), limit, express=level is not NORMAL)
        leased = await self._tools.outbox.do(lease)
        in_flight |= self._in_flight
        self._in_flight.update((parcel.delivery.id, parcel.delivery) for parcel in leased.parcels)
        for delivery in leased.expired:
            self._tools.emit(Settled(delivery))
        chosen = self._chosen(leased.parcels, level, is_trial=is_trial)
        if not chosen:
            levels = LEVELS if level is NORMAL else EXPRESS[:1] if leased.parcels else EXPRESS
            next_at = inf if leased.next_at is None else _monotonic(leased.next_at)
            self._prospects.found_none(levels, next_at, version, in_flight.values())
        if rest := [parcel for parcel in leased.parcels if parcel not in chosen]:
            await self._conclude(rest, Tried(Ending.UNSENT, lease.now, lease.now, 0.0))
        return chosen

    def _chosen(self, parcels: Sequence[Parcel], level: NotificationPriority, *, is_trial: bool) -> Sequence[Parcel]:
        """What to send of what was leased: only URGENT into an urgent slot, and on trial another than failed last."""
        if level is URGENT:
            parcels = [parcel for parcel in parcels if parcel.delivery.priority is URGENT]
        if is_trial:
            others = [parcel for parcel in parcels if parcel.delivery.id != self._failed_last]
            return (others or parcels)[:1]
        return parcels

    async def _send(self, sender: Sender, parcels: Sequence[Parcel]) -> Tried:
        deliveries = tuple(parcel.delivery for parcel in parcels)
        began_at, began = clock.now(), _now()
        seconds = (min(each.valid_until for each in deliveries) - began_at).total_seconds()
        if self._is_stopping or seconds <= 0:
            return Tried(Ending.UNSENT, began_at, began_at, 0.0)
        self._tools.emit(SendBegan(self.destination, deliveries))
        sender.may_be_cut = True
        try:
            known: Known = await attempt.send(self.destination, self._tools.sink, parcels, seconds)
        except asyncio.CancelledError:
            if not sender.is_cut or sender.task is None:
                raise
            sender.task.uncancel()
            known = Ending.INTERRUPTED
        finally:
            sender.may_be_cut = False
        tried = Tried(known, began_at, clock.now(), _now() - began)
        self._tools.emit(SendEnded(self.destination, tried.outcome, tried.detail, tried.took))
        return tried

    def _learn(self, slot: Slot, permit: int, parcels: Sequence[Parcel], tried: Tried | None) -> None:
        """Tell pace and breaker how a message ended; a send that was abandoned counts as a request all the same."""
        now = _now()
        if not parcels or (tried is not None and tried.known is Ending.UNSENT):
            self.pacer.give_back(slot)
            self.pacer.host.gave_back()
        else:
            self.pacer.end(slot, now, None if tried is None else tried.known)
            self.pacer.host.ended()
        is_failure = None if tried is None else tried.is_failure
        if is_failure is None:
            self.breaker.give_back(permit)
        else:
            if is_failure:
                self._failed_last = parcels[0].delivery.id
            self._moved(self.breaker.record(permit, now, self._tools.jitter(), is_failure=is_failure))
        if tried is not None:
            self._notice(tried.known)

    async def _conclude(self, parcels: Sequence[Parcel], tried: Tried) -> None:
        """Settle what was leased, however long the store takes to be well."""
        tools, now = self._tools, clock.now()
        settlements = tuple(
            decide(parcel.delivery, tried.known, now, tools.jitter(), tools.backoff)._replace(
                attempt=tried.attempt(), message=tried.message(self.destination)
            )
            for parcel in parcels
        )
        settled = await tools.outbox.insist(Settle(settlements))
        notifications = {parcel.delivery.id: parcel.notification for parcel in parcels}
        news = False
        for delivery in settled:
            del self._in_flight[delivery.id]
            if delivery.state is DeliveryState.PENDING:
                at = -inf if delivery.not_before is None else _monotonic(delivery.not_before)
                self._prospects.expect(delivery.priority, at)
                tools.on_pending(delivery.valid_until)
                news = True
            else:
                news |= self._prospects.settled(delivery)
            tools.emit(Settled(delivery, notifications[delivery.id]))
        if news:
            self._ring()

    async def _probe(self, sender: Sender, now: float) -> None:
        """Ask the far end, showing nothing, whether it is alive."""
        slot, permit = self.pacer.begin(now, is_probe=True), self.breaker.begin_probe(now)
        answer: Answer | Evidence | None = None
        sender.may_be_cut = True
        try:
            answer = await attempt.probe(self.destination, self._tools.sink)
        finally:
            sender.may_be_cut = False
            now = _now()
            self.pacer.end(slot, now, answer)
            is_alive = answer is not None and attempt.is_alive(answer)
            self._moved(self.breaker.record_probe(permit, now, self._tools.jitter(), is_alive=is_alive))
            self.pacer.host.ended()
        self._notice(answer)
        await self._remember()

    def _moved(self, state: BreakerState | None) -> None:
        if state is not None:
            self._tools.emit(BreakerMoved(self.destination, state))
            self._ring()

    def _notice(self, known: object) -> None:
        """Stop sending where the destination turns out to be gone for good."""
        if isinstance(known, Rejected) and known.is_gone and self.gone_for is None:
            self.gone_for = known.reason
            self._prospects.look_again()
            self._ring()
            self._tools.emit(DestinationGone(self.destination, known.reason))

    async def _remember(self) -> None:
        """Keep what should outlive a restart; that a store cannot keep the pace is no reason to wait."""
        if self.gone_for is not None and not self._is_gone_known:
            await self._tools.outbox.insist(SaveFacts(self.destination, lane_memory.gone_fact(self.gone_for)))
            self._is_gone_known = True
        memory = self.pacer.memory(_now())
        if memory.ages or memory.held_for:
            with suppress(StoreFailed):
                facts = lane_memory.pace_fact(memory, clock.now())
                await self._tools.outbox.do(SaveFacts(self.destination, facts))

    async def _bury(self, reason: str) -> None:
        version = self._prospects.version
        self._busy += 1
        try:
            buried = await self._tools.outbox.do(Bury(self.destination, reason, _BURIED_AT_ONCE))
        finally:
            self._busy -= 1
        for delivery in buried:
            self._tools.emit(Settled(delivery))
        if len(buried) < _BURIED_AT_ONCE:
            self._prospects.found_none(LEVELS, inf, version, self._in_flight.values())

    def _ring(self) -> None:
        for sender in self._senders:
            sender.bell.set()


def _now() -> float:
    return asyncio.get_running_loop().time()


def _monotonic(at: datetime) -> float:
    """When the loop's clock will say so; `at` is read against UTC now, because clocks are put right."""
    return _now() + (at - clock.now()).total_seconds()

"""One destination's lane: its workers, which wait for its gate, lease, send and settle.

A worker waits first and leases last. While it waits it holds nothing, so it leases an URGENT that is put in the
meantime. If only the slots reserved for URGENT are open, it leases nothing else. No worker polls: it sleeps until
the time that breaker, pace or a `not_before` name, or until something is put or comes free.

No await stands between reading the gate and acting on it, so there is nothing to lock. See
docs/why/0011-wait-first-lease-last.md.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from math import inf

from signalpost import clock
from signalpost.delivery.dispatch import attempt
from signalpost.delivery.dispatch.attempt import SendResult
from signalpost.delivery.dispatch.decide import LeaseEnd, SendOutcome, decide
from signalpost.delivery.dispatch.gate import Gate, Pass
from signalpost.delivery.dispatch.ready import EXPRESS, LEVELS, NORMAL, URGENT, ReadyIndex
from signalpost.delivery.dispatch.worker import Worker
from signalpost.delivery.kept_task import KeptTask
from signalpost.delivery.outbox.commands import Find, Lease, Parcel
from signalpost.delivery.outbox.patience import RetryingOutbox, settle
from signalpost.delivery.pacing.backoff import Backoff
from signalpost.domain.delivery import Delivery, DeliveryId, DeliveryState
from signalpost.domain.events import Listener, SendBegan, SendEnded, Settled
from signalpost.domain.priority import NotificationPriority
from signalpost.errors import CommandFailed, StoreClosed, StoreFailed
from signalpost.telemetry.failures import log_failure

LEASED = frozenset({DeliveryState.LEASED})
_BEAT_SOON = 0.5
"""Seconds after which a worker checks again whether this process has a heartbeat."""


class Lane:
    """Sends what waits for one destination, `workers` at a time: one of several takes only URGENT and HIGH.

    Its workers never die of what a sink, a store or a listener does.
    """

    def __init__(
        self,
        gate: Gate,
        outbox: RetryingOutbox,
        *,
        workers: int,
        backoff: Backoff,
        jitter: Callable[[], float],
        emit: Listener,
        on_pending: Callable[[datetime], None],
        on_rest: Callable[[], None],
        may_send: Callable[[], bool],
        at_most_once: frozenset[str],
    ) -> None:
        """`on_pending` gets the `valid_until` of a delivery that waits again, `on_rest` is called without work.

        `may_send` is false while this process may have lost the store to another, because its own heartbeat is too
        old. `at_most_once` are kinds of notification that are not sent again once they may have been shown.
        """
        self.destination = gate.destination
        self.gate = gate
        gate.subscribe(self.look_again)
        self._outbox = outbox
        self._backoff = backoff
        self._jitter = jitter
        self._emit = emit
        self._on_pending = on_pending
        self._on_rest = on_rest
        self._may_send = may_send
        self._at_most_once = at_most_once
        self._number_of_workers = workers
        self._ready = ReadyIndex()
        self._workers: list[Worker] = []
        self._looking: asyncio.Task[None] | None = None
        self._in_flight: dict[DeliveryId, Delivery] = {}
        self._busy = 0
        self._is_stopping = False
        self._store_failures = 0

    @property
    def in_flight(self) -> int:
        """How many deliveries are being sent or settled."""
        return len(self._in_flight)

    @property
    def is_busy(self) -> bool:
        """Whether a worker is between its lease and its verdict."""
        return self._busy > 0

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """The tasks of its workers, and of the first look at the destination."""
        looking = [] if self._looking is None else [self._looking]
        return [worker.task for worker in self._workers if worker.task is not None] + looking

    def start(self) -> None:
        """Begin to send."""
        self._is_stopping = False
        self._in_flight.clear()
        self._ready.look_again()
        self.gate.start(_now())
        count = self._number_of_workers
        levels = [LEVELS] * max(1, count - 1) + [EXPRESS] * (count > 1)
        self._workers = [Worker(each) for each in levels]
        for number, worker in enumerate(self._workers, start=1):
            name = f"sender {number} of {self.destination}"
            worker.kept = KeptTask(name, partial(self._work, worker), self._emit)

    def wake(self, priority: NotificationPriority) -> None:
        """Something was put, of this priority at the highest."""
        self._ready.put(priority)
        for worker in self._workers:
            if max(priority, NORMAL) >= worker.levels[-1]:
                worker.ring()

    def look_again(self) -> None:
        """Something may have come free without a wake-up."""
        self._ready.look_again()
        self._ring()

    def close(self) -> None:
        """Lease nothing more. Each worker ends once its deliveries are settled."""
        self._is_stopping = True
        if self._looking is not None:
            self._looking.cancel()
        self._ring()

    def cut(self) -> None:
        """Cut off what is being sent."""
        for worker in self._workers:
            worker.cut()

    def retire(self) -> None:
        """Restart no worker from now on."""
        for worker in self._workers:
            worker.retire()

    async def save_facts(self) -> None:
        """Save what a probe or a direct send taught; a verdict brings what its message taught. Raises StoreClosed."""
        for each in self.gate.unsaved(_now()):
            with suppress(CommandFailed):  # it would fail again, and is logged
                await self._outbox.insist(each.facts)
            each.saved()

    async def _work(self, worker: Worker) -> None:
        if worker.has_died:
            await self._settle_left_by(worker)
        worker.has_died = True  # if this runs again
        while not self._is_stopping:
            worker.listen()
            try:
                await self._step(worker)
            except StoreClosed:
                return
            except Exception as fault:  # noqa: BLE001  # a lane outlives whatever happens to one message
                if not isinstance(fault, StoreFailed | CommandFailed):  # which are logged where they are raised
                    log_failure(f"a sender of {self.destination} failed and goes on", fault)
                await self._pause(worker)
            else:
                self._store_failures = 0
                await asyncio.sleep(0)  # so that a store and a sink that never wait block nobody

    async def _settle_left_by(self, worker: Worker) -> None:
        """Settle what a worker had leased when it died, even if it had no answer yet: it may have been shown."""
        while any(each.is_leasing for each in self._workers):  # the store may lease what nobody here knows of yet
            await asyncio.sleep(0.1)
        for each in worker.holds:
            self._in_flight.pop(each, None)
        worker.holds = frozenset()
        known = frozenset(self._in_flight)
        leased = await self._outbox.insist(Find(destination=self.destination, states=LEASED))
        left = [parcel for parcel in leased if parcel.delivery.id not in known]
        if left:
            self._in_flight.update((parcel.delivery.id, parcel.delivery) for parcel in left)
            now = clock.now()
            await self._conclude(left, SendResult(LeaseEnd.LAPSED, now, now, 0.0))

    async def _step(self, worker: Worker) -> None:
        """Do the one thing that is due, or sleep until something is."""
        now, gate = _now(), self.gate
        if gate.gone is not None:
            await self._sleep(worker, inf)  # deliveries wait for another webhook, until they expire
        elif gate.is_open:
            at = gate.probe_at(now)
            await (self._sleep_until_free(worker, at) if at > now else self._probe(worker))
        else:
            at, level = self._next(worker, now)
            probe_at = gate.liveness_probe_at(now)
            if at <= now and self._may_send():
                await self._take(worker, level, now)
            elif at <= now:
                await self._sleep(worker, now + _BEAT_SOON)
            elif probe_at <= now:
                await self._ask(worker)
            elif gate.liveness.probe_at < inf:
                await self._sleep_until_free(worker, min(at, probe_at))
            else:
                look_at = gate.look_at(now) if worker is self._workers[0] else inf
                if look_at <= now:
                    self._begin_look()
                await self._sleep(worker, at if look_at <= now else min(at, look_at))

    def _begin_look(self) -> None:
        """Look in a task of its own, so that no worker waits for the answer."""
        name = f"signalpost look at {self.destination}"
        self._looking = asyncio.get_running_loop().create_task(self._look(), name=name)

    async def _look(self) -> None:
        await self.gate.look(_now)
        with suppress(StoreClosed):
            await self.save_facts()

    def _next(self, worker: Worker, now: float) -> tuple[float, NotificationPriority]:
        """When this worker can lease something next, and the lowest level that may be leased now."""
        at, ready, lowest = inf, inf, URGENT
        levels = LEVELS if self.gate.is_on_trial else worker.levels  # on trial, the first worker takes anything
        for level in reversed(levels):
            if ready > now:  # once a level may leave, those above it may too
                ready, lowest = self.gate.ready_at(now, level), level
            at = min(at, max(ready, self._ready.at(level)))
        if now < at and any(self._ready.at(level) <= now for level in levels):
            self.gate.call_when_free(self._ring, at_end=at == inf)
        return at, lowest

    async def _sleep(self, worker: Worker, until: float) -> None:
        if not self._busy:
            self._on_rest()
        await worker.sleep(until)

    async def _sleep_until_free(self, worker: Worker, until: float) -> None:
        """Sleep until then. If a probe waits for a request to end, sleep until one has ended."""
        if until == inf:
            self.gate.call_when_free(self._ring, at_end=True)
        await self._sleep(worker, until)

    async def _ask(self, worker: Worker) -> None:
        """Probe, while a drain waits: the answer decides whether something can be delivered now."""
        self._busy += 1
        try:
            await self._probe(worker)
        finally:
            self._busy -= 1

    async def _pause(self, worker: Worker) -> None:
        """Leave the store alone for a while, whatever wakes the worker."""
        self._store_failures += 1
        until = _now() + self._outbox.delay(self._store_failures)
        while not self._is_stopping and _now() < until:
            worker.listen()
            await self._sleep(worker, until)

    async def _probe(self, worker: Worker) -> None:
        worker.is_calling = True
        try:
            await self.gate.probe(_now)
        finally:
            worker.is_calling = False
        await self.save_facts()

    async def _take(self, worker: Worker, level: NotificationPriority, now: float) -> None:
        """Lease, send and settle one message. A pass that is not used is given back."""
        held = self.gate.begin(now)
        self._busy += 1
        result, takes_messages = None, True
        parcels: Sequence[Parcel] = ()
        try:
            try:
                parcels = await self._lease(worker, level)
                if parcels:
                    result = await self._send(worker, held, parcels)
            finally:
                if not parcels or (result is not None and result.outcome is LeaseEnd.UNSENT):
                    self.gate.give_back(held)
                else:
                    takes_messages = self.gate.end(held, _now(), result, parcels[0].delivery)
            if result is not None:
                await self._conclude(parcels, result, takes_messages=takes_messages)
                worker.holds = frozenset()
        finally:
            self._busy -= 1

    async def _lease(self, worker: Worker, level: NotificationPriority) -> Sequence[Parcel]:
        version, in_flight = self._ready.version, dict(self._in_flight)
        lease = Lease(
            self.destination,
            clock.now(),
            express=level is not NORMAL,
            sure_only=not self.gate.may_resend,
            failures=dict(self.gate.failures) if self.gate.is_on_trial else None,
        )
        worker.is_leasing = True
        try:
            leased = await self._outbox.do(lease)
        finally:
            worker.is_leasing = False
        worker.holds = frozenset(parcel.delivery.id for parcel in leased.parcels)
        if leased.has_doubtful:
            self.gate.liveness.wait_for_answer(_now())
        in_flight |= self._in_flight
        self._in_flight.update((parcel.delivery.id, parcel.delivery) for parcel in leased.parcels)
        for delivery in leased.expired:
            self._emit(Settled(delivery))
        chosen = [each for each in leased.parcels if level is not URGENT or each.delivery.priority is URGENT]
        if not chosen:
            levels = LEVELS if level is NORMAL else EXPRESS[:1] if leased.parcels else EXPRESS
            next_at = inf if leased.next_at is None else _monotonic(leased.next_at)
            self._ready.found_none(levels, next_at, version, in_flight.values())
        if rest := [parcel for parcel in leased.parcels if parcel not in chosen]:
            await self._conclude(rest, SendResult(LeaseEnd.UNSENT, lease.now, lease.now, 0.0))
        worker.holds = frozenset(parcel.delivery.id for parcel in chosen)
        return chosen

    async def _send(self, worker: Worker, held: Pass, parcels: Sequence[Parcel]) -> SendResult:
        deliveries = tuple(parcel.delivery for parcel in parcels)
        began_at, began = clock.now(), _now()
        seconds = (min(each.valid_until for each in deliveries) - began_at).total_seconds()
        may_send = self._may_send() and self.gate.still_allows(held, began)
        if self._is_stopping or seconds <= 0 or not may_send:
            return SendResult(LeaseEnd.UNSENT, began_at, began_at, 0.0)
        if not self.gate.may_resend and any(each.may_repeat for each in deliveries):
            return SendResult(LeaseEnd.UNSENT, began_at, began_at, 0.0)  # it was silent during the lease
        self._emit(SendBegan(self.destination, deliveries))
        worker.is_calling = True
        try:
            outcome: SendOutcome = await attempt.send(self.destination, self.gate.sink, parcels, seconds)
        except asyncio.CancelledError:
            if not worker.was_cut():
                raise
            outcome = LeaseEnd.INTERRUPTED
        finally:
            worker.is_calling = False
        result = SendResult(outcome, began_at, clock.now(), _now() - began)
        self._emit(SendEnded(self.destination, result.word, result.detail, result.took))
        return result

    async def _conclude(self, parcels: Sequence[Parcel], result: SendResult, *, takes_messages: bool = True) -> None:
        """Settle what was leased, however long the store fails."""
        now = clock.now()
        jitter = self._jitter() if self.gate.is_well else 0.0  # else the breaker sets the pace, and no backoff
        settlements = tuple(
            decide(
                parcel.delivery,
                result.outcome,
                now,
                jitter,
                self._backoff,
                takes_messages=takes_messages,
                at_most_once=parcel.notification.kind in self._at_most_once,
            )._replace(attempt=result.attempt(), message=result.message(self.destination))
            for parcel in parcels
        )
        unsaved = self.gate.unsaved(_now())
        settled = await settle(self._outbox.insist, settlements, tuple(each.facts for each in unsaved))
        for each in unsaved:
            each.saved()
        for parcel in parcels:
            del self._in_flight[parcel.delivery.id]
        self._settled(settled, {parcel.delivery.id: parcel for parcel in parcels})

    def _settled(self, settled: Sequence[Delivery], parcels: dict[DeliveryId, Parcel]) -> None:
        is_news = False
        for delivery in settled:
            if delivery.state is DeliveryState.PENDING:
                at = -inf if delivery.not_before is None else _monotonic(delivery.not_before)
                self._ready.expect(delivery.priority, at)
                self._on_pending(delivery.valid_until)
                is_news = True
            else:
                is_news |= self._ready.settled(delivery)
            self._emit(Settled(delivery, parcels[delivery.id].notification))
        if is_news:
            self._ring()

    def _ring(self) -> None:
        for worker in self._workers:
            worker.ring()


def _now() -> float:
    return asyncio.get_running_loop().time()


def _monotonic(at: datetime) -> float:
    """When the loop's clock will say so; `at` is read against UTC now, because clocks are put right."""
    return _now() + (at - clock.now()).total_seconds()

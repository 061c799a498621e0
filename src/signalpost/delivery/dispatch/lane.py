"""One destination's lane: its senders, and what they know. Nothing in here is shared but the host's limits.

A sender waits first and leases last. While it waits it holds nothing, so an URGENT that is put in the meantime is what
it leases. Where only the slots kept for the urgent are open, it leases nothing else. No sender polls: it sleeps until
the moment that breaker, pace or a `not_before` name, or until a bell rings because something was put or came free.

No await stands between reading what is known and acting on it, so there is nothing to lock. See
docs/why/0011-wait-first-lease-last.md.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from math import inf
from typing import NamedTuple

from signalpost import clock
from signalpost.delivery.dispatch import attempt
from signalpost.delivery.dispatch.attempt import Tried
from signalpost.delivery.dispatch.decide import Ending, Known, decide
from signalpost.delivery.dispatch.far_end import FarEnd, Request
from signalpost.delivery.dispatch.patient_outbox import PatientOutbox
from signalpost.delivery.dispatch.prospects import EXPRESS, LEVELS, NORMAL, URGENT, Prospects
from signalpost.delivery.dispatch.sender import Sender
from signalpost.delivery.dispatch.settling import settle
from signalpost.delivery.dispatch.standing import Standing
from signalpost.delivery.kept_task import KeptTask
from signalpost.delivery.outbox.commands import Find, Lease, Parcel
from signalpost.delivery.pacing.backoff import Backoff
from signalpost.delivery.pacing.breaker import CircuitBreaker
from signalpost.delivery.pacing.pacer import Pacer
from signalpost.domain.delivery import Delivery, DeliveryId, DeliveryState
from signalpost.domain.events import Listener, SendBegan, SendEnded, Settled
from signalpost.domain.priority import NotificationPriority
from signalpost.errors import CommandFailed, StoreClosed, StoreFailed
from signalpost.sinks.port import Sink
from signalpost.telemetry.failures import log_failure

_LEASED = frozenset({DeliveryState.LEASED})
_BEAT_SOON = 0.5
"""Seconds after which a sender looks again whether this process has a heartbeat."""


class Tools(NamedTuple):
    """What a lane works with."""

    sink: Sink
    outbox: PatientOutbox
    pacer: Pacer
    breaker: CircuitBreaker
    standing: Standing
    webhook: str | None
    """What tells the webhook from others, and is no secret."""
    looks: bool
    """Whether the far end is asked what it is and where it shows, as soon as nothing is due."""
    backoff: Backoff
    jitter: Callable[[], float]
    emit: Listener
    on_pending: Callable[[datetime], None]
    """Told the `valid_until` of a delivery that goes back to waiting."""
    on_rest: Callable[[], None]
    """Told that the lane may have come to rest."""
    may_send: Callable[[], bool] = lambda: True
    """False while this process may have lost the store to another, because its own heartbeat is too old."""
    at_most_once: frozenset[str] = frozenset()
    """The kinds of notification that are not sent again once they may have been shown."""


class Lane:
    """Sends what waits for one destination, `workers` at a time: one of several takes only URGENT and HIGH.

    Its senders never die of what a sink, a store or a listener does.
    """

    def __init__(self, destination: str, tools: Tools, *, workers: int = 2, most_items: int = 1) -> None:
        self.destination = destination
        self.far_end = FarEnd(
            destination,
            tools.sink,
            tools.pacer,
            tools.breaker,
            standing=tools.standing,
            webhook=tools.webhook,
            looks=tools.looks,
            outbox=tools.outbox,
            jitter=tools.jitter,
            emit=tools.emit,
            on_change=self.look_again,
        )
        self._tools = tools
        self._workers = workers
        self._most_items = most_items
        self._prospects = Prospects()
        self._senders: list[Sender] = []
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
        """Whether a sender is between its lease and its verdict."""
        return self._busy > 0

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """The senders at work, and who looks at the far end."""
        looking = [] if self._looking is None else [self._looking]
        return [sender.task for sender in self._senders if sender.task is not None] + looking

    def start(self) -> None:
        """Begin to send."""
        self._is_stopping = False
        self._in_flight.clear()
        self._prospects.look_again()
        self.far_end.start(_now())
        levels = [LEVELS] * max(1, self._workers - 1) + [EXPRESS] * (self._workers > 1)
        self._senders = [Sender(each) for each in levels]
        for number, sender in enumerate(self._senders, start=1):
            name = f"sender {number} of {self.destination}"
            sender.kept = KeptTask(name, partial(self._work, sender), self._tools.emit)

    def wake(self, priority: NotificationPriority) -> None:
        """Something was put, of this priority at the highest."""
        self._prospects.put(priority)
        for sender in self._senders:
            if max(priority, NORMAL) >= sender.levels[-1]:
                sender.ring()

    def look_again(self) -> None:
        """Something may have come free that nobody told of."""
        self._prospects.look_again()
        self._ring()

    def close(self) -> None:
        """Lease nothing more; the senders end once what they are sending is settled."""
        self._is_stopping = True
        if self._looking is not None:
            self._looking.cancel()
        self._ring()

    def cut(self) -> None:
        """Cut off what is being sent."""
        for sender in self._senders:
            sender.cut()

    def retire(self) -> None:
        """Restart no sender from now on."""
        for sender in self._senders:
            sender.retire()

    async def _work(self, sender: Sender) -> None:
        if sender.has_died:
            await self._settle_what_is_left_by(sender)
        sender.has_died = True  # if this runs again
        while not self._is_stopping:
            sender.listen()
            try:
                await self._step(sender)
            except StoreClosed:
                return
            except Exception as fault:  # noqa: BLE001  # a lane outlives whatever happens to one message
                if not isinstance(fault, StoreFailed | CommandFailed):  # which are logged by who raises them
                    log_failure(f"a sender of {self.destination} failed and goes on", fault)
                await self._pause(sender)
            else:
                self._store_failures = 0
                await asyncio.sleep(0)  # a store and a sink that never wait would keep everyone else waiting

    async def _settle_what_is_left_by(self, sender: Sender) -> None:
        """Settle what a sender had leased when it died, perhaps before it heard so: it may have been shown."""
        while any(each.is_leasing for each in self._senders):  # the store may lend what nobody here knows of yet
            await asyncio.sleep(0.1)
        for each in sender.holds:
            self._in_flight.pop(each, None)
        sender.holds = frozenset()
        known = frozenset(self._in_flight)
        leased = await self._tools.outbox.insist(Find(destination=self.destination, states=_LEASED))
        left = [parcel for parcel in leased if parcel.delivery.id not in known]
        if left:
            self._in_flight.update((parcel.delivery.id, parcel.delivery) for parcel in left)
            now = clock.now()
            await self._conclude(left, Tried(Ending.LAPSED, now, now, 0.0))

    async def _step(self, sender: Sender) -> None:
        """Do the one thing that is due, or sleep until something is."""
        now, far_end = _now(), self.far_end
        if far_end.gone_for is not None:
            await self._sleep(sender, inf)  # what waits may follow another webhook, until it expires
        elif far_end.is_open:
            at = far_end.probe_at(now)
            await (self._sleep_until_free(sender, at) if at > now else self._probe(sender))
        else:
            at, level = self._next(sender, now)
            ask_at = far_end.question_at(now)
            if at <= now and self._tools.may_send():
                await self._take(sender, level, now)
            elif at <= now:
                await self._sleep(sender, now + _BEAT_SOON)
            elif ask_at <= now:
                await self._ask(sender)
            elif far_end.doubt.ask_at < inf:
                await self._sleep_until_free(sender, min(at, ask_at))
            else:
                look_at = far_end.look_at(now) if sender is self._senders[0] else inf
                if look_at <= now:
                    self._look()
                await self._sleep(sender, at if look_at <= now else min(at, look_at))

    def _look(self) -> None:
        """Ask where messages show, beside the senders, so that none of them waits for it."""
        name = f"signalpost look at {self.destination}"
        self._looking = asyncio.get_running_loop().create_task(self.far_end.look(_now), name=name)

    def _next(self, sender: Sender, now: float) -> tuple[float, NotificationPriority]:
        """When this sender can lease something next, and the lowest level that may be leased now."""
        at, ready, lowest = inf, inf, URGENT
        levels = LEVELS if self.far_end.is_on_trial else sender.levels  # on trial, who comes first takes anything
        for level in reversed(levels):
            if ready > now:  # once a level may leave, those above it may too
                ready, lowest = self.far_end.ready_at(now, level), level
            at = min(at, max(ready, self._prospects.at(level)))
        if now < at and any(self._prospects.at(level) <= now for level in levels):
            self.far_end.pacer.host.call_when_free(self._ring, at_end=at == inf)
        return at, lowest

    async def _sleep(self, sender: Sender, until: float) -> None:
        if not self._busy:
            self._tools.on_rest()
        await sender.sleep(until)

    async def _sleep_until_free(self, sender: Sender, until: float) -> None:
        """Sleep until then, or, where a question or a probe waits for a request to end, until one has."""
        if until == inf:
            self.far_end.pacer.host.call_when_free(self._ring, at_end=True)
        await self._sleep(sender, until)

    async def _ask(self, sender: Sender) -> None:
        """Ask the far end, on whose answer it depends whether something can be delivered now."""
        self._busy += 1
        try:
            await self._probe(sender)
        finally:
            self._busy -= 1

    async def _pause(self, sender: Sender) -> None:
        """Leave the store alone for a while, whatever rings."""
        self._store_failures += 1
        until = _now() + self._tools.outbox.delay(self._store_failures)
        while not self._is_stopping and _now() < until:
            sender.listen()
            await self._sleep(sender, until)

    async def _probe(self, sender: Sender) -> None:
        sender.is_calling = True
        try:
            await self.far_end.probe(_now)
        finally:
            sender.is_calling = False
        await self.far_end.remember(_now())

    async def _take(self, sender: Sender, level: NotificationPriority, now: float) -> None:
        """Lease, send and settle one message; a slot that is not used is given back."""
        request = self.far_end.begin(now)
        self._busy += 1
        tried, is_taken = None, True
        parcels: Sequence[Parcel] = ()
        try:
            try:
                parcels = await self._lease(sender, level)
                if parcels:
                    tried = await self._send(sender, request, parcels)
            finally:
                if not parcels or (tried is not None and tried.known is Ending.UNSENT):
                    self.far_end.give_back(request)
                else:
                    is_taken = self.far_end.end(request, _now(), tried, parcels[0].delivery)
            if tried is not None:
                await self._conclude(parcels, tried, is_taken=is_taken)
                sender.holds = frozenset()
        finally:
            self._busy -= 1

    async def _lease(self, sender: Sender, level: NotificationPriority) -> Sequence[Parcel]:
        is_on_trial = self.far_end.is_on_trial
        version, in_flight = self._prospects.version, dict(self._in_flight)
        doubt = self.far_end.doubt
        lease = Lease(
            self.destination,
            clock.now(),
            1 if is_on_trial else self._most_items,
            express=level is not NORMAL,
            sure_only=not doubt.has_answered,
            failures=dict(self.far_end.failures) if is_on_trial else None,
        )
        sender.is_leasing = True
        try:
            leased = await self._tools.outbox.do(lease)
        finally:
            sender.is_leasing = False
        sender.holds = frozenset(parcel.delivery.id for parcel in leased.parcels)
        if leased.has_doubtful:
            doubt.wait_for_answer(_now())
        in_flight |= self._in_flight
        self._in_flight.update((parcel.delivery.id, parcel.delivery) for parcel in leased.parcels)
        for delivery in leased.expired:
            self._tools.emit(Settled(delivery))
        chosen = [each for each in leased.parcels if level is not URGENT or each.delivery.priority is URGENT]
        if not chosen:
            levels = LEVELS if level is NORMAL else EXPRESS[:1] if leased.parcels else EXPRESS
            next_at = inf if leased.next_at is None else _monotonic(leased.next_at)
            self._prospects.found_none(levels, next_at, version, in_flight.values())
        if rest := [parcel for parcel in leased.parcels if parcel not in chosen]:
            await self._conclude(rest, Tried(Ending.UNSENT, lease.now, lease.now, 0.0))
        sender.holds = frozenset(parcel.delivery.id for parcel in chosen)
        return chosen

    async def _send(self, sender: Sender, request: Request, parcels: Sequence[Parcel]) -> Tried:
        deliveries = tuple(parcel.delivery for parcel in parcels)
        began_at, began = clock.now(), _now()
        seconds = (min(each.valid_until for each in deliveries) - began_at).total_seconds()
        may_send = self._tools.may_send() and self.far_end.still_allows(request, began)
        if self._is_stopping or seconds <= 0 or not may_send:
            return Tried(Ending.UNSENT, began_at, began_at, 0.0)
        if not self.far_end.doubt.has_answered and any(each.may_repeat for each in deliveries):
            return Tried(Ending.UNSENT, began_at, began_at, 0.0)  # what was known changed while it was leased
        self._tools.emit(SendBegan(self.destination, deliveries))
        sender.is_calling = True
        try:
            known: Known = await attempt.send(self.destination, self._tools.sink, parcels, seconds)
        except asyncio.CancelledError:
            if not sender.was_cut():
                raise
            known = Ending.INTERRUPTED
        finally:
            sender.is_calling = False
        tried = Tried(known, began_at, clock.now(), _now() - began)
        self._tools.emit(SendEnded(self.destination, tried.outcome, tried.detail, tried.took))
        return tried

    async def _conclude(self, parcels: Sequence[Parcel], tried: Tried, *, is_taken: bool = True) -> None:
        """Settle what was leased, however long the store takes to be well.

        `is_taken` tells whether the far end takes other messages.
        """
        tools, far_end, now = self._tools, self.far_end, clock.now()
        jitter = tools.jitter() if far_end.is_well else 0.0  # else the breaker sets the pace, and no backoff
        settlements = tuple(
            decide(
                parcel.delivery,
                tried.known,
                now,
                jitter,
                tools.backoff,
                is_taken=is_taken,
                at_most_once=parcel.notification.kind in tools.at_most_once,
            )._replace(attempt=tried.attempt(), message=tried.message(self.destination))
            for parcel in parcels
        )
        unkept = far_end.unkept(_now())
        settled = await settle(tools.outbox.insist, settlements, tuple(each.facts for each in unkept))
        for each in unkept:
            each.keep()
        notifications = {parcel.delivery.id: parcel.notification for parcel in parcels}
        is_news = False
        for parcel in parcels:
            del self._in_flight[parcel.delivery.id]
        for delivery in settled:
            if delivery.state is DeliveryState.PENDING:
                at = -inf if delivery.not_before is None else _monotonic(delivery.not_before)
                self._prospects.expect(delivery.priority, at)
                tools.on_pending(delivery.valid_until)
                is_news = True
            else:
                is_news |= self._prospects.settled(delivery)
            tools.emit(Settled(delivery, notifications[delivery.id]))
        if is_news:
            self._ring()

    def _ring(self) -> None:
        for sender in self._senders:
            sender.ring()


def _now() -> float:
    return asyncio.get_running_loop().time()


def _monotonic(at: datetime) -> float:
    """When the loop's clock will say so; `at` is read against UTC now, because clocks are put right."""
    return _now() + (at - clock.now()).total_seconds()

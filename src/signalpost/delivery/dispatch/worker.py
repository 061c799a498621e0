"""A worker of a lane: it waits for the gate, leases, sends and settles, one message at a time.

It waits first and leases last. While it waits it holds nothing, so it leases an URGENT that is put in the meantime. If
only the slots reserved for URGENT are open, it leases nothing else. It does not poll: it sleeps until the time that
breaker, pace or a `not_before` name, or until something is put or comes free.

No await stands between reading the gate and acting on it, so there is nothing to lock. After a receipt, the next
message may be leased in the transaction that settles the one before. See docs/why/0011-wait-first-lease-last.md.
"""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from math import inf

from signalpost import clock
from signalpost.delivery.dispatch import attempt
from signalpost.delivery.dispatch.attempt import SendResult, result_of
from signalpost.delivery.dispatch.decide import LeaseEnd, SendOutcome, decide
from signalpost.delivery.dispatch.lane import Lane, LeaseRequest
from signalpost.delivery.dispatch.ready import EXPRESS, LEVELS, NORMAL, URGENT
from signalpost.delivery.facts import card_gone_fact
from signalpost.delivery.kept_task import KeptTask
from signalpost.delivery.outbox.cards import cards_gone, with_card
from signalpost.delivery.outbox.commands import (
    Find,
    Leased,
    OutboxEntry,
    Settle,
    SettleAndLease,
    SettledAndLeased,
)
from signalpost.delivery.outbox.patience import settle_in_parts
from signalpost.delivery.pacing.pacer import Slot
from signalpost.domain.delivery import DeliveryId, DeliveryState
from signalpost.domain.events import SendBegan, SendEnded, Settled
from signalpost.domain.priority import NotificationPriority
from signalpost.errors import CommandFailed, StoreClosed, StoreFailed
from signalpost.sinks.evidence import Loss, Receipt
from signalpost.telemetry.log_queue import log_failure

LEASED = frozenset({DeliveryState.LEASED})
_BEAT_SOON = 0.5
"""Seconds after which a worker checks again whether this process has a heartbeat."""


BegunMessage = tuple[Slot, Sequence[OutboxEntry]]
"""A begun message with its leased deliveries."""


def workers_of(lane: Lane) -> list["Worker"]:
    """Start the workers of a lane: one of several takes only URGENT and HIGH."""
    count = lane.settings.workers
    levels = [LEVELS] * max(1, count - 1) + [EXPRESS] * (count > 1)
    return [Worker(lane, each, number) for number, each in enumerate(levels, start=1)]


class Worker:
    """Sends one message at a time. It does not die because of a sink, a store or a listener."""

    def __init__(self, lane: Lane, levels: Sequence[NotificationPriority], number: int) -> None:
        self.levels = levels
        self._holds: Sequence[OutboxEntry] = ()
        """The deliveries that it has leased and not settled."""
        self._lane = lane
        self._gate, self._outbox, self._emit = lane.gate, lane.outbox, lane.emit
        self._ready, self._in_flight = lane.ready, lane.in_flight
        self._does_look = number == 1
        self._is_calling = False
        """Whether it is calling the sink. A stop cuts that off."""
        self._is_cut = self._has_died = False
        self._bell = asyncio.Event()
        self._kept = KeptTask(f"sender {number} of {self._gate.destination}", self._work, lane.emit)

    @property
    def task(self) -> asyncio.Task[None]:
        """The task that runs it now, or ran it last."""
        return self._kept.task

    def ring(self) -> None:
        """Wake it, so that it checks again what is due."""
        self._bell.set()

    def retire(self) -> None:
        """Do not restart it if it ends."""
        self._kept.retire()

    def cut(self) -> None:
        """End its call of the sink, if it is in one."""
        if self._is_calling:
            self._is_cut = True
            self.task.cancel()

    async def _work(self) -> None:
        if self._has_died:
            await self._settle_left_by()
        self._has_died = True  # if this runs again, because it was restarted
        while not self._lane.is_stopping:
            self._bell.clear()
            try:
                await self._step()
            except StoreClosed:
                return
            except Exception as fault:  # noqa: BLE001  # one message must not end a lane
                if not isinstance(fault, StoreFailed | CommandFailed):  # which are logged where they are raised
                    log_failure(f"a sender of {self._gate.destination} failed and goes on", fault)
                await self._pause()
            else:
                self._lane.store_failures = 0
                await asyncio.sleep(0)  # a store and a sink that never wait must not block the loop

    async def _settle_left_by(self) -> None:
        """Settle the deliveries that this worker had leased when it died, answered or not: they may have been shown."""
        while self._lane.leasing:  # a lease may be committed and not answered yet
            await asyncio.sleep(0.1)
        for each in self._holds:
            self._in_flight.pop(each.delivery.id, None)
        known = frozenset(self._in_flight)
        leased = await self._outbox.insist(Find(destination=self._gate.destination, states=LEASED))
        if left := [entry for entry in leased if entry.delivery.id not in known]:
            self._holds = left  # if it dies again before they are settled
            self._in_flight.update((entry.delivery.id, entry.delivery) for entry in left)
            now = clock.now()
            await self._conclude(left, result_of(LeaseEnd.LAPSED, now, now), _now())

    async def _step(self) -> None:
        """Do what is due, or sleep until something is."""
        now, gate = _now(), self._gate
        passes_on_at = inf if self._lane.is_passing_on else self._lane.passes_on_at(now)
        if passes_on_at <= now:
            await self._lane.pass_on()
        elif gate.gone is not None:
            await self._sleep(passes_on_at)  # deliveries wait for another webhook, until they expire
        elif gate.is_open:
            at = gate.probe_at(now)
            await (self._sleep_until_free(at, passes_on_at) if at > now else self._probe())
        else:
            at, level, only_edits = self._next(now)
            if at <= now and self._lane.may_send():
                await self._take(level, now, only_edits=only_edits)
            elif at <= now:
                await self._sleep(now + _BEAT_SOON)
            elif (probe_at := gate.liveness_probe_at(now)) <= now:
                await self._probe_for_drain()
            elif gate.liveness.probe_at < inf:
                await self._sleep_until_free(min(at, probe_at))
            else:
                self._lane.rest(now)
                look_at = gate.look_at(now) if self._does_look else inf
                if look_at <= now:
                    self._begin_look()
                await self._sleep(at if look_at <= now else min(at, look_at))

    def _begin_look(self) -> None:
        """Look in a task of its own, so that no worker waits for the answer."""
        self._lane.looking = asyncio.create_task(self._look(), name=f"signalpost look at {self._gate.destination}")

    async def _look(self) -> None:
        await self._gate.look(_now)
        with suppress(StoreClosed):
            await self._lane.save_facts()

    def _next(self, now: float) -> tuple[float, NotificationPriority, bool]:
        """When this worker can lease something next, the lowest level that may be leased now, and if only edits may."""
        at, ready, lowest = inf, inf, URGENT
        levels = LEVELS if self._gate.is_on_trial else self.levels  # on trial, the first worker takes anything
        expected = self._ready.at
        for level in reversed(levels):
            if ready > now:  # once a level may leave, those above it may too
                ready, lowest = self._gate.ready_at(now, level), level
            at = min(at, max(ready, expected[level]))
        if now < at and any(expected[level] <= now for level in levels):
            self._gate.pacer.host.call_when_free(self._lane.ring, at_end=at == inf)
        if now < at and NORMAL in levels and (edits_at := self._ready.edits_at) < inf:
            edits_at = max(edits_at, self._gate.edits_ready_at(now))
            if edits_at < at:
                return edits_at, NORMAL, True
        return at, lowest, False

    async def _sleep(self, until: float) -> None:
        """Sleep until then, or until a call of `ring`."""
        if not self._lane.busy:
            self._lane.on_idle()
        timer = None if until == inf else asyncio.get_running_loop().call_at(until, self.ring)
        try:
            await self._bell.wait()
        finally:
            if timer is not None:
                timer.cancel()

    async def _sleep_until_free(self, until: float, at_most: float = inf) -> None:
        """Sleep until then. If a probe waits for a request to end, sleep until one has ended."""
        if until == inf:
            self._gate.pacer.host.call_when_free(self._lane.ring, at_end=True)
        await self._sleep(min(until, at_most))

    async def _probe_for_drain(self) -> None:
        """Probe while a drain waits. The answer decides whether a delivery is possible now."""
        self._lane.busy += 1
        try:
            await self._probe()
        finally:
            self._lane.busy -= 1

    async def _pause(self) -> None:
        """Leave the store alone for a while, whatever wakes the worker."""
        self._lane.store_failures += 1
        until = _now() + self._outbox.delay(self._lane.store_failures)
        while not self._lane.is_stopping and _now() < until:
            self._bell.clear()
            await self._sleep(until)

    async def _probe(self) -> None:
        self._is_calling = True
        try:
            await self._gate.probe(_now)
        finally:
            self._is_calling = False
        await self._lane.save_facts()

    async def _take(self, level: NotificationPriority, now: float, *, only_edits: bool) -> None:
        """Lease, send and settle messages, until the next one cannot begin at once."""
        self._lane.busy += 1
        try:
            in_flight = list(self._in_flight.values())
            begun = await self._lease(self._lane.request(level, now, in_flight, only_edits=only_edits))
            while begun is not None:
                begun = await self._deliver(*begun)
        finally:
            self._lane.busy -= 1

    def _next_request(self, now: float, settling: Collection[DeliveryId]) -> LeaseRequest | None:
        """Begin the next message at once, if it may begin, so that it is leased with the settle of the one before."""
        gate = self._gate
        if gate.gone is not None or not gate.is_well or self._lane.is_stopping or not self._lane.may_send():
            return None
        at, level, only_edits = self._next(now)
        if at > now:
            return None
        in_flight = [each for each in self._in_flight.values() if each.id not in settling]
        return self._lane.request(level, now, in_flight, only_edits=only_edits)

    async def _lease(self, request: LeaseRequest) -> BegunMessage | None:
        leased = None
        self._lane.leasing += 1
        try:
            leased = await self._outbox.do(request.lease)
        finally:
            self._lane.leasing -= 1
            if leased is None:
                self._gate.give_back(request.held)
        return await self._accept(request, leased)

    async def _accept(self, request: LeaseRequest, leased: Leased) -> BegunMessage | None:
        """Accept leased deliveries. If none of them may be sent, give the pass back."""
        entries: Sequence[OutboxEntry] = ()
        try:
            chosen = await self._chosen(request, leased)
            await asyncio.sleep(0)  # a store and a sink that never wait must not block the loop
            entries = chosen
        finally:
            if not entries:
                self._gate.give_back(request.held)
        return (request.held, entries) if entries else None

    async def _chosen(self, request: LeaseRequest, leased: Leased) -> Sequence[OutboxEntry]:
        self._holds = entries = leased.entries
        if leased.has_doubtful:
            self._gate.liveness.wait_for_answer(_now())
        chosen = entries
        if request.level is URGENT:
            chosen = tuple(each for each in entries if each.delivery.priority is URGENT)
        if not chosen:
            self._lane.found_none(request, leased)
        for entry in entries:
            self._in_flight[entry.delivery.id] = entry.delivery
        for delivery in leased.expired:
            self._emit(Settled(delivery))
        if len(chosen) < len(entries):
            now, rest = request.lease.now, [entry for entry in entries if entry not in chosen]
            await self._conclude(rest, result_of(LeaseEnd.UNSENT, now, now), _now())
        self._holds = chosen
        if chosen and all(entry.is_edit for entry in chosen):
            self._gate.pacer.is_an_edit(request.held)
        return chosen

    async def _deliver(self, held: Slot, entries: Sequence[OutboxEntry]) -> BegunMessage | None:
        """Send and settle a message. Returns the one that was leased in the same transaction, if there is one."""
        first = entries[0].delivery
        try:
            result = await self._send(held, entries)
        except BaseException:
            self._gate.end(held, _now(), None, first)
            raise
        now, takes_messages = _now(), True
        if result.was_sent:
            takes_messages = self._gate.end(held, now, result, first)
        else:
            self._gate.give_back(held)
        return await self._conclude(entries, result, now, takes_messages=takes_messages)

    async def _send(self, held: Slot, entries: Sequence[OutboxEntry]) -> SendResult:
        deliveries = tuple(entry.delivery for entry in entries)
        began_at, began = clock.now(), _now()
        seconds = (min(each.valid_until for each in deliveries) - began_at).total_seconds()
        may_send = self._lane.may_send() and self._gate.still_allows(held, began)
        # The destination may have gone silent during the lease.
        is_silent = any(each.may_repeat for each in deliveries) and not self._gate.liveness.has_answered
        if self._lane.is_stopping or seconds <= 0 or not may_send or is_silent:
            return result_of(LeaseEnd.UNSENT, began_at, began_at)
        waited = tuple([attempt.waited(entry, began_at) for entry in entries])
        self._emit(SendBegan(self._gate.destination, deliveries, waited))
        self._is_calling = True
        try:
            outcome: SendOutcome = await attempt.send(self._gate.destination, self._gate.sink, entries, seconds)
        except asyncio.CancelledError:
            if not self._is_cut:
                raise
            self.task.uncancel()  # only `cut` cancelled it, so it goes on
            outcome = LeaseEnd.INTERRUPTED
        finally:
            self._is_calling = False
        result = result_of(outcome, began_at, clock.now(), _now() - began)
        self._emit(SendEnded(self._gate.destination, result.attempt.outcome, result.attempt.detail, result.took))
        return result

    async def _conclude(
        self, entries: Sequence[OutboxEntry], result: SendResult, now: float, *, takes_messages: bool = True
    ) -> BegunMessage | None:
        """Settle leased deliveries, however long the store fails. After a receipt, the next message may begin too."""
        ended_at = result.attempt.ended_at
        jitter = self._lane.jitter() if self._gate.is_well else 0.0  # else the breaker sets the pace, and no backoff
        receipt = result.outcome if isinstance(result.outcome, Receipt) else None
        tried = result.attempt if result.was_sent else None
        message = receipt and attempt.message_of(receipt, self._gate.destination, ended_at)
        verdicts = [
            decide(
                entry.delivery,
                result.outcome,
                ended_at,
                jitter,
                self._lane.settings.backoff,
                takes_messages=takes_messages,
                at_most_once=entry.notification.kind in self._lane.at_most_once,
                is_edit=entry.is_edit,
                was_deleted=entry.replaces is Loss.DELETED,
                has_fallback=receipt is None and self._lane.can_pass_on(entry),
                is_joined=len(entries) > 1,
            )._replace(attempt=tried, message=message)
            for entry in entries
        ]
        settlements = tuple(map(with_card, verdicts, entries))
        unsaved = self._gate.unsaved(now)
        gone = () if receipt else cards_gone(entries, settlements, ended_at)
        facts = [each.facts for each in unsaved]
        facts += [card_gone_fact(each) for each in gone if each.is_for_operators]
        notifications = {entry.delivery.id: entry.notification for entry in entries}
        request = None if receipt is None else self._next_request(now, notifications)
        settled, leased = await self._settle(Settle(settlements, tuple(facts)), request)
        for each in unsaved:
            each.saved()
        for name in notifications:
            del self._in_flight[name]
        self._holds = ()
        is_same = request is not None and request.version == self._ready.version
        is_news = self._lane.note_settled(settled)
        if request is not None and is_same:  # the lease saw what these verdicts made possible
            request.version = self._ready.version
        for delivery in settled:
            self._emit(Settled(delivery, notifications[delivery.id], receipt and receipt.sent_at))
        for event in gone:
            self._emit(event)
        if is_news:
            self._lane.ring()
        return None if request is None or leased is None else await self._accept(request, leased)

    async def _settle(self, settle: Settle, request: LeaseRequest | None) -> SettledAndLeased:
        """Settle until the store has saved it. The lease is tried only once, and then its pass is given back."""
        answer = None
        if request is not None:
            self._lane.leasing += 1
            try:
                with suppress(StoreFailed, CommandFailed):
                    answer = await self._outbox.do(SettleAndLease(settle, request.lease))
            finally:
                self._lane.leasing -= 1
                if answer is None or answer.leased is None:
                    self._gate.give_back(request.held)
        return answer or SettledAndLeased(await settle_in_parts(self._outbox.insist, settle), None)


def _now() -> float:
    return asyncio.get_running_loop().time()

"""One destination's lane: the state that its workers share, and when its deliveries are passed on to a fallback."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from math import inf
from typing import TYPE_CHECKING

import msgspec

from signalpost import clock
from signalpost.delivery.dispatch.gate import Gate
from signalpost.delivery.dispatch.gates import LaneSettings
from signalpost.delivery.dispatch.ready import EXPRESS, LEVELS, NORMAL, ReadyIndex
from signalpost.delivery.outbox.commands import Lease, Leased, OutboxEntry, PassOn
from signalpost.delivery.outbox.patience import RetryingOutbox
from signalpost.delivery.pacing.pacer import Slot
from signalpost.domain.delivery import Delivery, DeliveryId, DeliveryState
from signalpost.domain.events import Listener, PassedOn, Settled
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.signal import Signal
from signalpost.errors import CommandFailed

if TYPE_CHECKING:
    from signalpost.delivery.dispatch.worker import Worker


class Lane:
    """The deliveries waiting for one destination, and the workers that send them.

    `on_pending` gets the `valid_until` of a delivery that waits again, `on_idle` is called if there is no work.
    `may_send` is false while this process may have lost the store to another, because its own heartbeat is too old.
    `at_most_once` are kinds of notification that are not sent again once they may have been shown. Deliveries are
    passed on to the fallbacks in `settings`, lanes among the `others`, once the webhook is gone or the breaker has been
    open for as long as `settings` says.
    """

    def __init__(
        self,
        gate: Gate,
        outbox: RetryingOutbox,
        settings: LaneSettings,
        *,
        jitter: Callable[[], float],
        emit: Listener,
        on_pending: Callable[[datetime], None],
        on_idle: Callable[[], None],
        may_send: Callable[[], bool],
        at_most_once: frozenset[str],
        others: "Mapping[str, Lane]",
    ) -> None:
        self.destination, self.gate = gate.destination, gate
        self.outbox, self.settings = outbox, settings
        self.jitter, self.emit = jitter, emit
        self.on_pending, self.on_idle = on_pending, on_idle
        self.may_send, self.at_most_once = may_send, at_most_once
        self.ready = ReadyIndex()
        self.looking: asyncio.Task[None] | None = None
        """The task that first checks the destination."""
        self.in_flight: dict[DeliveryId, Delivery] = {}
        """The deliveries that are being sent or settled."""
        self.leasing = 0
        """The number of workers that wait for a lease from the store."""
        self.busy = 0
        """The number of workers between a lease and its verdict."""
        self.is_stopping = False
        self.store_failures = 0
        """How many in a row."""
        self._others = others
        self.is_passing_on = False
        """Whether a worker passes something on. One does at a time."""
        self._workers: Sequence[Worker] = ()
        gate.subscribe(self.look_again)

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """The tasks of its workers, and of the first look at the destination."""
        looking = [] if self.looking is None else [self.looking]
        return [worker.task for worker in self._workers] + looking

    def start(self, workers: "Sequence[Worker]") -> None:
        """Begin to send with these workers."""
        self.is_stopping = False
        self.in_flight.clear()
        self.ready.look_again()
        self.gate.start(asyncio.get_running_loop().time())
        self._workers = workers

    def wake(self, priority: NotificationPriority) -> None:
        """Deliveries were put, of this priority at most."""
        self.ready.put(priority)
        for worker in self._workers:
            if max(priority, NORMAL) >= worker.levels[-1]:
                worker.ring()

    def look_again(self) -> None:
        """A delivery may have become ready without a wake-up."""
        self.ready.look_again()
        self.ring()

    def ring(self) -> None:
        """Wake all workers."""
        for worker in self._workers:
            worker.ring()

    def close(self) -> None:
        """Lease nothing more. Each worker ends once its deliveries are settled."""
        self.is_stopping = True
        if self.looking is not None:
            self.looking.cancel()
        self.ring()

    def cut(self) -> None:
        """Cut off running sends."""
        for worker in self._workers:
            worker.cut()

    def retire(self) -> None:
        """Restart no worker from now on."""
        for worker in self._workers:
            worker.retire()

    async def save_facts(self) -> None:
        """Save facts learned from a probe or a direct send; those from a message are saved with its verdict.

        Raises StoreClosed.
        """
        for each in self.gate.unsaved(asyncio.get_running_loop().time()):
            with suppress(CommandFailed):  # it would fail again, and is logged
                await self.outbox.insist(each.facts)
            each.saved()

    def note_settled(self, settled: Sequence[Delivery]) -> bool:
        """Update the ready index. True if another delivery may be ready now."""
        is_news = False
        for delivery in settled:
            if delivery.state is DeliveryState.PENDING:
                at = -inf if delivery.not_before is None else monotonic(delivery.not_before)
                self.ready.expect(delivery.priority, at)
                self.on_pending(delivery.valid_until)
                is_news = True
            else:
                is_news |= self.ready.note_settled(delivery)
        return is_news

    def rest(self, now: float) -> None:
        """A worker has nothing to do. Notify the breaker, unless a message waits or is not settled yet."""
        has_none = not (self.in_flight or self.gate.liveness.is_wanted)
        if has_none and min(self.ready.at.values()) > now:
            self.gate.breaker.rest()

    def request(
        self, level: NotificationPriority, now: float, in_flight: list[Delivery], *, only_edits: bool
    ) -> "LeaseRequest":
        """Begin a message that is not leased yet. Nothing may be awaited between reading the gate and this."""
        edits = only_edits or self.gate.edits_ready_at(now) <= now
        held = self.gate.begin(now, is_edit=only_edits)
        lease = Lease(
            self.destination,
            clock.now(),
            express=level is not NORMAL,
            sure_only=not self.gate.liveness.has_answered,
            failures=dict(self.gate.failures) if self.gate.is_on_trial else None,
            posts=not only_edits,
            edits=edits,
        )
        return LeaseRequest(held, level, lease, self.ready.version, in_flight)

    def found_none(self, request: "LeaseRequest", leased: Leased) -> None:
        """Note in the index that nothing more can be leased now at the levels of a request."""
        lease = request.lease
        levels = LEVELS if request.level is NORMAL else EXPRESS[:1] if leased.entries else EXPRESS
        next_at = inf if leased.next_at is None else monotonic(leased.next_at)
        in_flight = (*request.in_flight, *self.in_flight.values())
        self.ready.found_none(levels, next_at, request.version, in_flight, posts=lease.posts, edits=lease.edits)

    def passes_on_at(self, now: float) -> float:
        """When something may be passed on next; infinity if the destination works, or no fallback does."""
        gate, fallbacks = self.gate, self.settings.fallbacks
        if gate.gone is None and not gate.is_open:
            return inf
        lists = (*fallbacks.by_tier.values(), *fallbacks.by_kind.values())
        if not any(map(self._first, lists)) and (fallbacks.are_last or gate.gone is None):
            return inf
        since = now if gate.gone is not None else gate.breaker.opened_at + self.settings.fall_back_after
        return max(since, *(min(self.ready.at.values()), now))

    def can_pass_on(self, entry: OutboxEntry) -> bool:
        """Whether a fallback can take a delivery that was leased, now or later."""
        notification, fallbacks = entry.notification, self.settings.fallbacks
        if isinstance(notification.payload, Signal):
            names = fallbacks.by_tier.get(entry.tier or notification.user_tier, ())
        else:
            names = fallbacks.by_kind.get(notification.routed_by, ())
        return self._target(names) is not None

    async def pass_on(self) -> None:
        """Pass on to the fallbacks what is due. Raises StoreFailed."""
        self.busy += 1
        self.is_passing_on = True
        try:
            version, in_flight = self.ready.version, tuple(self.in_flight.values())
            answer = await self.outbox.do(self._pass_on_command())
            for delivery, notification in answer.ended:
                self.emit(Settled(delivery, notification))
            for delivery in answer.added:
                self.emit(PassedOn(delivery, self.destination))
                self.on_pending(delivery.valid_until)
                self._others[delivery.id.destination].wake(delivery.priority)
            if not answer.ended:
                next_at = inf if answer.next_at is None else monotonic(answer.next_at)
                self.ready.found_none(LEVELS, next_at, version, in_flight)
        finally:
            self.busy -= 1
            self.is_passing_on = False

    def _pass_on_command(self) -> PassOn:
        gate, fallbacks = self.gate, self.settings.fallbacks
        if gate.gone is not None:
            reason = f"its webhook is gone for good: {gate.gone.reason}"
        else:
            seconds = asyncio.get_running_loop().time() - gate.breaker.opened_at
            reason = f"{self.destination} has been unreachable for {seconds:.0f} s"
        by_tier = {tier: name for tier, names in fallbacks.by_tier.items() if (name := self._target(names))}
        by_kind = {kind: name for kind, names in fallbacks.by_kind.items() if (name := self._target(names))}
        gone: frozenset[str] = frozenset()
        if gate.gone is not None and not fallbacks.are_last:
            gone = frozenset(name for name, lane in self._others.items() if lane.gate.gone is not None)
        return PassOn(self.destination, clock.now(), reason, by_tier, by_kind, gone)

    def _target(self, names: tuple[str, ...]) -> str | None:
        """The first of these destinations that takes messages now. If none does but one may later, this one."""
        may_recover = any(self._others[name].gate.gone is None for name in names if name in self._others)
        return self._first(names) or (self.destination if may_recover else None)

    def _first(self, names: tuple[str, ...]) -> str | None:
        """The first of these destinations that takes messages now."""
        gates = ((name, self._others[name].gate) for name in names if name in self._others)
        return next((name for name, gate in gates if gate.gone is None and not gate.is_open), None)


class LeaseRequest(msgspec.Struct):
    """A lease for a begun message, and the state of its lane at that time."""

    held: Slot
    level: NotificationPriority
    lease: Lease
    version: int
    """Of the ready index."""
    in_flight: list[Delivery]
    """What other workers are sending or settling."""


def monotonic(at: datetime) -> float:
    """Convert a UTC time to the loop's clock, relative to UTC now, because clocks are corrected."""
    return asyncio.get_running_loop().time() + (at - clock.now()).total_seconds()

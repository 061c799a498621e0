"""A started service: it owns its data folder, or puts beside the owner until that is gone.

See docs/why/0027-an-epoch-fences-the-owner.md.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from random import Random
from typing import Any, Self
from weakref import WeakSet

from signalpost.config import STORE_FILE, Config, variable_of
from signalpost.delivery.dispatch.dispatcher import Dispatcher
from signalpost.delivery.dispatch.gate import Gate
from signalpost.delivery.facts import OWNER, owner_fact, read_owner
from signalpost.delivery.intake import Intake
from signalpost.delivery.outbox.commands import Damaged, LoadFacts, Open, SaveFacts, Stats
from signalpost.delivery.outbox.patience import StoreHealth
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.outbox.threaded import ThreadedOutbox
from signalpost.delivery.outbox.transaction import Arrival
from signalpost.delivery.ticket_ids import TicketIds
from signalpost.delivery.wake_socket import Waker
from signalpost.domain.delivery import Delivery
from signalpost.domain.events import Event, Listener, OwnershipLost, RowDamaged, TookOver
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.reason import Reason
from signalpost.errors import CommandFailed, StoreClosed, StoreFailed
from signalpost.service.delivering import Delivering
from signalpost.service.health import Role
from signalpost.service.health_report import HealthReport, Reporter
from signalpost.service.once import open_store
from signalpost.service.operator_alerts import OperatorAlerts
from signalpost.service.owner import OwnerWatch
from signalpost.service.pending_tickets import MOST_FOLLOWED, PendingTickets
from signalpost.telemetry.emitter import Emitter
from signalpost.telemetry.log_queue import logger
from signalpost.telemetry.metrics import Metrics

_LOOK_AFTER = 1.0
_STORE_HANGS_AFTER = 10.0
"""Seconds without an answer of the store after which health reports it."""

_STORE_CLOSES_WITHIN = 3.0
"""Seconds beyond the timeout of a drain or a stop for which the store is waited for."""
_HANGS_AT_DRAIN = (
    "The store does not answer, so nobody knows what is still open. What was accepted is in the store, and is "
    "delivered once it answers: see whether the disk hangs."
)
_HANGS_AT_STOP = (
    "The store did not answer, so the service was stopped without it. What was accepted is in the store, and is "
    "delivered by the next run: see whether the disk hangs."
)


class Running:
    """What a started service consists of. Made by `begin`."""

    def __init__(self, config: Config, core: SqliteCore, emit: Listener, metrics: Metrics) -> None:
        self.process = os.getpid()
        self.loop = asyncio.get_running_loop()
        self.outbox = ThreadedOutbox(core, emit)
        self._config = config
        self._core = core
        self._emit = Emitter((self._note_ticket, emit))
        self._metrics = metrics
        self._own_routing = config.routing()
        # A source of its own, which no caller's seed repeats: asking the system for each id would be slow.
        ids = TicketIds(Random().getrandbits)  # noqa: S311  # ids are no secrets
        self._store_health = StoreHealth(emit)
        self.intake = Intake(
            self.outbox,
            self._own_routing,
            ids,
            emit=self._emit,
            on_put=self._put,
            run=config.run,
            health=self._store_health,
        )
        self._alerts = OperatorAlerts(self.intake.accept, variable_of)
        self._delivered = Emitter((emit, self._alerts))
        self._pending = PendingTickets(self.outbox)
        self._waker = Waker(core.bell_path)
        self._report_path = core.beat_path.with_suffix(".health")
        self._watch = OwnerWatch(
            core, self.outbox, config.heartbeat, wants=bool(config.destinations), hooks=self, emit=emit
        )
        self._delivering: Delivering | None = None
        self._looking: asyncio.Task[None] | None = None
        self._reporter: Reporter | None = None
        self._draining: asyncio.Task[object] | None = None
        self._patience = 0.0
        self._has_given_up = asyncio.Event()
        self._has_given_up.set()
        self._has_news = False
        self._followed = ""
        _alive.add(self)

    @classmethod
    async def begin(cls, config: Config, emit: Listener, metrics: Metrics) -> Self:
        """Open the store, and deliver from it, or put beside the process that does. Raises StoreUnusable.

        Who has no destination never owns a folder: it would keep it from those who could deliver.
        """
        owns = None if config.destinations else False
        core = await open_store(config.home / STORE_FILE, owns=owns)
        running = cls(config, core, emit, metrics)
        try:
            running._watch.begin()
            await running.outbox.call(_nothing)  # after which the first look at the owner is over
            await running._count()
            await running._watch.first_look()
            running.outbox.listen(core, running._hear, running._hear_damage)
        except BaseException:
            await running.end(0)
            raise
        return running

    def report(self, make: Callable[[], HealthReport | None]) -> None:
        """Write what `make` returns beside the store, every 5 seconds until the end."""
        self._reporter = Reporter(self.outbox, self._report_path, make, self._emit)

    @property
    def role(self) -> Role:
        """Whether this process delivers."""
        return Role.OWNER if self._watch.delivers else Role.PRODUCER

    @property
    def trouble(self) -> str | None:
        """Why nobody delivers what is put here; None where somebody does."""
        return self._watch.trouble

    @property
    def locked(self) -> str:
        """Why this process cannot write to the store, and what to do; empty if it can."""
        return self._watch.locked

    @property
    def missing(self) -> str:
        """Which file of the store is not there any more, and what to do; empty where all are."""
        return self._watch.missing

    @property
    def store_hangs_for(self) -> float | None:
        """For how many seconds the store has not answered; None if it answers within a usual time."""
        waited = max(self.outbox.oldest_command, self.outbox.stuck_for)
        return waited if waited >= _STORE_HANGS_AFTER else None

    def of_ownership(self) -> Iterator[Reason]:
        """What keeps the owner, this process or another, from delivering, in words. For any thread."""
        yield from self._watch.reports()
        if self.trouble is not None:
            yield Reason(self.trouble, "not-delivering")

    @property
    def dispatcher(self) -> Dispatcher | None:
        """All lanes together; None in a producer, which has none."""
        return None if self._delivering is None else self._delivering.dispatcher

    @property
    def gates(self) -> Mapping[str, Gate]:
        """The gates of the destinations that this process sends to; none in a producer."""
        return {} if self.dispatcher is None else {name: lane.gate for name, lane in self.dispatcher.lanes.items()}

    @property
    def knows_owner(self) -> bool:
        """Whether an owner has said, now or before, how it routes."""
        return bool(self._followed)

    async def drain(self, timeout: float | None, ticket_id: str | None = None) -> list[Delivery]:
        """Wait until nothing is open, or one ticket has ended; in a producer, until what this process put has ended.

        What is held in memory has to be written down before that. Raises StoreFailed if the store hangs, so that nobody
        knows what is open.
        """
        try:
            async with asyncio.timeout(None if timeout is None else timeout + _STORE_CLOSES_WITHIN):
                return await self._drain(timeout, ticket_id)
        except TimeoutError:
            raise StoreFailed(_HANGS_AT_DRAIN, code="timeout") from None

    async def _drain(self, timeout: float | None, ticket_id: str | None) -> list[Delivery]:
        began = self.loop.time()

        def left() -> float | None:
            return None if timeout is None else max(0.0, began + timeout - self.loop.time())

        await self._all_written(timeout)
        while (delivering := self._delivering) is not None:
            still_open = list(await delivering.dispatcher.drain(left(), ticket_id))
            if self._delivering is delivering:
                return still_open
        await self._has_given_up.wait()  # if another process took over meanwhile, it delivers what is open
        return await self._pending.drain(left(), ticket_id, self._is_delivered)

    def _is_delivered(self) -> bool:
        """Whether some process delivers what this one puts, or this one may take over."""
        return bool(self._config.destinations) or self.trouble is None

    async def end(self, timeout: float) -> list[Delivery]:
        """Take nothing in any more, deliver what is this process's to deliver within `timeout` seconds, and close.

        Raises StoreFailed if the store hangs, so that nobody knows what is open.
        """
        late = self.loop.call_later(timeout + _STORE_CLOSES_WITHIN, self.outbox.abandon)
        left: list[Delivery] = []
        try:
            with suppress(StoreClosed):  # what was asked when the store was abandoned
                await self._end(timeout, left)
        finally:
            late.cancel()
        if self.outbox.is_abandoned:
            raise StoreFailed(_HANGS_AT_STOP, code="timeout")
        return left

    async def _end(self, timeout: float, left: list[Delivery]) -> None:
        self._patience = timeout
        async with AsyncExitStack() as rest:  # from the last to the first, each of them whatever became of the others
            rest.push_async_callback(self.outbox.close)
            if self._reporter is not None:
                rest.push_async_callback(self._reporter.end)
            rest.callback(self._waker.close)
            rest.push_async_callback(self._alerts.close)
            rest.push_async_callback(self._stop_looking)
            rest.push_async_callback(self._end_delivering, left)
            rest.push_async_callback(self._stop_looking)
            rest.push_async_callback(self._watch.end)
            await self._write_held()

    def hurry(self) -> None:
        """Where it is ending: wait for no delivery any more, and close."""
        self._patience = 0.0
        if self._draining is not None:
            self._draining.cancel()

    async def _stop_looking(self) -> None:
        await _cancelled(self._looking)

    async def _end_delivering(self, left: list[Delivery]) -> None:
        if self._delivering is None:
            return
        if self._watch.delivers:
            await self._patiently(self._delivering.dispatcher.finish)
        left += await self._delivering.end()

    async def _write_held(self) -> None:
        began = self.loop.time()
        await self._patiently(self._all_written)
        self._patience = max(0.0, self._patience - (self.loop.time() - began))
        try:
            await self.intake.close()
        finally:  # also where it is cut off
            _tell_of_lost(self.intake.held)

    async def _patiently(self, work: Callable[[float], Coroutine[Any, Any, object]]) -> None:
        """Do it within the patience that is left, or until there is none any more."""
        if self._patience > 0:
            self._draining = asyncio.create_task(work(self._patience), name="signalpost drain")
            with suppress(StoreFailed, CommandFailed, StoreClosed, asyncio.CancelledError):
                await self._draining

    async def _all_written(self, timeout: float | None) -> None:
        """Wait until nothing is held in memory; at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self.intake.all_written()

    def _note_ticket(self, event: Event) -> None:
        if self._delivering is None:
            self._pending(event)

    def _put(self, destinations: Iterable[str], priority: NotificationPriority, valid_until: datetime) -> None:
        if self._delivering is not None and self._watch.delivers:
            self._delivering.dispatcher.wake(destinations, priority, valid_until)
        else:
            self._waker.wake()

    def _hear(self, arrivals: tuple[Arrival, ...]) -> None:
        """Others have written."""
        self._metrics.found_open(sum(each.deliveries for each in arrivals))
        if self._delivering is not None:
            self._delivering.welcome(arrivals)
        elif self._followed != self._watch.owner.holder:
            self._watch.look()
        self._has_news = True
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look_later(), name="signalpost look at news")

    def _hear_damage(self, damaged: tuple[Damaged, ...]) -> None:
        for each in damaged:
            self._emit(RowDamaged(each.delivery, each.was_open))

    async def _look_later(self) -> None:
        """Look soon, for all that is heard until then: what is revived, cancelled or enabled tells nobody of itself."""
        while self._has_news:
            await asyncio.sleep(_LOOK_AFTER)
            self._has_news = False
            try:
                await self._count()
                if self.dispatcher is not None:
                    await self.dispatcher.look_for_enabled()
            except (StoreFailed, CommandFailed):
                self._has_news = True
            except StoreClosed:
                return

    async def _count(self) -> None:
        counts = await self.outbox.do(Stats(only_open=True))
        self._metrics.counted_open(sum(counts.values()))

    async def _deliver(self, holder: str) -> None:
        """Say how this owner routes, and begin to deliver."""
        config = self._config
        names = [each.name for each in config.destinations]
        fact = owner_fact(holder, names, config.tiers, config.everything_to, config.ignored)
        await self.outbox.do(SaveFacts(OWNER, fact))
        self._delivering = await Delivering.begin(
            config,
            self._own_routing,
            self.outbox,
            self._delivered,
            self._store_health,
            bell_path=self._core.bell_path,
            may_send=lambda: self._watch.may_send,
        )
        self.intake.routing = self._own_routing

    async def take_over(self, holder: str, *, is_first: bool) -> None:
        """Begin to deliver, as the owner."""
        await self._count()  # what was leased when this process looked, it has not heard of
        await self._deliver(holder)
        if not is_first:
            self._emit(TookOver(tuple(each.name for each in self._config.destinations)))

    async def give_up(self, successor: int) -> None:
        """Stop delivering: another process took over while this one was frozen, and settles what was leased."""
        self._emit(OwnershipLost(successor))
        delivering, self._delivering = self._delivering, None
        self._has_given_up.clear()
        try:
            with suppress(StoreFailed, CommandFailed):  # then a drain waits for what is put from now on
                still_open = await self.outbox.do(Open(limit=MOST_FOLLOWED))
                self._pending.follow(still_open)
        finally:
            self._has_given_up.set()
            if delivering is not None:
                await delivering.end()

    async def follow(self, holder: str) -> None:
        """Route as the owner does, from when it said how; until one did, by one's own configuration."""
        if holder == self._followed:
            return
        facts = await self.outbox.do(LoadFacts(OWNER))
        told = read_owner(facts)
        if told is not None:
            self.intake.routing = told.routing
            self._followed = told.holder


def _nothing() -> None:
    """Do nothing."""


def _tell_of_lost(held: int) -> None:
    if held:
        logger.error("%d notifications were held in memory and could not be written: they are lost", held)


async def _cancelled(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


_alive: WeakSet[Running] = WeakSet()
_inherited: list[Running] = []
"""In a child made by `fork`: what is its parent's. Let go of, it would close the parent's connections."""

os.register_at_fork(after_in_child=lambda: _inherited.extend(_alive))

"""One run of a service, from start to stop: as the owner of its data folder, or as a producer next to the owner.

See docs/why/0027-an-epoch-fences-the-owner.md.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, ExitStack, closing, suppress
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakSet

from signalpost.config import STORE_FILE, Config, variable_of
from signalpost.delivery.dispatch.dispatcher import Dispatcher
from signalpost.delivery.engine import Engine
from signalpost.delivery.facts import INCIDENTS, OWNER, owner_fact, read_incidents, read_owner
from signalpost.delivery.kept_task import KeptTask
from signalpost.delivery.outbox.commands import Damaged, LoadFacts, Open, SaveFacts, Stats
from signalpost.delivery.outbox.patience import watch_store
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.outbox.threaded import ThreadedOutbox
from signalpost.delivery.outbox.transaction import Arrival
from signalpost.delivery.wake_socket import Waker, WakeSocket
from signalpost.domain.delivery import Delivery
from signalpost.domain.events import Event, OwnershipLost, RowDamaged, Taken, TookOver, hears
from signalpost.domain.reason import Reason
from signalpost.errors import CommandFailed, StoreClosed, StoreFailed
from signalpost.service.health import Role
from signalpost.service.health_report import HealthReport, Reporter, written_at
from signalpost.service.once import open_store
from signalpost.service.operator_alerts import OperatorAlerts
from signalpost.service.order_expiry import OrderExpiry
from signalpost.service.owner import OwnerWatch
from signalpost.service.pending_tickets import MOST_FOLLOWED, PendingTickets
from signalpost.service.recaps import Recaps
from signalpost.service.retention import Retention
from signalpost.telemetry.bus import Bus
from signalpost.telemetry.log_queue import logger
from signalpost.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from signalpost.service.charts import CandleSource, Charts
    from signalpost.service.market import Market

_LOOK_AFTER = 1.0
_STORE_HANGS_AFTER = 10.0
"""Seconds without an answer from the store before health reports it."""
_STORE_CLOSES_WITHIN = 3.0
"""Seconds that a drain or a stop waits for the store beyond its own timeout."""
_HANGS_AT_DRAIN = (
    "The store does not answer, so the open deliveries are unknown. Accepted notifications are saved and will be "
    "delivered once the store answers. Check the disk."
)
_HANGS_AT_STOP = (
    "The store did not answer, so the service was stopped without it. Accepted notifications are saved, and the next "
    "run delivers them. Check the disk."
)


class Run:
    """The parts of a run. Made by `begin`."""

    def __init__(
        self, config: Config, core: SqliteCore, waker: Waker, bus: Bus, metrics: Metrics, *, is_producer: bool
    ) -> None:
        self.process = os.getpid()
        self.loop = asyncio.get_running_loop()
        self.outbox = ThreadedOutbox(core, bus.emit)
        self._config, self._core = config, core
        self._report_path = core.beat_path.with_suffix(".health")
        self._bus, self._metrics, self._is_producer = bus, metrics, is_producer
        self._candles: CandleSource | None = None
        self.charts: Charts | None = None  # only an owner with a source of candles has them
        self._may_own = bool(config.destinations) and not is_producer  # an owner that cannot deliver blocks the others
        self._own_routing = config.routing()
        self.engine = Engine(
            self.outbox,
            self._own_routing,
            bus,
            random_bits=Random().getrandbits,  # noqa: S311  # ids are not secrets; seeding `random` repeats none
            on_put=self._wake_owner,
            run=config.run,
            open_for=config.open_for,
            valid_for=config.valid_for,
            filters=config.filters,
        )
        self.pending = PendingTickets(self.outbox)
        self._alerts = OperatorAlerts(self.engine.intake.accept, variable_of, self.outbox.do)
        self._listeners = (self._note_ticket, self._alerts)
        for each in self._listeners:
            bus.subscribe(each)
        self._waker = waker
        self._watch = OwnerWatch(core, self.outbox, config.heartbeat, wants=self._may_own, hooks=self, emit=bus.emit)
        self._owned = AsyncExitStack()
        self.market: Market | None = None  # only an owner has one
        self._looking: asyncio.Task[None] | None = None
        self._reporter: Reporter | None = None
        self._draining: asyncio.Task[object] | None = None
        self._patience = 0.0
        self._has_given_up = asyncio.Event()
        self._has_given_up.set()
        self._has_news, self._followed = False, ""
        _alive.add(self)

    @classmethod
    async def begin(
        cls, config: Config, bus: Bus, metrics: Metrics, candles: "CandleSource | None" = None, *, is_producer: bool
    ) -> Self:
        """Open the store, and deliver, or follow the process that delivers. Raises StoreUnusable and StoreFailed."""
        # A producer never owns the folder, nor does a process without destinations.
        owns = None if config.destinations and not is_producer else False
        if owns is None:
            import signalpost.service.market  # now: during a takeover it would block the loop
            import signalpost.sinks.discord.service  # noqa: F401
        with ExitStack() as undo:  # closes both if this process has no socket or thread left
            core = undo.enter_context(closing(await open_store(config.home / STORE_FILE, owns=owns)))
            waker = undo.enter_context(closing(Waker(core.bell_path)))
            run = cls(config, core, waker, bus, metrics, is_producer=is_producer)
            run._candles = candles
            undo.pop_all()
        try:
            run._watch.begin()
            await run.outbox.call(lambda: None)  # then the first look at the owner is over
            await run._count()
            await run._watch.first_look()
            run.outbox.listen(core.news, run._hear)
            run.outbox.listen(core.damaged, run._hear_damage)
        except BaseException:
            await run.end(0)
            raise
        return run

    def report(self, make: Callable[[], HealthReport | None]) -> None:
        """Write the report that `make` returns next to the store, every 5 seconds until the end."""
        self._reporter = Reporter(self.outbox, self._report_path, make, self._bus.emit)

    @property
    def role(self) -> Role:
        """Whether this process delivers."""
        return Role.OWNER if self._watch.delivers else Role.PRODUCER

    @property
    def trouble(self) -> str | None:
        """Why no process delivers from this folder; None if one does."""
        return self._watch.trouble

    @property
    def knows_owner(self) -> bool:
        """True if an owner has saved its routes, now or before."""
        return bool(self._followed)

    @property
    def store_trouble(self) -> Reason | None:
        """Why the store is unavailable, apart from the reasons that events report. For any thread."""
        waited = max(self.outbox.oldest_command, self.outbox.stuck_for)
        if waited >= _STORE_HANGS_AFTER:
            return Reason(f"The store has not answered for {waited:.0f} s.", "store-hangs")
        if self._watch.ownership.missing:
            return Reason(f"the store is unavailable: {self._watch.ownership.missing}", "store-missing")
        if self._watch.ownership.locked:
            return Reason(f"the store is unavailable: {self._watch.ownership.locked}", "store-locked")
        return None

    def of_ownership(self) -> Iterator[Reason]:
        """Why the owner, this process or another, does not deliver. For any thread."""
        yield from self._watch.reports()
        if self.trouble is not None:
            yield Reason(self.trouble, "not-delivering")
        if self.market is not None and self._watch.delivers:
            yield from self.market.reasons()

    async def drain(self, timeout: float | None, ticket_id: str | None = None) -> list[Delivery]:
        """Wait until nothing is open, or one ticket has ended; in a producer, until its own tickets have ended.

        Waits first until nothing is held in memory. Raises StoreFailed if the store hangs.
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
        while (dispatcher := self.engine.dispatcher) is not None:
            still_open = list(await dispatcher.drain(left(), ticket_id))
            if self.engine.dispatcher is dispatcher:
                return still_open
        await self._has_given_up.wait()  # another process took over meanwhile, and delivers what is open
        return await self.pending.drain(left(), ticket_id, self._is_delivered)

    def _is_delivered(self) -> bool:
        """True if some process delivers, or this one may take over."""
        return self._may_own or self.trouble is None

    async def end(self, timeout: float) -> list[Delivery]:
        """Refuse new work, deliver for up to `timeout` seconds, close, and return what is still open.

        Raises StoreFailed if the store hangs.
        """
        self.outbox.abandon_after(timeout + _STORE_CLOSES_WITHIN)
        left: list[Delivery] = []
        with suppress(StoreClosed):  # from commands that waited when the store was abandoned
            await self._end(timeout, left)
        if self.outbox.is_abandoned:
            raise StoreFailed(_HANGS_AT_STOP, code="timeout")
        return left

    async def _end(self, timeout: float, left: list[Delivery]) -> None:
        self._patience = timeout
        async with AsyncExitStack() as rest:  # from the last to the first; each runs even if others raise
            for each in self._listeners:
                rest.callback(self._bus.unsubscribe, each)
            rest.push_async_callback(self.outbox.close)
            if self._reporter is not None:
                rest.push_async_callback(self._reporter.end)
            rest.callback(self._waker.close)
            rest.push_async_callback(self._alerts.close)
            rest.push_async_callback(self._stop_looking)
            rest.push_async_callback(self._finish_delivering, left)
            rest.push_async_callback(self._stop_looking)
            rest.push_async_callback(self._watch.end)
            if self.market is not None:
                self._patience -= await self.market.end(timeout)
            await self._write_held()

    def hurry(self) -> None:
        """Hurry a stop that is under way: wait for no more deliveries, and only briefly for a store that hangs."""
        self._patience = 0.0
        self.outbox.abandon_after(_STORE_CLOSES_WITHIN)
        if self._draining is not None:
            self._draining.cancel()

    async def _stop_looking(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking

    async def _finish_delivering(self, left: list[Delivery]) -> None:
        if self.engine.dispatcher is not None and self._watch.delivers:
            await self._patiently(self.engine.dispatcher.finish)
        left += await self._close_owned(self.engine.release())

    async def _close_owned(self, dispatcher: Dispatcher | None) -> list[Delivery]:
        """Cut off what is being sent, close everything that only an owner has, and return what is still open."""
        owned, self._owned = self._owned, AsyncExitStack()
        async with owned:  # it closes the rest even if this raises
            return [] if dispatcher is None else list(await dispatcher.stop(0))

    async def _write_held(self) -> None:
        began = self.loop.time()
        await self._patiently(self._all_written)
        self._patience = max(0.0, self._patience - (self.loop.time() - began))
        try:
            await self.engine.intake.close()
        finally:  # even if it is cancelled
            if held := self.engine.intake.held:
                logger.error("%d notifications in memory could not be saved and are lost", held)

    async def _patiently(self, work: Callable[[float], Coroutine[Any, Any, object]]) -> None:
        """Do `work` until it is done, the rest of the timeout is over, or `hurry` is called."""
        if self._patience > 0:
            self._draining = asyncio.create_task(work(self._patience), name="signalpost drain")
            with suppress(StoreFailed, CommandFailed, StoreClosed, asyncio.CancelledError):
                await self._draining

    async def _all_written(self, timeout: float | None) -> None:
        """Wait up to `timeout` seconds until nothing is held in memory."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self.engine.intake.all_written()

    @hears(Taken)
    def _note_ticket(self, event: Event) -> None:
        if self.engine.dispatcher is None:
            self.pending(event)

    def _wake_owner(self) -> None:
        if not self._watch.delivers:
            self._waker.wake()

    def _hear(self, arrivals: tuple[Arrival, ...]) -> None:
        """Other processes have written; without `arrivals`, it is unknown for which destinations."""
        self._metrics.found_open(sum(each.deliveries for each in arrivals))
        if (dispatcher := self.engine.dispatcher) is None:
            if self._followed != self._watch.ownership.seen.holder:
                self._watch.look()
        elif arrivals:
            for each in arrivals:
                dispatcher.wake((each.destination,), each.priority)
        else:
            for lane in dispatcher.lanes.values():
                lane.look_again()
        self._has_news = True
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look_later(), name="signalpost look at news")

    def _hear_damage(self, damaged: tuple[Damaged, ...]) -> None:
        for each in damaged:
            self._bus.emit(RowDamaged(each.delivery, each.was_open))

    async def _look_later(self) -> None:
        """Count the open deliveries and look for enabled destinations, at most once a second.

        A revived or cancelled delivery, or an enabled destination, is not reported in any other way.
        """
        while self._has_news:
            await asyncio.sleep(_LOOK_AFTER)
            self._has_news = False
            try:
                await self._count()
                if self.engine.dispatcher is not None:
                    await self.engine.dispatcher.check_enabled_elsewhere()
            except (StoreFailed, CommandFailed):
                self._has_news = True
            except StoreClosed:
                return

    async def _count(self) -> None:
        counts = await self.outbox.do(Stats(only_open=True))
        self._metrics.counted_open(sum(counts.values()))

    async def take_over(self, holder: str, *, is_first: bool) -> None:
        """Save this owner's routes, settle what an earlier owner left, and begin to deliver."""
        config = self._config
        await self._count()  # deliveries that were leased at the first look were not counted as arrivals
        names = [each.name for each in config.destinations]
        fact = owner_fact(holder, names, config.tiers, config.everything_to, config.ignored, config.copies)
        await self.outbox.do(SaveFacts(OWNER, fact))
        await self._deliver()
        self.engine.intake.routing = self._own_routing
        if not is_first:
            self._bus.emit(TookOver(tuple(names)))

    async def _deliver(self) -> None:
        from signalpost.service.lanes import deliver  # with the network: only an owner needs it
        from signalpost.service.market import Market, candles_of

        config = self._config
        async with AsyncExitStack() as undo:  # closes what has begun if a later step fails or is cancelled
            candles = self._candles or candles_of(config, lambda: self.market)
            self.charts = await deliver(
                self.engine, config, self._own_routing, candles, lambda: self._watch.ownership.may_send, undo
            )
            wake_socket = await WakeSocket.open(self._core.bell_path, self.outbox.look, self.outbox.call)
            undo.push_async_callback(wake_socket.close)
            retention = Retention(self.outbox, config.retention, self.engine.intake.amendments.end_unheard_of)
            undo.push_async_callback(retention.end)
            was_alive_at = await self.outbox.call(partial(written_at, self._report_path))
            opened = await self.outbox.do(LoadFacts(INCIDENTS))
            self.market = Market(config, self.engine.intake, self._bus, was_alive_at, read_incidents(opened))
            undo.push_async_callback(self.market.end)
            expiry = OrderExpiry(self.engine.intake, self.market.is_followed)
            recaps = Recaps(self.engine.intake, config)
            chores = {"pruning": retention.run, "order expiry": expiry.run, "recaps": recaps.run}
            chores["store test"] = lambda: watch_store(self.outbox, self.engine.intake.store_failed)
            for name, chore in chores.items():
                undo.push_async_callback(KeptTask(name, chore, self._bus.emit).end)
            self._owned = undo.pop_all()

    async def give_up(self, successor: int) -> None:
        """Stop delivering: the process `successor` took over while this one was frozen, and settles the leases."""
        self._bus.emit(OwnershipLost(successor))
        dispatcher = self.engine.release()
        self._has_given_up.clear()
        try:
            with suppress(StoreFailed, CommandFailed):  # a drain then waits only for later tickets
                still_open = await self.outbox.do(Open(limit=MOST_FOLLOWED))
                self.pending.follow(still_open)
        finally:
            self._has_given_up.set()
            await self._close_owned(dispatcher)

    async def follow(self, holder: str) -> None:
        """Use the owner's routing, once the owner has saved it; until then, this process's configuration.

        A process that chose to be a producer uses its own configuration if no owner is alive.
        """
        if holder == self._followed or (self._is_producer and not self._watch.ownership.seen.is_alive):
            return
        facts = await self.outbox.do(LoadFacts(OWNER))
        if (owner := read_owner(facts)) is not None:
            self.engine.intake.routing = owner.routing
            self._followed = owner.holder


_alive: WeakSet[Run] = WeakSet()
_inherited: list[Run] = []
"""In a forked child: the parent's runs. Without these references, collecting them would close its connections."""

os.register_at_fork(after_in_child=lambda: _inherited.extend(_alive))

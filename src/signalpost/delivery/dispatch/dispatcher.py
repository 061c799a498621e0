"""All lanes together: started, woken, drained and stopped; and the clock's own work, which is to expire what waits."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from heapq import heappop, heappush
from math import inf
from types import MappingProxyType
from typing import NamedTuple

from signalpost import clock
from signalpost.delivery.dispatch.clock_watch import ClockWatch
from signalpost.delivery.dispatch.decide import BACKOFF, Ending, decide
from signalpost.delivery.dispatch.draining import Draining
from signalpost.delivery.dispatch.lane import Lane, Tools
from signalpost.delivery.dispatch.patient_outbox import PatientOutbox
from signalpost.delivery.dispatch.settling import settle
from signalpost.delivery.dispatch.standing import Standing
from signalpost.delivery.facts import place_of_host, place_of_webhook, read_ban, read_gone
from signalpost.delivery.kept_task import KeptTask
from signalpost.delivery.outbox.commands import Expire, Find, LoadFacts, Open, Parcel, Settlement, Stats
from signalpost.delivery.outbox.port import Outbox
from signalpost.delivery.pacing.backoff import Backoff
from signalpost.delivery.pacing.breaker import USUAL, BreakerSettings, CircuitBreaker
from signalpost.delivery.pacing.host import Host
from signalpost.delivery.pacing.limits import HOST_RATE, Limits, Rate
from signalpost.delivery.pacing.pacer import Pacer
from signalpost.delivery.store_health import StoreHealth
from signalpost.domain.delivery import Attempt, Delivery, DeliveryState
from signalpost.domain.events import DestinationEnabled, Event, HostBanned, Listener, SendEnded, Settled
from signalpost.domain.priority import NotificationPriority
from signalpost.errors import CommandFailed, StoreClosed, StoreFailed
from signalpost.sinks.port import Sink
from signalpost.telemetry.emitter import Emitter

MOST_OPEN_SHOWN = 1000
"""How many open deliveries `drain` and `stop` return at most."""

_LEASED = frozenset({DeliveryState.LEASED})
_SWEEP_EVERY = 60.0
_PAGE = 500
_MOST_KNOWN = 1000
_LOOK_AT_CLOCK_EVERY = 10.0
LAST_SENDS = 1.0
"""Seconds at the end of a stop, at most a quarter of its time, in which nothing new is sent, so that what is being sent
can end instead of being cut off."""
_GRACE = 2.0
"""Seconds that senders have, after a stop cut them off, to settle."""


class LaneSettings(NamedTuple):
    """How one destination is sent to."""

    sink: Sink
    limits: Limits = Limits()
    host: str = "discord.com"
    """Destinations of one host share its limits and its bans."""
    webhook: str | None = None
    """What tells the webhook from others, and is no secret: that it is gone is kept for it. None: for the name."""
    looks: bool = False
    """Whether it is asked what it is and where it shows, as soon as nothing is due."""
    workers: int = 2
    breaker: BreakerSettings = USUAL
    backoff: Backoff = BACKOFF


class Dispatcher:
    """Delivers what waits in the outbox, a lane for each destination.

    Belongs to one event loop. `jitter` draws a number from 0 up to 1; `emit` is told all that happens, and may fail.
    """

    def __init__(
        self,
        outbox: Outbox,
        lanes: Mapping[str, LaneSettings],
        *,
        jitter: Callable[[], float],
        emit: Listener,
        host_rate: Rate | None = HOST_RATE,
        at_most_once: frozenset[str] = frozenset(),
        is_replay: bool = False,
        health: StoreHealth | None = None,
        may_send: Callable[[], bool] = lambda: True,
    ) -> None:
        self._may_send = may_send
        self._emit = Emitter((self._hear, emit))
        self._jitter = jitter
        self._at_most_once = at_most_once
        self._outbox = PatientOutbox(outbox, jitter=jitter, health=health or StoreHealth(self._emit))
        self._clock = ClockWatch(self._outbox, self._emit, is_of_a_replay=is_replay)
        self._nearer = asyncio.Event()
        self._known_until: list[datetime] = []
        self._sweeper: KeptTask | None = None
        self._has_recalled = False
        self._hosts = {each.host: Host(host_rate, name=each.host) for each in lanes.values()}
        self._standings: dict[str, Standing] = {}
        self._lanes: dict[str, Lane] = {}
        self._draining = Draining(self._lanes, self._outbox)
        self._lanes |= {name: self._lane(name, each) for name, each in lanes.items()}

    @property
    def lanes(self) -> Mapping[str, Lane]:
        """The lanes by destination, to be looked at."""
        return MappingProxyType(self._lanes)

    async def start(self) -> None:
        """Settle what a holder that is gone left behind, take up what it kept, and begin to send.

        The caller knows that no other holder is alive. Starting twice is fine. Raises StoreFailed.
        """
        if self._sweeper is not None:
            return
        await self._clock.begin()
        lapsed = await self._settle_lapsed()
        if not self._has_recalled:
            for name, lane in self._lanes.items():
                facts_of_lane = await self._outbox.do(LoadFacts(name))
                lane.far_end.recall_breaker(facts_of_lane, asyncio.get_running_loop().time())
            await self._recall(lapsed)
        self._draining.begin()
        for lane in self._lanes.values():
            lane.start()
        self._sweeper = KeptTask("sweeper", self._sweep, self._emit)

    def wake(
        self, destinations: Iterable[str], priority: NotificationPriority, valid_until: datetime | None = None
    ) -> None:
        """Something was put for these destinations, of this priority at the highest."""
        for name in destinations:
            if name in self._lanes:
                self._lanes[name].wake(priority)
        if valid_until is not None:
            self._expect(valid_until)

    async def drain(self, timeout: float | None = None, notification_id: str | None = None) -> tuple[Delivery, ...]:
        """Wait until nothing is open, and return the deliveries that still are, at most 1,000.

        Waits for `timeout` seconds at most, None for as long as it takes, and for every retry, probe, pause and window
        that comes within it. Returns early only if no open delivery can be tried in time: its webhook is gone, or its
        `not_before`, a ban, a limit or the next probe comes later. With `notification_id` only that notification's
        deliveries count. Raises StoreFailed.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout) as within:
                until = within.when() or inf
                if notification_id is None:
                    await self._draining.all_done(until)
                else:
                    await self._draining.done(notification_id, until)
        return await self._open(notification_id)

    async def finish(self, timeout: float) -> None:
        """Drain, then send nothing new, and let what is being sent end: all within `timeout` seconds."""
        deadline = asyncio.get_running_loop().time() + timeout
        with suppress(StoreFailed, CommandFailed, StoreClosed):
            await self.drain(timeout - min(LAST_SENDS, timeout / 4))
        for lane in self._lanes.values():
            lane.close()
        if tasks := self._tasks:
            await asyncio.wait(tasks, timeout=max(0.0, deadline - asyncio.get_running_loop().time()))

    async def stop(self, timeout: float) -> tuple[Delivery, ...]:
        """Finish within `timeout` seconds, cut off what is still being sent, and return what is still open.

        Stopping twice is fine.
        New work is refused by who takes it in; what is put nevertheless waits for the next start.
        """
        if self._sweeper is None:
            return ()
        if timeout > 0:
            await self.finish(timeout)
        self.retire()
        sweeping = self._sweeper.task
        sweeping.cancel()
        tasks = [sweeping, *self._tasks]
        for lane in self._lanes.values():
            lane.close()
            lane.cut()
        await asyncio.wait(tasks, timeout=_GRACE)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._sweeper = None
        self._draining.end()
        with suppress(StoreFailed, CommandFailed, StoreClosed):  # such as OwnershipLost: it can still count
            await self._clock.keep()
        with suppress(StoreFailed, CommandFailed, StoreClosed):
            return await self._open()
        return ()

    def retire(self) -> None:
        """Restart nothing from now on: a stop is about to begin."""
        if self._sweeper is not None:
            self._sweeper.retire()
        for lane in self._lanes.values():
            lane.retire()

    async def enable(self, destination: str) -> None:
        """Send to a destination again that was gone for good. Raises StoreFailed, and KeyError for one not known."""
        far_end = self._lanes[destination].far_end
        was_gone = far_end.gone_for is not None
        await far_end.enable()
        if was_gone:
            self._tell_enabled(far_end.standing)

    async def look_for_enabled(self) -> None:
        """Find out whether a person has enabled a destination by another process. Raises StoreFailed."""
        for standing in self._standings.values():
            if standing.gone is not None and standing.is_kept:
                known = await self._outbox.do(LoadFacts(standing.place))
                if read_gone(known) is None:
                    standing.enable()
                    self._tell_enabled(standing)

    def _tell_enabled(self, standing: Standing) -> None:
        for name, lane in self._lanes.items():
            if lane.far_end.standing is standing:
                self._emit(DestinationEnabled(name))

    async def _recall(self, lapsed: Mapping[str, int]) -> None:
        """Take up what earlier processes kept: nothing, where not all of it can be read. Raises StoreFailed."""
        banned = {name: await self._outbox.do(LoadFacts(place_of_host(name))) for name in self._hosts}
        kept = {name: await lane.far_end.load(self._lanes.keys()) for name, lane in self._lanes.items()}
        now, utc = asyncio.get_running_loop().time(), clock.now()
        for name, host in self._hosts.items():
            if (ban := read_ban(banned[name], utc)) is not None:
                host.hold(ban, now)
                host.is_kept, host.is_news = True, not ban.is_told
        self._tell_bans()
        for name, lane in self._lanes.items():
            lane.far_end.recall(kept[name], lapsed[name], now)
        self._has_recalled = True

    def _tell_bans(self) -> None:
        """Tell again until when each ban that was told lasts, by the clock as it is now."""
        now = asyncio.get_running_loop().time()
        for name, host in self._hosts.items():
            if not host.is_news and (ban := host.ban(now)) is not None and ban.is_told:
                until = clock.now() + timedelta(seconds=ban.held_for)
                self._emit(HostBanned(name, ban.reason, until, is_news=False))

    def _lane(self, name: str, settings: LaneSettings) -> Lane:
        place = name if settings.webhook is None else place_of_webhook(settings.webhook)
        tools = Tools(
            sink=settings.sink,
            outbox=self._outbox,
            pacer=Pacer(settings.limits, self._hosts[settings.host]),
            breaker=CircuitBreaker(settings.breaker),
            standing=self._standings.setdefault(place, Standing(place)),
            webhook=settings.webhook,
            looks=settings.looks,
            backoff=settings.backoff,
            jitter=self._jitter,
            emit=self._emit,
            on_pending=self._expect,
            on_rest=self._draining.lane_rests,
            may_send=self._may_send,
            at_most_once=self._at_most_once,
        )
        return Lane(name, tools, workers=settings.workers)

    def _hear(self, event: Event) -> None:
        if isinstance(event, Settled):
            self._draining.delivery_moved()

    async def _settle_lapsed(self) -> Counter[str]:
        """Decide on what is leased by nobody, and count it by destination."""
        lapsed: Counter[str] = Counter()
        while parcels := await self._outbox.do(Find(states=_LEASED, limit=_PAGE)):
            now = clock.now()
            attempt = Attempt(now, now, Ending.LAPSED.value)
            verdicts = (self._verdict_on_lapsed(parcel, now) for parcel in parcels)
            settled = await settle(self._outbox.do, [verdict._replace(attempt=attempt) for verdict in verdicts])
            if not settled:  # none of them can be: the next start tries again
                break
            for parcel, delivery in _pairs(parcels, settled):
                self._emit(Settled(delivery, parcel.notification))
                self._emit(SendEnded(delivery.id.destination, Ending.LAPSED, delivery.reason or "", 0.0))
                lapsed[delivery.id.destination] += 1
        return lapsed

    def _verdict_on_lapsed(self, parcel: Parcel, now: datetime) -> Settlement:
        is_once = parcel.notification.kind in self._at_most_once
        return decide(parcel.delivery, Ending.LAPSED, now, self._jitter(), at_most_once=is_once)

    @property
    def _tasks(self) -> list[asyncio.Task[None]]:
        return [task for lane in self._lanes.values() for task in lane.tasks]

    async def _open(self, notification_id: str | None = None) -> tuple[Delivery, ...]:
        ids = None if notification_id is None else (notification_id,)
        return await self._outbox.do(Open(notification_ids=ids, limit=MOST_OPEN_SHOWN))

    def _expect(self, valid_until: datetime) -> None:
        """A delivery that waits will have to expire then; of many, the sweep that comes anyway sees to the rest."""
        if len(self._known_until) < _MOST_KNOWN:
            heappush(self._known_until, valid_until)
            if self._known_until[0] == valid_until:
                self._nearer.set()

    async def _sweep(self) -> None:
        """Expire what waited too long: once a minute, and whenever the next known `valid_until` comes."""
        loop = asyncio.get_running_loop()
        tick_at = loop.time()
        while True:
            self._nearer.clear()
            if is_tick := loop.time() >= tick_at:
                tick_at = loop.time() + _SWEEP_EVERY
            try:
                if is_set := await self._clock.look():
                    self._tell_bans()
                if is_set or is_tick:
                    await self._look_again()
                if is_tick or self._forget_past():
                    await self._expire()
                if is_tick:
                    await self._clock.keep()
            except StoreClosed:
                for lane in self._lanes.values():
                    lane.look_again()  # and so find out, and end
                return
            except (StoreFailed, CommandFailed):
                tick_at = min(tick_at, loop.time() + 1 + self._jitter())
            await self._doze(min(tick_at, loop.time() + _LOOK_AT_CLOCK_EVERY))

    async def _look_again(self) -> None:
        """Have the lanes look where something waits: it may have come free, and nobody told of it."""
        counts = await self._outbox.do(Stats(only_open=True))
        for name, lane in self._lanes.items():
            if counts.get((name, DeliveryState.PENDING)):
                lane.look_again()

    def _forget_past(self) -> bool:
        """Whether a known `valid_until` has come since the last time."""
        now, count = clock.now(), len(self._known_until)
        while self._known_until and self._known_until[0] <= now:
            heappop(self._known_until)
        return len(self._known_until) < count

    async def _expire(self) -> None:
        while expired := await self._outbox.do(Expire(clock.now(), limit=_PAGE)):
            for delivery in expired:
                self._emit(Settled(delivery))
            shorter = {delivery.id.destination for delivery in expired}
            for name, lane in self._lanes.items():  # in their order: that of a set differs from process to process
                if name in shorter:
                    lane.look_again()

    async def _doze(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        seconds = until - loop.time()
        if self._known_until:
            seconds = min(seconds, (self._known_until[0] - clock.now()).total_seconds())
        timer = loop.call_later(max(0.0, seconds), self._nearer.set)
        try:
            await self._nearer.wait()
        finally:
            timer.cancel()


def _pairs(parcels: Iterable[Parcel], settled: Iterable[Delivery]) -> Iterable[tuple[Parcel, Delivery]]:
    by_id = {delivery.id: delivery for delivery in settled}
    return [(parcel, by_id[parcel.delivery.id]) for parcel in parcels if parcel.delivery.id in by_id]

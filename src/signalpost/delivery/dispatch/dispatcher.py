"""The dispatcher: starts, wakes, drains and stops the lanes. A lane sends to one destination."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from math import inf
from types import MappingProxyType

from signalpost import clock
from signalpost.delivery.dispatch.decide import LeaseEnd, decide
from signalpost.delivery.dispatch.drain import Drain
from signalpost.delivery.dispatch.gates import Gates, LaneSettings
from signalpost.delivery.dispatch.lane import Lane
from signalpost.delivery.dispatch.sweep import ClockWatch, Sweep
from signalpost.delivery.dispatch.worker import LEASED, workers_of
from signalpost.delivery.kept_task import KeptTask
from signalpost.delivery.outbox.cards import with_card
from signalpost.delivery.outbox.commands import Find, Open, OutboxEntry, Settle, Settlement
from signalpost.delivery.outbox.patience import RetryingOutbox, StoreHealth, settle_in_parts
from signalpost.delivery.outbox.port import Outbox
from signalpost.delivery.pacing.limits import HOST_RATE, Rate
from signalpost.domain.delivery import Attempt, Delivery
from signalpost.domain.events import BreakerMoved, DestinationEnabled, DestinationGone, Event, SendEnded, Settled, hears
from signalpost.domain.priority import NotificationPriority
from signalpost.errors import CommandFailed, StoreClosed, StoreFailed
from signalpost.telemetry.bus import Bus

MAX_OPEN_SHOWN = 1000
"""The most open deliveries that `drain` and `stop` return."""

_PAGE = 500
"""Leases of an earlier process that are read at a time."""
LAST_SENDS = 1.0
"""During the last second of a stop (at most a quarter of its timeout) no send begins, so that running sends can
finish."""
_GRACE = 2.0
"""How long workers may take to save their results after a stop has interrupted their sends."""


class Dispatcher:
    """Sends the deliveries that wait in the outbox, with a lane for each destination.

    Belongs to one event loop. `jitter` draws a number from 0 up to 1. All events go to `bus`. `may_send`
    returns False if another process may own the store. `at_most_once` names the kinds that are never sent twice.
    """

    def __init__(
        self,
        outbox: Outbox,
        lanes: Mapping[str, LaneSettings],
        *,
        jitter: Callable[[], float],
        bus: Bus,
        host_rate: Rate | None = HOST_RATE,
        at_most_once: frozenset[str] = frozenset(),
        is_replay: bool = False,
        health: StoreHealth | None = None,
        may_send: Callable[[], bool] = lambda: True,
    ) -> None:
        self._may_send = may_send
        self._bus = bus
        self._emit = bus.emit
        self._jitter = jitter
        self._at_most_once = at_most_once
        self._outbox = RetryingOutbox(outbox, jitter=jitter, health=health or StoreHealth(self._emit))
        self._clock = ClockWatch(self._outbox, self._emit, is_replay=is_replay)
        self._gates = Gates(host_rate, jitter=jitter, emit=self._emit)
        self._lanes: dict[str, Lane] = {}
        self._drain = Drain(self._lanes, self._outbox)
        self._sweep = Sweep(
            self._lanes,
            self._outbox,
            self._clock,
            jitter=jitter,
            emit=self._emit,
            on_clock_set=self._gates.announce_bans,
        )
        self._sweeper: KeptTask | None = None
        self._lanes |= {name: self._lane(name, each) for name, each in lanes.items()}

    @property
    def lanes(self) -> Mapping[str, Lane]:
        """The lanes by destination."""
        return MappingProxyType(self._lanes)

    async def start(self) -> None:
        """Settle the deliveries that an earlier process left unfinished, restore its state, and start sending.

        The caller makes sure that no other process is sending. A second start does nothing. Raises StoreFailed.
        """
        if self._sweeper is not None:
            return
        await self._clock.begin()
        lapsed = await self._settle_lapsed()
        await self._gates.restore(self._outbox, lapsed)
        self._drain.begin()
        self._bus.subscribe(self._note)
        for lane in self._lanes.values():
            lane.start(workers_of(lane))
        self._sweeper = KeptTask("sweeper", self._sweep.run, self._emit)

    def wake(
        self, destinations: Iterable[str], priority: NotificationPriority, valid_until: datetime | None = None
    ) -> None:
        """Wake the lanes of these destinations for new deliveries, none of a higher priority than `priority`.

        `valid_until` is when they expire.
        """
        for name in destinations:
            if name in self._lanes:
                self._lanes[name].wake(priority)
        if valid_until is not None:
            self._sweep.expect(valid_until)

    async def drain(self, timeout: float | None = None, notification_id: str | None = None) -> tuple[Delivery, ...]:
        """Wait until no delivery is open, and return those that are still open, at most 1,000.

        Waits up to `timeout` seconds (None: no limit), and for the retries, probes, pauses and rate-limit windows in
        that time. Returns early only if no open delivery can be tried in time: its webhook is gone, or its
        `not_before`, a ban, a limit or the next probe comes later. With `notification_id` only that notification's
        deliveries count. Raises StoreFailed.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout) as within:
                until = within.when() or inf
                if notification_id is None:
                    await self._drain.all_done(until)
                else:
                    await self._drain.done(notification_id, until)
        return await self._open(notification_id)

    async def finish(self, timeout: float) -> None:
        """Drain, then begin no new send, and let those under way end, all within `timeout` seconds."""
        deadline = asyncio.get_running_loop().time() + timeout
        with suppress(StoreFailed, CommandFailed, StoreClosed):
            await self.drain(timeout - min(LAST_SENDS, timeout / 4))
        for lane in self._lanes.values():
            lane.close()
        if tasks := self._tasks:
            await asyncio.wait(tasks, timeout=max(0.0, deadline - asyncio.get_running_loop().time()))

    async def stop(self, timeout: float) -> tuple[Delivery, ...]:
        """Finish within `timeout` seconds, interrupt the remaining sends, and return the open deliveries.

        A second stop does nothing. Deliveries that are put during a stop wait for the next start.
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
        self._drain.end()
        self._bus.unsubscribe(self._note)
        with suppress(
            StoreFailed, CommandFailed, StoreClosed
        ):  # such as OwnershipLost: still try to list the open deliveries
            await self._clock.keep()
        with suppress(StoreFailed, CommandFailed, StoreClosed):
            return await self._open()
        return ()

    def retire(self) -> None:
        """From now on, do not restart tasks that fail: a stop is about to begin."""
        if self._sweeper is not None:
            self._sweeper.retire()
        for lane in self._lanes.values():
            lane.retire()

    async def enable(self, destination: str) -> None:
        """Resume sending to a destination that was gone. Raises StoreFailed, and KeyError for an unknown one."""
        await self._gates.enable(self._outbox, destination)

    async def check_enabled_elsewhere(self) -> None:
        """Check whether a person has enabled a destination in another process. Raises StoreFailed."""
        await self._gates.check_enabled_elsewhere(self._outbox)

    def _lane(self, name: str, settings: LaneSettings) -> Lane:
        return Lane(
            self._gates.add(name, settings),
            self._outbox,
            settings,
            jitter=self._jitter,
            emit=self._emit,
            on_pending=self._sweep.expect,
            on_idle=self._drain.lane_idle,
            may_send=self._may_send,
            at_most_once=self._at_most_once,
            others=self._lanes,
        )

    @hears(Settled, BreakerMoved, DestinationGone, DestinationEnabled)
    def _note(self, event: Event) -> None:
        if isinstance(event, Settled):
            self._drain.delivery_settled()
        else:
            for lane in self._lanes.values():  # one that waits for a fallback may pass deliveries on now
                if lane.gate.gone is not None or lane.gate.is_open:
                    lane.look_again()

    async def _settle_lapsed(self) -> Counter[str]:
        """Settle the leases of an earlier process, and count them by destination."""
        lapsed: Counter[str] = Counter()
        while entries := await self._outbox.do(Find(states=LEASED, limit=_PAGE)):
            now = clock.now()
            attempt = Attempt(now, now, LeaseEnd.LAPSED.value)
            verdicts = (self._verdict_on_lapsed(entry, now) for entry in entries)
            settled = await settle_in_parts(
                self._outbox.do, Settle(tuple(verdict._replace(attempt=attempt) for verdict in verdicts))
            )
            if not settled:  # none could be settled; the next start tries again
                break
            for entry, delivery in _pairs(entries, settled):
                self._emit(Settled(delivery, entry.notification))
                self._emit(SendEnded(delivery.id.destination, LeaseEnd.LAPSED, delivery.reason or "", 0.0))
                lapsed[delivery.id.destination] += 1
        return lapsed

    def _verdict_on_lapsed(self, entry: OutboxEntry, now: datetime) -> Settlement:
        is_once = entry.notification.kind in self._at_most_once
        verdict = decide(entry.delivery, LeaseEnd.LAPSED, now, self._jitter(), at_most_once=is_once)
        return with_card(verdict, entry)

    @property
    def _tasks(self) -> list[asyncio.Task[None]]:
        return [task for lane in self._lanes.values() for task in lane.tasks]

    async def _open(self, notification_id: str | None = None) -> tuple[Delivery, ...]:
        ids = None if notification_id is None else (notification_id,)
        return await self._outbox.do(Open(notification_ids=ids, limit=MAX_OPEN_SHOWN))


def _pairs(entries: Iterable[OutboxEntry], settled: Iterable[Delivery]) -> Iterable[tuple[OutboxEntry, Delivery]]:
    by_id = {delivery.id: delivery for delivery in settled}
    return [(entry, by_id[entry.delivery.id]) for entry in entries if entry.delivery.id in by_id]

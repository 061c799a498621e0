"""A process that delivers, or that queues beside one that does."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from math import inf
from random import Random

from signalpost import clock
from signalpost.delivery.dispatch.dispatcher import Dispatcher
from signalpost.delivery.dispatch.gates import LaneSettings
from signalpost.delivery.engine import Engine
from signalpost.delivery.outbox.commands import Cancel, Find, Revive
from signalpost.delivery.outbox.transaction import Arrival
from signalpost.delivery.pacing.limits import Limits
from signalpost.delivery.routing import Routing, Tier
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.events import BreakerMoved, Event
from signalpost.domain.tier import TierCopy, UserTier
from signalpost.errors import StoreFailed
from signalpost.service.health import HealthState
from signalpost.service.recaps import Recaps
from signalpost.sinks.discord.address import WebhookAddress
from signalpost.sinks.discord.cards.look import Look
from signalpost.sinks.discord.webhook import DiscordWebhook
from signalpost.telemetry.bus import Bus
from simulation.connections import SimulatedConnections
from simulation.disk import MortalOutbox
from simulation.life import Life
from simulation.network import Network
from simulation.plan import DELAYED, FALLBACKS, PLACES, Plan
from simulation.recaps import config_of
from simulation.recorder import Breaker, Recorder
from simulation.strategies import Market

_SENDS_WITHIN = 10.0
"""Seconds since its last heartbeat within which a process may begin a send."""
_BEATS_WITHIN = 0.1
_TIERS = {UserTier("vip"): Tier(30, ("signals-vip",)), UserTier("desk"): Tier(10, ("signals-premium", "signals-desk"))}
_REVIVABLE = frozenset({DeliveryState.DEAD, DeliveryState.UNCONFIRMED, DeliveryState.EXPIRED, DeliveryState.CANCELLED})


class Process:
    """Intake and delivery of one process."""

    def __init__(
        self,
        plan: Plan,
        life: Life,
        outbox: MortalOutbox,
        network: Network,
        recorder: Recorder,
        random: Random,
        market: Market,
    ) -> None:
        self.life = life
        self._market = market
        self.ready = asyncio.Event()
        self._health = HealthState()
        self.outbox = outbox
        outbox.on_news = self._hear
        self._may_send = True
        self._recorder = recorder
        self._random = random
        connections = SimulatedConnections(network, life)
        copies = {UserTier(DELAYED): TierCopy(delay=timedelta(seconds=plan.delay))} if plan.delay else {}
        fallbacks = FALLBACKS if plan.falls_back_after else None
        self._routing = routing = Routing(PLACES, tiers=_TIERS, fallbacks=fallbacks, copies=copies)
        self._lanes = {
            name: _lane(name, WebhookAddress.parse(place.url), connections, plan, Look(copies=copies))._replace(
                fallbacks=routing.fallbacks(name), fall_back_after=plan.falls_back_after or inf
            )
            for name, place in plan.places.items()
        }
        self._bus = Bus((self._on_event,))
        self.engine = Engine(
            outbox,
            routing,
            self._bus,
            random_bits=Random(f"ids {plan.seed} {life.number}").getrandbits,
        )
        self._recaps = Recaps(self.engine.intake, config_of(plan, life.number))
        self._recapping: asyncio.Task[object] | None = None

    async def begin(self) -> None:
        """Start, retrying until the store is available."""
        while True:
            with suppress(StoreFailed):
                await self.engine.deliver(self._lanes, jitter=self._random.random, may_send=lambda: self._may_send)
                self._market.run(self.engine, self._routing, self.life, self._bus)
                self._recapping = self.life.spawn(self._recaps.run())
                self.ready.set()
                return
            await asyncio.sleep(1.0)

    async def stop(self, timeout: float) -> None:
        """Stop as a service does: save held notifications, drain, cancel; then end the process."""
        await self.ready.wait()
        await self.engine.intake.close()
        await self._dispatcher.stop(timeout)
        self.life.die("stopped")

    def freeze(self, seconds: float) -> None:
        """Freeze it for so long. What waits for it goes on afterwards, so a long freeze forbids sends from now on."""
        self._may_send = seconds < _SENDS_WITHIN
        self.life.freeze()

    def thaw(self) -> None:
        """Go on, and look soon if another process has taken over."""
        self.life.thaw()
        self.life.soon(self._beat, _BEATS_WITHIN * self._random.random())

    def _beat(self) -> None:
        if self.life.is_dead:
            return
        self.outbox.hear()
        self._may_send = not self.outbox.core.is_deposed
        if self.outbox.core.is_deposed:
            self.life.spawn(self._give_up())

    async def _give_up(self) -> None:
        dispatcher = self.engine.release()
        if self._recapping is not None:
            self._recapping.cancel()
        if dispatcher is not None:
            await dispatcher.stop(0)

    def _hear(self, arrivals: tuple[Arrival, ...]) -> None:
        """Another process has written; without `arrivals`, it is unknown for which destinations."""
        if (dispatcher := self.engine.dispatcher) is None:
            return
        for each in arrivals:
            dispatcher.wake((each.destination,), each.priority)
        for lane in () if arrivals else dispatcher.lanes.values():
            lane.look_again()

    def retire(self) -> None:
        """Prepare for the end of its tasks."""
        self.engine.intake.retire()
        if self.engine.dispatcher is not None:
            self.engine.dispatcher.retire()

    async def cancel_one(self) -> None:
        """Cancel a pending delivery, as a person would."""
        await self.ready.wait()
        with suppress(StoreFailed):
            found = await self.outbox.do(Find(states=frozenset({DeliveryState.PENDING}), limit=20))
            if found:
                await self.outbox.do(Cancel(self._random.choice(found).delivery.id, "a person cancelled it"))

    async def revive_one(self) -> None:
        """Revive an ended delivery, as a person would."""
        await self.ready.wait()
        with suppress(StoreFailed):
            found = await self.outbox.do(Find(states=_REVIVABLE, limit=20))
            if not found:
                return
            expired = [each for each in found if each.delivery.state is DeliveryState.EXPIRED]
            entry = self._random.choice(expired or found)
            until = clock.now() + timedelta(seconds=self._random.choice((30.0, 3600.0)))
            revived = await self.outbox.do(Revive(entry.delivery.id, entry.delivery.rank, until))
            if revived is not None:
                self._dispatcher.wake([revived.id.destination], revived.priority, until)

    async def enable(self, place: str) -> None:
        """Enable a destination again, as a person would."""
        await self.ready.wait()
        while True:
            with suppress(StoreFailed):
                self._recorder.enabled.append((place, self._recorder.clocks.seconds()))
                await self._dispatcher.enable(place)
                return
            await asyncio.sleep(1.0)

    def health(self) -> list[str]:
        """The problems that health reports now."""
        return [*self._health.reasons(self.engine.gates, self._recorder.clocks.seconds())]

    @property
    def _dispatcher(self) -> Dispatcher:
        assert self.engine.dispatcher is not None, "the process is ready"
        return self.engine.dispatcher

    def _on_event(self, event: Event) -> None:
        if self.life.is_dead:  # its tasks are cancelled in no particular order, without visible effect
            return
        self._recorder.happened(event)
        self._health(event)
        if isinstance(event, BreakerMoved):
            now = self._recorder.clocks.seconds()
            self._recorder.breakers.append(Breaker(event.destination, str(event.state), now, self.life.number))


def _lane(
    name: str, address: WebhookAddress, connections: SimulatedConnections, plan: Plan, look: Look
) -> LaneSettings:
    return LaneSettings(
        DiscordWebhook(address, connections, name=name, look=look),
        limits=Limits(PLACES[name].messages_a_minute, reserve=plan.has_reserve),
        host=address.host,
        webhook=address.identity,
        fetches_details=True,
        workers=plan.workers,
    )

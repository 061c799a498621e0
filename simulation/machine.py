"""The machine under test: starts delivery processes, lets them crash and stop, and restarts them."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from math import inf
from random import Random
from typing import Any

from signalpost import clock
from signalpost.delivery.dispatch.dispatcher import Dispatcher
from signalpost.delivery.dispatch.gates import LaneSettings
from signalpost.delivery.engine import Engine
from signalpost.delivery.outbox.commands import Cancel, Find, Revive
from signalpost.delivery.pacing.limits import Limits
from signalpost.delivery.routing import Routing, Tier
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.events import BreakerMoved, Event
from signalpost.domain.notification import Payload
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.tier import TierCopy, UserTier
from signalpost.errors import StoreFailed
from signalpost.service.health import HealthState
from signalpost.sinks.discord.address import WebhookAddress
from signalpost.sinks.discord.cards.look import Look
from signalpost.sinks.discord.webhook import DiscordWebhook
from signalpost.telemetry.bus import Bus
from simulation.connections import SimulatedConnections
from simulation.disk import Disk, Mood, MortalOutbox
from simulation.life import Life, never
from simulation.network import Network
from simulation.plan import DELAYED, FALLBACKS, PLACES, Plan
from simulation.recorder import Asked, Breaker, Recorder, Submitted
from simulation.strategies import Market
from simulation.trades import Change
from simulation.workload import Submission, change_of, payload_of

_TIERS = {UserTier("vip"): Tier(30, ("signals-vip",)), UserTier("desk"): Tier(10, ("signals-premium", "signals-desk"))}
_REVIVABLE = frozenset({DeliveryState.DEAD, DeliveryState.UNCONFIRMED, DeliveryState.EXPIRED, DeliveryState.CANCELLED})


class Machine:
    """Runs one process after another on one disk."""

    def __init__(
        self,
        plan: Plan,
        disk: Disk,
        network: Network,
        recorder: Recorder,
        random: Random,
        producer: Random,
        market: Market,
    ) -> None:
        self._plan = plan
        self._market = market
        self._disk = disk
        self._network = network
        self._recorder = recorder
        self._random = random
        self._number = 0
        self._process: Process | None = None
        self._own: set[asyncio.Task[object]] = set()
        self._payloads: dict[str, Payload] = {}
        self._unanswered: list[tuple[Submitted, Submission, Payload]] = []
        self._sides: dict[str, str] = {}
        self._versions: dict[str, int] = {}
        """The version of each trade that its producer knows."""
        self._unanswered_changes: list[Asked] = []
        self._producer = producer

    @property
    def process(self) -> "Process | None":
        """The running process; None between two processes."""
        return self._process if self._process is not None and not self._process.life.is_dead else None

    async def run(self, is_over: asyncio.Event) -> None:
        """Keep a process running until the run ends."""
        self._own = asyncio.all_tasks()  # tasks of the simulation; all others belong to a process
        while not is_over.is_set():
            await self._live(is_over)

    async def _live(self, is_over: asyncio.Event) -> None:
        recorder = self._recorder
        self._number += 1
        began = recorder.clocks.seconds()
        life = Life(self._number, began)
        mood = Mood(self._plan.slowest_commit, self._plan.store_down)
        outbox = MortalOutbox(self._disk, life, mood, recorder, self._random)
        self._process = Process(self._plan, life, outbox, self._network, recorder, self._random, self._market)
        life.spawn(self._process.begin())
        waiting = [asyncio.get_running_loop().create_task(event.wait()) for event in (life.is_over, is_over)]
        self._own |= set(waiting)
        for submitted, submission, payload in self._retried():
            self.submit(submission, payload, submitted)
        for asked in self._retried_changes():
            self.change(asked.change, asked)
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        life.die("the end")
        await self._clear_away(waiting)
        recorder.lives.append((life.number, began, recorder.clocks.seconds(), life.end))
        self._disk.crash()
        if not is_over.is_set():
            down = self._random.choice(self._plan.pauses)
            recorder.trouble("down", down)
            await asyncio.sleep(down)

    async def _clear_away(self, waiting: Sequence[asyncio.Task[Any]]) -> None:
        """Cancel every task of the process; none has a visible effect any more."""
        self._process.retire()
        self._own -= set(waiting)
        while gone := asyncio.all_tasks() - self._own:  # some start another task as they end
            for task in gone:
                task.cancel()
            await asyncio.gather(*gone, return_exceptions=True)

    def submit(
        self, submission: Submission, payload: Payload | None = None, submitted: Submitted | None = None
    ) -> None:
        """Submit a notification within the running process and record its ticket; do nothing between processes."""
        process = self.process
        if process is None:
            return
        made = payload or self._payloads.get(submission.ref) or payload_of(submission)
        self._payloads[submission.ref] = made
        if submitted is None:
            clocks, it = self._recorder.clocks, submission
            submitted = Submitted(
                it.ref, it.sequence, it.order, it.kind, it.event, it.tier, it.priority, it.places,
                made.valid_until, clocks.seconds(), clocks.now(), process.life.number,
            )  # fmt: skip
            (self._recorder.opened if it.kind == "trade" else self._recorder.submitted).append(submitted)
        if submission.kind == "trade":
            self._sides[submission.ref] = submission.side
        self._unanswered.append((submitted, submission, made))
        process.life.spawn(self._submit(process, submitted, submission, made))

    def _retried(self) -> list[tuple[Submitted, Submission, Payload]]:
        """Take the unanswered submissions of the last process; about half of them are submitted again."""
        unanswered, self._unanswered = self._unanswered, []
        return [each for each in unanswered if self._random.random() < 0.5]

    def change(self, change: Change, asked: Asked | None = None) -> None:
        """Change a trade within the running process and record the ticket; do nothing between processes."""
        process = self.process
        if process is None or change.trade not in self._sides:
            return
        if asked is None:
            asked = Asked(change, self._recorder.clocks.seconds(), process.life.number)
            self._recorder.asked.append(asked)
        self._unanswered_changes.append(asked)
        process.life.spawn(self._change(process, asked))

    def _retried_changes(self) -> list[Asked]:
        unanswered, self._unanswered_changes = self._unanswered_changes, []
        return [each for each in unanswered if self._producer.random() < 0.5]

    async def _change(self, process: "Process", asked: Asked) -> None:
        await process.ready.wait()
        change = asked.change
        known = self._versions.get(change.trade, 1)
        try:
            ticket = await process.engine.intake.amend(
                change.trade,
                change_of(change, self._sides[change.trade]),
                if_version=None if change.behind is None else max(1, known - change.behind),
                context={"ref": change.trade, "change": change.ref},
            )
        except Exception as fault:  # noqa: BLE001  # the promise under test is that nothing is raised
            self._recorder.raised.append(f"{change.ref}: {type(fault).__name__}: {fault}")
            return
        if process.life.is_dead:
            await never()
        self._unanswered_changes.remove(asked)
        if ticket.version is not None:
            self._versions[change.trade] = max(known, ticket.version)
        asked.answers.append((ticket.outcome.value, ticket.id, ticket.version, process.life.number))

    async def _submit(self, process: "Process", submitted: Submitted, submission: Submission, payload: Payload) -> None:
        await process.ready.wait()
        try:
            ticket = await process.engine.intake.accept(
                payload,
                event=submission.event,
                priority=NotificationPriority(submission.priority) if submission.has_priority else None,
                user_tier=submission.tier,
                context={"ref": submission.ref},
            )
        except Exception as fault:  # noqa: BLE001  # the promise under test is that nothing is raised
            self._recorder.raised.append(f"{submission.ref}: {type(fault).__name__}: {fault}")
            return
        if process.life.is_dead:
            await never()
        self._unanswered.remove((submitted, submission, payload))
        now = self._recorder.clocks.seconds()
        submitted.answers.append((ticket.outcome.value, ticket.id, now, process.life.number))


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
        self._outbox = outbox
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

    async def begin(self) -> None:
        """Start, retrying until the store is available."""
        while True:
            with suppress(StoreFailed):
                await self.engine.deliver(self._lanes, jitter=self._random.random)
                self._market.run(self.engine, self._routing, self.life, self._bus)
                self.ready.set()
                return
            await asyncio.sleep(1.0)

    async def stop(self, timeout: float) -> None:
        """Stop as a service does: save held notifications, drain, cancel; then end the process."""
        await self.ready.wait()
        await self.engine.intake.close()
        await self._dispatcher.stop(timeout)
        self.life.die("stopped")

    def retire(self) -> None:
        """Prepare for the end of its tasks."""
        self.engine.intake.retire()
        if self.engine.dispatcher is not None:
            self.engine.dispatcher.retire()

    async def cancel_one(self) -> None:
        """Cancel a pending delivery, as a person would."""
        await self.ready.wait()
        with suppress(StoreFailed):
            found = await self._outbox.do(Find(states=frozenset({DeliveryState.PENDING}), limit=20))
            if found:
                await self._outbox.do(Cancel(self._random.choice(found).delivery.id, "a person cancelled it"))

    async def revive_one(self) -> None:
        """Revive an ended delivery, as a person would."""
        await self.ready.wait()
        with suppress(StoreFailed):
            found = await self._outbox.do(Find(states=_REVIVABLE, limit=20))
            if not found:
                return
            expired = [each for each in found if each.delivery.state is DeliveryState.EXPIRED]
            entry = self._random.choice(expired or found)
            until = clock.now() + timedelta(seconds=self._random.choice((30.0, 3600.0)))
            revived = await self._outbox.do(Revive(entry.delivery.id, entry.delivery.rank, until))
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

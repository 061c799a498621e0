"""The embeddable service: takes notifications in, and delivers them while it runs.

Everything in here belongs to one event loop. What a strategy calls from elsewhere is in `integration`.
"""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from random import Random, random
from types import TracebackType
from typing import NamedTuple, Self

from signalpost import clock
from signalpost.config import STORE_FILE, Config
from signalpost.delivery.dispatch.dispatcher import Dispatcher, LaneSettings
from signalpost.delivery.intake import Intake
from signalpost.delivery.outbox.commands import Find, Prune, Stats
from signalpost.delivery.outbox.port import Outbox
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.outbox.threaded import ThreadedOutbox
from signalpost.delivery.routing import Routing
from signalpost.delivery.ticket_ids import TicketIds
from signalpost.domain.alert import Alert
from signalpost.domain.delivery import Delivery
from signalpost.domain.events import BreakerMoved, DestinationGone, Event, Listener, StoreMoved
from signalpost.domain.notification import Payload
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.signal import Signal
from signalpost.domain.ticket import Outcome, Refusal, Ticket
from signalpost.domain.tier import UserTier
from signalpost.domain.words import Word
from signalpost.errors import StoreFailed, StoreUnusable
from signalpost.sinks.discord.service import DiscordService
from signalpost.telemetry.log import log, logger
from signalpost.telemetry.metrics import Metrics

_STORE = "the store"

STOP_WITHIN = 10.0
"""Seconds that leaving `async with` waits for deliveries."""

_PRUNE_EVERY = timedelta(hours=1)
_PRUNE_PAGE = 200


class HealthStatus(Word):
    """How the service is, in one word."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """Something is delivered late or not at all, but nothing is lost."""
    UNHEALTHY = "unhealthy"
    """It does not run, or what it takes in is not durable."""


class Health(NamedTuple):
    """How the service is, and why."""

    status: HealthStatus
    reasons: tuple[str, ...] = ()


class AsyncNotificationService:
    """Takes signals, alerts and the like in, writes them down, and delivers each where it belongs.

    Use it as `async with AsyncNotificationService() as service:`, or call `start` and `stop`. Without a configuration
    it reads the environment; it raises InvalidConfiguration at once where that cannot be meant.
    """

    def __init__(self, config: Config | None = None, *, listeners: Iterable[Listener] = ()) -> None:
        self.config = Config.from_environment() if config is None else config
        self._metrics = Metrics()
        self._listeners: tuple[Listener, ...] = (self._metrics, self._note, log, *listeners)
        self._trouble: dict[str, str] = {}
        self._running: _Running | None = None

    async def start(self) -> None:
        """Open the store, take up what an earlier run left, and begin to deliver; a second call changes nothing.

        Raises StoreUnusable where the store cannot be opened.
        """
        if self._running is not None:
            return
        for warning in self.config.warnings:
            logger.warning(warning)
        self._running = await _Running.begin(self.config, self._emit, self._metrics)

    async def stop(self, timeout: float = STOP_WITHIN) -> list[Delivery]:
        """Refuse new work, deliver for at most `timeout` seconds what can be, close, and return what is still open.

        What is open then is in the store, and is delivered by the next run. Without a start it changes nothing.
        """
        running, self._running = self._running, None
        return [] if running is None else await running.end(timeout)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def queue_notification(
        self,
        signal_or_alert: Payload,
        priority: NotificationPriority | int | str | None = None,
        user_tier: UserTier | str | None = None,
        additional_context: Mapping[str, object] | None = None,
        *,
        event: str = "new",
        hold: bool = True,
    ) -> Ticket:
        """Take a signal, an alert or a report, and say what became of it: `accepted` means written to disk.

        Priority is derived from confidence or severity unless given; the tier is FREE. `event` tells what happened to a
        signal that was told before, such as `update 1`. Where the store is unwell it is held in memory, or refused
        where `hold` is False. Raises InvalidValue for arguments that cannot be meant; that a network or a disk is
        unwell is in the ticket.
        """
        if self._running is None:
            return Ticket(Outcome.REFUSED, "", "the service does not run: start it first", Refusal.NOT_RUNNING)
        return await self._running.intake.accept(
            signal_or_alert,
            event=event,
            priority=priority,
            user_tier=user_tier,
            context=additional_context,
            hold=hold,
        )

    async def send_signal_async(
        self,
        signal: Signal,
        priority: NotificationPriority | int | str | None = None,
        user_tier: UserTier | str | None = None,
        additional_context: Mapping[str, object] | None = None,
    ) -> Ticket:
        """Queue a signal: `queue_notification` by another name."""
        return await self.queue_notification(signal, priority, user_tier, additional_context)

    async def send_alert_async(self, alert: Alert, priority: NotificationPriority | int | str | None = None) -> Ticket:
        """Queue an alert: `queue_notification` by another name."""
        return await self.queue_notification(alert, priority)

    async def drain(self, timeout: float | None = None) -> list[Delivery]:
        """Wait until nothing can be delivered now, for at most `timeout` seconds, and return what is still open."""
        if self._running is None:
            return []
        return list(await self._running.dispatcher.drain(timeout))

    async def deliveries(self, ticket_id: str) -> list[Delivery]:
        """The deliveries of a ticket as they stand; none where it is not known, or the service does not run."""
        if self._running is None or not ticket_id:
            return []
        parcels = await self._running.outbox.do(Find(notification_id=ticket_id))
        return [parcel.delivery for parcel in parcels]

    def get_metrics(self) -> dict[str, int]:
        """Counts since the service was made: tickets as `notifications_queued`, deliveries as the rest."""
        held = 0 if self._running is None else self._running.intake.held
        return {**self._metrics.snapshot(), "notifications_held": held}

    def health(self) -> Health:
        """How the service is, and why."""
        if self._running is None:
            return Health(HealthStatus.UNHEALTHY, ("it does not run",))
        reasons = tuple(self._trouble.values())
        if held := self._running.intake.held:  # also where the store has done something else meanwhile
            return Health(HealthStatus.UNHEALTHY, (*reasons, f"{held} notifications are not written down yet"))
        if _STORE in self._trouble:
            return Health(HealthStatus.UNHEALTHY, reasons)
        reasons += self.config.warnings[:1] if not self.config.destinations else ()
        return Health(HealthStatus.DEGRADED if reasons else HealthStatus.HEALTHY, reasons)

    def is_healthy(self) -> bool:
        """Whether all is well."""
        return self.health().status is HealthStatus.HEALTHY

    def _emit(self, event: Event) -> None:
        for listener in self._listeners:
            try:
                listener(event)
            except Exception as fault:  # noqa: BLE001  # a listener's fault is not the delivery's
                logger.error("a listener failed at %s with %s", type(event).__name__, type(fault).__name__)

    def _note(self, event: Event) -> None:
        """Keep in mind what is wrong, for `health`."""
        match event:
            case StoreMoved(True):
                self._trouble.pop(_STORE, None)
            case StoreMoved(False, reason):
                self._trouble[_STORE] = f"the store is unwell: {reason}"
            case DestinationGone(destination, reason):
                self._trouble[destination] = f"{destination} is gone for good: {reason}"
            case BreakerMoved(destination, "closed"):
                self._trouble.pop(destination, None)
            case BreakerMoved(destination, state):
                self._trouble.setdefault(destination, f"the breaker of {destination} is {state}")
            case _:
                pass


class _Running(NamedTuple):
    """What a started service consists of."""

    outbox: Outbox
    discord: DiscordService
    dispatcher: Dispatcher
    intake: Intake
    pruning: asyncio.Task[None]

    @classmethod
    async def begin(cls, config: Config, emit: Listener, metrics: Metrics) -> Self:
        _make_home(config.home)
        outbox = ThreadedOutbox(await asyncio.to_thread(SqliteCore, config.home / STORE_FILE))
        try:
            discord = DiscordService({each.name: each.webhook for each in config.destinations})
            lanes = {
                each.name: LaneSettings(
                    discord.webhook(each.name), limits=each.limits, host=each.address.host, workers=config.workers
                )
                for each in config.destinations
            }
            dispatcher = Dispatcher(outbox, lanes, jitter=random, emit=emit, host_rate=config.host_rate)
            counts = await outbox.do(Stats())
            metrics.found_open(sum(count for (_, state), count in counts.items() if not state.is_terminal))
            await dispatcher.start()
        except BaseException:
            await outbox.close()
            raise
        routing = Routing(lanes, tiers=config.tiers, everything_to=config.everything_to)
        # A source of its own, which no caller's seed repeats: asking the system for each id would be slow.
        ids = TicketIds(Random().getrandbits)  # noqa: S311  # ids are no secrets
        intake = Intake(outbox, routing, ids, emit=emit, on_put=dispatcher.wake, run=config.run)
        pruning = asyncio.get_running_loop().create_task(_prune(outbox, config.retention), name="signalpost pruning")
        return cls(outbox, discord, dispatcher, intake, pruning)

    async def end(self, timeout: float) -> list[Delivery]:
        """Deliver what can be within `timeout` seconds, then close everything."""
        _tell_of_lost(await self.intake.close())
        left = await self.dispatcher.stop(timeout)
        self.pruning.cancel()
        with suppress(asyncio.CancelledError):
            await self.pruning
        await self.discord.close()
        await self.outbox.close()
        return list(left)


def _tell_of_lost(held: int) -> None:
    if held:
        logger.error("%d notifications were held in memory and could not be written: they are lost", held)


def _make_home(home: Path) -> None:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        advice = "let this process make it, or set SIGNALPOST_HOME to another place"
        raise StoreUnusable(f"{home}: the data folder cannot be made ({fault.strerror}): {advice}") from fault


async def _prune(outbox: Outbox, retention: timedelta) -> None:
    """Forget what ended long ago, an hour apart, in pages so short that nobody waits for them."""
    while True:
        with suppress(StoreFailed):
            now = clock.now()
            while await outbox.do(Prune(before=now - retention, now=now, limit=_PRUNE_PAGE)) == _PRUNE_PAGE:
                await asyncio.sleep(0)
        await asyncio.sleep(_PRUNE_EVERY.total_seconds())

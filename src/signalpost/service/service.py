"""The embeddable service: takes notifications in, and delivers them while it runs.

Everything in here belongs to one event loop. What a strategy calls from elsewhere is in `integration`.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from signalpost.config import NO_WEBHOOK_SET, Config
from signalpost.delivery.outbox.commands import Find
from signalpost.domain.alert import Alert
from signalpost.domain.delivery import Delivery
from signalpost.domain.events import Listener
from signalpost.domain.notification import Payload
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.reason import Reason
from signalpost.domain.seconds import seconds
from signalpost.domain.signal import Signal
from signalpost.domain.stream_state import StreamState
from signalpost.domain.ticket import Outcome, Refusal, Ticket
from signalpost.domain.tier import UserTier
from signalpost.errors import CommandFailed, InvalidConfiguration, StoreClosed, StoreFailed, StoreUnusable
from signalpost.service.health import Health, HealthState, HealthStatus, Role
from signalpost.telemetry.log import log
from signalpost.telemetry.log_queue import logger
from signalpost.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from asyncio import Task

    from signalpost.service.health_report import HealthReport
    from signalpost.service.once import Once
    from signalpost.service.running import Running

STOP_WITHIN = 10.0
"""Seconds that leaving `async with` waits for deliveries."""


class AsyncNotificationService:
    """Takes signals, alerts and the like in, writes them down, and delivers each where it belongs.

    Use it as `async with AsyncNotificationService() as service:`, or call `start` and `stop`. Without a configuration
    it reads the environment; it raises InvalidConfiguration at once where that cannot be meant.
    """

    def __init__(self, config: Config | None = None, *, listeners: Iterable[Listener] = ()) -> None:
        if not isinstance(config, Config | None):
            text = f"the configuration is a {type(config).__name__}: give a Config, or none"
            raise InvalidConfiguration(
                text, code="wrong-kind", field="config", value=type(config).__name__, limit="Config"
            )
        self.config = Config.from_environment() if config is None else config
        self._metrics = Metrics()
        self._state = HealthState()
        from signalpost.telemetry.emitter import Emitter  # with asyncio: not before it is needed

        self._emit = Emitter((self._metrics, self._state, log, *listeners))
        self._running: Running | None = None
        self._starting: Once[None] | None = None
        self._ending: Once[list[Delivery]] | None = None
        self._stopped: Running | None = None
        """What ran until the last stop."""

    @property
    def role(self) -> Role | None:
        """Whether it delivers what waits in its data folder, or puts beside the process that does.

        A producer becomes the owner when that process is gone. None where the service does not run.
        """
        running = self._here
        return None if running is None else running.role

    async def start(self) -> None:
        """Open the store, take up what an earlier run left, and begin to deliver; a second call changes nothing.

        Where another process delivers from this data folder, this one is a producer beside it. Who calls meanwhile
        waits for the same start; one that all who waited were cut off from leaves nothing behind. After a stop that has
        not ended, it waits for that. Raises StoreUnusable where the store cannot be opened, and StoreClosed where the
        service is stopped before it has started.
        """
        from signalpost.service.once import Once  # with asyncio: not before it is needed

        while self._here is None:
            if (ending := self._ending) is not None and ending.is_under_way:
                await ending.over()
            elif (starting := self._starting) is None or not starting.is_under_way:
                self._starting = Once(self._begin(), "signalpost start", self._cut_start_short)
            elif starting.is_cut_short:
                await starting.over()
            else:
                await starting.result()
                return

    async def stop(self, timeout: float | None = STOP_WITHIN) -> list[Delivery]:
        """Refuse new work, deliver for at most `timeout` seconds what can be, close, and return what is still open.

        What is open then is in the store, and is delivered by the next run. A producer has nothing to deliver, and
        returns nothing. Without a start it changes nothing; one that is under way is cut short. Who calls while it
        stops waits for the same end. Where all who wait are cut off, it closes all the same, and waits for no delivery.
        None waits without bound. Raises InvalidValue, before anything is stopped, if `timeout` is not a number.
        """
        within = seconds(timeout)
        if (starting := self._starting) is not None and starting.is_under_way:
            starting.cut_short()
            await starting.over(within)
        if (ending := self._ending) is not None and ending.is_under_way:
            if not await ending.over(within):
                ending.cut_short()
            return await ending.result()
        running, self._running = self._here, None
        if running is None:
            return []
        self._stopped = running
        return await self._end(running, within).result()

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
        signal that was told before, such as `update 1`. If the store is unavailable it is held in memory, or refused
        where `hold` is False. Raises InvalidValue for invalid arguments. A network or a disk that fails is reported by
        the ticket.
        """
        running = self._here
        if running is None:
            return Ticket(Outcome.REFUSED, "", self._does_not_run, Refusal.NOT_RUNNING)
        return await running.intake.accept(
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

    async def load_state(self, stream: str) -> StreamState | None:
        """The last committed state of a strategy's stream; None where there is none.

        Raises StoreFailed where the store cannot, and StoreClosed where the service does not run.
        """
        return await self._started.intake.load_state(stream)

    async def commit(
        self,
        state: StreamState,
        signals: Sequence[Signal],
        user_tier: UserTier | str | None = None,
        *,
        event: str = "new",
        additional_context: Mapping[str, object] | None = None,
        priority: NotificationPriority | int | str | None = None,
    ) -> list[Ticket]:
        """Write a stream's state together with the signals of its last candle, all or nothing; a ticket for each.

        Raises StoreFailed where the store cannot: the stream must not go on then, and asks again. Raises StoreClosed
        where the service does not run, and InvalidValue for arguments that cannot be meant.
        """
        intake = self._started.intake
        return await intake.commit(
            state, signals, user_tier, event=event, priority=priority, context=additional_context
        )

    async def drain(self, timeout: float | None = None, ticket_id: str | None = None) -> list[Delivery]:
        """Wait until nothing is open, for at most `timeout` seconds, and return the deliveries that still are.

        Waits for every retry, probe, pause and limit that ends within the timeout. Returns early only if nothing that
        is open can be delivered in time. A producer waits for what it put itself; without a webhook it waits only
        while another process delivers. With `ticket_id` only that ticket's deliveries count. None waits without bound.
        Raises InvalidValue for a timeout that is not a number of seconds.
        """
        within = None if timeout is None else seconds(timeout)
        running = self._here
        return [] if running is None else await running.drain(within, ticket_id)

    async def deliveries(self, ticket_id: str) -> list[Delivery]:
        """The deliveries of a ticket as they stand; none where it is not known, or the service does not run."""
        running = self._here
        if running is None or not ticket_id:
            return []
        entries = await running.outbox.do(Find(notification_id=ticket_id))
        return [entry.delivery for entry in entries]

    def get_metrics(self) -> dict[str, int]:
        """Counts since the service was made: tickets as `notifications_queued`, deliveries as the rest.

        `oldest_command_s` is for how many seconds the store has owed an answer.

        `queue_depth` is of the whole data folder; what a producer put is counted as sent by the process that sends it.
        """
        running = self._here or self._stopped
        held = 0 if running is None else running.intake.held  # which a stop may have left, and has told of then
        oldest = 0 if running is None else int(running.outbox.oldest_command)
        return {
            **self._metrics.snapshot(),
            "notifications_held": held,
            "log_lines_dropped": logger.dropped,
            "oldest_command_s": oldest,
        }

    def health(self) -> Health:
        """How the service is, and why. That it is a producer is no trouble, that nobody delivers is.

        It may be asked from any thread.
        """
        running = self._here
        if running is None:
            return Health(HealthStatus.UNHEALTHY, (Reason("it does not run", "not-running"),))
        reasons = self._state.reasons(running.gates, running.loop.time())
        if held := running.intake.held:  # also where the store has done something else meanwhile
            text = f"{held} notifications are not written down yet"
            return Health(HealthStatus.UNHEALTHY, (*reasons, Reason(text, "held")))
        if self._state.is_of_store:
            return Health(HealthStatus.UNHEALTHY, reasons)
        if (hangs := running.store_hangs_for) is not None:
            hanging = Reason(f"The store has not answered for {hangs:.0f} s.", "store-hangs")
            return Health(HealthStatus.UNHEALTHY, (*reasons, hanging))
        if running.missing:
            missing = Reason(f"the store is unavailable: {running.missing}", "store-missing")
            return Health(HealthStatus.UNHEALTHY, (*reasons, missing))
        if running.locked:
            locked = Reason(f"the store is unavailable: {running.locked}", "store-locked")
            return Health(HealthStatus.UNHEALTHY, (*reasons, locked))
        if not self.config.destinations and not running.knows_owner:
            reasons += (Reason(NO_WEBHOOK_SET, "no-webhook"),)
        reasons += tuple(running.of_ownership())
        return Health(HealthStatus.DEGRADED if reasons else HealthStatus.HEALTHY, reasons)

    def _report(self) -> "HealthReport | None":
        """What the owner writes beside the store for `signalpost health`."""
        from signalpost.service.health_report import HealthReport

        running = self._here
        if running is None or running.role is not Role.OWNER:
            return None
        status, reasons = self.health()
        return HealthReport.of(status, reasons, running.outbox.oldest_command, self.get_metrics())

    def is_healthy(self) -> bool:
        """Whether all is well."""
        return self.health().status is HealthStatus.HEALTHY

    async def _begin(self) -> None:
        from signalpost.service.running import Running  # with the network and the store: not before they are needed

        self._state.begin()
        self._metrics.begin()
        try:
            running = await Running.begin(self.config, self._emit, self._metrics)
        except (StoreFailed, CommandFailed) as fault:  # it opened, and can do nothing: for who starts it is the same
            raise StoreUnusable(str(fault)) from fault
        self._running = running
        running.report(self._report)
        if running.role is Role.PRODUCER and running.knows_owner:
            if running.trouble is None:
                logger.info("%s is delivered from by another process: this one is a producer", self.config.home)
            else:
                logger.warning(running.trouble)
            return
        for warning in self.config.warnings:
            logger.warning(warning)

    def _cut_start_short(self, starting: "Task[None]") -> None:
        """Cancel a start; one that has just come to its end is undone, because who began it does not know."""
        if not starting.cancel() and (running := self._here) is not None:
            self._running = None
            self._end(running, 0)

    def _end(self, running: "Running", within: float) -> "Once[list[Delivery]]":
        from signalpost.service.once import Once

        self._ending = Once(running.end(within), "signalpost stop", lambda _: running.hurry())
        return self._ending

    @property
    def _here(self) -> "Running | None":
        """What runs, and was started by this process: a child made by `fork` has only the memory of it."""
        running = self._running
        return running if running is not None and running.process == os.getpid() else None

    @property
    def _started(self) -> "Running":
        if (running := self._here) is None:
            raise StoreClosed(self._does_not_run)
        return running

    @property
    def _does_not_run(self) -> str:
        if self._running is None:
            return f"the service {'was stopped: start it again' if self._stopped else 'does not run: start it first'}"
        return f"the service was started by process {self._running.process}, of which this is a fork: start a new one"

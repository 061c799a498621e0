"""The runtime of a service: starts and stops its runs, and answers for the present one."""

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from signalpost.config import NO_WEBHOOK_SET, Config
from signalpost.delivery.outbox.book import BookEntry, FindTrades
from signalpost.delivery.outbox.commands import Find
from signalpost.domain.delivery import Delivery
from signalpost.domain.events import Listener
from signalpost.domain.reason import Reason
from signalpost.domain.ticket import Outcome, Refusal, Ticket
from signalpost.domain.tier import UserTier
from signalpost.errors import CommandFailed, StoreClosed, StoreFailed, StoreUnusable
from signalpost.service.health import Health, HealthState, HealthStatus, Role
from signalpost.telemetry.bus import Bus, checked_listeners
from signalpost.telemetry.families import Family
from signalpost.telemetry.log import log
from signalpost.telemetry.log_queue import logger
from signalpost.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from asyncio import Task

    from signalpost.delivery.dispatch.lane import Lane
    from signalpost.delivery.intake import Intake
    from signalpost.service.charts import CandleSource
    from signalpost.service.health_report import HealthReport
    from signalpost.service.once import Once
    from signalpost.service.run import Run


class Runtime:
    """Starts and stops the service on a data folder, again and again. Belongs to one event loop at a time.

    1. Concurrent calls of `start` share one start, and one error. A start during a stop waits for its end, then begins.
    2. If everyone who waits for a start is cancelled, nothing is left behind: no thread, lock, socket or timer.
    3. `stop` before `start` returns an empty list. During a start it cuts that short. A second `stop` joins the first,
       and shortens it if its own timeout is shorter.
    4. A stop refuses new work, saves what is held, stops watching for an owner while the heartbeat goes on, drains,
       cuts off what is being sent, and closes the alerts, the wake socket, the report and the store. Each step runs
       even if others raise.
    5. It ends within its timeout plus 3 seconds, even if the store hangs.
    6. In a forked child, or once its event loop is closed, nothing is running. What belongs to the parent or to the
       other loop is not touched.
    7. A producer, by `is_producer` or without destinations, never owns the folder.

    Listeners hear each event after our own (metrics, health, pending tickets, operator alerts, drain) and the log.
    """

    def __init__(
        self,
        config: Config,
        listeners: Iterable[Listener] = (),
        *,
        candles: "CandleSource | None" = None,
        is_producer: bool = False,
    ) -> None:
        self.config = config
        self._candles = candles
        self._is_producer = is_producer
        self._metrics = Metrics((each.name for each in config.destinations), (each.name for each in config.feeds))
        self._state = HealthState()
        self.bus = Bus((self._metrics, self._state), (log, *checked_listeners(listeners)))
        self._run: Run | None = None
        self._starting: Once[None] | None = None
        self._stopping: Once[list[Delivery]] | None = None
        self._stopped: Run | None = None
        """The run that the last stop ended."""

    @property
    def run(self) -> "Run | None":
        """The present run; None in a child made by `fork`, which only has a copy of it, or if its loop is closed."""
        run = self._run
        return run if run is not None and run.process == os.getpid() and not run.loop.is_closed() else None

    @property
    def started(self) -> "Run":
        """The present run. Raises StoreClosed if there is none."""
        if (run := self.run) is None:
            raise StoreClosed(self.why_not_running)
        return run

    @property
    def why_not_running(self) -> str:
        """Why there is no run, and what to do."""
        if self._run is None:
            return f"the service {'was stopped: start it again' if self._stopped else 'is not running: start it first'}"
        if self._run.process != os.getpid():
            return f"the service was started by process {self._run.process}, and this is its fork: start a new service"
        return "the event loop of the service was closed before the service was stopped: start a new service"

    @property
    def not_running(self) -> Ticket:
        """The refusal while there is no run."""
        return Ticket(Outcome.REFUSED, "", self.why_not_running, Refusal.NOT_RUNNING)

    @property
    def intake(self) -> "Intake | None":
        """The intake of the present run; None if there is none."""
        return None if (run := self.run) is None else run.engine.intake

    @property
    def role(self) -> Role | None:
        """Whether this process delivers; None if it is not running."""
        return None if (run := self.run) is None else run.role

    def lane(self, destination: str) -> "Lane | None":
        """The lane of a destination, for use on its loop only; None in a producer."""
        return None if (run := self.run) is None else run.engine.lanes.get(destination)

    async def start(self) -> None:
        """Start, or join a start that is under way. Raises StoreUnusable, and StoreClosed if a stop cut it short."""
        from signalpost.service.once import Once  # with the store: not before it is needed

        while self.run is None:
            if (stopping := self._stopping) is not None and stopping.is_under_way:
                await stopping.over()
            elif (starting := self._starting) is None or not starting.is_under_way:
                self._starting = Once(self._begin(), "signalpost start", self._cut_start_short)
            elif starting.is_cut_short:
                await starting.over()
            else:
                await starting.result()
                return

    async def stop(self, timeout: float) -> list[Delivery]:
        """Stop, or join a stop that is under way; return what is still open. Raises StoreFailed if the store hangs."""
        if (starting := self._starting) is not None and starting.is_under_way:
            starting.cut_short()
            await starting.over(timeout)
        if (stopping := self._stopping) is not None and stopping.is_under_way:
            if not await stopping.over(timeout):
                stopping.cut_short()
            return await stopping.result()
        run, self._run = self.run, None
        if run is None:
            return []
        self._stopped = run
        return await self._end(run, timeout).result()

    async def drain(self, timeout: float | None, ticket_id: str | None = None) -> list[Delivery]:
        """Wait until nothing is open, or one ticket has ended. Raises StoreFailed if the store hangs."""
        return [] if (run := self.run) is None else await run.drain(timeout, ticket_id)

    async def trades(self, find: FindTrades) -> tuple[BookEntry, ...]:
        """Look trades up. Raises StoreFailed, and StoreClosed if nothing is running."""
        return await self.started.outbox.do(find)

    async def deliveries(self, ticket_id: str, tiers: frozenset[UserTier] | None = None) -> list[Delivery]:
        """The deliveries of a ticket; none if it is unknown, or the service is not running.

        With `tiers`, also none if the ticket is for any other tier.
        """
        run = self.run
        if run is None or not ticket_id:
            return []
        found = await run.outbox.do(Find(notification_id=ticket_id))
        return [each.delivery for each in found if tiers is None or tiers.issuperset(each.notification.tiers)]

    def metrics(self) -> dict[str, int]:
        """All counts by name. For any thread."""
        run = self.run or self._stopped  # a stop may have left some held, and has logged this
        return {
            **self._metrics.snapshot(),
            "notifications_held": 0 if run is None else run.engine.intake.held,
            "log_lines_dropped": logger.dropped,
            "oldest_command_s": 0 if run is None else int(run.outbox.oldest_command),
        }

    @property
    def still_open(self) -> int:
        """How many deliveries `drain` waits for, as far as is known without a query to the store. For any thread.

        0 until the run has begun. A producer counts only its own.
        """
        run = self.run or self._stopped
        if run is None:
            return 0
        found = max(0, self._metrics.snapshot()["queue_depth"])
        return found if run.role is Role.OWNER else min(found, run.pending.open)

    def families(self) -> Iterator[Family]:
        """Counts and durations with labels."""
        return self._metrics.families()

    def health(self) -> Health:
        """Status and reasons. For any thread."""
        run = self.run
        if run is None:
            return Health(HealthStatus.UNHEALTHY, (Reason("it is not running", "not-running"),))
        reasons = self._state.reasons(run.engine.gates, run.loop.time())
        if held := run.engine.intake.held:  # even if the store has executed other commands since
            waiting = Reason(f"{held} notifications are not saved yet", "held")
            return Health(HealthStatus.UNHEALTHY, (*reasons, waiting))
        if self._state.is_of_store:
            return Health(HealthStatus.UNHEALTHY, reasons)
        if (trouble := run.store_trouble) is not None:
            return Health(HealthStatus.UNHEALTHY, (*reasons, trouble))
        if not self.config.destinations and not run.knows_owner:
            reasons += (Reason(NO_WEBHOOK_SET, "no-webhook"),)
        reasons += tuple(run.of_ownership())
        return Health(HealthStatus.DEGRADED if reasons else HealthStatus.HEALTHY, reasons)

    def _report(self) -> "HealthReport | None":
        """The report that the owner writes next to the store for `signalpost health`."""
        from signalpost.service.health_report import HealthReport

        run = self.run
        if run is None or run.role is not Role.OWNER:
            return None
        status, reasons = self.health()
        streams = () if run.market is None else run.market.reports()
        return HealthReport.of(status, reasons, run.outbox.oldest_command, self.metrics(), streams)

    async def _begin(self) -> None:
        from signalpost.service.run import Run  # with the network: not before it is needed

        self._state.begin()
        self._metrics.begin()
        self.bus.forget_subscribed()  # of a run in the process that forked this one, or on a loop that was closed
        try:
            run = await Run.begin(self.config, self.bus, self._metrics, self._candles, is_producer=self._is_producer)
        except (StoreFailed, CommandFailed) as fault:  # it opened but cannot be used: the same for the caller
            raise StoreUnusable(str(fault)) from fault
        self._run = run
        run.report(self._report)
        if run.role is Role.PRODUCER and run.knows_owner:
            if run.trouble is None:
                logger.info("Another process delivers from %s. This one only queues messages.", self.config.home)
            else:
                logger.warning(run.trouble)
            return
        for warning in self.config.warnings:
            logger.warning(warning)

    def _cut_start_short(self, starting: "Task[None]") -> None:
        """Cancel a start. If it has just ended, stop again, because no caller knows that it ended."""
        if not starting.cancel() and (run := self.run) is not None:
            self._run = None
            self._end(run, 0)

    def _end(self, run: "Run", timeout: float) -> "Once[list[Delivery]]":
        from signalpost.service.once import Once

        self._stopping = Once(run.end(timeout), "signalpost stop", lambda _: run.hurry())
        return self._stopping

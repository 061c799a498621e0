"""A service on its own loop in its own thread, which any other thread can start, flush and stop."""

import asyncio
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as NotInTime
from contextlib import suppress

from signalpost.delivery.dispatch.lane import Lane
from signalpost.domain.reason import Reason
from signalpost.errors import CommandFailed, SignalpostError, StoreClosed, StoreFailed, StoreUnusable
from signalpost.integration.direct import DirectSender
from signalpost.integration.futures import Deadline
from signalpost.integration.loop_thread import MARGIN, LoopThread
from signalpost.integration.submission import MOST_WAITING, SubmissionQueue
from signalpost.secret import described
from signalpost.service import AsyncNotificationService, Health, HealthStatus
from signalpost.service.pending_tickets import MAX_OPEN_SHOWN
from signalpost.telemetry.log_queue import log_failure, logger

_TO_CLOSE = 1.0
"""Seconds of a stop's timeout, at most a quarter of it, that are reserved for running sends and for closing."""


class ServiceThread:
    """A service in a thread of its own, which starts at once.

    Submissions wait for the start, and are refused if it fails.
    """

    def __init__(self, service: AsyncNotificationService) -> None:
        self.service = service
        self._thread = LoopThread("service", self._close)
        self._thread.closing.append(lambda: service.stop(0))  # without its thread, it could only hold its folder
        self.queue = SubmissionQueue(service, self._thread.loop)
        """Takes submissions from any thread."""
        self._direct: DirectSender | None = None
        self._start_ended = asyncio.Event()
        self._started = self._thread.begin(self._start)
        self._stopping: Future[int] | None = None

    @property
    def is_running(self) -> bool:
        """True if the service was started, and its thread lives."""
        started = self._started
        return started.done() and started.exception() is None and self._thread.is_alive

    @property
    def is_starting(self) -> bool:
        """True until the start has succeeded or failed."""
        return not self._started.done() and self._thread.is_alive

    @property
    def waiting(self) -> int:
        """The number of submissions without a ticket."""
        return self.queue.waiting

    @property
    def direct(self) -> DirectSender:
        """Sends directly on this thread, through the gates of the service. Callers hold a lock."""
        if self._direct is None:
            self._direct = DirectSender(self.service.config, self._thread, self.lane)
        return self._direct

    def lane(self, destination: str) -> Lane | None:
        """The running service's lane of a destination, for use on its loop only."""
        return self.service._runtime.lane(destination)

    def wait(self, within: float) -> None:
        """Wait until the service has started. Raises the start's error, and StoreUnusable after `within` seconds.

        The start then goes on.
        """
        try:
            self._started.result(within)
        except NotInTime:
            raise StoreUnusable(
                f"{self.service.config.home}: the store is not open after {within:g} s, and is still opening: "
                f"start again to wait for it, or look at the log",
                code="still-opening",
                field="home",
                value=str(self.service.config.home),
                limit=f"{within:g}",
            ) from None

    def health(self) -> Health:
        """The service's health, with reasons."""
        if self.is_starting:
            return Health(HealthStatus.UNHEALTHY, (Reason("the service is starting", "starting"),))
        if not self.is_running:
            return Health(HealthStatus.UNHEALTHY, (Reason("the service's thread has ended", "not-running"),))
        health = self.service.health()
        if self.waiting < MOST_WAITING:
            return health
        full = Reason(f"{self.waiting} notifications are waiting to be accepted: more are refused", "queue-full")
        status = max(health.status, HealthStatus.DEGRADED, key=list(HealthStatus).index)
        return Health(status, (*health.reasons, full))

    def flush(self, timeout: float) -> int:
        """Wait until everything submitted is saved, and delivered as far as possible now.

        Returns how many notifications or deliveries are still open after at most `timeout` seconds.
        """
        return self._answer(self._thread.begin(lambda: self._flush(timeout)), timeout)

    def wait_for_stop(self, timeout: float) -> int:
        """Wait for a stop that another frame or thread began, and return the number that `flush` returns."""
        return self._open if self._stopping is None else self._answer(self._stopping, timeout)

    def stop(self, timeout: float) -> int:
        """Flush, refuse new submissions, and end the service and the thread, all within `timeout` seconds."""
        deadline = Deadline(timeout)
        self._stopping = self._thread.begin(lambda: self._stop(timeout))
        try:
            return self._answer(self._stopping, timeout)
        finally:  # also if the waiting caller is interrupted
            self.queue.close("the service stopped before it accepted this")
            self._thread.end(deadline.remaining + MARGIN)

    def _answer(self, answer: Future[int], timeout: float) -> int:
        try:
            return answer.result(timeout + MARGIN)
        except (NotInTime, CancelledError):
            return self._open
        except Exception as fault:  # noqa: BLE001  # whatever broke, accepted notifications are in the store
            log_failure("closing the service failed", fault)
            return self._open

    @property
    def _open(self) -> int:
        """How much is open, as far as is known without a query to the store."""
        held = self.service.get_metrics()["notifications_held"]
        return self.waiting + held + self.service._runtime.still_open

    def _close(self) -> None:
        self.queue.close("the service's thread has ended: start it again")

    async def _start(self) -> None:
        try:
            await self.service.start()
        except BaseException as fault:
            is_ours = isinstance(fault, SignalpostError)
            why = str(fault) if is_ours else type(fault).__name__
            logger.error("the service failed to start: %s", why if is_ours else described(fault))
            self.queue.close(f"the service failed to start: {why}")
            self._thread.end(0)
            raise
        self.queue.open()
        self._start_ended.set()

    async def _flush(self, timeout: float) -> int:
        with suppress(TimeoutError, StoreFailed, CommandFailed, StoreClosed):
            async with asyncio.timeout(timeout) as deadline:
                await self._start_ended.wait()
                await self.queue.committed()
                if self._direct is not None:
                    await self._direct.all_sent()
                left = await self.service.drain(_until(deadline))
                if len(left) < MAX_OPEN_SHOWN:  # otherwise there may be more
                    return len(left) + self.waiting + self.service.get_metrics()["notifications_held"]
        return self._open

    async def _stop(self, timeout: float) -> int:
        to_close = min(_TO_CLOSE, timeout / 4)
        try:
            left = await self._flush(timeout - to_close)
        finally:
            await self.service.stop(to_close / 2)  # so that running sends can end
        return min(left, self._open)


def _until(deadline: asyncio.Timeout) -> float:
    """Seconds left of a timeout, minus a little, so that a wait within it ends by itself."""
    when = deadline.when() or 0.0
    return max(0.0, when - asyncio.get_running_loop().time() - 0.01)

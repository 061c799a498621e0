"""The owner: one thread, its loop and the service that runs there, started, flushed and stopped from any other."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as NotInTime
from contextlib import suppress
from typing import Any

from signalpost.delivery.dispatch.lane import Lane
from signalpost.domain.reason import Reason
from signalpost.errors import CommandFailed, SignalpostError, StoreClosed, StoreFailed, StoreUnusable
from signalpost.owner.deadline import Deadline
from signalpost.owner.handover import MOST_WAITING, HandOver
from signalpost.owner.loop_thread import LoopThread
from signalpost.owner.order import Order
from signalpost.secret import described
from signalpost.service import AsyncNotificationService, Health, HealthStatus
from signalpost.telemetry.failures import log_failure
from signalpost.telemetry.log_queue import logger

MARGIN = 1.0
"""Seconds beyond a timeout for which an answer of the thread is waited for: more means that its loop hangs."""
_TO_CLOSE = 1.0
"""Seconds of a stop's timeout, at most a quarter of it, that are kept for what is being sent and for closing."""


class Owner:
    """A service in a thread of its own, which begins to start when it is made.

    What is handed over while it starts waits for it, and is refused if it fails.
    """

    def __init__(self, service: AsyncNotificationService) -> None:
        self.service = service
        self.at_end: list[Callable[[], Awaitable[object]]] = []
        """What is to be closed on the loop once the service is stopped."""
        self._thread = LoopThread("owner", self._close, self._let_go)
        self._handover = HandOver(service, self._thread.loop)
        self._beside: set[asyncio.Task[Any]] = set()
        self._start_ended = asyncio.Event()
        self._started = self._thread.begin(self._start)
        self._stopping: Future[int] | None = None

    @property
    def is_running(self) -> bool:
        """Whether the service was started, and its thread lives."""
        started = self._started
        return started.done() and started.exception() is None and self._thread.is_alive

    @property
    def is_starting(self) -> bool:
        """Whether nobody knows yet how the start ends."""
        return not self._started.done() and self._thread.is_alive

    @property
    def waiting(self) -> int:
        """How many orders have no ticket yet."""
        return self._handover.waiting

    @property
    def beside(self) -> int:
        """How much work of others goes on beside the service, or waits to."""
        return len(self._thread.asked)

    def lane(self, destination: str) -> Lane | None:
        """The running service's lane of a destination, for use on its loop only."""
        running = self.service._running
        dispatcher = None if running is None else running.dispatcher
        return None if dispatcher is None else dispatcher.lanes.get(destination)

    def wait(self, within: float) -> None:
        """Wait until the service has started. Raises what its start raised, and StoreUnusable after `within` seconds.

        The start goes on then.
        """
        try:
            self._started.result(within)
        except NotInTime:
            raise StoreUnusable(
                f"{self.service.config.home}: the store is not open after {within:g} s, and goes on opening: "
                f"start again to wait for it, or look at the log",
                code="still-opening",
                field="home",
                value=str(self.service.config.home),
                limit=f"{within:g}",
            ) from None

    def health(self) -> Health:
        """How the service is, and why."""
        if self.is_starting:
            return Health(HealthStatus.UNHEALTHY, (Reason("it is starting", "starting"),))
        if not self.is_running:
            return Health(HealthStatus.UNHEALTHY, (Reason("its thread has ended", "not-running"),))
        health = self.service.health()
        if self.waiting < MOST_WAITING:
            return health
        full = Reason(f"{self.waiting} notifications wait to be taken in: more are refused", "queue-full")
        status = max(health.status, HealthStatus.DEGRADED, key=list(HealthStatus).index)
        return Health(status, (*health.reasons, full))

    def put(self, order: Order) -> None:
        """Take an order; its future is resolved sooner or later, whatever happens. From any thread."""
        self._handover.put(order)

    def begin(self, work: Callable[[], Coroutine[Any, Any, None]]) -> Future[None]:
        """Begin other work on the loop, which a flush waits for."""
        return self._thread.begin(lambda: self._go_on_beside(work))

    def flush(self, timeout: float) -> int:
        """Wait until all that was handed over is written down, and delivered as far as it can be now.

        Returns how many notifications or deliveries are still open after at most `timeout` seconds.
        """
        return self._answer(self._thread.begin(lambda: self._flush(timeout)), timeout)

    def wait_for_stop(self, timeout: float) -> int:
        """Wait for a stop that another frame or thread began; returns what `flush` does."""
        return self._open if self._stopping is None else self._answer(self._stopping, timeout)

    def stop(self, timeout: float) -> int:
        """Flush, refuse what comes from now on, and end the service and the thread, all within `timeout` seconds."""
        deadline = Deadline(timeout)
        self._stopping = self._thread.begin(lambda: self._stop(timeout))
        try:
            return self._answer(self._stopping, timeout)
        finally:  # also where whoever waits is interrupted
            self._handover.close("the service was stopped before it was taken in")
            self._thread.end(deadline.remaining + MARGIN)

    def _answer(self, answer: Future[int], timeout: float) -> int:
        try:
            return answer.result(timeout + MARGIN)
        except (NotInTime, CancelledError):
            return self._open
        except Exception as fault:  # noqa: BLE001  # whatever broke, what is accepted is in the store
            log_failure("closing the service failed", fault)
            return self._open

    @property
    def _open(self) -> int:
        """What is open as far as anybody knows without asking the store."""
        metrics = self.service.get_metrics()
        return self.waiting + metrics["notifications_held"] + max(0, metrics["queue_depth"])

    def _close(self) -> None:
        self._handover.close("the service's thread has ended: start anew")

    async def _let_go(self) -> None:
        """Stop the service if it is not: without a thread it would deliver nothing, and keep its folder."""
        try:
            await self.service.stop(0)
        except Exception as fault:  # noqa: BLE001  # whatever broke, what is accepted is in the store
            log_failure("closing the service failed", fault)

    async def _start(self) -> None:
        try:
            await self.service.start()
        except BaseException as fault:
            is_ours = isinstance(fault, SignalpostError)
            why = str(fault) if is_ours else type(fault).__name__
            logger.error("the service could not be started: %s", why if is_ours else described(fault))
            self._handover.close(f"the service could not be started: {why}")
            self._thread.end(0)
            raise
        self._handover.open()
        self._start_ended.set()

    async def _flush(self, timeout: float) -> int:
        with suppress(TimeoutError, StoreFailed, CommandFailed, StoreClosed):
            async with asyncio.timeout(timeout) as deadline:
                await self._start_ended.wait()
                await self._handover.committed()
                if self._beside:
                    await asyncio.wait(set(self._beside))
                left = await self.service.drain(_until(deadline))
                return len(left) + self.waiting + self.service.get_metrics()["notifications_held"]
        return self._open

    async def _go_on_beside(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.ensure_future(work())
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)
        await task

    async def _stop(self, timeout: float) -> int:
        to_close = min(_TO_CLOSE, timeout / 4)
        try:
            left = await self._flush(timeout - to_close)
        finally:
            await self.service.stop(to_close / 2)  # so that what is being sent can end
            for close in self.at_end:
                await close()
        return min(left, self._open)


def _until(deadline: asyncio.Timeout) -> float:
    """Seconds left of a timeout, a little less, so that what waits within it ends by itself."""
    when = deadline.when() or 0.0
    return max(0.0, when - asyncio.get_running_loop().time() - 0.01)

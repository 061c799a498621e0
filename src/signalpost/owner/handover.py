"""The way from any thread to the service's loop: bounded, in order, without a lock and without waiting.

A lock could be held by a thread that is gone after a fork, or by the very frame that a signal handler interrupts. So
there is none: each step is one operation that the interpreter does not divide, and their order is what makes it right.
"""

import asyncio
from collections import deque

from signalpost.domain.ticket import Outcome, Refusal, Ticket
from signalpost.owner.order import Order
from signalpost.service import AsyncNotificationService
from signalpost.telemetry.failures import log_failure

MOST_WAITING = 10_000
"""Orders that may wait for their ticket; one more for each thread that hands over at the very same moment."""
NOT_RUNNING = "the service does not run: call on_strategy_start() first"
STOPPED = "the service was stopped: call on_strategy_start() to start it again"
_TAKEN_AT_ONCE = 128
"""Orders that are begun in one turn of the loop, so that a burst does not hold up what is being sent."""


class HandOver:
    """Takes orders from any thread, and has a service answer for them in its loop, in their order."""

    def __init__(self, service: AsyncNotificationService, loop: asyncio.AbstractEventLoop) -> None:
        self._service = service
        self._loop = loop
        self._orders: deque[Order] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_open = False
        self._is_woken = False
        self._closed_for: str | None = None

    @property
    def waiting(self) -> int:
        """How many orders have no ticket yet."""
        return len(self._orders) + len(self._tasks)

    def put(self, order: Order) -> None:
        """Take an order; its future is resolved sooner or later, whatever happens."""
        if self.waiting >= MOST_WAITING:
            why = f"{MOST_WAITING} notifications wait to be taken in already: send it yourself, or later"
            order.refuse(why, Refusal.TOO_MANY)
            return
        self._orders.append(order)
        if not self._is_woken:
            self._is_woken = True
            self._wake()
        if self._closed_for is not None:  # perhaps after the last look, so nobody else would see it
            self._refuse_all()

    def open(self) -> None:
        """The service runs: take what waits, and from now on what comes. In the loop."""
        self._is_open = True
        self._take()

    async def committed(self) -> None:
        """Wait until what was handed over before has its tickets. In the loop."""
        while self._orders and self._is_open:
            self._begin(len(self._orders))
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    def close(self, why: str) -> None:
        """Refuse what waits, and whatever still comes."""
        self._is_open = False
        self._closed_for = self._closed_for or why
        self._refuse_all()

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._take)
        except RuntimeError:  # the loop is closed: `close` has been called, or will be
            return

    def _take(self) -> None:
        self._is_woken = False  # before the look: who comes after it wakes anew
        if self._is_open:
            self._begin(_TAKEN_AT_ONCE)
            if self._orders and not self._is_woken:
                self._is_woken = True
                self._loop.call_soon(self._take)

    def _begin(self, most: int) -> None:
        for _ in range(min(most, len(self._orders))):
            task = self._loop.create_task(self._answer(self._orders.popleft()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, order: Order) -> None:
        ticket = Ticket(Outcome.REFUSED, "", "the service was stopped before it was taken in", Refusal.NOT_RUNNING)
        try:
            ticket = await self._service.queue_notification(
                order.payload, order.priority, order.user_tier, order.context, hold=order.holds
            )
        except Exception as fault:  # noqa: BLE001  # whatever broke: a caller elsewhere must get a ticket
            log_failure("a notification could not be accepted", fault, with_text=False)
            ticket = Ticket(Outcome.REFUSED, "", f"taking it in failed with {type(fault).__name__}", Refusal.STORE)
        finally:
            order.settle(ticket)

    def _refuse_all(self) -> None:
        why = self._closed_for or NOT_RUNNING
        while True:
            try:
                order = self._orders.popleft()
            except IndexError:
                return
            order.refuse(why, Refusal.NOT_RUNNING)

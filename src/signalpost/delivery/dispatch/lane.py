"""One destination's lane: it starts, wakes and stops its workers."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

from signalpost.delivery.dispatch.gate import Gate
from signalpost.delivery.dispatch.lane_state import LaneState
from signalpost.delivery.dispatch.passing_on import PassingOn
from signalpost.delivery.dispatch.ready import EXPRESS, LEVELS, NORMAL
from signalpost.delivery.dispatch.worker import Worker
from signalpost.delivery.outbox.patience import RetryingOutbox
from signalpost.delivery.pacing.backoff import Backoff
from signalpost.delivery.routing import Fallbacks
from signalpost.domain.events import Listener
from signalpost.domain.priority import NotificationPriority


class Lane:
    """Sends the deliveries waiting for one destination, `workers` at a time: one of several takes only URGENT and HIGH.

    A failing sink, store or listener does not end its workers.
    """

    def __init__(
        self,
        gate: Gate,
        outbox: RetryingOutbox,
        *,
        workers: int,
        backoff: Backoff,
        jitter: Callable[[], float],
        emit: Listener,
        on_pending: Callable[[datetime], None],
        on_idle: Callable[[], None],
        may_send: Callable[[], bool],
        at_most_once: frozenset[str],
        fallbacks: Fallbacks,
        fall_back_after: float,
        others: "Mapping[str, Lane]",
    ) -> None:
        """`on_pending` gets the `valid_until` of a delivery that waits again, `on_idle` is called if there is no work.

        `may_send` is false while this process may have lost the store to another, because its own heartbeat is too
        old. `at_most_once` are kinds of notification that are not sent again once they may have been shown. Deliveries
        are passed on to `fallbacks`, lanes among the `others`, once the webhook is gone or the breaker has been open
        for `fall_back_after` seconds.
        """
        self.destination = gate.destination
        self.gate = gate
        gate.subscribe(self.look_again)
        self._number_of_workers = workers
        self._workers: list[Worker] = []
        self._state = LaneState(
            gate, outbox, backoff, jitter, emit, on_pending, on_idle, may_send, at_most_once, self._ring
        )
        self._passing_on = PassingOn(self._state, fallbacks, fall_back_after, others)

    @property
    def in_flight(self) -> int:
        """How many deliveries are being sent or settled."""
        return len(self._state.in_flight)

    @property
    def is_busy(self) -> bool:
        """Whether a worker is between its lease and its verdict."""
        return self._state.busy > 0

    def passes_on_at(self, now: float) -> float:
        """When something may be passed on to a fallback; infinity if nothing is expected to be."""
        return self._passing_on.at(now)

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """The tasks of its workers, and of the first look at the destination."""
        looking = [] if self._state.looking is None else [self._state.looking]
        return [worker.task for worker in self._workers if worker.task is not None] + looking

    def start(self) -> None:
        """Begin to send."""
        self._state.is_stopping = False
        self._state.in_flight.clear()
        self._state.ready.look_again()
        self._state.edits.look_again()
        self.gate.start(asyncio.get_running_loop().time())
        count = self._number_of_workers
        levels = [LEVELS] * max(1, count - 1) + [EXPRESS] * (count > 1)
        numbered = enumerate(levels, start=1)
        self._workers = [Worker(self._state, each, number, self._passing_on) for number, each in numbered]

    def wake(self, priority: NotificationPriority) -> None:
        """Deliveries were put, of this priority at most."""
        self._state.ready.put(priority)
        self._state.edits.put(priority)
        for worker in self._workers:
            if max(priority, NORMAL) >= worker.levels[-1]:
                worker.ring()

    def look_again(self) -> None:
        """A delivery may have become ready without a wake-up."""
        self._state.ready.look_again()
        self._state.edits.look_again()
        self._ring()

    def close(self) -> None:
        """Lease nothing more. Each worker ends once its deliveries are settled."""
        self._state.is_stopping = True
        if self._state.looking is not None:
            self._state.looking.cancel()
        self._ring()

    def cut(self) -> None:
        """Cut off running sends."""
        for worker in self._workers:
            worker.cut()

    def retire(self) -> None:
        """Restart no worker from now on."""
        for worker in self._workers:
            worker.retire()

    def _ring(self) -> None:
        for worker in self._workers:
            worker.ring()

    async def save_facts(self) -> None:
        """Save facts learned from a probe or a direct send. Raises StoreClosed."""
        await self._state.save_facts()

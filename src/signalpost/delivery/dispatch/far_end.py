"""What a lane knows of its far end: its pace, its breaker, and whether it is gone for good."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from signalpost import clock
from signalpost.delivery.dispatch import attempt, lane_memory
from signalpost.delivery.dispatch.attempt import Tried
from signalpost.delivery.dispatch.decide import Ending
from signalpost.delivery.dispatch.patient_outbox import PatientOutbox
from signalpost.delivery.outbox.commands import SaveFacts
from signalpost.delivery.pacing.breaker import BreakerState, CircuitBreaker
from signalpost.delivery.pacing.pacer import Pacer, Slot
from signalpost.domain.delivery import DeliveryId
from signalpost.domain.events import BreakerMoved, DestinationGone, Listener
from signalpost.domain.priority import NotificationPriority
from signalpost.errors import Evidence, StoreFailed
from signalpost.sinks.evidence import Rejected
from signalpost.sinks.port import Answer, Sink

CLOCK_GRAIN = 0.005
"""Seconds by which a request counts as ended later than the loop's clock says: uvloop's counts whole milliseconds,
rounded down, so that a window that is exact by that clock is too short by the far end's."""


class Request(NamedTuple):
    """What a message holds from its lease to its end: a slot of the pace, and the breaker's permit."""

    slot: Slot
    permit: int


class FarEnd:
    """Says when a request may begin, and learns from how each ended. `on_change` is called where more became possible.

    Times are seconds of the loop's clock.
    """

    def __init__(
        self,
        destination: str,
        sink: Sink,
        pacer: Pacer,
        breaker: CircuitBreaker,
        *,
        outbox: PatientOutbox,
        jitter: Callable[[], float],
        emit: Listener,
        on_change: Callable[[], None],
    ) -> None:
        self.pacer = pacer
        self.breaker = breaker
        self.gone_for: str | None = None
        """Why the destination is gone for good; None as long as it is not."""
        self.failed_last: DeliveryId | None = None
        """The delivery whose message failed last."""
        self._destination = destination
        self._sink = sink
        self._outbox = outbox
        self._jitter = jitter
        self._emit = emit
        self._on_change = on_change
        self._is_gone_kept = False

    @property
    def is_open(self) -> bool:
        """Whether the breaker lets nothing but probes through."""
        return self.breaker.state is BreakerState.OPEN

    @property
    def is_on_trial(self) -> bool:
        """Whether the breaker lets only one message through."""
        return self.breaker.state is BreakerState.HALF_OPEN

    def ready_at(self, now: float, priority: NotificationPriority) -> float:
        """When a message of this priority may begin; infinity where that waits for something to end."""
        return max(self.breaker.ready_at(now), self.pacer.ready_at(now, priority))

    def probe_at(self, now: float) -> float:
        """When a probe should begin; infinity where none is wanted."""
        return max(self.breaker.probe_at, self.pacer.ready_at(now, NotificationPriority.URGENT))

    def begin(self, now: float) -> Request:
        """A message begins."""
        return Request(self.pacer.begin(now), self.breaker.begin())

    def still_allows(self, request: Request, now: float) -> bool:
        """Whether nothing was learnt since the message began that forbids it: a lease takes as long as a commit."""
        return self.gone_for is None and self.breaker.is_current(request.permit) and not self.pacer.is_held(now)

    def give_back(self, request: Request) -> None:
        """No message was sent after all."""
        self.pacer.give_back(request.slot)
        self.breaker.give_back(request.permit)
        self.pacer.host.gave_back()

    def end(self, request: Request, now: float, tried: Tried | None, first: DeliveryId) -> None:
        """A message ended; `tried` is None where it was abandoned, which counts as a request all the same."""
        known = None if tried is None else tried.known
        self.pacer.end(request.slot, now + CLOCK_GRAIN, None if isinstance(known, Ending) else known)
        is_failure = None if tried is None else tried.is_failure
        if is_failure is None:
            self.breaker.give_back(request.permit)
        else:
            if is_failure:
                self.failed_last = first
            self._moved(self.breaker.record(request.permit, now, self._jitter(), is_failure=is_failure))
        self._notice(known)
        self.pacer.host.ended()

    async def probe(self, now: Callable[[], float]) -> None:
        """Ask the far end, showing nothing, whether it is alive."""
        began = now()
        slot, permit = self.pacer.begin(began, is_probe=True), self.breaker.begin_probe(began)
        answer: Answer | Evidence | None = None
        try:
            answer = await attempt.probe(self._destination, self._sink)
        finally:
            self.pacer.end(slot, now() + CLOCK_GRAIN, answer)
            is_alive = answer is not None and attempt.is_alive(answer)
            self._moved(self.breaker.record_probe(permit, now(), self._jitter(), is_alive=is_alive))
            self._notice(answer)
            self.pacer.host.ended()

    async def remember(self, now: float) -> None:
        """Keep what should outlive a restart; that a store cannot keep the pace is no reason to wait."""
        if self.gone_for is not None and not self._is_gone_kept:
            await self._outbox.insist(SaveFacts(self._destination, lane_memory.gone_fact(self.gone_for)))
            self._is_gone_kept = True
        memory = self.pacer.memory(now)
        if memory.ages or memory.held_for:
            with suppress(StoreFailed):
                facts = lane_memory.pace_fact(memory, clock.now())
                await self._outbox.do(SaveFacts(self._destination, facts))

    def recall(self, facts: Mapping[str, bytes], lapsed: int, now: float) -> None:
        """Take up what an earlier process kept, and count the `lapsed` messages that it may just have sent."""
        self.gone_for = lane_memory.gone_for(facts)
        self._is_gone_kept = self.gone_for is not None
        memory = lane_memory.pace(facts, clock.now())
        self.pacer.recall(memory._replace(ages=(*memory.ages, *[0.0] * lapsed)), now)

    async def enable(self) -> None:
        """A person says that the destination is there again. Raises StoreFailed."""
        await self._outbox.do(SaveFacts(self._destination, lane_memory.gone_fact(None)))
        self.gone_for = None
        self._is_gone_kept = False
        self._on_change()

    def _moved(self, state: BreakerState | None) -> None:
        if state is not None:
            self._emit(BreakerMoved(self._destination, state))
            self._on_change()

    def _notice(self, known: object) -> None:
        """Stop sending where the destination turns out to be gone for good."""
        if isinstance(known, Rejected) and known.is_gone and self.gone_for is None:
            self.gone_for = known.reason
            self._emit(DestinationGone(self._destination, known.reason))
            self._on_change()

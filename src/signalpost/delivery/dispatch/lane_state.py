"""The state that the workers of a lane share, and the values passed between their steps."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from typing import NamedTuple

from signalpost import clock
from signalpost.delivery.dispatch.gate import Gate, Pass
from signalpost.delivery.dispatch.ready import NORMAL, ReadyIndex, Version
from signalpost.delivery.outbox.commands import Lease, OutboxEntry
from signalpost.delivery.outbox.patience import RetryingOutbox
from signalpost.delivery.pacing.backoff import Backoff
from signalpost.domain.delivery import Delivery, DeliveryId, DeliveryState
from signalpost.domain.events import Listener
from signalpost.domain.priority import NotificationPriority
from signalpost.errors import CommandFailed


@dataclass
class LaneState:
    """The settings that the workers of one lane share, and their common state."""

    gate: Gate
    outbox: RetryingOutbox
    backoff: Backoff
    jitter: Callable[[], float]
    emit: Listener
    on_pending: Callable[[datetime], None]
    on_idle: Callable[[], None]
    may_send: Callable[[], bool]
    at_most_once: frozenset[str]
    ring: Callable[[], None]
    """Wakes all workers."""
    ready: ReadyIndex = field(default_factory=ReadyIndex)
    edits: ReadyIndex = field(default_factory=ReadyIndex)
    """The same for a lease of edits alone, while the limits of messages per minute let no post leave."""
    looking: asyncio.Task[None] | None = None
    """The task that first checks the destination."""
    in_flight: dict[DeliveryId, Delivery] = field(default_factory=dict)
    leasing: int = 0
    """The number of workers that wait for a lease from the store."""
    busy: int = 0
    """The number of workers between a lease and its verdict."""
    is_stopping: bool = False
    store_failures: int = 0
    """In a row."""

    async def save_facts(self) -> None:
        """Save facts learned from a probe or a direct send; those from a message are saved with its verdict."""
        for each in self.gate.unsaved(asyncio.get_running_loop().time()):
            with suppress(CommandFailed):  # it would fail again, and is logged
                await self.outbox.insist(each.facts)
            each.saved()

    def note_settled(self, settled: Sequence[Delivery]) -> bool:
        """Update the ready index. True if another delivery may be ready now."""
        is_news = False
        for delivery in settled:
            if delivery.state is DeliveryState.PENDING:
                at = -inf if delivery.not_before is None else monotonic(delivery.not_before)
                self.ready.expect(delivery.priority, at)
                self.edits.expect(delivery.priority, at)
                self.on_pending(delivery.valid_until)
                is_news = True
            else:
                self.edits.note_settled(delivery)
                is_news |= self.ready.note_settled(delivery)
        return is_news


class LeaseRequest(NamedTuple):
    """A lease for a begun message, and the state of its lane at that time."""

    held: Pass
    level: NotificationPriority
    lease: Lease
    version: Version
    """Of the ready index."""
    edits_version: Version
    """Of the index of edits."""
    in_flight: tuple[Delivery, ...]

    def after(self, lane: LaneState, settled: Collection[DeliveryId]) -> "LeaseRequest":
        """This request as it is after these deliveries were settled."""
        in_flight = tuple(each for each in self.in_flight if each.id not in settled)
        return self._replace(version=lane.ready.version, edits_version=lane.edits.version, in_flight=in_flight)

    def found_none(
        self,
        lane: LaneState,
        levels: Sequence[NotificationPriority],
        next_at: float,
        in_flight: tuple[Delivery, ...],
    ) -> None:
        """Note in the lane's indexes that nothing can be leased at these levels before `next_at`."""
        in_flight = (*self.in_flight, *in_flight)
        if self.lease.posts:
            lane.ready.found_none(levels, next_at, self.version, in_flight)
        if self.lease.edits and NORMAL in levels:
            lane.edits.found_none(levels, next_at, self.edits_version, in_flight)


class BegunMessage(NamedTuple):
    """A begun message with its leased deliveries."""

    held: Pass
    entries: Sequence[OutboxEntry]


def monotonic(at: datetime) -> float:
    """Convert a UTC time to the loop's clock, relative to UTC now, because clocks are corrected."""
    return asyncio.get_running_loop().time() + (at - clock.now()).total_seconds()

"""Passes a lane's deliveries on to its fallbacks while its destination is gone, or its breaker is open for too long."""

import asyncio
from collections.abc import Mapping
from math import inf
from typing import Protocol

from signalpost import clock
from signalpost.delivery.dispatch.gate import Gate
from signalpost.delivery.dispatch.lane_state import LaneState, monotonic
from signalpost.delivery.dispatch.ready import LEVELS
from signalpost.delivery.outbox.commands import OutboxEntry, PassOn
from signalpost.delivery.routing import Fallbacks
from signalpost.domain.events import PassedOn, Settled
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.signal import Signal


class OtherLane(Protocol):
    """The lane of a fallback."""

    gate: Gate

    def wake(self, priority: NotificationPriority) -> None:
        """Deliveries were put, of this priority at most."""
        ...


class PassingOn:
    """Decides when a lane's deliveries leave for a fallback, and passes them on.

    `after` is for how many seconds the breaker may be open. `others` are the lanes by destination.
    """

    def __init__(self, lane: LaneState, fallbacks: Fallbacks, after: float, others: Mapping[str, OtherLane]) -> None:
        self._lane = lane
        self._fallbacks = fallbacks
        self._after = after
        self._others = others
        self.is_passing = False
        """Whether a worker passes something on. One does at a time."""

    def at(self, now: float) -> float:
        """When something may be passed on next; infinity if the destination works, or no fallback does."""
        gate = self._lane.gate
        if gate.gone is None and not gate.is_open:
            return inf
        lists = (*self._fallbacks.by_tier.values(), *self._fallbacks.by_kind.values())
        if not any(map(self._first, lists)) and (self._fallbacks.are_last or gate.gone is None):
            return inf
        since = now if gate.gone is not None else gate.breaker.opened_at + self._after
        return max(since, *(min(map(self._lane.ready.at, LEVELS)), now))

    def takes(self, entry: OutboxEntry) -> bool:
        """Whether a fallback can take a delivery that was leased, now or later."""
        notification = entry.notification
        if isinstance(notification.payload, Signal):
            names = self._fallbacks.by_tier.get(entry.tier or notification.user_tier, ())
        else:
            names = self._fallbacks.by_kind.get(notification.kind, ())
        return self._target(names) is not None

    async def pass_on(self) -> None:
        """Pass on what is due. Raises StoreFailed."""
        lane, gate = self._lane, self._lane.gate
        lane.busy += 1
        self.is_passing = True
        try:
            version, in_flight = lane.ready.version, tuple(lane.in_flight.values())
            answer = await lane.outbox.do(self._command(gate))
            for delivery, notification in answer.ended:
                lane.emit(Settled(delivery, notification))
            for delivery in answer.added:
                lane.emit(PassedOn(delivery, gate.destination))
                lane.on_pending(delivery.valid_until)
                self._others[delivery.id.destination].wake(delivery.priority)
            if not answer.ended:
                next_at = inf if answer.next_at is None else monotonic(answer.next_at)
                lane.ready.found_none(LEVELS, next_at, version, in_flight)
        finally:
            lane.busy -= 1
            self.is_passing = False

    def _command(self, gate: Gate) -> PassOn:
        if gate.gone is not None:
            reason = f"its webhook is gone for good: {gate.gone.reason}"
        else:
            seconds = asyncio.get_running_loop().time() - gate.breaker.opened_at
            reason = f"{gate.destination} has been unreachable for {seconds:.0f} s"
        by_tier = {tier: name for tier, names in self._fallbacks.by_tier.items() if (name := self._target(names))}
        by_kind = {kind: name for kind, names in self._fallbacks.by_kind.items() if (name := self._target(names))}
        gone: frozenset[str] = frozenset()
        if gate.gone is not None and not self._fallbacks.are_last:
            gone = frozenset(name for name, lane in self._others.items() if lane.gate.gone is not None)
        return PassOn(gate.destination, clock.now(), reason, by_tier, by_kind, gone)

    def _target(self, names: tuple[str, ...]) -> str | None:
        """The first of these destinations that takes messages, or this one while one of them may again."""
        may_recover = any(self._others[name].gate.gone is None for name in names if name in self._others)
        return self._first(names) or (self._lane.gate.destination if may_recover else None)

    def _first(self, names: tuple[str, ...]) -> str | None:
        """The first of these destinations that takes messages now."""
        gates = ((name, self._others[name].gate) for name in names if name in self._others)
        return next((name for name, gate in gates if gate.gone is None and not gate.is_open), None)

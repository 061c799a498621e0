"""Counters of events over all runs and of the deliveries now open; `sent` counts only confirmed deliveries."""

from collections import Counter
from collections.abc import Mapping

from signalpost.domain import events
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.ticket import Outcome
from signalpost.telemetry.log_queue import logger

_FAILED = (DeliveryState.DEAD, DeliveryState.EXPIRED, DeliveryState.UNCONFIRMED)

_AMBIGUOUS = ("unconfirmed", "lapsed")
"""Outcomes that leave it unknown whether a message was shown."""


class Metrics:
    """A listener that counts events. Tickets count as notifications, everything after intake as deliveries."""

    def __init__(self) -> None:
        self._tickets: Counter[Outcome] = Counter()
        self._settled: Counter[DeliveryState] = Counter()
        self._attempts: Counter[str] = Counter()
        self._open = 0
        self._passed_on = 0
        self._breaker_trips = 0
        self._breakers_open: set[str] = set()
        self._disabled: set[str] = set()
        self._charts_failed = 0
        self._happened: Counter[type[events.Event]] = Counter()

    def __call__(self, event: events.Event) -> None:
        """Count one event."""
        match event:
            case events.Taken(ticket, _, destinations):
                self._tickets[ticket.outcome] += 1
                if ticket.outcome is Outcome.ACCEPTED:
                    self._open += len(destinations)
            case events.Settled(delivery) if delivery.state.is_terminal:
                self._settled[delivery.state] += 1
                self._passed_on += delivery.is_passed_on
                self._open -= 1
            case events.SendEnded(_, outcome):
                self._attempts[outcome] += 1
            case events.BreakerMoved(destination, "closed"):
                self._breakers_open.discard(destination)
            case events.BreakerMoved(destination, state, was):
                self._breakers_open.add(destination)
                self._breaker_trips += (state, was) == ("open", "closed")
            case events.DestinationGone(destination):
                self._disabled.add(destination)
            case events.DestinationEnabled(destination):
                self._disabled.discard(destination)
            case (
                events.PassedOn()
                | events.ClockStepped()
                | events.TookOver()
                | events.OwnershipLost()
                | events.WorkerFailed()
                | events.RowDamaged()
                | events.ChartQueued()
                | events.ChartEnded()
            ):
                self._note(event)
            case _:
                pass

    def _note(self, event: events.Event) -> None:
        self._happened[type(event)] += 1
        self._open += isinstance(event, events.PassedOn | events.ChartQueued)
        self._charts_failed += isinstance(event, events.ChartEnded) and event.failure is not None
        if isinstance(event, events.RowDamaged):
            self._settled[event.delivery.state] += 1
            self._open -= event.was_open

    def begin(self) -> None:
        """Reset the open and disabled state for a new run; event counters continue."""
        self._breakers_open.clear()
        self._disabled.clear()

    def found_open(self, deliveries: int) -> None:
        """Add deliveries queued by another process."""
        self._open += deliveries

    def counted_open(self, deliveries: int) -> None:
        """Set the number of open deliveries to the store's count."""
        self._open = deliveries

    def snapshot(self) -> Mapping[str, int]:
        """All counts by name."""
        return {
            "notifications_queued": self._tickets[Outcome.ACCEPTED],
            "notifications_sent": self._settled[DeliveryState.DELIVERED],
            "notifications_failed": sum(self._settled[state] for state in _FAILED) - self._passed_on,
            "queue_depth": self._open,
            "circuit_breaker_trips": self._breaker_trips,
            "circuit_breakers_open": len(self._breakers_open),
            "destinations_disabled": len(self._disabled),
            "clock_steps": self._happened[events.ClockStepped],
            "takeovers": self._happened[events.TookOver],
            "ownership_lost": self._happened[events.OwnershipLost],
            "workers_restarted": self._happened[events.WorkerFailed],
            "rows_damaged": self._happened[events.RowDamaged],
            "charts_added": self._happened[events.ChartEnded] - self._charts_failed,
            "charts_failed": self._charts_failed,
            "attempts_ambiguous": sum(self._attempts[outcome] for outcome in _AMBIGUOUS),
            **{f"tickets_{outcome}": self._tickets[outcome] for outcome in Outcome},
            **{f"deliveries_{state}": self._settled[state] for state in DeliveryState if state.is_terminal},
            **{f"attempts_{outcome}": count for outcome, count in sorted(self._attempts.items())},
        }


def counts_of_none() -> dict[str, int]:
    """All counts by name if no service runs."""
    return {**Metrics().snapshot(), "notifications_held": 0, "log_lines_dropped": logger.dropped, "oldest_command_s": 0}

"""Counters of events over all runs and of the deliveries now open; `sent` counts only confirmed deliveries."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from typing import Any

from signalpost import clock
from signalpost.domain import events
from signalpost.domain.delivery import Delivery, DeliveryState
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.ticket import Outcome
from signalpost.telemetry.families import LONG, OTHER, SHORT, Family, Histogram, Histograms, Kind, Labels
from signalpost.telemetry.log_queue import logger

_FAILED = (DeliveryState.DEAD, DeliveryState.EXPIRED, DeliveryState.UNCONFIRMED)

_FINAL = tuple(state for state in DeliveryState if state.is_terminal)

_AMBIGUOUS = ("unconfirmed", "lapsed")
"""Outcomes that leave it unknown whether a message was shown."""

_INTAKE = "From a call until the notification is saved."
_VISIBLE = "From the acceptance of a signal, or of a change, until its message is posted, by Discord's clock."

_NOT_TIMED = ("unwanted", "unchanged", "lapsed")
"""Outcomes of attempts that sent nothing, or took an unknown time."""
_ATTEMPTS = ("delivered", "rejected", "cardlost", "throttled", "unavailable", "unconfirmed", *_NOT_TIMED)


class Metrics:
    """A listener that counts events. Tickets count as notifications, everything after intake as deliveries.

    Only the first 100 of `destinations` and of `feeds` have their own labels.
    """

    def __init__(self, destinations: Iterable[str] = (), feeds: Iterable[str] = ()) -> None:
        self._destinations, self._feeds = Labels(destinations), Labels(feeds)
        self._tickets: Counter[Outcome] = Counter()
        self._settled: Counter[tuple[str, NotificationPriority, DeliveryState]] = Counter()
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._intake = Histogram(SHORT)
        self._dwell = Histograms(self._destinations, LONG)
        self._sends = Histograms(self._destinations, SHORT)
        self._visible = Histograms(self._destinations, LONG)
        self._cycles = Histograms(self._feeds, SHORT)
        self._to_signal = Histograms(self._feeds, LONG)
        self._open = 0
        self._passed_on = 0
        self._breaker_trips = 0
        self._breakers_open: set[str] = set()
        self._disabled: set[str] = set()
        self._charts_failed = 0
        self._happened: Counter[type[events.Event]] = Counter()
        self._counts: dict[type[events.Event], Callable[[Any], None]] = {
            events.Taken: self._count_ticket,
            events.Settled: self._count_settled,
            events.SendBegan: self._count_begun,
            events.SendEnded: self._count_attempt,
            events.CandlesTaken: self._count_cycle,
            events.BreakerMoved: self._count_breaker,
            events.DestinationGone: lambda gone: self._disabled.add(gone.destination),
            events.DestinationEnabled: lambda enabled: self._disabled.discard(enabled.destination),
            events.RowDamaged: self._count_damaged,
            events.PassedOn: self._count_queued,
            events.ChartQueued: self._count_queued,
            events.ChartEnded: self._count_chart,
            events.ClockStepped: self._count,
            events.TookOver: self._count,
            events.OwnershipLost: self._count,
            events.WorkerFailed: self._count,
        }
        self.kinds = self._counts.keys()

    def __call__(self, event: events.Event) -> None:
        """Count one event of these kinds."""
        self._counts[type(event)](event)

    def _count(self, event: events.Event) -> None:
        self._happened[type(event)] += 1

    def _count_ticket(self, taken: events.Taken) -> None:
        self._tickets[taken.ticket.outcome] += 1
        if taken.ticket.outcome is Outcome.ACCEPTED:
            self._open += len(taken.destinations)
            self._intake.observe((clock.now() - taken.notification.accepted_at).total_seconds())

    def _count_settled(self, settled: events.Settled) -> None:
        delivery, made, shown_at = settled
        if not delivery.state.is_terminal:
            return
        self._count_end(delivery)
        self._passed_on += delivery.is_passed_on
        self._open -= 1
        if shown_at is not None and made is not None and made.kind == "signal":
            self._visible.observe(delivery.id.destination, (shown_at - made.accepted_at).total_seconds())

    def _count_end(self, delivery: Delivery) -> None:
        self._settled[self._destinations.of(delivery.id.destination), delivery.priority, delivery.state] += 1

    def _count_begun(self, begun: events.SendBegan) -> None:
        for delivery, seconds in zip(begun.deliveries, begun.waited_seconds, strict=False):
            if not (delivery.attempts or delivery.may_repeat):  # a retry has waited for what failed
                self._dwell.observe(begun.destination, seconds)

    def _count_attempt(self, ended: events.SendEnded) -> None:
        self._attempts[self._destinations.of(ended.destination), ended.outcome] += 1
        if ended.outcome not in _NOT_TIMED:
            self._sends.observe(ended.destination, ended.took_seconds)

    def _count_cycle(self, taken: events.CandlesTaken) -> None:
        self._cycles.observe(taken.feed, taken.took_seconds)
        for seconds in taken.waited_seconds:
            self._to_signal.observe(taken.feed, seconds)

    def _count_breaker(self, moved: events.BreakerMoved) -> None:
        destination, state, was = moved
        if state == "closed":
            self._breakers_open.discard(destination)
        else:
            self._breakers_open.add(destination)
            self._breaker_trips += (state, was) == ("open", "closed")

    def _count_damaged(self, damaged: events.RowDamaged) -> None:
        self._count(damaged)
        self._count_end(damaged.delivery)
        self._open -= damaged.was_open

    def _count_queued(self, _: events.PassedOn | events.ChartQueued) -> None:
        self._open += 1

    def _count_chart(self, ended: events.ChartEnded) -> None:
        self._count(ended)
        self._charts_failed += ended.failure is not None

    def families(self) -> Iterator[Family]:
        """All counts and durations with labels. There is a sample of each known destination from the start."""
        names = self._destinations.names
        settled = dict.fromkeys(product(names, [each.name for each in NotificationPriority], map(str, _FINAL)), 0)
        for (label, priority, state), count in self._settled.items():
            settled[label, priority.name, str(state)] = count
        attempts = dict.fromkeys(product(names, _ATTEMPTS), 0)
        for (label, outcome), count in self._attempts.items():
            key = label, outcome if outcome in _ATTEMPTS else OTHER
            attempts[key] = attempts.get(key, 0) + count
        labels = ("destination", "priority", "outcome")
        yield Family("deliveries", Kind.COUNTER, "Deliveries that ended, by final state.", labels, settled.items())
        labels_of_attempts = ("destination", "outcome")
        yield Family("attempts", Kind.COUNTER, "Attempts to send.", labels_of_attempts, attempts.items())
        yield Family("intake_seconds", Kind.HISTOGRAM, _INTAKE, (), [((), self._intake.buckets())])
        for name, text, label, histograms in (
            ("dwell", "From when a delivery may be sent until its first attempt.", "destination", self._dwell),
            ("send", "From the start of an attempt until its outcome.", "destination", self._sends),
            ("signal_to_visible", _VISIBLE, "destination", self._visible),
            ("candle_to_signal", "From the close of a candle until its signal is saved.", "feed", self._to_signal),
            ("cycle", "From the fetch of new candles until the state of a strategy is saved.", "feed", self._cycles),
        ):
            yield Family(f"{name}_seconds", Kind.HISTOGRAM, text, (label,), histograms.samples())

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
        settled: Counter[DeliveryState] = Counter()
        for (_, _, state), count in self._settled.items():
            settled[state] += count
        attempts = Counter(dict.fromkeys(_ATTEMPTS, 0))
        for (_, outcome), count in self._attempts.items():
            attempts[outcome] += count
        return {
            "notifications_queued": self._tickets[Outcome.ACCEPTED],
            "notifications_sent": settled[DeliveryState.DELIVERED],
            "notifications_failed": sum(settled[state] for state in _FAILED) - self._passed_on,
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
            "attempts_ambiguous": sum(attempts[outcome] for outcome in _AMBIGUOUS),
            **{f"tickets_{outcome}": self._tickets[outcome] for outcome in Outcome},
            **{f"deliveries_{state}": settled[state] for state in _FINAL},
            **{f"attempts_{outcome}": count for outcome, count in sorted(attempts.items())},
        }


_TEXTS = {
    "notifications_queued": "Notifications that were accepted.",
    "notifications_sent": "Deliveries that the destination confirmed.",
    "notifications_failed": "Dead, expired or unconfirmed deliveries, except those passed on to a fallback.",
    "notifications_held": "Notifications in memory that are not saved yet.",
    "queue_depth": "Open deliveries.",
    "circuit_breaker_trips": "How often a breaker opened.",
    "circuit_breakers_open": "Breakers that are not closed.",
    "destinations_disabled": "Destinations whose webhook no longer exists.",
    "clock_steps": "Steps of the system clock.",
    "takeovers": "How often this process took over from another owner.",
    "ownership_lost": "How often another process took over from this one.",
    "workers_restarted": "Background tasks that failed and were restarted.",
    "rows_damaged": "Deliveries whose row in the store is damaged.",
    "charts_added": "Charts that were added to cards.",
    "charts_failed": "Charts that were not added.",
    "attempts_ambiguous": "Attempts after which a message may or may not have been shown.",
    "log_lines_dropped": "Log lines that were lost.",
    "oldest_command_s": "Seconds for which the oldest command has waited for the store.",
    **{f"tickets_{each}": f"Notifications with this outcome: {each}." for each in Outcome},
    **{f"deliveries_{each}": f"Deliveries that ended with this state: {each}." for each in _FINAL},
    **{f"attempts_{each}": f"Attempts with this outcome: {each}." for each in _ATTEMPTS},
}
_GAUGES = frozenset(
    {"queue_depth", "notifications_held", "circuit_breakers_open", "destinations_disabled", "oldest_command_s"}
)


def families_of(counts: Mapping[str, int]) -> Iterator[Family]:
    """The counts of `get_metrics`, each as a metric, except outcomes that only a user's own sink has."""
    for name, text in _TEXTS.items():
        yield Family(name, Kind.GAUGE if name in _GAUGES else Kind.COUNTER, text, (), [((), counts[name])])


def counts_of_none() -> dict[str, int]:
    """All counts by name if no service runs."""
    return {**Metrics().snapshot(), "notifications_held": 0, "log_lines_dropped": logger.dropped, "oldest_command_s": 0}

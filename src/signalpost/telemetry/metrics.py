"""Counters of events over all runs and of the deliveries now open; `sent` counts only confirmed deliveries."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import product

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

    def __call__(self, event: events.Event) -> None:
        """Count one event."""
        match event:
            case events.Taken(ticket, notification, destinations):
                self._tickets[ticket.outcome] += 1
                if ticket.outcome is Outcome.ACCEPTED:
                    self._open += len(destinations)
                    self._intake.observe((clock.now() - notification.accepted_at).total_seconds())
            case events.Settled(delivery) if delivery.state.is_terminal:
                self._note_end(delivery)
                self._passed_on += delivery.is_passed_on
                self._open -= 1
                self._note_shown(event)
            case events.SendBegan() | events.SendEnded() | events.CandlesTaken():
                self._note_duration(event)
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

    def _note_end(self, delivery: Delivery) -> None:
        label = self._destinations.of(delivery.id.destination)
        self._settled[label, delivery.priority, delivery.state] += 1

    def _note_shown(self, event: events.Settled) -> None:
        """Measure from the acceptance of a signal, or of a change, until its message was posted."""
        made = event.notification
        if event.shown_at is not None and made is not None and made.kind == "signal":
            waited = (event.shown_at - made.accepted_at).total_seconds()
            self._visible.observe(event.delivery.id.destination, waited)

    def _note_duration(self, event: events.SendBegan | events.SendEnded | events.CandlesTaken) -> None:
        match event:
            case events.SendBegan(destination, deliveries, waited):
                for delivery, seconds in zip(deliveries, waited, strict=False):
                    if not (delivery.attempts or delivery.may_repeat):  # a retry has waited for what failed
                        self._dwell.observe(destination, seconds)
            case events.SendEnded(destination, outcome, _, seconds):
                self._attempts[self._destinations.of(destination), outcome] += 1
                if outcome not in _NOT_TIMED:
                    self._sends.observe(destination, seconds)
            case _:
                self._cycles.observe(event.feed, event.took_seconds)
                for seconds in event.waited_seconds:
                    self._to_signal.observe(event.feed, seconds)

    def _note(self, event: events.Event) -> None:
        self._happened[type(event)] += 1
        self._open += isinstance(event, events.PassedOn | events.ChartQueued)
        self._charts_failed += isinstance(event, events.ChartEnded) and event.failure is not None
        if isinstance(event, events.RowDamaged):
            self._note_end(event.delivery)
            self._open -= event.was_open

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

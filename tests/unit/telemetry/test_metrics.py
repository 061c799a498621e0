from signalpost import Delivery, DeliveryState, Outcome, Ticket
from signalpost.domain.events import (
    BreakerMoved,
    ClockStepped,
    DestinationEnabled,
    DestinationGone,
    SendBegan,
    SendEnded,
    Settled,
    Taken,
)
from signalpost.domain.notification import Notification
from signalpost.telemetry.metrics import Metrics


def test_tickets_are_counted_as_notifications_and_the_rest_as_deliveries(
    notification: Notification, delivery: Delivery
) -> None:
    metrics = Metrics()
    metrics(Taken(Ticket(Outcome.ACCEPTED, "1"), notification, ("a", "b")))
    metrics(Taken(Ticket(Outcome.DUPLICATE, "1"), notification, ("a", "b")))
    metrics(Taken(Ticket(Outcome.REFUSED, ""), notification, ()))
    counts = metrics.snapshot()
    assert (counts["notifications_queued"], counts["queue_depth"]) == (1, 2)
    assert (counts["tickets_duplicate"], counts["tickets_refused"]) == (1, 1)
    metrics(Settled(delivery._replace(state=DeliveryState.DELIVERED)))
    assert metrics.snapshot()["queue_depth"] == 1


def test_sent_counts_confirmed_deliveries_only(delivery: Delivery) -> None:
    metrics = Metrics()
    metrics.found_open(5)
    metrics(SendBegan("a", (delivery,)))
    metrics(SendEnded("a", "delivered", "", 0.1))
    assert metrics.snapshot()["notifications_sent"] == 0
    for state in DeliveryState:
        metrics(Settled(delivery._replace(state=state)))
    counts = metrics.snapshot()
    assert counts["notifications_sent"] == 1
    assert counts["notifications_failed"] == 3, "dead, expired and unconfirmed"
    assert counts["queue_depth"] == 5 - 7, "each terminal state closes one"
    assert counts["attempts_delivered"] == 1


def test_only_an_opening_breaker_is_a_trip() -> None:
    metrics = Metrics()
    was = "closed"
    for state in ("open", "half-open", "open", "half-open", "closed", "open"):
        metrics(BreakerMoved("a", state, was))
        was = state
    metrics(BreakerMoved("kept from an earlier run", "open", "open"))
    counts = metrics.snapshot()
    assert (counts["circuit_breaker_trips"], counts["circuit_breakers_open"]) == (2, 2)
    metrics(BreakerMoved("a", "half-open", "open"))
    metrics(BreakerMoved("a", "closed", "half-open"))
    assert metrics.snapshot()["circuit_breakers_open"] == 1


def test_an_attempt_with_an_unknown_outcome_is_counted_as_ambiguous() -> None:
    metrics = Metrics()
    for outcome in ("delivered", "rejected", "unavailable", "throttled", "unconfirmed", "unconfirmed", "lapsed"):
        metrics(SendEnded("a", outcome, "", 0.1))
    assert metrics.snapshot()["attempts_ambiguous"] == 3


def test_the_count_of_the_store_is_the_depth() -> None:
    metrics = Metrics()
    metrics.found_open(5)
    metrics.counted_open(3)
    assert metrics.snapshot()["queue_depth"] == 3


def test_each_step_of_the_clock_is_counted() -> None:
    metrics = Metrics()
    metrics(ClockStepped(-3600.0))
    metrics(ClockStepped(3600.0))
    assert metrics.snapshot()["clock_steps"] == 2


def test_a_destination_is_disabled_until_it_is_enabled() -> None:
    metrics = Metrics()
    for event in (DestinationGone("a", "10015"), DestinationGone("a", "10015"), DestinationGone("b", "10015")):
        metrics(event)
    assert metrics.snapshot()["destinations_disabled"] == 2
    for event in (DestinationEnabled("a"), DestinationEnabled("never disabled")):
        metrics(event)
    assert metrics.snapshot()["destinations_disabled"] == 1


def test_a_new_run_resets_the_open_counts_and_keeps_the_others() -> None:
    metrics = Metrics()
    metrics(BreakerMoved("a", "open"))
    metrics(DestinationGone("b", "404"))
    metrics(ClockStepped(1.0))
    metrics.begin()
    counts = metrics.snapshot()
    assert (counts["circuit_breakers_open"], counts["destinations_disabled"]) == (0, 0)
    assert (counts["circuit_breaker_trips"], counts["clock_steps"]) == (1, 1)

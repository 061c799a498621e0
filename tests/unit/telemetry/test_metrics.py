from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost import Delivery, DeliveryState, NotificationPriority, Outcome, Signal, Ticket
from signalpost.domain.delivery import DeliveryId
from signalpost.domain.events import (
    BreakerMoved,
    CandlesTaken,
    ClockStepped,
    DestinationEnabled,
    DestinationGone,
    SendBegan,
    SendEnded,
    Settled,
    Taken,
)
from signalpost.domain.notification import Notification
from signalpost.errors import Evidence
from signalpost.sinks import evidence
from signalpost.telemetry.families import OTHER, Buckets
from signalpost.telemetry.metrics import Metrics, families_of
from signalpost.testing.manual_clock import ManualClock
from tests.unit.telemetry.conftest import NOON

ENDS = [state for state in DeliveryState if state.is_terminal]


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


def samples(metrics: Metrics, name: str) -> dict[tuple[str, ...], Any]:
    """The samples of one metric; of a histogram, the counts and the sum."""
    (family,) = (each for each in metrics.families() if each.name == name)
    return {
        labels: (value.counts[-1], value.total) if isinstance(value, Buckets) else value
        for labels, value in family.samples
    }


def moved(found: dict[tuple[str, ...], Any]) -> dict[tuple[str, ...], Any]:
    """The samples that are not zero."""
    return {labels: value for labels, value in found.items() if value not in (0, (0, 0.0))}


def test_every_known_label_has_a_sample_before_anything_happened() -> None:
    metrics = Metrics(("a", "b"), ("f",))
    deliveries = samples(metrics, "deliveries")
    assert len(deliveries) == 2 * len(NotificationPriority) * len(ENDS)
    assert ("b", "URGENT", "expired") in deliveries
    assert ("a", "throttled") in samples(metrics, "attempts")
    assert set(samples(metrics, "send_seconds")) == {("a",), ("b",)}
    assert set(samples(metrics, "cycle_seconds")) == {("f",)}
    assert not any(moved(samples(metrics, family.name)) for family in metrics.families())


settled = st.tuples(st.sampled_from("abxy"), st.sampled_from(NotificationPriority), st.sampled_from(ENDS))


@given(
    ends=st.lists(settled),
    attempts=st.lists(st.tuples(st.sampled_from("abxy"), st.sampled_from(("throttled", "lapsed", "Ü")))),
)
def test_counts_with_labels_add_up_to_those_without(
    ends: Iterable[tuple[str, NotificationPriority, DeliveryState]], attempts: list[tuple[str, str]]
) -> None:
    metrics = Metrics(("a", "b"))
    for name, priority, state in ends:
        metrics(Settled(Delivery(DeliveryId("1", name), state, priority, 0, "s", NOON)))
    for name, outcome in attempts:
        metrics(SendEnded(name, outcome, "", 0.1))
    counts, deliveries, tries = metrics.snapshot(), samples(metrics, "deliveries"), samples(metrics, "attempts")
    for state in ENDS:
        assert sum(n for (_, _, each), n in deliveries.items() if each == state) == counts[f"deliveries_{state}"]
    assert sum(n for (_, each), n in tries.items() if each == "throttled") == counts["attempts_throttled"]
    assert sum(n for (_, each), n in tries.items() if each == OTHER) == counts.get("attempts_Ü", 0)
    assert {label for label, *_ in (*deliveries, *tries)} <= {"a", "b", OTHER}
    sent = [outcome for _, outcome in attempts if outcome != "lapsed"]
    assert sum(count for count, _ in samples(metrics, "send_seconds").values()) == len(sent)


def test_every_outcome_of_an_attempt_has_a_sample_from_the_start() -> None:
    kinds = {each.__name__.lower() for each in vars(evidence).values() if _is_evidence(each)}
    known = {outcome for _, outcome in samples(Metrics("a"), "attempts")}
    assert known == {*kinds, "delivered", "lapsed"}


def _is_evidence(each: object) -> bool:
    return isinstance(each, type) and issubclass(each, Evidence) and each not in (Evidence, evidence.Answered)


def test_every_count_is_a_metric_of_its_own() -> None:
    counts = {**Metrics().snapshot(), "notifications_held": 3, "log_lines_dropped": 0, "oldest_command_s": 7}
    found = {family.name: dict(family.samples)[()] for family in families_of(counts)}
    assert found == counts


def test_only_a_first_attempt_counts_as_waiting(delivery: Delivery) -> None:
    metrics = Metrics(("a",))
    again = delivery._replace(attempts=1)
    repeated = delivery._replace(may_repeat=True)
    metrics(SendBegan("a", (delivery, again, repeated), (2.0, 100.0, 200.0)))
    metrics(SendBegan("a", (delivery,)))
    assert samples(metrics, "dwell_seconds") == {("a",): (1, 2.0)}


def test_the_time_of_a_message_counts_from_the_acceptance_of_its_signal(
    delivery: Delivery, notification: Notification
) -> None:
    metrics = Metrics(("system-status",))
    signal = Signal(pair="EURUSD", timeframe="H4", signal_type="BUY", entry_price="1.16", timestamp=NOON)
    of_signal, shown_at = notification.but(payload=signal), NOON + timedelta(seconds=3)
    delivered = delivery._replace(state=DeliveryState.DELIVERED)
    for made, at in ((of_signal, shown_at), (of_signal, None), (notification, shown_at), (None, shown_at)):
        metrics(Settled(delivered, made, at))
    assert samples(metrics, "signal_to_visible_seconds") == {("system-status",): (1, 3.0)}


@pytest.mark.parametrize("outcome", Outcome)
def test_only_accepted_notifications_have_a_time_of_intake(outcome: Outcome, notification: Notification) -> None:
    metrics = Metrics()
    with ManualClock(NOON + timedelta(seconds=0.5)):
        metrics(Taken(Ticket(outcome, "1"), notification, ()))
    assert samples(metrics, "intake_seconds") == {(): (1, 0.5) if outcome is Outcome.ACCEPTED else (0, 0.0)}


def test_the_times_of_strategies_are_counted_by_feed() -> None:
    metrics = Metrics(feeds=("f",))
    metrics(CandlesTaken("EUR_USD H4", "f", 2, 0.25, (3.0, 4.0)))
    metrics(CandlesTaken("EUR_USD H4", "of another process", 1, 0.5))
    assert samples(metrics, "cycle_seconds") == {("f",): (1, 0.25), (OTHER,): (1, 0.5)}
    assert samples(metrics, "candle_to_signal_seconds") == {("f",): (2, 7.0)}

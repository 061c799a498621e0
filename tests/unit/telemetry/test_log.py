import logging
from datetime import UTC, datetime

import pytest

from signalpost import Delivery, DeliveryState, Outcome, Ticket
from signalpost.domain.events import (
    BreakerMoved,
    CandlesTaken,
    CardGone,
    ChangeRefused,
    ChartEnded,
    ChartQueued,
    ClockStepped,
    DestinationEnabled,
    DestinationGone,
    DestinationSeen,
    Event,
    HostBanned,
    IncidentBegan,
    IncidentEnded,
    OwnershipLost,
    SendBegan,
    SendEnded,
    Settled,
    StoreMoved,
    Taken,
    TookOver,
    WorkerFailed,
    WorkerRecovered,
)
from signalpost.domain.notification import Notification
from signalpost.domain.reports import AlertSeverity
from signalpost.telemetry.log import log

AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
INCIDENT = IncidentBegan("feed", "oanda", AlertSeverity.HIGH, "oanda", "code 503", AT)


def logged_line(caplog: pytest.LogCaptureFixture, event: Event) -> tuple[str, str]:
    caplog.clear()
    caplog.set_level(logging.DEBUG, "signalpost")
    log(event)
    (record,) = caplog.records
    assert record.name == "signalpost"
    return record.levelname, record.getMessage()


@pytest.mark.parametrize(
    ("state", "level"),
    [
        (DeliveryState.DELIVERED, "INFO"),
        (DeliveryState.PENDING, "INFO"),
        (DeliveryState.EXPIRED, "WARNING"),
        (DeliveryState.UNCONFIRMED, "WARNING"),
        (DeliveryState.DEAD, "ERROR"),
    ],
)
def test_the_level_of_a_settled_delivery_follows_its_state(
    caplog: pytest.LogCaptureFixture, delivery: Delivery, state: DeliveryState, level: str
) -> None:
    event = Settled(delivery._replace(state=state, reason="REASON"))
    logged, text = logged_line(caplog, event)
    assert logged == level
    assert all(fact in text for fact in ("0001@system-status", state, "REASON"))


def test_a_ticket_is_logged_and_a_refused_one_as_a_warning(
    caplog: pytest.LogCaptureFixture, notification: Notification
) -> None:
    accepted = Taken(Ticket(Outcome.ACCEPTED, "0001"), notification, ("system-status",))
    refused = Taken(Ticket(Outcome.REFUSED, "", "REASON"), notification, ())
    for event, level, facts in (
        (accepted, "INFO", ("status:1 new", "accepted")),
        (refused, "WARNING", ("status:1 new", "refused", "REASON")),
    ):
        logged, text = logged_line(caplog, event)
        assert logged == level
        assert all(fact in text for fact in facts)


@pytest.mark.parametrize(
    ("event", "level", "facts"),
    [
        (SendBegan("d1", ()), "DEBUG", ("d1", "0")),
        (SendEnded("d1", "throttled", "DETAIL", 0.25), "DEBUG", ("d1", "throttled", "0.250 s", "DETAIL")),
        (CandlesTaken("EUR_USD H4", "f", 2, 0.25), "DEBUG", ("EUR_USD H4", "2", "0.250 s")),
        (BreakerMoved("d1", "open"), "WARNING", ("d1", "open")),
        (ClockStepped(3600.0), "WARNING", ("+3600.0 s",)),
        (
            HostBanned("discord.com", "403", datetime(2026, 3, 2, 9, 30, 0, 5, UTC)),
            "ERROR",
            ("discord.com", "2026-03-02T09:30:00Z", "403"),
        ),
        (DestinationGone("d1", "10015"), "ERROR", ("d1", "10015")),
        (DestinationEnabled("d1"), "WARNING", ("d1",)),
        (StoreMoved(False, "REASON"), "ERROR", ("REASON",)),
        (StoreMoved(True), "WARNING", ()),
        (TookOver(("signals-free", "default")), "WARNING", ("signals-free", "default")),
    ],
)
def test_every_other_event_is_one_line(
    caplog: pytest.LogCaptureFixture, event: Event, level: str, facts: tuple[str, ...]
) -> None:
    logged, text = logged_line(caplog, event)
    assert logged == level
    assert all(fact in text for fact in facts)
    assert text


def test_a_beginning_send_is_a_debug_line_with_its_count(caplog: pytest.LogCaptureFixture, delivery: Delivery) -> None:
    logged, text = logged_line(caplog, SendBegan("d1", (delivery, delivery)))
    assert logged == "DEBUG"
    assert all(fact in text for fact in ("2", "d1"))


@pytest.mark.parametrize(
    ("event", "lines"),
    [
        (DestinationSeen("d1", "77"), [("INFO", ("d1", "77"))]),
        (
            DestinationSeen("d1", "77", "5", ("e1", "f1")),
            [("INFO", ("d1", "77", "5")), ("WARNING", ("d1", "e1, f1"))],
        ),
        (DestinationSeen("d1", "77", trouble="TROUBLE"), [("INFO", ("d1", "77")), ("ERROR", ("d1", "TROUBLE"))]),
        (DestinationSeen("d1", None, trouble="TROUBLE"), [("ERROR", ("d1", "TROUBLE"))]),
    ],
)
def test_the_channel_and_the_problem_of_a_destination_are_logged(
    caplog: pytest.LogCaptureFixture, event: DestinationSeen, lines: list[tuple[str, tuple[str, ...]]]
) -> None:
    caplog.set_level(logging.DEBUG, "signalpost")
    log(event)
    for record, (level, facts) in zip(caplog.records, lines, strict=True):
        assert record.levelname == level
        assert all(fact in record.getMessage() for fact in facts)


@pytest.mark.parametrize(
    ("event", "level", "name"),
    [
        (WorkerFailed("sender 1 of signals-free", "SystemExit", "SystemExit [lane.py:1 f]"), "ERROR", "SystemExit"),
        (WorkerRecovered("sender 1 of signals-free"), "WARNING", "sender 1"),
        (OwnershipLost(77), "ERROR", "77"),
        (INCIDENT, "ERROR", "code 503"),
        (IncidentEnded(INCIDENT, AT), "WARNING", "oanda"),
        (IncidentEnded(INCIDENT, AT, is_unused=True), "WARNING", "oanda"),
    ],
)
def test_failures_of_workers_and_of_ownership_are_logged(
    caplog: pytest.LogCaptureFixture, event: Event, level: str, name: str
) -> None:
    found, text = logged_line(caplog, event)
    assert (found, name in text) == (level, True)


@pytest.mark.parametrize(
    ("event", "level", "facts"),
    [
        (ChangeRefused("s1", "it is closed"), "ERROR", ("s1", "it is closed")),
        (
            CardGone("signals-free", "s1", "deleted", is_stopped=False, at=AT),
            "WARNING",
            ("s1", "signals-free", "deleted"),
        ),
        (CardGone("signals-free", "s1", "moved", is_stopped=True, at=AT), "WARNING", ("s1", "signals-free", "moved")),
    ],
)
def test_changes_that_the_caller_cannot_see_are_logged(
    caplog: pytest.LogCaptureFixture, event: Event, level: str, facts: tuple[str, ...]
) -> None:
    logged, text = logged_line(caplog, event)
    assert logged == level
    assert all(fact in text for fact in facts)


@pytest.mark.parametrize(
    ("event", "level", "facts"),
    [
        (ChartQueued("signals-free", "s1"), "DEBUG", ()),
        (ChartEnded("signals-free", "s1"), "INFO", ()),
        (ChartEnded("signals-free", "s1", "code 413"), "WARNING", ("code 413",)),
    ],
)
def test_only_a_chart_that_failed_is_a_warning(
    caplog: pytest.LogCaptureFixture, event: Event, level: str, facts: tuple[str, ...]
) -> None:
    logged, text = logged_line(caplog, event)
    assert logged == level
    assert all(fact in text for fact in ("signals-free", "s1", *facts))

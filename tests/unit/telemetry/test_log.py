import logging
from datetime import UTC, datetime

import pytest

from signalpost import Delivery, DeliveryState, Outcome, Ticket
from signalpost.domain.events import (
    BreakerMoved,
    ClockStepped,
    DestinationEnabled,
    DestinationGone,
    DestinationSeen,
    Event,
    HostBanned,
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
from signalpost.telemetry.log import log


def told(caplog: pytest.LogCaptureFixture, event: Event) -> tuple[str, str]:
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
def test_a_delivery_that_people_should_look_at_is_loud(
    caplog: pytest.LogCaptureFixture, delivery: Delivery, state: DeliveryState, level: str
) -> None:
    event = Settled(delivery._replace(state=state, reason="so it is"))
    assert told(caplog, event) == (level, f"delivery 0001@system-status is {state}: so it is")


def test_what_intake_answered_is_told_and_refusals_warn(
    caplog: pytest.LogCaptureFixture, notification: Notification
) -> None:
    accepted = Taken(Ticket(Outcome.ACCEPTED, "0001"), notification, ("system-status",))
    refused = Taken(Ticket(Outcome.REFUSED, "", "no webhook"), notification, ())
    assert told(caplog, accepted) == ("INFO", "status:1 new accepted")
    assert told(caplog, refused) == ("WARNING", "status:1 new refused: no webhook")


@pytest.mark.parametrize(
    ("event", "level", "text"),
    [
        (SendEnded("d", "throttled", "wait 2 s", 0.25), "DEBUG", "a send to d was throttled after 0.250 s: wait 2 s"),
        (BreakerMoved("d", "open"), "WARNING", "the breaker of d is open"),
        (
            ClockStepped(3600.0),
            "WARNING",
            "the clock was set by +3600.0 s: what waits for a time of day is looked at anew",
        ),
        (
            HostBanned("discord.com", "403", datetime(2026, 3, 2, 9, 30, 0, 5, UTC)),
            "ERROR",
            "discord.com shuts this address out, and is sent nothing until 2026-03-02T09:30:00Z: 403",
        ),
        (DestinationGone("d", "10015"), "ERROR", "d is disabled, because its webhook is gone for good: 10015"),
        (DestinationEnabled("d"), "WARNING", "d is enabled: what waits for it is sent again"),
        (StoreMoved(False, "disk full"), "ERROR", "the store is unavailable: disk full"),
        (StoreMoved(True), "WARNING", "the store is available again"),
    ],
)
def test_every_other_event_is_one_line(caplog: pytest.LogCaptureFixture, event: Event, level: str, text: str) -> None:
    assert told(caplog, event) == (level, text)


def test_a_beginning_send_is_told_to_who_looks_closely(caplog: pytest.LogCaptureFixture, delivery: Delivery) -> None:
    assert told(caplog, SendBegan("d", (delivery,))) == ("DEBUG", "sending 1 to d")


def test_to_take_over_is_a_warning_that_names_where_this_process_delivers(caplog: pytest.LogCaptureFixture) -> None:
    said = "the process that delivered is gone: this one delivers now, to signals-free, default"
    assert told(caplog, TookOver(("signals-free", "default"))) == ("WARNING", said)


@pytest.mark.parametrize(
    ("event", "lines"),
    [
        (DestinationSeen("d", "77"), ["INFO d shows in channel 77"]),
        (
            DestinationSeen("d", "77", "5", ("e", "f")),
            [
                "INFO d shows in channel 77 of guild 5",
                "WARNING d shows in one channel with e, f: who reads it reads both",
            ],
        ),
        (
            DestinationSeen("d", "77", trouble="it takes no messages"),
            ["INFO d shows in channel 77", "ERROR d: it takes no messages"],
        ),
    ],
)
def test_where_a_destination_shows_is_told_and_what_is_odd_about_it(
    caplog: pytest.LogCaptureFixture, event: DestinationSeen, lines: list[str]
) -> None:
    caplog.set_level(logging.DEBUG, "signalpost")
    log(event)
    assert [f"{record.levelname} {record.getMessage()}" for record in caplog.records] == lines


@pytest.mark.parametrize(
    ("event", "level", "name"),
    [
        (WorkerFailed("sender 1 of signals-free", "SystemExit", "SystemExit [lane.py:1 f]"), "ERROR", "SystemExit"),
        (WorkerRecovered("sender 1 of signals-free"), "WARNING", "sender 1"),
        (OwnershipLost(77), "ERROR", "77"),
    ],
)
def test_what_befalls_the_work_of_a_service_is_logged(
    caplog: pytest.LogCaptureFixture, event: Event, level: str, name: str
) -> None:
    logged, text = told(caplog, event)
    assert (logged, name in text) == (level, True)

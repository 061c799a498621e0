"""A candle that opens in the future is accepted with a warning, because its time zone is probably wrong."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from signalpost import Signal
from signalpost.delivery.intake import Intake
from signalpost.delivery.outbox.commands import Answer, Command
from signalpost.delivery.routing import Routing
from signalpost.delivery.ticket_ids import TicketIds
from signalpost.domain.events import Event, Taken
from signalpost.domain.instant import iso
from signalpost.domain.ticket import Outcome, Ticket
from signalpost.errors import StoreFailed
from signalpost.telemetry.log import log
from signalpost.testing.manual_clock import ManualClock
from tests.inline_outbox import InlineOutbox
from tests.tmpfs import new_core

NOW = datetime(2026, 1, 5, 16, tzinfo=UTC)


class UnwellOutbox(InlineOutbox):
    """An outbox whose store fails on demand."""

    is_unwell = False

    async def do(self, command: Command[Answer]) -> Answer:
        if self.is_unwell:
            raise StoreFailed("the disk is full")
        return await super().do(command)


class Door:
    """An intake with the events it emitted."""

    def __init__(self) -> None:
        self.outbox = UnwellOutbox(new_core())
        self.events: list[Event] = []
        self.intake = Intake(
            self.outbox,
            Routing(["signals-free"]),
            TicketIds(Random(7).getrandbits),
            emit=self.events.append,
            on_put=lambda *_: None,
        )


def signal(timestamp: datetime) -> Signal:
    return Signal(pair="EURUSD", timeframe="H4", signal_type="BUY", entry_price="1.1", timestamp=timestamp)


@pytest.fixture(autouse=True)
def clock() -> Iterator[ManualClock]:
    with ManualClock(NOW) as clock:
        yield clock


def warnings(ticket: Ticket) -> tuple[str, ...]:
    return getattr(ticket, "warnings", ())


@pytest.mark.line("6.5.22")
@pytest.mark.parametrize("ahead", [timedelta(seconds=61), timedelta(hours=2), timedelta(days=20_000)])
async def test_a_candle_that_opens_more_than_a_minute_ahead_is_accepted_with_a_warning(
    ahead: timedelta, caplog: pytest.LogCaptureFixture
) -> None:
    door = Door()
    early = signal(timestamp=NOW + ahead)
    first, again = await door.intake.accept(early), await door.intake.accept(early)
    assert [each.outcome for each in (first, again)] == [Outcome.ACCEPTED, Outcome.DUPLICATE]
    for ticket in (first, again):
        (warning,) = warnings(ticket) or ("none",)
        assert iso(early.timestamp) in warning
    taken = door.events[0]
    assert isinstance(taken, Taken)
    with caplog.at_level(logging.INFO, "signalpost"):
        log(taken)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert warnings(first)[0] in record.getMessage()


@pytest.mark.line("6.5.22")
async def test_a_signal_held_in_memory_has_the_warning_too() -> None:
    door = Door()
    door.outbox.is_unwell = True
    ticket = await door.intake.accept(signal(timestamp=NOW + timedelta(hours=1)))
    assert ticket.outcome is Outcome.HELD
    assert len(warnings(ticket)) == 1
    await door.intake.close()


async def test_a_near_candle_a_close_and_a_refusal_have_no_warning() -> None:
    door = Door()
    near = await door.intake.accept(signal(timestamp=NOW + timedelta(seconds=60)))
    early = signal(timestamp=NOW + timedelta(hours=1))
    closed = await door.intake.accept(early, event="closed")
    refused = await door.intake.accept(early, user_tier="whale")
    assert [each.outcome for each in (near, closed, refused)] == [Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.REFUSED]
    assert not any(warnings(each) for each in (near, closed, refused))

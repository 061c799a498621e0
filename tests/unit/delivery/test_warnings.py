"""What is accepted with a warning: a candle that opens in the future, and an unknown tier with a single webhook."""

import logging
from collections.abc import Iterator
from datetime import timedelta

import pytest

from signalpost.delivery.routing import Routing
from signalpost.domain.events import Taken
from signalpost.domain.instant import iso
from signalpost.domain.ticket import Outcome, Ticket
from signalpost.telemetry.log import log
from signalpost.testing.manual_clock import ManualClock
from tests.unit.delivery.intake_harness import NOW, IntakeHarness, signal


@pytest.fixture(autouse=True)
def clock() -> Iterator[ManualClock]:
    with ManualClock(NOW) as clock:
        yield clock


def warnings(ticket: Ticket) -> tuple[str, ...]:
    return getattr(ticket, "warnings", ())


@pytest.mark.parametrize("ahead", [timedelta(seconds=61), timedelta(hours=2), timedelta(days=20_000)])
async def test_a_candle_that_opens_more_than_a_minute_ahead_is_accepted_with_a_warning(
    ahead: timedelta, caplog: pytest.LogCaptureFixture
) -> None:
    harness = IntakeHarness()
    early = signal(timestamp=NOW + ahead)
    first, again = await harness.intake.accept(early), await harness.intake.accept(early)
    assert [each.outcome for each in (first, again)] == [Outcome.ACCEPTED, Outcome.DUPLICATE]
    for ticket in (first, again):
        (warning,) = warnings(ticket) or ("none",)
        assert iso(early.timestamp) in warning
    taken = harness.events[0]
    assert isinstance(taken, Taken)
    with caplog.at_level(logging.INFO, "signalpost"):
        log(taken)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert warnings(first)[0] in record.getMessage()


async def test_a_signal_held_in_memory_has_the_warning_too() -> None:
    harness = IntakeHarness()
    harness.outbox.fails = True
    ticket = await harness.intake.accept(signal(timestamp=NOW + timedelta(hours=1)))
    assert ticket.outcome is Outcome.HELD
    assert len(warnings(ticket)) == 1
    await harness.intake.close()


async def test_a_near_candle_a_close_and_a_refusal_have_no_warning() -> None:
    harness = IntakeHarness()
    near = await harness.intake.accept(signal(timestamp=NOW + timedelta(seconds=60)))
    early = signal(timestamp=NOW + timedelta(hours=1))
    closed = await harness.intake.accept(early, event="closed")
    refused = await harness.intake.accept(early, user_tier="whale")
    assert [each.outcome for each in (near, closed, refused)] == [Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.REFUSED]
    assert not any(warnings(each) for each in (near, closed, refused))


async def test_a_tier_that_only_the_single_webhook_serves_is_accepted_with_a_warning() -> None:
    harness = IntakeHarness("default")
    harness.intake.routing = Routing(["default"], everything_to="default")
    typo, known = [
        await harness.intake.accept(signal(signal_id=tier), user_tier=tier) for tier in ("premum", "premium")
    ]
    assert [each.outcome for each in (typo, known)] == [Outcome.ACCEPTED, Outcome.ACCEPTED]
    assert [len(warnings(each)) for each in (typo, known)] == [1, 0]
    assert "premum" in warnings(typo)[0]

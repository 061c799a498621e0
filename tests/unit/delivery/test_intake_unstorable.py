"""A notification that cannot be saved is refused, and does not block the others."""

import asyncio
from typing import Any

from signalpost.delivery.outbox.commands import Command, Put
from signalpost.domain.events import Taken
from signalpost.domain.ticket import Outcome
from signalpost.testing.manual_clock import ManualClock
from signalpost.testing.virtual_loop import run_virtual
from tests.tmpfs import new_core
from tests.unit.delivery.intake_harness import NOW, IntakeHarness, signal


class Broken:
    """A core with a programming error."""

    def __init__(self) -> None:
        self._core = new_core()

    def apply(self, batch: list[Command[Any]]) -> list[Any]:
        if any(isinstance(each, Put) and "GBP" in str(each.notifications) for each in batch):
            raise LookupError("a programming error")
        answers: list[Any] = self._core.apply(batch)
        return answers

    def close(self) -> None:
        self._core.close()


def test_a_notification_that_cannot_be_saved_is_refused_and_raises_nothing() -> None:
    async def run() -> None:
        harness = IntakeHarness(core=Broken())
        (ticket,) = await asyncio.gather(harness.intake.accept(signal(pair="GBPUSD")), return_exceptions=True)
        assert getattr(ticket, "outcome", ticket) == Outcome.REFUSED
        assert getattr(ticket, "code", None) == "unstorable"
        assert (await harness.intake.accept(signal())).outcome is Outcome.ACCEPTED

    with ManualClock(NOW):
        run_virtual(run())


def test_held_notifications_do_not_wait_forever_behind_one_that_cannot_be_saved() -> None:
    async def run() -> None:
        harness = IntakeHarness(core=Broken())
        harness.outbox.fails = True
        held = [await harness.intake.accept(signal(pair=pair)) for pair in ("GBPUSD", "EURUSD")]
        assert [each.outcome for each in held] == [Outcome.HELD] * 2
        harness.outbox.fails = False
        await asyncio.sleep(5)
        assert harness.intake.held == 0
        assert [row.delivery.id.notification_id for row in await harness.rows()] == [held[1].id]
        codes = [event.ticket.code for event in harness.events if isinstance(event, Taken)]
        assert codes == [None, None, "unstorable", None]

    with ManualClock(NOW):
        run_virtual(run())

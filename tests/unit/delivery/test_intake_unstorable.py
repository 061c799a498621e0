"""A notification that no store can hold is refused, and keeps nobody else from being written."""

import asyncio
from typing import Any

import pytest

from signalpost.delivery.outbox.commands import Command, Put
from signalpost.domain.events import Taken
from signalpost.domain.ticket import Outcome
from signalpost.testing.manual_clock import ManualClock
from signalpost.testing.virtual_loop import run_virtual
from tests.unit.delivery.door import NOW, Door, signal


class Broken:
    """A core with a fault of ours in it."""

    def __init__(self, core: Any) -> None:
        self._core = core

    def apply(self, batch: list[Command[Any]]) -> list[Any]:
        if any(isinstance(each, Put) and "GBP" in str(each.notifications) for each in batch):
            raise LookupError("a fault of ours")
        answers: list[Any] = self._core.apply(batch)
        return answers

    def close(self) -> None:
        self._core.close()


def _door() -> Door:
    door = Door()
    door.outbox._core = Broken(door.outbox._core)
    return door


@pytest.mark.line("6.3.1")
def test_a_notification_that_cannot_be_written_is_refused_and_raises_nothing() -> None:
    async def run() -> None:
        door = _door()
        (ticket,) = await asyncio.gather(door.intake.accept(signal(pair="GBPUSD")), return_exceptions=True)
        assert getattr(ticket, "outcome", ticket) == Outcome.REFUSED
        assert getattr(ticket, "code", None) == "unstorable"
        assert (await door.intake.accept(signal())).outcome is Outcome.ACCEPTED

    with ManualClock(NOW):
        run_virtual(run())


def test_what_is_held_does_not_wait_for_ever_behind_one_that_cannot_be_written() -> None:
    async def run() -> None:
        door = _door()
        door.outbox.is_unwell = True
        held = [await door.intake.accept(signal(pair=pair)) for pair in ("GBPUSD", "EURUSD")]
        assert [each.outcome for each in held] == [Outcome.HELD] * 2
        door.outbox.is_unwell = False
        await asyncio.sleep(5)
        assert door.intake.held == 0
        assert [row.delivery.id.notification_id for row in await door.rows()] == [held[1].id]
        told = [event.ticket.code for event in door.events if isinstance(event, Taken)]
        assert told == [None, None, "unstorable", None]

    with ManualClock(NOW):
        run_virtual(run())

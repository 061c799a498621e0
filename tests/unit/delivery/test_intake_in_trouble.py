"""Intake while the store is unwell: what is said, what is kept, and how it comes right again by itself."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from signalpost import SystemStatus
from signalpost.delivery.outbox.commands import Put, StreamState
from signalpost.domain.events import StoreMoved
from signalpost.domain.ticket import Outcome, Refusal
from signalpost.errors import StoreFailed
from signalpost.testing.manual_clock import ManualClock
from signalpost.testing.virtual_loop import run_virtual
from tests.unit.delivery.door import NOW, Door, signal

STATE = StreamState("EUR_USD_H4", "print", NOW, b"{}")
Scenario = Callable[[Door], Coroutine[Any, Any, None]]


def run(scenario: Scenario) -> None:
    """In virtual time, with a store that is unwell to begin with."""

    async def all_of_it() -> None:
        door = Door()
        door.outbox.is_unwell = True
        await scenario(door)
        door.outbox.is_unwell = False
        await door.intake.close()

    with ManualClock(NOW):
        run_virtual(all_of_it())


def _moves(door: Door) -> list[bool]:
    return [event.is_well for event in door.events if isinstance(event, StoreMoved)]


def test_the_same_thing_twice_while_the_store_is_unwell_is_held_once_under_the_first_ones_id() -> None:
    async def scenario(door: Door) -> None:
        first = await door.intake.accept(signal())
        again = await door.intake.accept(signal())
        assert (first.outcome, first.reason) == (Outcome.HELD, "the disk is full")
        assert (again.outcome, again.id) == (Outcome.HELD, first.id), "no duplicate: it is in memory only"
        assert (await door.intake.accept(signal(), hold=False)).cause is Refusal.STORE
        assert door.intake.held == 1
        door.outbox.is_unwell = False
        await asyncio.sleep(2)
        assert [row.delivery.id.notification_id for row in await door.rows()] == [first.id]
        assert (await door.intake.accept(signal())).id == first.id

    run(scenario)


def test_other_content_under_the_key_of_something_held_is_refused() -> None:
    async def scenario(door: Door) -> None:
        await door.intake.accept(signal())
        other = await door.intake.accept(signal(entry_price="1.2"))
        assert (other.outcome, other.id, other.cause) == (Outcome.REFUSED, "", Refusal.CONFLICT)
        assert door.intake.held == 1

    run(scenario)


def test_a_store_that_refused_what_is_not_held_is_tried_until_it_is_well() -> None:
    """Nothing is held, so nobody would come back to it: it is tried by itself, by a write."""

    async def scenario(door: Door) -> None:
        await door.intake.accept(SystemStatus(status="now"), hold=False)
        assert [event for event in door.events if isinstance(event, StoreMoved)] == [
            StoreMoved(False, "the disk is full")
        ]
        await asyncio.sleep(5)
        assert _moves(door) == [False]
        door.outbox.is_unwell = False
        await asyncio.sleep(2)
        assert _moves(door) == [False, True]
        assert await door.rows() == []

    run(scenario)


def test_what_comes_to_be_held_while_the_store_is_tried_is_not_forgotten() -> None:
    async def scenario(door: Door) -> None:
        await door.intake.accept(SystemStatus(status="now"), hold=False)
        real = door.outbox.do

        async def slow(command: Any) -> Any:
            if isinstance(command, Put):
                raise StoreFailed("the disk is full")
            await asyncio.sleep(0.5)
            return await real(command)

        door.outbox.is_unwell = False
        door.outbox.do = slow  # type: ignore[method-assign]
        await asyncio.sleep(1.2)
        held = await door.intake.accept(SystemStatus(status="later"))
        assert held.outcome is Outcome.HELD
        await asyncio.sleep(0.5)
        assert (door.intake.held, _moves(door)) == (1, [False])
        door.outbox.do = real  # type: ignore[method-assign]
        await asyncio.sleep(2)
        assert (door.intake.held, _moves(door)) == (0, [False, True])

    run(scenario)


def test_a_stream_that_cannot_be_committed_tells_that_the_store_is_unwell_until_it_can() -> None:
    async def scenario(door: Door) -> None:
        with pytest.raises(StoreFailed):
            await door.intake.commit(STATE, [signal()])
        assert _moves(door) == [False]
        door.outbox.is_unwell = False
        await door.intake.commit(STATE, [])
        assert _moves(door) == [False, True]
        assert await door.intake.load_state("EUR_USD_H4") == STATE
        assert await door.intake.load_state("GBP_USD_H4") is None

    run(scenario)


def test_a_stream_does_not_overtake_what_is_held() -> None:
    async def scenario(door: Door) -> None:
        await door.intake.accept(signal())
        door.outbox.is_unwell = False
        with pytest.raises(StoreFailed, match=r"1 notifications are not written down yet \(the disk is full\)"):
            await door.intake.commit(STATE, [signal(pair="GBPUSD")])
        await asyncio.sleep(2)
        await door.intake.commit(
            STATE, [signal(pair="GBPUSD")], "premium", event="closed", priority="HIGH", context={"a": 1}
        )
        *_, last = await door.rows()
        told = last.notification
        assert (told.event, told.priority.name, dict(told.context)) == ("closed", "HIGH", {"a": 1})

    run(scenario)


def test_what_the_store_fails_to_take_when_intake_is_closed_is_refused_and_not_tried_again() -> None:
    async def scenario(door: Door) -> None:
        taking = asyncio.create_task(door.intake.accept(signal()))
        assert await door.intake.close() == 0
        assert (await taking).cause is Refusal.STORE
        assert (door.intake.held, len(asyncio.all_tasks())) == (0, 1)

    run(scenario)


def test_a_caller_that_is_cut_off_from_what_could_not_be_written_leaves_nothing_behind() -> None:
    async def scenario(door: Door) -> None:
        door.outbox.is_unwell = False
        hold = asyncio.Event()
        put = door.outbox.do

        async def slow(command: Any) -> Any:
            await hold.wait()
            return await put(command)

        door.outbox.do = slow  # type: ignore[method-assign]
        taking = asyncio.create_task(door.intake.accept(signal()))
        await asyncio.sleep(1)
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
        hold.set()
        await door.intake.close()
        assert (door.events, await door.rows()) == ([], [])

    run(scenario)

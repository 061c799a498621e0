"""Intake while the store fails: its answers, what it keeps, and how it recovers by itself."""

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


def test_a_repeat_while_the_store_fails_is_held_once_under_the_first_id() -> None:
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


def test_other_content_under_a_held_key_is_refused() -> None:
    async def scenario(door: Door) -> None:
        await door.intake.accept(signal())
        other = await door.intake.accept(signal(entry_price="1.2"))
        assert (other.outcome, other.id, other.cause) == (Outcome.REFUSED, "", Refusal.CONFLICT)
        assert door.intake.held == 1

    run(scenario)


def test_a_failed_store_is_retried_even_if_nothing_is_held() -> None:
    """No held notification would trigger a retry, so intake writes by itself."""

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


def test_a_notification_held_during_a_retry_is_not_forgotten() -> None:
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


def test_a_failed_commit_of_a_stream_reports_the_store_until_one_succeeds() -> None:
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


def test_a_stream_does_not_overtake_held_notifications() -> None:
    async def scenario(door: Door) -> None:
        await door.intake.accept(signal())
        door.outbox.is_unwell = False
        with pytest.raises(StoreFailed) as failed:
            await door.intake.commit(STATE, [signal(pair="GBPUSD")])
        assert (failed.value.code, failed.value.errors[0].value) == ("not-saved-yet", "1")
        assert "the disk is full" in str(failed.value), "the cause, as the store reported it"
        await asyncio.sleep(2)
        await door.intake.commit(
            STATE, [signal(pair="GBPUSD")], "premium", event="closed", priority="HIGH", context={"a": 1}
        )
        *_, last = await door.rows()
        told = last.notification
        assert (told.event, told.priority.name, dict(told.context)) == ("closed", "HIGH", {"a": 1})

    run(scenario)


def test_a_failure_after_close_is_refused_and_not_retried() -> None:
    async def scenario(door: Door) -> None:
        taking = asyncio.create_task(door.intake.accept(signal()))
        assert await door.intake.close() == 0
        assert (await taking).cause is Refusal.STORE
        assert (door.intake.held, len(asyncio.all_tasks())) == (0, 1)

    run(scenario)


def test_a_cancelled_caller_leaves_nothing_behind() -> None:
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

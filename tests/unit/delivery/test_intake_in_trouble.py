"""Intake while the store fails: its tickets, the notifications it holds, and its recovery."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from signalpost import SystemStatus
from signalpost.delivery.outbox.commands import Put
from signalpost.domain.events import StoreMoved
from signalpost.domain.ledger import StreamState
from signalpost.domain.ticket import Outcome, Refusal
from signalpost.errors import StoreFailed
from signalpost.testing.manual_clock import ManualClock
from signalpost.testing.virtual_loop import run_virtual
from tests.unit.delivery.intake_harness import NOW, IntakeHarness, signal

STATE = StreamState("EUR_USD_H4", "print", NOW, b"{}")
Scenario = Callable[[IntakeHarness], Coroutine[Any, Any, None]]


def run(scenario: Scenario) -> None:
    """Run it in virtual time, with a store that fails at first."""

    async def all_of_it() -> None:
        harness = IntakeHarness()
        harness.outbox.fails = True
        await scenario(harness)
        harness.outbox.fails = False
        await harness.intake.close()

    with ManualClock(NOW):
        run_virtual(all_of_it())


def _moves(harness: IntakeHarness) -> list[bool]:
    return [event.is_well for event in harness.events if isinstance(event, StoreMoved)]


def test_a_repeat_while_the_store_fails_is_held_once_under_the_first_id() -> None:
    async def scenario(harness: IntakeHarness) -> None:
        first = await harness.intake.accept(signal())
        again = await harness.intake.accept(signal())
        assert (first.outcome, first.reason) == (Outcome.HELD, "the disk is full")
        assert (again.outcome, again.id) == (Outcome.HELD, first.id), "not a duplicate: it is only in memory"
        assert (await harness.intake.accept(signal(), hold=False)).cause is Refusal.STORE
        assert harness.intake.held == 1
        harness.outbox.fails = False
        await asyncio.sleep(2)
        assert [row.delivery.id.notification_id for row in await harness.rows()] == [first.id]
        assert (await harness.intake.accept(signal())).id == first.id

    run(scenario)


def test_other_content_under_a_held_key_is_refused() -> None:
    async def scenario(harness: IntakeHarness) -> None:
        await harness.intake.accept(signal())
        other = await harness.intake.accept(signal(entry_price="1.2"))
        assert (other.outcome, other.id, other.cause) == (Outcome.REFUSED, "", Refusal.CONFLICT)
        assert harness.intake.held == 1

    run(scenario)


def test_a_failed_store_is_retried_even_if_nothing_is_held() -> None:
    """No held notification would trigger a retry, so intake writes by itself."""

    async def scenario(harness: IntakeHarness) -> None:
        await harness.intake.accept(SystemStatus(status="now"), hold=False)
        assert [event for event in harness.events if isinstance(event, StoreMoved)] == [
            StoreMoved(False, "the disk is full")
        ]
        await asyncio.sleep(5)
        assert _moves(harness) == [False]
        harness.outbox.fails = False
        await asyncio.sleep(2)
        assert _moves(harness) == [False, True]
        assert await harness.rows() == []

    run(scenario)


def test_a_notification_held_during_a_retry_is_not_forgotten() -> None:
    async def scenario(harness: IntakeHarness) -> None:
        await harness.intake.accept(SystemStatus(status="now"), hold=False)
        real = harness.outbox.do

        async def slow(command: Any) -> Any:
            if isinstance(command, Put):
                raise StoreFailed("the disk is full")
            await asyncio.sleep(0.5)
            return await real(command)

        harness.outbox.fails = False
        harness.outbox.do = slow  # type: ignore[method-assign]
        await asyncio.sleep(1.2)
        held = await harness.intake.accept(SystemStatus(status="later"))
        assert held.outcome is Outcome.HELD
        await asyncio.sleep(0.5)
        assert (harness.intake.held, _moves(harness)) == (1, [False])
        harness.outbox.do = real  # type: ignore[method-assign]
        await asyncio.sleep(2)
        assert (harness.intake.held, _moves(harness)) == (0, [False, True])

    run(scenario)


def test_a_failed_commit_of_a_stream_reports_the_store_until_one_succeeds() -> None:
    async def scenario(harness: IntakeHarness) -> None:
        with pytest.raises(StoreFailed):
            await harness.intake.commit(STATE, [signal()])
        assert _moves(harness) == [False]
        harness.outbox.fails = False
        await harness.intake.commit(STATE, [])
        assert _moves(harness) == [False, True]
        assert await harness.intake.load_state("EUR_USD_H4") == STATE
        assert await harness.intake.load_state("GBP_USD_H4") is None

    run(scenario)


def test_a_stream_does_not_overtake_held_notifications() -> None:
    async def scenario(harness: IntakeHarness) -> None:
        await harness.intake.accept(signal())
        harness.outbox.fails = False
        with pytest.raises(StoreFailed) as failed:
            await harness.intake.commit(STATE, [signal(pair="GBPUSD")])
        assert (failed.value.code, failed.value.errors[0].value) == ("not-saved-yet", "1")
        assert "the disk is full" in str(failed.value), "the cause, as the store reported it"
        await asyncio.sleep(2)
        await harness.intake.commit(
            STATE, [signal(pair="GBPUSD")], ["premium"], event="closed", priority="HIGH", context={"a": 1}
        )
        *_, last = await harness.rows()
        notification = last.notification
        assert (notification.event, notification.priority.name, dict(notification.context)) == (
            "closed",
            "HIGH",
            {"a": 1},
        )

    run(scenario)


def test_a_failure_after_close_is_refused_and_not_retried() -> None:
    async def scenario(harness: IntakeHarness) -> None:
        accepting = asyncio.create_task(harness.intake.accept(signal()))
        assert await harness.intake.close() == 0
        assert (await accepting).cause is Refusal.STORE
        assert (harness.intake.held, len(asyncio.all_tasks())) == (0, 1)

    run(scenario)


def test_a_cancelled_caller_leaves_nothing_behind() -> None:
    async def scenario(harness: IntakeHarness) -> None:
        harness.outbox.fails = False
        hold = asyncio.Event()
        put = harness.outbox.do

        async def slow(command: Any) -> Any:
            await hold.wait()
            return await put(command)

        harness.outbox.do = slow  # type: ignore[method-assign]
        accepting = asyncio.create_task(harness.intake.accept(signal()))
        await asyncio.sleep(1)
        accepting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await accepting
        hold.set()
        await harness.intake.close()
        assert (harness.events, await harness.rows()) == ([], [])

    run(scenario)

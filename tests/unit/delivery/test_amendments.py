"""Intake takes changes of signals, holds them while the store fails, and reports what became of them."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from signalpost.delivery import intake as intakes
from signalpost.delivery.outbox.book import FindTrades, Permission
from signalpost.delivery.outbox.commands import Open
from signalpost.domain.change import CancelOrder, Close, Update
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.events import ChangeRefused, Settled, Taken
from signalpost.domain.ticket import Outcome, Refusal
from signalpost.domain.tier import UserTier
from signalpost.errors import CommandFailed, StoreClosed
from signalpost.testing.manual_clock import ManualClock
from tests.unit.delivery.intake_harness import NOW, IntakeHarness, signal


@pytest.fixture(autouse=True)
def clock() -> Iterator[ManualClock]:
    with ManualClock(NOW) as manual:
        yield manual


@pytest.fixture
def opened() -> IntakeHarness:
    return IntakeHarness()


async def opening(harness: IntakeHarness) -> str:
    ticket = await harness.intake.accept(signal(stop_loss="1.09", targets=["1.12"]))
    assert ticket.signal_id is not None
    return ticket.signal_id


async def test_a_change_is_saved_and_its_lanes_are_woken(opened: IntakeHarness, clock: ManualClock) -> None:
    name = await opening(opened)
    ticket = await opened.intake.amend(name, Update(stop_loss="1.095"), context={"by": "Ann"})
    assert (ticket.outcome, ticket.signal_id, ticket.version, bool(ticket)) == (Outcome.ACCEPTED, name, 2, True)
    assert opened.woken[-1][0] == ("signals-free",)
    _, taken, superseded = opened.events
    assert isinstance(taken, Taken)
    assert isinstance(superseded, Settled), "the opening, which was not sent yet"
    assert (taken.ticket, taken.notification.event, dict(taken.notification.context)) == (ticket, "v2", {"by": "Ann"})
    (found,) = await opened.intake.find(FindTrades())
    assert found.trade.version == 2


async def test_a_trade_is_decoded_once_until_it_changes(opened: IntakeHarness, clock: ManualClock) -> None:
    name = await opening(opened)
    await opened.intake.amend(name, Update(stop_loss="1.095"))
    first, second = [(await opened.intake.find(FindTrades()))[0].trade for _ in range(2)]
    assert first is second
    await opened.intake.accept(signal(stop_loss="1.09", targets=["1.12"]), user_tier="premium")
    await opened.intake.amend(name, Update(stop_loss="1.096"))
    (found,) = await opened.intake.find(FindTrades())
    assert (found.trade.version, found.trade.stop, found.trade.tiers) == (3, Decimal("1.096"), ("free", "premium"))


async def test_a_repeated_change_is_a_duplicate_and_an_impossible_one_refused(
    opened: IntakeHarness, clock: ManualClock
) -> None:
    name = await opening(opened)
    await opened.intake.amend(name, Update(stop_loss="1.095"))
    events = len(opened.events)
    again = await opened.intake.amend(name, Update(stop_loss="1.095"))
    refused = await opened.intake.amend(name, CancelOrder())
    may = Permission(frozenset({UserTier.PREMIUM}), frozenset())
    unknown = await opened.intake.amend(name, Close(price="1.1"), may=may)
    assert (again.outcome, again.version) == (Outcome.DUPLICATE, 2)
    assert (refused.code, refused.version, bool(refused)) == ("not-possible", 2, False)
    assert (unknown.code, unknown.signal_id) == ("unknown-signal", None)
    assert len(opened.events) == events


async def test_a_change_that_cannot_be_saved_is_held_in_order_with_its_time(
    opened: IntakeHarness, clock: ManualClock
) -> None:
    name = await opening(opened)
    opened.outbox.fails = True
    tickets = [
        await opened.intake.amend(name, Update(stop_loss="1.095")),
        await opened.intake.amend(name, Close(price="1.11")),
    ]
    assert [ticket.outcome for ticket in tickets] == [Outcome.HELD] * 2
    assert (await opened.intake.amend(name, Close(price="1.11"), hold=False)).cause is Refusal.STORE
    assert opened.intake.held == 2
    clock.advance(timedelta(minutes=30))
    opened.outbox.fails = False
    assert await opened.intake.close() == 0
    (found,) = await opened.intake.find(FindTrades())
    assert found.trade.end is not None
    assert (found.trade.version, found.trade.end.at) == (3, NOW)


async def test_a_held_change_that_is_refused_later_is_reported(opened: IntakeHarness, clock: ManualClock) -> None:
    name = await opening(opened)
    opened.outbox.fails = True
    await opened.intake.amend(name, CancelOrder())
    opened.outbox.fails = False
    await opened.intake.close()
    (refused,) = [event for event in opened.events if isinstance(event, ChangeRefused)]
    assert refused.signal == name
    assert "close" in refused.reason
    opened.outbox.fails = True
    closed = await opened.intake.amend(name, Close(price="1.11"))
    assert closed.cause is Refusal.STORE, "nothing would save it"


async def test_memory_is_bounded(opened: IntakeHarness, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intakes, "MOST_HELD", 1)
    opened.outbox.fails = True
    assert (await opened.intake.amend("a", Close(price="1"))).outcome is Outcome.HELD
    assert (await opened.intake.amend("a", Close(price="1"))).cause is Refusal.TOO_MANY
    opened.intake.retire()


async def test_a_change_that_the_store_cannot_take_is_refused(
    opened: IntakeHarness, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: object) -> None:
        raise CommandFailed("too large")

    monkeypatch.setattr(opened.outbox, "do", fail)
    assert (await opened.intake.amend("a", Close(price="1"))).cause is Refusal.UNSTORABLE


async def test_a_change_whose_caller_is_cancelled_is_reported_all_the_same(
    opened: IntakeHarness, clock: ManualClock
) -> None:
    name = await opening(opened)
    task = asyncio.ensure_future(opened.intake.amend(name, Update(stop_loss="1.095")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(3):
        await asyncio.sleep(0)
    assert [event.ticket.version for event in opened.events if isinstance(event, Taken)] == [1, 2]


async def test_nothing_is_taken_after_the_end(opened: IntakeHarness) -> None:
    await opened.outbox.close()
    with pytest.raises(StoreClosed):
        await opened.intake.amend("a", Close(price="1"))


async def test_a_change_reports_the_deliveries_that_it_supersedes(opened: IntakeHarness) -> None:
    name = await opening(opened)
    await opened.intake.amend(name, Update(stop_loss="1.095"))
    await opened.intake.amend(name, Update(stop_loss="1.096"))
    settled = [event.delivery.state for event in opened.events if isinstance(event, Settled)]
    assert settled == [DeliveryState.SUPERSEDED] * 2
    added = sum(len(event.destinations) for event in opened.events if isinstance(event, Taken))
    assert added - len(settled) == len(await opened.outbox.do(Open()))


async def test_edits_last_as_long_as_a_trade_may_be_live_and_a_day() -> None:
    harness = IntakeHarness("signals-free", open_for=timedelta(days=200))
    name = await opening(harness)
    for change, days in ((Update(note="one"), 201), (Close(price="1.1"), 1)):
        await harness.intake.amend(name, change)
        taken = [event.notification for event in harness.events if isinstance(event, Taken)][-1]
        assert taken.valid_until - taken.accepted_at == timedelta(days=days)


async def test_trades_without_changes_are_ended(opened: IntakeHarness, clock: ManualClock) -> None:
    await opening(opened)
    clock.advance(timedelta(days=91))
    assert await opened.intake.amendments.end_unheard_of() == 1
    assert await opened.intake.amendments.end_unheard_of() == 0
    assert isinstance(opened.events[-1], Settled), "the opening that was never shown"

"""Filters decide by the book whether a new signal is posted. Changes are never stopped."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost import Outcome, SignalDeduplicationService, Ticket
from signalpost.delivery.deduplication import Filters
from signalpost.delivery.outbox.book import BookEntry, FindTrades
from signalpost.delivery.routing import Tier
from signalpost.domain.change import Close
from signalpost.domain.events import Taken
from signalpost.domain.ledger import StreamState, Unpublished, UnpublishedRule
from signalpost.domain.tier import UserTier
from signalpost.testing.manual_clock import ManualClock
from tests.inline_outbox import InlineOutbox
from tests.tmpfs import new_core, with_connection
from tests.unit.delivery.intake_harness import NOW, FailingOutbox, IntakeHarness, signal

MINUTE = timedelta(minutes=1)
STATE = StreamState("s", "f", NOW, b"")
TIERS = ("free", "premium")


@pytest.fixture(autouse=True)
def clock() -> Iterator[ManualClock]:
    with ManualClock(NOW) as clock:
        yield clock


def harness_of(core: Any = None, **filters: Any) -> IntakeHarness:
    return IntakeHarness(core=core, filters=Filters(**filters))


async def book(harness: IntakeHarness) -> list[BookEntry]:
    return list(await harness.outbox.do(FindTrades()))


def what(tickets: list[Ticket]) -> list[tuple[str, str | None]]:
    return [(str(each.outcome), each.code) for each in tickets]


async def test_a_stopped_signal_is_recorded_with_its_rule_and_wakes_nothing() -> None:
    harness = harness_of(pairs={"GBP/USD"})
    ticket = await harness.intake.accept(signal(), user_tier="premium")
    assert (ticket.outcome, ticket.code, ticket.signal_id) == ("suppressed", "pair-not-enabled", signal().signal_id)
    ((delivery, *_),) = await harness.rows()
    assert (delivery.state, delivery.rule) == ("suppressed", "pair-not-enabled")
    ((trade, _, cards),) = await book(harness)
    assert (trade.state, trade.flags, cards) == ("expired", ("unpublished",), ())
    assert trade.end is not None
    assert trade.end.text == ticket.reason == delivery.reason
    assert harness.woken == []
    (event,) = harness.events
    assert isinstance(event, Taken)
    assert (event.ticket, event.destinations) == (ticket, ())


async def test_a_repeat_of_a_stopped_signal_is_a_duplicate_even_if_it_would_pass_now(clock: ManualClock) -> None:
    harness = harness_of(max_per_minute=1)
    await harness.intake.accept(signal(pair="GBPUSD"))
    stopped = await harness.intake.accept(signal())
    clock.advance(2 * MINUTE)
    again = await harness.intake.accept(signal())
    assert (stopped.code, again.outcome, again.id) == ("max-per-minute", Outcome.DUPLICATE, stopped.id)
    other = await harness.intake.accept(signal(), user_tier="premium")
    assert (other.outcome, other.id) == (Outcome.DUPLICATE, stopped.id)
    assert [str(row.delivery.state) for row in await harness.rows()] == ["pending", "suppressed"]
    assert (await book(harness))[0].trade.tiers == ("free",)
    assert (await harness.intake.accept(signal(pair="AUDUSD"))).outcome is Outcome.ACCEPTED


@pytest.mark.parametrize("are_two", [True, False])
async def test_the_history_is_that_of_the_folder(clock: ManualClock, *, are_two: bool) -> None:
    core = new_core()
    first, second = (harness_of(core, max_per_hour=2, pair_cooldown_minutes=15, one_per_candle=True) for _ in range(2))
    if not are_two:
        second = first
    assert (await first.intake.accept(signal(signal_id="a"))).outcome is Outcome.ACCEPTED
    clock.advance(MINUTE)
    tickets = [
        await second.intake.accept(signal(signal_id="b")),
        await second.intake.accept(signal(signal_id="c", timeframe="H1", timestamp="2026-01-05T15:00:00Z")),
        await second.intake.accept(signal(signal_id="d", signal_type="SELL")),
        await second.intake.accept(signal(signal_id="e", pair="GBPUSD")),
    ]
    assert what(tickets) == [
        ("suppressed", "duplicate"),
        ("suppressed", "pair-cooldown"),
        ("accepted", None),
        ("suppressed", "max-per-hour"),
    ]
    clock.advance(60 * MINUTE)
    assert (await first.intake.accept(signal(signal_id="f", pair="GBPUSD"))).outcome is Outcome.ACCEPTED


@pytest.mark.parametrize(
    "statement", ["UPDATE trade SET candle = NULL, is_posted = NULL", "UPDATE trade SET run = run"]
)
async def test_signals_that_an_earlier_version_saved_count(clock: ManualClock, statement: str) -> None:
    core, db = with_connection(new_core)
    limits = {"max_per_hour": 3, "pair_cooldown_minutes": 15, "one_per_candle": True, "pairs": {"EURUSD", "GBPUSD"}}
    harness = harness_of(core, **limits)
    made = signal(signal_id="a"), signal(signal_id="stopped", pair="AUDUSD"), signal(signal_id="b", pair="GBPUSD")
    for each in made:
        await harness.intake.accept(each)
        clock.advance(MINUTE)
    db.execute(statement)
    later = {"timestamp": "2026-01-05T15:00:00Z", "timeframe": "H1"}
    tickets = [
        await harness.intake.accept(signal(signal_id="c")),
        await harness.intake.accept(signal(signal_id="d", **later)),
        await harness.intake.accept(signal(signal_id="e", signal_type="SELL")),
        await harness.intake.accept(signal(signal_id="f", pair="GBPUSD", signal_type="SELL")),
    ]
    assert [each.code for each in tickets] == ["duplicate", "pair-cooldown", None, "max-per-hour"]


SIGNALS = st.tuples(
    st.sampled_from(["EURUSD", "GBPUSD"]),
    st.sampled_from(["BUY", "SELL"]),
    st.sampled_from(["H4", "H1", None]),
    st.sampled_from(["2026-01-05T12:00:00Z", "2026-01-05T08:00:00Z"]),
    st.sampled_from(["one", "two", None]),
    st.integers(0, 20),
)


@given(
    batches=st.lists(st.lists(SIGNALS, min_size=1, max_size=4), min_size=1, max_size=6),
    is_single=st.booleans(),
    limit=st.integers(0, 4),
    cooldown=st.sampled_from([0, 15]),
)
def test_the_book_decides_as_the_memory_of_one_process_does(
    batches: list[list[tuple[Any, ...]]], limit: int, cooldown: int, *, is_single: bool
) -> None:
    with ManualClock(NOW) as clock:
        filters = Filters(one_per_candle=is_single, pair_cooldown_minutes=cooldown, max_per_hour=limit)
        memory, harness = SignalDeduplicationService(filters), IntakeHarness(filters=filters)
        for number, batch in enumerate(batches):
            names = ("pair", "signal_type", "timeframe", "timestamp", "strategy_name")
            made = [
                signal(
                    signal_id=f"{number} {place}",
                    valid_until=NOW + 600 * MINUTE,
                    **dict(zip(names, each[:5], strict=True)),
                )
                for place, each in enumerate(batch)
            ]
            wanted = [memory.judge(each, clock.now()).rule for each in made]
            tickets = asyncio.run(harness.intake.commit(STATE, made))
            assert [each.code for each in tickets] == wanted
            clock.advance(timedelta(minutes=max(each[5] for each in batch), milliseconds=1))


async def test_signals_of_one_commit_count_and_their_tiers_do_not() -> None:
    harness = harness_of(max_per_day=2, one_per_candle=True)
    pairs = ("EURUSD", "GBPUSD", "AUDUSD")
    same = signal(signal_id="same")
    late = Unpublished(signal(pair="NZDUSD"), UnpublishedRule.TOO_OLD)
    made = [signal(pair=pair) for pair in pairs]
    tickets = await harness.intake.commit(STATE, [made[0], same, *made[1:]], TIERS, unpublished=[late])
    assert what(tickets) == [
        ("accepted", None),
        ("suppressed", "duplicate"),
        ("accepted", None),
        ("suppressed", "max-per-day"),
        ("suppressed", "too-old"),
    ]
    assert {entry.trade.tiers for entry in await book(harness)} == {TIERS}
    again = await harness.intake.commit(STATE, made, TIERS)
    assert [each.outcome for each in again] == ["duplicate"] * 3


async def test_a_signal_that_had_expired_does_not_count(clock: ManualClock) -> None:
    harness = IntakeHarness(filters=Filters(max_per_day=1, pairs={"EURUSD"}))
    stale = signal(valid_until=NOW + MINUTE)
    clock.advance(MINUTE)
    assert (await harness.intake.accept(stale)).code == "stale"
    assert (await harness.intake.accept(signal(signal_id="b"))).outcome is Outcome.ACCEPTED


async def test_stopped_signals_do_not_count(clock: ManualClock) -> None:
    harness = harness_of(max_per_day=2, pair_cooldown_minutes=9, one_per_candle=True, min_confidence="0.5")
    unsure, sure = "0.4", "0.6"
    codes = []
    for number, confidence in enumerate((unsure, unsure, sure)):
        clock.advance(MINUTE)
        made = signal(signal_id=str(number), confidence_score=confidence)
        codes.append((await harness.intake.accept(made)).code)
    assert codes == ["min-confidence", "min-confidence", None]
    tickets = await harness.intake.commit(
        STATE,
        [
            signal(signal_id=pair, pair=pair, confidence_score=each)
            for pair, each in (("GBPUSD", unsure), ("AUDUSD", sure))
        ],
    )
    assert [each.code for each in tickets] == ["min-confidence", None]


async def test_changes_are_never_stopped() -> None:
    harness = harness_of(max_per_day=1)
    await harness.intake.accept(signal())
    ticket = await harness.intake.amend(signal().signal_id, Close(price="1.2"))
    assert ticket.outcome is Outcome.ACCEPTED
    ((trade, *_),) = await book(harness)
    assert trade.state == "closed"
    assert (await harness.intake.accept(signal(pair="GBPUSD"))).code == "max-per-day"


async def test_a_replay_is_not_filtered() -> None:
    harness = IntakeHarness(filters=Filters(notifications_enabled=False), run="r")
    assert (await harness.intake.accept(signal())).outcome is Outcome.ACCEPTED


async def test_a_replay_does_not_count(clock: ManualClock) -> None:
    core = new_core()
    await IntakeHarness(core=core, run="r").intake.accept(signal())
    clock.advance(MINUTE)
    assert (await harness_of(core, max_per_day=1).intake.accept(signal())).outcome is Outcome.ACCEPTED


async def test_a_tier_that_is_added_later_is_not_counted_again() -> None:
    whale = UserTier("whale")
    harness = IntakeHarness(
        "signals-free", "whales", tiers={whale: Tier(30, ("whales",))}, filters=Filters(max_per_day=1)
    )
    await harness.intake.accept(signal())
    ticket = await harness.intake.accept(signal(), user_tier=whale)
    assert ticket.outcome is Outcome.ACCEPTED
    assert [str(row.delivery.state) for row in await harness.rows()] == ["pending", "pending"]


class SlowOutbox(FailingOutbox):
    """Commits at once, and answers later."""

    async def do(self, command: Any) -> Any:
        answer = await InlineOutbox.do(self, command)
        await asyncio.sleep(0)
        return answer


async def test_a_stopped_signal_whose_caller_is_cancelled_is_reported_as_stopped() -> None:
    harness = IntakeHarness(outbox=SlowOutbox(), filters=Filters(notifications_enabled=False))
    task = asyncio.create_task(harness.intake.accept(signal()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await harness.intake.all_written()
    (event,) = harness.events
    assert isinstance(event, Taken)
    assert (event.ticket.code, event.destinations, harness.woken) == ("notifications-disabled", (), [])

"""One stream: which candles it reads, which signals it commits, and what a restart or a failure changes."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from signalpost.domain.ledger import StreamState, Unpublished, UnpublishedRule
from signalpost.domain.ticket import Outcome
from signalpost.errors import FeedFailed, StoreFailed
from signalpost.testing.manual_clock import ManualClock
from signalpost.trading.cache import MemoryCache
from signalpost.trading.calendar import FX
from signalpost.trading.processor import StateFrom
from tests.unit.trading.stream_harness import CONFIG, DOWN_UP, HOUR, START, StreamHarness, candle, candles, crossed


@pytest.fixture(autouse=True)
def clock() -> Iterator[ManualClock]:
    with ManualClock(START + 3 * HOUR) as clock:
        yield clock


async def test_signals_of_candles_that_closed_before_the_first_start_are_history(clock: ManualClock) -> None:
    harness = StreamHarness(candles(*DOWN_UP))
    cycle = await harness.processor.cycle(START + 4 * HOUR)
    assert (cycle.state_from, cycle.candles_read, cycle.watermark) == (StateFrom.ORIGIN, 4, START + 3 * HOUR)
    assert (cycle.signals, await harness.rows()) == ((), [])


async def test_a_new_candle_is_read_once_and_its_signal_is_posted(clock: ManualClock) -> None:
    harness = StreamHarness(candles(*DOWN_UP[:3]))
    await harness.processor.cycle(START + 3 * HOUR)
    loads = harness.ledger.loads
    harness.feed.candles.append(candle(START + 3 * HOUR, "1.4"))
    clock.advance(HOUR)
    cycle = await harness.processor.cycle(START + 4 * HOUR)
    assert (cycle.state_from, cycle.candles_read, cycle.candles_taken) == (StateFrom.MEMORY, 4, 1)
    assert harness.ledger.loads == loads, "a warm stream reads no state"
    ((delivery, notification, *_),) = await harness.rows()
    (signal,) = cycle.signals
    assert (notification.payload, delivery.state, signal.timestamp) == (signal, "pending", START + 3 * HOUR)
    assert [ticket.outcome for ticket in cycle.tickets] == ["accepted"]
    again = await harness.processor.cycle(START + 4 * HOUR + timedelta(seconds=1))
    assert (again.candles_taken, again.signals, len(await harness.rows())) == (0, (), 1)


async def test_a_signal_whose_validity_has_passed_is_recorded_but_not_posted(clock: ManualClock) -> None:
    harness = StreamHarness(candles(*DOWN_UP[:3]), tiers=("premium", "free"))
    await harness.processor.cycle(START + 3 * HOUR)
    harness.feed.candles.append(candle(START + 3 * HOUR, "1.4"))
    clock.advance(2 * HOUR)
    cycle = await harness.processor.cycle(START + 5 * HOUR)
    (signal,) = cycle.missed
    assert (cycle.signals, cycle.tickets, signal.valid_until) == ((), (), START + 5 * HOUR)
    rows = [each.delivery for each in await harness.rows()]
    assert [(each.id.destination, each.state, each.rule) for each in rows] == [
        ("signals-premium", "suppressed", "too-old"),
        ("signals-free", "suppressed", "too-old"),
    ]
    (entry,) = await harness.trades()
    assert (entry.trade.signal, entry.trade.state, entry.trade.flags) == (signal, "expired", ("unpublished",))
    assert (entry.trade.tiers, entry.trade.number, entry.cards) == (("premium", "free"), 1, ())
    assert harness.store.woken == []


async def test_a_signal_that_is_still_valid_is_posted_however_late(clock: ManualClock) -> None:
    harness = StreamHarness(candles(*DOWN_UP[:3]))
    await harness.processor.cycle(START + 3 * HOUR)
    harness.feed.candles.append(candle(START + 3 * HOUR, "1.4"))
    clock.advance(2 * HOUR - timedelta(microseconds=1))
    cycle = await harness.processor.cycle(START + 5 * HOUR - timedelta(microseconds=1))
    assert (len(cycle.signals), cycle.missed) == (1, ())
    assert [row.delivery.state for row in await harness.rows()] == ["pending"]


async def test_candles_that_closed_before_a_restart_are_not_history(clock: ManualClock) -> None:
    harness = StreamHarness(candles(*DOWN_UP[:3]))
    await harness.processor.cycle(START + 3 * HOUR)
    harness.restart()
    harness.feed.candles.append(candle(START + 3 * HOUR, "1.4"))
    cycle = await harness.processor.cycle(START + 4 * HOUR + timedelta(seconds=1))
    assert (cycle.state_from, len(cycle.signals)) == (StateFrom.STORE, 1)


async def test_a_signal_for_several_tiers_is_saved_for_all_and_has_one_ticket(clock: ManualClock) -> None:
    harness = StreamHarness(candles(*DOWN_UP[:3]), tiers=("premium", "free"))
    await harness.processor.cycle(START + 3 * HOUR)
    harness.feed.candles.append(candle(START + 3 * HOUR, "1.4"))
    clock.advance(HOUR)
    cycle = await harness.processor.cycle(START + 4 * HOUR)
    assert [ticket.outcome for ticket in cycle.tickets] == ["accepted"]
    rows = await harness.rows()
    assert [row.delivery.id.destination for row in rows] == ["signals-premium", "signals-free"]


async def test_after_a_restart_the_next_signal_is_posted(clock: ManualClock) -> None:
    harness = StreamHarness(candles(*DOWN_UP[:3]))
    await harness.processor.cycle(START + 3 * HOUR)
    harness.feed.candles.append(candle(START + 3 * HOUR, "1.4"))
    clock.advance(HOUR)
    harness.restart()
    cycle = await harness.processor.cycle(START + 4 * HOUR)
    assert (cycle.state_from, len(cycle.signals), cycle.missed) == (StateFrom.STORE, 1, ())
    assert [row.delivery.state for row in await harness.rows()] == ["pending"]


async def test_a_copy_that_equals_the_stores_state_is_used(clock: ManualClock) -> None:
    cache = MemoryCache()
    harness = await crossed(clock, cache=cache)
    with patch.object(MemoryCache, "write", side_effect=AssertionError("it has the copy already")):
        assert (await harness.processor.cycle(START + 4 * HOUR)).state_from is StateFrom.MEMORY
        harness.restart()
        assert (await harness.processor.cycle(START + 4 * HOUR)).state_from is StateFrom.CACHE
    await cache.close()
    harness.restart()
    assert (await harness.processor.cycle(START + 4 * HOUR)).state_from is StateFrom.STORE
    saved = await harness.ledger.load_state(CONFIG.stream)
    assert await cache.read([CONFIG.stream, "missing"]) == {CONFIG.stream: saved}, "it is copied again"


async def test_a_state_of_another_configuration_is_not_used(clock: ManualClock) -> None:
    harness = await crossed(clock)
    harness.config = msgspec.structs.replace(CONFIG, slow=3)
    harness.feed.candles += candles("1.3", "1.2", start=START + 4 * HOUR)
    harness.restart()
    cycle = await harness.processor.cycle(START + 6 * HOUR)
    assert (cycle.state_from, cycle.rebuilt) == (StateFrom.ORIGIN, "other-fingerprint")
    assert [each.timestamp for each in cycle.missed] == [START + 4 * HOUR], "candles after the watermark are news"
    assert len(await harness.rows()) == 2, "earlier ones are history"
    assert (await harness.processor.cycle(START + 6 * HOUR)).state_from is StateFrom.MEMORY


@pytest.mark.parametrize("change", [{"name": "another"}, {"calendar": FX}])
async def test_the_feed_and_its_calendar_are_part_of_the_fingerprint(
    clock: ManualClock, change: dict[str, Any]
) -> None:
    harness = await crossed(clock)
    for name, value in change.items():
        setattr(harness.feed, name, value)
    harness.feed.candles.append(candle(START + 4 * HOUR, "1.2"))
    clock.advance(HOUR)
    harness.restart()
    cycle = await harness.processor.cycle(START + 5 * HOUR)
    assert cycle.rebuilt == "other-fingerprint"
    assert [each.timestamp for each in cycle.signals] == [START + 4 * HOUR]
    assert len(await harness.rows()) == 2


def _other_checkpoint(state: bytes) -> bytes:
    return state.replace(b'"checkpoint":{', b'"checkpoint":{"more":1,')


@pytest.mark.parametrize(
    "damage",
    [
        lambda saved: saved._replace(state=b""),
        lambda saved: saved._replace(state=b"\xff"),
        lambda saved: saved._replace(state=b"{}"),
        lambda saved: saved._replace(state=saved.state[:-1]),
        lambda saved: saved._replace(state=saved.state.replace(b"1.4", b"1.5")),
        lambda saved: saved._replace(state=saved.state.replace(b'"version":1,"checksum"', b'"version":2,"checksum"')),
        lambda saved: saved._replace(state=_other_checkpoint(saved.state)),
        lambda saved: saved._replace(watermark=saved.watermark - HOUR),
    ],
)
async def test_a_damaged_state_is_computed_anew_and_nothing_is_skipped(
    clock: ManualClock, damage: Callable[[StreamState], StreamState]
) -> None:
    harness = await crossed(clock)
    saved = await harness.ledger.load_state(CONFIG.stream)
    assert saved is not None
    await harness.ledger.commit(damage(saved), ())
    harness.restart()
    harness.feed.candles.append(candle(START + 4 * HOUR, "1.2"))
    clock.advance(HOUR)
    cycle = await harness.processor.cycle(START + 5 * HOUR)
    assert (cycle.state_from, cycle.rebuilt) == (StateFrom.ORIGIN, "damaged")
    assert cycle.signals[-1].timestamp == START + 4 * HOUR, "no state that was saved has seen this candle"
    assert len(await harness.rows()) == 2, "each signal is saved once"


async def test_a_state_of_another_strategy_under_a_right_checksum_is_damaged(clock: ManualClock) -> None:
    harness = await crossed(clock)
    saved = await harness.ledger.load_state(CONFIG.stream)
    assert saved is not None
    other = StreamHarness(candles(*DOWN_UP), config=msgspec.structs.replace(CONFIG, slow=3))
    await other.processor.cycle(START + 4 * HOUR)
    foreign = await other.ledger.load_state(CONFIG.stream)
    assert foreign is not None
    await harness.ledger.commit(saved._replace(state=foreign.state), ())
    harness.restart()
    assert (await harness.processor.cycle(START + 4 * HOUR)).rebuilt == "damaged"


async def test_a_feed_without_candles_is_tried_again() -> None:
    harness = StreamHarness()
    cycle = await harness.processor.cycle(START)
    assert (cycle.watermark, cycle.candles_read, harness.processor.is_warm) == (None, 0, False)
    harness.feed.candles = candles(*DOWN_UP)
    cycle = await harness.processor.cycle(START + 4 * HOUR)
    assert (cycle.state_from, cycle.watermark) == (StateFrom.ORIGIN, START + 3 * HOUR)
    assert [each.timestamp for each in cycle.signals] == [START + 3 * HOUR], "they closed after the first start"


async def test_it_begins_with_at_least_the_candles_that_the_strategy_needs() -> None:
    harness = StreamHarness(candles(*["1.5"] * 9), config=msgspec.structs.replace(CONFIG, slow=6), history=2)
    assert (await harness.processor.cycle(START + 9 * HOUR)).candles_read == 7
    harness = StreamHarness(candles(*["1.5"] * 9), history=8)
    assert (await harness.processor.cycle(START + 9 * HOUR)).candles_read == 8


async def test_an_answer_that_a_feed_cut_is_fetched_page_by_page(clock: ManualClock) -> None:
    harness = await crossed(clock)
    harness.feed.candles += candles("1.5", "1.3", "1.5", "1.3", "1.5", start=START + 4 * HOUR)
    harness.feed.cut_at = 4
    clock.advance(5 * HOUR)
    cycle = await harness.processor.cycle(START + 9 * HOUR)
    assert (cycle.candles_taken, cycle.watermark, len(harness.feed.fetches)) == (5, START + 8 * HOUR, 7)
    assert [each.timestamp for each in cycle.signals] == [START + 8 * HOUR]
    assert [each.timestamp for each in cycle.missed] == [START + number * HOUR for number in (5, 6, 7)]


async def test_the_next_cycle_reports_what_was_saved_before_a_failure(clock: ManualClock) -> None:
    harness = await crossed(clock)
    harness.feed.candles += candles("1.3", "1.5", start=START + 4 * HOUR)
    harness.feed.cut_at = 4
    harness.feed.fails_at = 4
    clock.advance(2 * HOUR)
    with pytest.raises(FeedFailed):
        await harness.processor.cycle(START + 6 * HOUR)
    assert [row.delivery.rule for row in await harness.rows()] == [None, "too-old"]
    cycle = await harness.processor.cycle(START + 6 * HOUR)
    assert [each.timestamp for each in cycle.missed] == [START + 4 * HOUR]
    assert [each.timestamp for each in cycle.signals] == [START + 5 * HOUR]
    assert (await harness.processor.cycle(START + 6 * HOUR)).missed == ()


@pytest.mark.parametrize("failing", ["load_state", "commit", "revise"])
async def test_a_failure_of_the_store_changes_nothing(clock: ManualClock, failing: str) -> None:
    harness = await crossed(clock)
    if failing == "load_state":
        harness.restart()
    elif failing == "commit":
        harness.feed.candles.append(candle(START + 4 * HOUR, "1.2"))
        clock.advance(HOUR)
    else:
        harness.feed.candles[-1] = candle(START + 3 * HOUR, "1.2")
    now = START + len(harness.feed.candles) * HOUR
    before = harness.processor.strategy.snapshot()
    harness.store.outbox.fails = True
    with pytest.raises(StoreFailed):
        await harness.processor.cycle(now)
    assert harness.processor.strategy.snapshot() == before
    harness.store.outbox.fails = False
    cycle = await harness.processor.cycle(now)
    assert cycle.state_from is (StateFrom.STORE if failing == "load_state" else StateFrom.MEMORY)
    assert len(cycle.signals) == (failing == "commit")
    assert len(cycle.revised) == (failing == "revise")


async def test_after_a_cut_off_commit_the_store_decides(clock: ManualClock) -> None:
    harness = await crossed(clock)
    harness.feed.candles.append(candle(START + 4 * HOUR, "1.2"))
    clock.advance(HOUR)
    commit = harness.ledger.commit

    async def cut_off(*arguments: Any, **options: Any) -> None:
        await commit(*arguments, **options)
        raise asyncio.CancelledError

    with patch.object(harness.ledger, "commit", cut_off), pytest.raises(asyncio.CancelledError):
        await harness.processor.cycle(START + 5 * HOUR)
    cycle = await harness.processor.cycle(START + 5 * HOUR)
    assert (cycle.state_from, cycle.candles_taken, len(await harness.rows())) == (StateFrom.STORE, 0, 2)


async def test_a_signal_that_expires_while_it_is_saved_is_missed_too(clock: ManualClock) -> None:
    harness = StreamHarness(candles(*DOWN_UP[:3]))
    await harness.processor.cycle(START + 3 * HOUR)
    harness.feed.candles.append(candle(START + 3 * HOUR, "1.4"))
    clock.advance(2 * HOUR)
    cycle = await harness.processor.cycle(START + 4 * HOUR)
    assert (cycle.signals, cycle.tickets, len(cycle.missed)) == ((), (), 1)
    assert [row.delivery.rule for row in await harness.rows()] == ["too-old"]
    assert [each.trade.flags for each in await harness.trades()] == [("unpublished",)]


async def test_a_posted_signal_is_not_recorded_again_as_unpublished(clock: ManualClock) -> None:
    harness = await crossed(clock)
    saved = await harness.ledger.load_state(CONFIG.stream)
    (entry,) = await harness.trades()
    assert saved is not None
    again = Unpublished(entry.trade.signal, UnpublishedRule.LATE_CORRECTION)
    (ticket,) = await harness.ledger.commit(saved, (), tiers=("free", "premium"), unpublished=[again])
    assert ticket.outcome is Outcome.DUPLICATE
    assert await harness.trades() == [entry]
    assert len(await harness.rows()) == 1

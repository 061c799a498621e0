"""One stream: which candles it reads, which signals it commits, and what a restart or a failure changes."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from signalpost.testing.manual_clock import ManualClock
from signalpost.trading.processor import StateFrom
from tests.unit.trading.stream_harness import HOUR, START, StreamHarness, candle, candles

DOWN_UP = ("1.5", "1.4", "1.3", "1.4")
"""The last of these crosses up."""


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


async def test_candles_that_closed_before_a_restart_are_no_history(clock: ManualClock) -> None:
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


async def test_a_correction_that_removes_a_cross_marks_its_trade_once(clock: ManualClock) -> None:
    harness = StreamHarness(candles(*DOWN_UP[:3]))
    await harness.processor.cycle(START + 3 * HOUR)
    harness.feed.candles.append(candle(START + 3 * HOUR, "1.4"))
    clock.advance(HOUR)
    (signal,) = (await harness.processor.cycle(START + 4 * HOUR)).signals
    harness.feed.candles[-1] = candle(START + 3 * HOUR, "1.2")
    cycle = await harness.processor.cycle(START + 4 * HOUR)
    assert (cycle.revised, cycle.counts, cycle.candles_taken) == ((signal.signal_id,), {"correction": 1}, 0)
    (entry,) = await harness.trades()
    assert (entry.trade.state, entry.trade.flags) == ("open", ("revised",))
    harness.restart()
    harness.feed.candles[-1] = candle(START + 3 * HOUR, "1.21")
    cycle = await harness.processor.cycle(START + 4 * HOUR)
    assert (cycle.revised, cycle.state_from, cycle.counts) == ((), StateFrom.STORE, {"correction": 1})
    assert [each.trade for each in await harness.trades()] == [entry.trade]


async def test_a_signal_that_appears_by_a_correction_is_recorded_but_not_posted(clock: ManualClock) -> None:
    harness = StreamHarness(candles(*DOWN_UP[:3]))
    await harness.processor.cycle(START + 3 * HOUR)
    harness.feed.candles.append(candle(START + 3 * HOUR, "1.2"))
    clock.advance(HOUR)
    assert (await harness.processor.cycle(START + 4 * HOUR)).signals == ()
    harness.feed.candles[-1] = candle(START + 3 * HOUR, "1.4")
    cycle = await harness.processor.cycle(START + 4 * HOUR)
    (signal,) = cycle.appeared
    assert (cycle.signals, cycle.missed, cycle.revised) == ((), (), ())
    ((delivery, *_),) = await harness.rows()
    assert (delivery.state, delivery.rule) == ("suppressed", "late-correction")
    (entry,) = await harness.trades()
    assert (entry.trade.signal, entry.trade.flags) == (signal, ("unpublished",))
    harness.feed.candles[-1] = candle(START + 3 * HOUR, "1.2")
    assert (await harness.processor.cycle(START + 4 * HOUR)).revised == (signal.signal_id,)
    assert len(await harness.rows()) == 1, "nothing is posted about a signal that nobody saw"


async def test_after_a_restart_the_next_signal_is_posted(clock: ManualClock) -> None:
    harness = StreamHarness(candles(*DOWN_UP[:3]))
    await harness.processor.cycle(START + 3 * HOUR)
    harness.feed.candles.append(candle(START + 3 * HOUR, "1.4"))
    clock.advance(HOUR)
    harness.restart()
    cycle = await harness.processor.cycle(START + 4 * HOUR)
    assert (cycle.state_from, len(cycle.signals), cycle.missed) == (StateFrom.STORE, 1, ())
    assert [row.delivery.state for row in await harness.rows()] == ["pending"]

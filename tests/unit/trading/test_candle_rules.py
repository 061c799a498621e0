"""Unusual candles: corrections, flat ones and those out of order, gaps, and answers that cannot be used."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from signalpost import Candle
from signalpost.errors import FeedFailed
from signalpost.testing.manual_clock import ManualClock
from signalpost.trading.calendar import FX
from signalpost.trading.processor import StateFrom
from tests.unit.trading.stream_harness import CONFIG, DOWN_UP, HOUR, START, StreamHarness, candle, candles, crossed


@pytest.fixture(autouse=True)
def clock() -> Iterator[ManualClock]:
    with ManualClock(START + 3 * HOUR) as clock:
        yield clock


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


async def test_a_feed_that_promises_more_and_gives_none_is_a_failure(clock: ManualClock) -> None:
    harness = await crossed(clock)
    harness.feed.candles.append(candle(START + 4 * HOUR, "1.2"))
    harness.feed.cut_at = 3
    with pytest.raises(FeedFailed) as raised:
        await harness.processor.cycle(START + 5 * HOUR)
    assert raised.value.code == "bad-answer"


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        (candles("1.3", "1.4")[::-1], "time"),
        ([candle(START, "1.3"), candle(START, "1.4")], "time"),
        ([candle(START + HOUR + timedelta(minutes=3), "1.3")], "time"),
        ([candle(START, "1.3"), candle(START + timedelta(minutes=1), "1.300001")], None),
    ],
)
async def test_a_bad_answer_is_a_failure_and_changes_nothing(answer: list[Candle], field: str | None) -> None:
    harness = StreamHarness(answer)
    with pytest.raises(FeedFailed) as raised:
        await harness.processor.cycle(START + HOUR)
    assert (raised.value.code, raised.value.field) == ("bad-answer", field)
    assert (harness.processor.is_warm, await harness.ledger.load_state(CONFIG.stream)) == (False, None)
    harness.feed.candles = candles("1.3")
    assert (await harness.processor.cycle(START + HOUR)).watermark == START


async def test_a_feeds_clock_may_be_ahead_a_little() -> None:
    harness = StreamHarness(candles("1.3", "1.4"))
    cycle = await harness.processor.cycle(START + 2 * HOUR - timedelta(minutes=2))
    assert cycle.watermark == START + HOUR


async def test_a_candle_twice_in_one_answer_is_taken_once() -> None:
    harness = StreamHarness([*candles("1.3"), *candles("1.3", "1.4")])
    cycle = await harness.processor.cycle(START + 2 * HOUR)
    assert (cycle.counts, cycle.candles_taken, cycle.candles_read) == ({"duplicate": 1}, 2, 3)


async def test_a_candle_that_comes_after_newer_ones_is_ignored_and_counted_once(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    harness = StreamHarness([each for each in candles(*DOWN_UP) if each.time != START + 2 * HOUR])
    harness.feed.forming = START + 4 * HOUR
    await harness.processor.cycle(START + 4 * HOUR)
    state = await harness.ledger.load_state(CONFIG.stream)
    harness.feed.candles = candles(*DOWN_UP)
    assert (await harness.processor.cycle(START + 4 * HOUR)).counts == {"out-of-order": 1}
    assert (await harness.processor.cycle(START + 4 * HOUR)).counts == {}
    assert await harness.ledger.load_state(CONFIG.stream) == state
    assert len(caplog.records) == 1


async def test_a_gap_is_fetched_once_more_and_then_counted() -> None:
    first, second, _, _, last = candles("1.5", "1.4", "1.3", "1.2", "1.1")
    harness = StreamHarness([first, second, last])
    cycle = await harness.processor.cycle(START + 5 * HOUR)
    assert (cycle.counts, cycle.candles_taken, harness.feed.fetches) == ({"gap": 2}, 3, [None, None])


async def test_a_gap_that_the_second_answer_fills_is_not_counted() -> None:
    harness = StreamHarness([*candles("1.5"), candle(START + 2 * HOUR, "1.3")])
    harness.feed.then = candles("1.5", "1.4", "1.3")
    cycle = await harness.processor.cycle(START + 3 * HOUR)
    assert (cycle.counts, cycle.candles_taken) == ({}, 3)


async def test_a_gap_before_a_candle_that_is_forming_is_an_empty_slot() -> None:
    harness = StreamHarness([*candles("1.5"), candle(START + 2 * HOUR, "1.3")])
    harness.feed.forming = START + 3 * HOUR
    cycle = await harness.processor.cycle(START + 3 * HOUR)
    assert (cycle.counts, cycle.forming, harness.feed.fetches) == ({"gap": 1}, START + 3 * HOUR, [None])


async def test_a_weekend_is_not_a_gap() -> None:
    friday, sunday = START.replace(day=9, hour=21), START.replace(day=11, hour=22)
    harness = StreamHarness([candle(friday, "1.5"), candle(sunday, "1.4")], calendar=FX)
    assert (await harness.processor.cycle(sunday + HOUR)).counts == {}


async def test_flat_candles_are_taken_and_counted() -> None:
    flat = Candle(time=START, open="1.5", high="1.5", low="1.5", close="1.5")
    cycle = await StreamHarness([flat]).processor.cycle(START + HOUR)
    assert (cycle.counts, cycle.candles_taken) == ({"flat": 1}, 1)


async def test_a_correction_that_changes_only_a_price_leaves_the_posted_signal(clock: ManualClock) -> None:
    harness = await crossed(clock)
    harness.feed.candles[-1] = candle(START + 3 * HOUR, "1.45")
    cycle = await harness.processor.cycle(START + 4 * HOUR)
    assert (cycle.counts, cycle.revised, cycle.appeared, cycle.signals) == ({"correction": 1}, (), (), ())
    assert len(await harness.rows()) == 1


async def test_a_correction_of_the_side_revises_one_signal_and_records_the_other(clock: ManualClock) -> None:
    harness = StreamHarness(candles("1.5", "1.4", "1.3"))
    await harness.processor.cycle(START + 3 * HOUR)
    harness.feed.candles += candles("1.4", "1.3", start=START + 3 * HOUR)
    clock.advance(2 * HOUR - timedelta(seconds=1))
    up, down = (await harness.processor.cycle(START + 5 * HOUR - timedelta(seconds=1))).signals
    assert (up.signal_type, down.signal_type) == ("BUY", "SELL")
    harness.feed.candles[-2] = candle(START + 3 * HOUR, "1.2")
    cycle = await harness.processor.cycle(START + 5 * HOUR)
    assert cycle.revised == (up.signal_id, down.signal_id)
    assert [(each.signal_type, each.timestamp) for each in cycle.appeared] == [("BUY", START + 4 * HOUR)]


async def test_a_correction_of_history_posts_and_revises_nothing(clock: ManualClock) -> None:
    harness = StreamHarness(candles(*DOWN_UP))
    await harness.processor.cycle(START + 4 * HOUR)
    harness.feed.candles[-1] = candle(START + 3 * HOUR, "1.45")
    assert (await harness.processor.cycle(START + 4 * HOUR)).appeared == ()
    harness.feed.candles[-1] = candle(START + 3 * HOUR, "1.2")
    cycle = await harness.processor.cycle(START + 4 * HOUR)
    assert (cycle.revised, cycle.appeared, await harness.rows()) == ((), (), [])


async def test_an_older_candle_than_the_last_ones_is_not_corrected(clock: ManualClock) -> None:
    harness = await crossed(clock)
    harness.feed.candles[0] = candle(START, "1.1")
    state = await harness.ledger.load_state(CONFIG.stream)
    cycle = await harness.processor.cycle(START + 4 * HOUR)
    assert (cycle.counts, await harness.ledger.load_state(CONFIG.stream)) == ({}, state)

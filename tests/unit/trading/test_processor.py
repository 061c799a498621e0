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

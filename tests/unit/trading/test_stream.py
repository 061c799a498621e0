"""A corrected candle is computed from an older snapshot, and a restored stream continues as if never stopped."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost import Candle, MAUnifiedStrategy, Signal
from signalpost.trading.stream import OVERLAP, Stream
from tests.unit.trading.stream_harness import CONFIG, candles

CLOSES = [f"1.{5 + number * 7 % 4}" for number in range(40)]
CANDLES = candles(*CLOSES)


def fed(given: Sequence[Candle]) -> tuple[Stream, list[Signal]]:
    stream = Stream(MAUnifiedStrategy(CONFIG))
    return stream, [signal for each in given for _, signal in stream.take([each])]


@given(count=st.integers(OVERLAP, 30), ago=st.integers(1, OVERLAP), restarts=st.booleans())
def test_a_correction_gives_the_state_and_the_signals_of_the_corrected_candles(
    count: int, ago: int, restarts: bool
) -> None:
    known = CANDLES[:count]
    better = candles("1.55", start=known[-ago].time)
    stream, before = fed(known)
    assert stream.correctable == known[-OVERLAP:]
    if restarts:
        stream.restore(stream.saved(), known[-1].time)
    correction = stream.correct(better)
    expected, after = fed([*known[:-ago], *better, *known[count - ago + 1 :]])
    assert stream.strategy.snapshot() == expected.strategy.snapshot()
    ids = {each.signal_id for each in before}
    assert (ids - {*correction.gone}) | {each.signal_id for each in correction.appeared} >= {
        each.signal_id for each in after
    }
    assert [each.time for each in stream.correctable] == [each.time for each in expected.correctable]
    later = CANDLES[count:]
    assert stream.take(later) == expected.take(later)


@pytest.mark.parametrize("count", range(1, 30))
def test_a_restored_stream_saves_the_same_bytes_from_then_on(count: int) -> None:
    stream, _ = fed(CANDLES[:count])
    restored = Stream(MAUnifiedStrategy(CONFIG))
    restored.restore(stream.saved(), CANDLES[count - 1].time)
    for each in CANDLES[count:]:
        assert restored.take([each]) == stream.take([each])
        assert (restored.saved(), restored.watermark) == (stream.saved(), each.time)

"""Measures a candle through the strategy (two averages, ATR, cross) against minimal code and pandas.

The candles are the bundled EUR_USD ones, repeated with shifted times.
"""

import warnings
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count, islice

from benchmarks.measure import seconds
from benchmarks.table import Row
from signalpost import Candle, Instrument, MAUnifiedConfig, MAUnifiedStrategy
from signalpost.trading.feeds.bundled import TIMEFRAME, bundled_candles
from signalpost.trading.replay import replay
from signalpost.trading.ticks import TickScale

FAST, SLOW, ATR = 40, 140, 14
CANDLES = 100_000
MILLION = 1_000_000
PANDAS_ROWS = 200
PANDAS_TURNS = 50
CONFIG = MAUnifiedConfig(pair="EUR_USD", timeframe=TIMEFRAME, fast=FAST, slow=SLOW, atr_period=ATR)

Bar = tuple[int, int, int]


def rows() -> Iterator[Row]:
    """Run this benchmark."""
    candles = list(islice(endless_candles(), CANDLES))
    ticks = TickScale(5).ticks
    bars = [(ticks(candle.high), ticks(candle.low), ticks(candle.close)) for candle in candles]
    taken = seconds(
        {
            "floor": lambda: running_sums(bars),
            "ticks": lambda: on_ticks(bars),
            "candles": lambda: replay(MAUnifiedStrategy(CONFIG), candles),
        }
    )
    floor, per_tick, per_candle = (taken[name] / CANDLES * 1e6 for name in ("floor", "ticks", "candles"))
    frame = seconds({"pandas": pandas_cycle(candles[:PANDAS_ROWS])})["pandas"] / PANDAS_TURNS * 1e6
    million = seconds(
        {"million": lambda: replay(MAUnifiedStrategy(CONFIG), islice(endless_candles(), MILLION))}, rounds=1
    )
    on_ticks_ratio, of_pandas = per_tick / floor, per_candle / frame
    yield Row(
        "a candle on ticks; beside running sums, bare",
        per_tick,
        "µs",
        floor,
        on_ticks_ratio,
        target="at most 2 x",
        holds=on_ticks_ratio <= 2,
    )
    yield Row("a candle from Decimal", per_candle, "µs", target="at most 5 µs", holds=per_candle <= 5)
    yield Row(
        f"the same; beside pandas over {PANDAS_ROWS} rows",
        per_candle,
        "µs",
        frame,
        of_pandas,
        target="at most 1/200",
        holds=of_pandas <= 1 / 200,
    )
    yield Row("a million candles, made and fed", million["million"], "s")


def endless_candles() -> Iterator[Candle]:
    """Repeat the bundled EUR_USD candles endlessly, each round later in time."""
    once = bundled_candles(Instrument("EUR_USD"))
    span = once[-1].time - once[0].time + TIMEFRAME.duration
    for turn in count():
        for candle in once:
            yield candle.but(time=candle.time + turn * span) if turn else candle


def on_ticks(bars: list[Bar]) -> None:
    """Run only the strategy's arithmetic."""
    feed = MAUnifiedStrategy(CONFIG).on_ticks
    for high, low, close in bars:
        feed(high, low, close)


def running_sums(bars: list[Bar]) -> int:
    """The floor: the same sums and crosses in one loop, without state to save or configuration."""
    fast, slow, ranges = deque([0] * FAST), deque([0] * SLOW), deque([0] * ATR)
    fast_sum = slow_sum = range_sum = last = crosses = 0
    last_close = bars[0][2]
    for high, low, close in bars:
        fast_sum += close - fast.popleft()
        fast.append(close)
        slow_sum += close - slow.popleft()
        slow.append(close)
        true_range = max(high - low, abs(high - last_close), abs(low - last_close))
        last_close = close
        range_sum += true_range - ranges.popleft()
        ranges.append(true_range)
        difference = fast_sum * SLOW - slow_sum * FAST
        if difference > 0 >= last or difference < 0 <= last:
            crosses += 1
        last = difference
    return crosses


def pandas_cycle(candles: list[Candle]) -> Callable[[], None]:
    """The work of a polling bot when a candle closes: recompute the whole window in pandas."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pandas as pd

    frame = pd.DataFrame(
        {name: [float(getattr(candle, name)) for candle in candles] for name in ("high", "low", "close")}
    )

    def cycle() -> None:
        for _ in range(PANDAS_TURNS):
            last_close = frame.close.shift()
            fast, slow = frame.close.rolling(FAST).mean(), frame.close.rolling(SLOW).mean()
            spans = [frame.high - frame.low, (frame.high - last_close).abs(), (frame.low - last_close).abs()]
            pd.concat(spans, axis=1).max(axis=1).rolling(ATR).mean()
            ((fast > slow) & (fast.shift() <= slow.shift())).iloc[-1]
            ((fast < slow) & (fast.shift() >= slow.shift())).iloc[-1]

    return cycle

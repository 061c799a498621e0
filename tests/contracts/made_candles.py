"""Random candles from Hypothesis. They move by few ticks, so ties, flat candles and returns to a price are common."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from signalpost import Candle

PLACES = 5
TIMEFRAME = timedelta(hours=4)
START = datetime(2024, 1, 1, tzinfo=UTC)

moves = st.one_of(st.just(0), st.integers(-2, 2), st.integers(-2, 2), st.integers(-40, 40))
"""Ticks from the last close to the open, and from the open to the close: mostly none or few, sometimes a gap."""

wicks = st.one_of(st.just(0), st.integers(0, 3))

steps = st.one_of(st.just(1), st.just(1), st.sampled_from([2, 13, 14]))
"""Timeframes from one open to the next. Sometimes a candle is missing, or a week ends."""

rows = st.tuples(moves, moves, wicks, wicks, steps)


def candles(*, min_size: int = 2, max_size: int = 50) -> st.SearchStrategy[list[Candle]]:
    """Lists of candles, oldest first."""
    return st.builds(_candles, st.integers(1, 100), st.lists(rows, min_size=min_size, max_size=max_size))


def candle(time: datetime, open_: int, high: int, low: int, close: int) -> Candle:
    """A candle with prices in ticks."""
    open_price, high_price, low_price, close_price = (
        Decimal(ticks).scaleb(-PLACES) for ticks in (open_, high, low, close)
    )
    return Candle(time=time, open=open_price, high=high_price, low=low_price, close=close_price)


def _candles(first: int, shapes: list[tuple[int, int, int, int, int]]) -> list[Candle]:
    made, close, time = [], first, START
    for gap, move, above, below, step in shapes:
        open_ = max(1, close + gap)
        close = max(1, open_ + move)
        made.append(candle(time, open_, max(open_, close) + above, max(1, min(open_, close) - below), close))
        time += step * TIMEFRAME
    return made

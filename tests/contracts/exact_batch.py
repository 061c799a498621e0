"""The moving-average strategy again, from its definition: the whole list at once, with exact fractions.

It is slow and simple, and shares no code with signalpost, so an error would have to be made twice.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import accumulate
from typing import Any, NamedTuple

from signalpost import Candle, MAUnifiedConfig


class Cross(NamedTuple):
    """A cross at one candle, and its result."""

    index: int
    side: str
    filters: tuple[str, ...]
    prices: dict[str, Fraction]
    """The prices of its signal, rounded to 18 decimals; empty if it was filtered."""


def crosses(candles: Sequence[Candle], config: MAUnifiedConfig) -> list[Cross]:
    """All crosses of the fast and the slow average of `candles`."""
    closes = [Fraction(candle.close) for candle in candles]
    fast, slow = means(closes, config.fast), means(closes, config.slow)
    ranges = true_ranges(candles)
    if config.atr == "simple":
        atr = means(ranges, config.atr_period)
    else:
        atr = wilder(ranges, config.atr_period, grid=2**64 * 10**config.places)
    found = []
    for index, sign in _sides(fast, slow):
        sizes = sizes_at(closes[index], sign, atr[index], config)
        filters = tuple(_filters(atr[index], sizes, config))
        prices = {} if filters else {**sizes, "fast_ma": decimals(fast[index]), "slow_ma": decimals(slow[index])}
        found.append(Cross(index, "BUY" if sign > 0 else "SELL", filters, prices))
    return found


def means(values: Sequence[Fraction], period: int) -> list[Any]:
    """For each value, the mean of the last `period` values; None if there are fewer."""
    totals = [Fraction(0), *accumulate(values)]
    return [
        None if end < period else (totals[end] - totals[end - period]) / period for end in range(1, len(values) + 1)
    ]


def true_ranges(candles: Sequence[Candle]) -> list[Fraction]:
    """The true range of each candle, including the gap from the close before it."""
    ranges = []
    for before, candle in zip([None, *candles], candles, strict=False):
        reach = [candle.high - candle.low]
        if before is not None:
            reach += [abs(candle.high - before.close), abs(candle.low - before.close)]
        ranges.append(Fraction(max(reach)))
    return ranges


def wilder(ranges: Sequence[Fraction], period: int, grid: int | None) -> list[Any]:
    """Wilder's average: the mean of the ranges 2 to n + 1, then (n - 1)/n of itself and 1/n of each range.

    Each value is rounded, half to even, to a multiple of 1 / `grid`, or not at all.
    """

    def on_grid(value: Fraction) -> Fraction:
        return value if grid is None else Fraction(round(value * grid), grid)

    smoothed: list[Any] = [None] * len(ranges)
    if len(ranges) > period:
        smoothed[period] = on_grid(sum(ranges[1 : period + 1], Fraction(0)) / period)
    for index in range(period + 1, len(ranges)):
        smoothed[index] = on_grid((smoothed[index - 1] * (period - 1) + ranges[index]) / period)
    return smoothed


def decimals(value: Fraction) -> Fraction:
    """`value` rounded, half to even, to 18 decimals."""
    return Fraction(round(value * 10**18), 10**18)


def sizes_at(close: Fraction, sign: int, atr: Fraction | None, config: MAUnifiedConfig) -> dict[str, Fraction]:
    """Entry, stop, target and the rest; empty without an average true range."""
    if atr is None:
        return {}
    sl_mult, tp_mult = Fraction(config.sl_mult), Fraction(config.tp_mult)
    return {
        "entry_price": close,
        "stop_loss": decimals(close - sign * sl_mult * atr),
        "take_profit": decimals(close + sign * tp_mult * atr),
        "atr_value": decimals(atr),
        "risk_reward_ratio": decimals(tp_mult / sl_mult),
    }


def _sides(fast: Sequence[Any], slow: Sequence[Any]) -> Iterator[tuple[int, int]]:
    for index in range(1, len(fast)):
        if None in (fast[index - 1], slow[index - 1]):
            continue
        if fast[index] > slow[index] and fast[index - 1] <= slow[index - 1]:
            yield index, +1
        if fast[index] < slow[index] and fast[index - 1] >= slow[index - 1]:
            yield index, -1


def _filters(atr: Fraction | None, sizes: dict[str, Fraction], config: MAUnifiedConfig) -> Iterator[str]:
    if atr is None:
        yield "atr cold"
        return
    refused = {
        "atr zero": atr == 0,
        "min atr": not atr >= Fraction(config.min_atr),
        "min rr": not Fraction(config.tp_mult) / Fraction(config.sl_mult) >= Fraction(config.min_rr),
    }
    yield from (name for name, is_refused in refused.items() if is_refused)
    if not any(refused.values()) and min(sizes["stop_loss"], sizes["take_profit"]) <= 0:
        yield "out of range"

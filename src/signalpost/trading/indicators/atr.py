"""Average true range, simple or Wilder's, of whole ticks.

Simple: the mean of the last n true ranges, the first candle's being high - low; warm at index n - 1. Wilder's: seeded
with the mean of the true ranges 2 to n + 1, then moved by 1/n of the difference a candle; warm at index n (as TA-Lib
0.8 does). Wilder's depends on the very first candle for ever, so its origin is part of the stream's identity.
"""

from fractions import Fraction
from typing import Protocol

from signalpost.errors import InvalidConfiguration
from signalpost.trading.indicators.fixed_point import ONE, half_even
from signalpost.trading.indicators.moving_average import SimpleMovingAverage
from signalpost.trading.indicators.period import checked_period
from signalpost.trading.indicators.plain_data import Snapshot, part, whole, whole_or_none
from signalpost.trading.indicators.true_range import TrueRange


class AverageTrueRange(Protocol):
    """The mean distance a candle covers."""

    def update(self, high: int, low: int, close: int) -> None:
        """Take the next candle, in ticks."""
        ...

    @property
    def value(self) -> Fraction | None:
        """The average in ticks; None until warm."""
        ...

    def snapshot(self) -> Snapshot:
        """The state as plain data."""
        ...

    def restore(self, saved: Snapshot) -> None:
        """Take up a saved state. Raises InvalidSnapshot where it is damaged."""
        ...


class SimpleAverageTrueRange:
    """The mean of the last `period` true ranges, exactly. Warm at index period - 1."""

    __slots__ = ("_mean", "_true_range")

    def __init__(self, period: int) -> None:
        self._true_range = TrueRange()
        self._mean = SimpleMovingAverage(period)

    def update(self, high: int, low: int, close: int) -> None:
        """Take the next candle, in ticks."""
        self._mean.update(self._true_range.update(high, low, close))

    @property
    def value(self) -> Fraction | None:
        """The average in ticks; None until warm."""
        return self._mean.value

    def snapshot(self) -> Snapshot:
        """The state as plain data."""
        return {"true_range": self._true_range.snapshot(), "mean": self._mean.snapshot()}

    def restore(self, saved: Snapshot) -> None:
        """Take up a saved state. Raises InvalidSnapshot where it is damaged."""
        self._true_range.restore(part(saved, "true_range"))
        self._mean.restore(part(saved, "mean"))


class WilderAverageTrueRange:
    """Wilder's smoothed true range, each step rounded half to even at 2**-64 ticks. Warm at index period."""

    __slots__ = ("_period", "_scaled", "_seed_total", "_seen", "_true_range")

    def __init__(self, period: int) -> None:
        self._period = checked_period(period)
        self._true_range = TrueRange()
        self._seen = 0
        self._seed_total = 0
        self._scaled: int | None = None

    def update(self, high: int, low: int, close: int) -> None:
        """Take the next candle, in ticks."""
        true_range = self._true_range.update(high, low, close)
        if self._scaled is not None:
            self._scaled = half_even(self._scaled * (self._period - 1) + true_range * ONE, self._period)
            return
        if self._seen:  # the first candle has no close before it, and no place in the seed
            self._seed_total += true_range
        if self._seen == self._period:
            self._scaled = half_even(self._seed_total * ONE, self._period)
        self._seen += 1

    @property
    def value(self) -> Fraction | None:
        """The average in ticks; None until warm."""
        return None if self._scaled is None else Fraction(self._scaled, ONE)

    def snapshot(self) -> Snapshot:
        """The state as plain data."""
        return {
            "true_range": self._true_range.snapshot(),
            "seen": self._seen,
            "seed_total": self._seed_total,
            "scaled": None if self._scaled is None else str(self._scaled),
        }

    def restore(self, saved: Snapshot) -> None:
        """Take up a saved state. Raises InvalidSnapshot where it is damaged."""
        self._true_range.restore(part(saved, "true_range"))
        self._seen, self._seed_total = whole(saved, "seen"), whole(saved, "seed_total")
        self._scaled = whole_or_none(saved, "scaled")


_BY_NAME: dict[str, type[SimpleAverageTrueRange] | type[WilderAverageTrueRange]] = {
    "simple": SimpleAverageTrueRange,
    "wilder": WilderAverageTrueRange,
}

ATR_KINDS = tuple(_BY_NAME)


def average_true_range(kind: str, period: int) -> AverageTrueRange:
    """The ATR of this kind (`simple` or `wilder`). Raises InvalidConfiguration for another."""
    if kind not in _BY_NAME:
        raise InvalidConfiguration(f"atr is {kind!r}: give one of {', '.join(ATR_KINDS)}")
    return _BY_NAME[kind](period)

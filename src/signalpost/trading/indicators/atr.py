"""Average true range, simple or Wilder's, of whole ticks."""

from fractions import Fraction

from signalpost.errors import InvalidConfiguration
from signalpost.trading.indicators.moving_average import ExponentialMovingAverage, SimpleMovingAverage, checked_period
from signalpost.trading.indicators.plain_data import Snapshot, part, whole_or_none

ATR_KINDS = ("simple", "wilder")


def checked_kind(kind: str) -> None:
    """Raises InvalidConfiguration for an unknown kind of average."""
    if kind not in ATR_KINDS:
        known = ", ".join(ATR_KINDS)
        raise InvalidConfiguration.of("atr", kind, f"use one of {known}", code="unknown-word", limit=known)


class AverageTrueRange:
    """The average true range, in ticks.

    `simple`: the exact mean of the last n true ranges, where the first candle's is high - low; warm at index n - 1.
    `wilder`: seeded with the mean of the true ranges 2 to n + 1, then moved by 1/n of the difference per candle; warm
    at index n (as TA-Lib 0.8). Wilder's average depends on the very first candle forever, so the origin is part of the
    stream's identity. Raises InvalidConfiguration for any other kind.
    """

    __slots__ = ("_counts_first", "_mean", "_true_range")

    def __init__(self, kind: str, period: int) -> None:
        checked_kind(kind)
        self._true_range = TrueRange()
        self._counts_first = kind == "simple"  # Wilder's seed skips the first candle, which has no previous close
        self._mean: SimpleMovingAverage | ExponentialMovingAverage = (
            SimpleMovingAverage(period)
            if kind == "simple"
            else ExponentialMovingAverage(period, weight=Fraction(1, checked_period(period)))
        )

    def update(self, high: int, low: int, close: int) -> None:
        """Process the next candle, in ticks."""
        counts = self._counts_first or self._true_range.has_last_close
        true_range = self._true_range.update(high, low, close)
        if counts:
            self._mean.update(true_range)

    @property
    def is_warm(self) -> bool:
        """True if there is an average."""
        return self._mean.is_warm

    @property
    def value(self) -> Fraction | None:
        """The average in ticks; None until warm."""
        return self._mean.value

    def snapshot(self) -> Snapshot:
        """The state as plain data."""
        return {"true_range": self._true_range.snapshot(), "mean": self._mean.snapshot()}

    def restore(self, saved: Snapshot) -> None:
        """Restore a saved state. Raises InvalidSnapshot if it is damaged, and then keeps the current state."""
        true_range = TrueRange()
        true_range.restore(part(saved, "true_range"))
        self._mean.restore(part(saved, "mean"))
        self._true_range = true_range


class TrueRange:
    """The largest of high - low, |high - last close| and |low - last close|, in ticks; high - low for the first candle.

    Warm from the first candle.
    """

    __slots__ = ("_last_close",)

    def __init__(self) -> None:
        self._last_close: int | None = None

    def update(self, high: int, low: int, close: int) -> int:
        """Process the next candle, in ticks, and return its true range in ticks."""
        last, self._last_close = self._last_close, close
        if last is None:
            return high - low
        return (last if last > high else high) - (last if last < low else low)

    @property
    def has_last_close(self) -> bool:
        """True if a candle has been processed."""
        return self._last_close is not None

    def snapshot(self) -> Snapshot:
        """The state as plain data."""
        return {"last_close": self._last_close}

    def restore(self, saved: Snapshot) -> None:
        """Restore a saved state. Raises InvalidSnapshot if it is damaged, and then keeps the current state."""
        self._last_close = whole_or_none(saved, "last_close")

"""Moving averages: simple, from a running sum of integer ticks; exponential, in ticks with 64 binary places."""

from collections import deque
from fractions import Fraction

from signalpost.errors import InvalidConfiguration, InvalidSnapshot
from signalpost.trading.indicators.plain_data import Snapshot, whole_or_none, wholes


class SimpleMovingAverage:
    """The mean of the last `period` values, kept as their sum: exact, without drift. Warm at index period - 1."""

    __slots__ = ("_window", "period", "total")

    def __init__(self, period: int) -> None:
        self.period = checked_period(period)
        self.total = 0
        """The sum of the last values, at most `period` of them, in ticks."""
        self._window: deque[int] = deque(maxlen=period)

    def update(self, value: int) -> int | None:
        """Process the next value, in ticks. Returns the sum of the last `period` values, or None until warm."""
        window = self._window
        if len(window) == self.period:
            self.total += value - window[0]
            window.append(value)
            return self.total
        self.total += value
        window.append(value)
        return self.total if len(window) == self.period else None

    @property
    def is_warm(self) -> bool:
        """True if `period` values have been processed."""
        return len(self._window) == self.period

    @property
    def value(self) -> Fraction | None:
        """The average in ticks; None until warm."""
        return Fraction(self.total, self.period) if self.is_warm else None

    def snapshot(self) -> Snapshot:
        """The state as plain data."""
        return {"window": list(self._window)}

    def restore(self, saved: Snapshot) -> None:
        """Restore a saved state. Raises InvalidSnapshot if it is damaged, and then keeps the current state."""
        window = wholes(saved, "window", at_most=self.period)
        self._window = deque(window, maxlen=self.period)
        self.total = sum(window)


class ExponentialMovingAverage:
    """An average that moves by a fraction of the difference per value; its seed is the mean of `period` values.

    The fraction, `weight`, is 2 / (period + 1) by default; Wilder's smoothing is the weight 1 / period. Each step is
    exact except for one rounding, half to even, at 2**-64 ticks. Warm at index period - 1 (as TA-Lib's EMA).
    """

    __slots__ = ("_divisor", "_new", "_old", "_scaled", "_seed", "period")

    def __init__(self, period: int, *, weight: Fraction | None = None) -> None:
        self.period = checked_period(period)
        share = Fraction(2, period + 1) if weight is None else weight
        self._new, self._old = share.numerator * ONE, share.denominator - share.numerator
        self._divisor = share.denominator
        self._seed: list[int] = []
        self._scaled: int | None = None

    def update(self, value: int) -> int | None:
        """Process the next value, in ticks. Returns the average in ticks x 2**64, or None until warm."""
        if self._scaled is not None:
            self._scaled = half_even(self._scaled * self._old + value * self._new, self._divisor)
            return self._scaled
        self._seed.append(value)
        if len(self._seed) == self.period:
            self._scaled = half_even(sum(self._seed) * ONE, self.period)
            self._seed = []
        return self._scaled

    @property
    def is_warm(self) -> bool:
        """True if `period` values have been processed."""
        return self._scaled is not None

    @property
    def value(self) -> Fraction | None:
        """The average in ticks; None until warm."""
        return None if self._scaled is None else Fraction(self._scaled, ONE)

    def snapshot(self) -> Snapshot:
        """The state as plain data."""
        return {"seed": list(self._seed), "scaled": None if self._scaled is None else str(self._scaled)}

    def restore(self, saved: Snapshot) -> None:
        """Restore a saved state. Raises InvalidSnapshot if it is damaged, and then keeps the current state."""
        seed, scaled = wholes(saved, "seed", at_most=self.period - 1), whole_or_none(saved, "scaled")
        if seed and scaled is not None:
            text = "the saved state has both a seed and an average: replay all candles from the first one"
            raise InvalidSnapshot(text, code="conflict", field="seed")
        self._seed, self._scaled = seed, scaled


ONE = 1 << 64
"""One tick."""


def half_even(dividend: int, divisor: int) -> int:
    """`dividend` / `divisor` (above zero), rounded to the nearest integer, ties to even."""
    whole, rest = divmod(dividend, divisor)
    twice = rest + rest
    return whole + (twice > divisor or (twice == divisor and whole & 1))


MOST_CANDLES = 100_000
"""The longest period: more than two months of one-minute candles."""


def checked_period(period: int, name: str = "period") -> int:
    """`period`, which must be a whole number from 1 to 100,000. Raises InvalidConfiguration otherwise."""
    if isinstance(period, bool) or not isinstance(period, int) or not 1 <= period <= MOST_CANDLES:
        advice = f"use a whole number of candles from 1 to {MOST_CANDLES:,}"
        raise InvalidConfiguration.of(name, period, advice, code="out-of-range", limit=f"1 to {MOST_CANDLES}")
    return period

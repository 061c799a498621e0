"""True range: how far the price moved since the last close."""

from signalpost.trading.indicators.plain_data import Snapshot, whole_or_none


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

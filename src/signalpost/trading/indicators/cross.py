"""Crosses: the candle at which one line moves above or below another."""

from signalpost.errors import InvalidSnapshot
from signalpost.trading.indicators.plain_data import Snapshot, whole_or_none

UP = 1
NONE = 0
DOWN = -1


class Cross:
    """Compares two lines candle by candle.

    UP: above now, and equal or below before. DOWN: below now, and equal or above before. A tie now is no cross, and the
    next candle after it may be one.

    The first comparison has no predecessor and cannot be a cross.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: int | None = None

    def update(self, difference: int) -> int:
        """Process how far the first line is above the second, in any unit, and return UP, DOWN or NONE."""
        last, self._last = self._last, difference
        if last is None:
            return NONE
        if difference > 0 >= last:
            return UP
        if difference < 0 <= last:
            return DOWN
        return NONE

    def snapshot(self) -> Snapshot:
        """The state as plain data: which line was above, without the distance."""
        last = self._last
        return {"last": None if last is None else (last > 0) - (last < 0)}

    def restore(self, saved: Snapshot) -> None:
        """Restore a saved state. Raises InvalidSnapshot if it is damaged, and then keeps the current state."""
        last = whole_or_none(saved, "last")
        if last not in (None, DOWN, NONE, UP):
            raise InvalidSnapshot(
                f"last is {last}, but must be {DOWN}, {NONE} or {UP}: replay all candles from the first one",
                code="out-of-range",
                field="last",
                value=str(last),
                limit=f"{DOWN}, {NONE}, {UP}",
            )
        self._last = last

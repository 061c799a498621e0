"""Crosses: the candle at which one line comes to stand above, or below, another."""

from signalpost.errors import InvalidSnapshot
from signalpost.trading.indicators.plain_data import Snapshot, whole_or_none

UP = 1
NONE = 0
DOWN = -1


class Cross:
    """Compares two lines candle by candle: UP is above now and not above before, DOWN the mirror; a tie is neither.

    The first comparison has nothing before it and can be no cross.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: int | None = None

    def update(self, difference: int) -> int:
        """Take how far the first line stands above the second, in any unit, and return UP, DOWN or NONE."""
        last, self._last = self._last, difference
        if last is None:
            return NONE
        if difference > 0 >= last:
            return UP
        if difference < 0 <= last:
            return DOWN
        return NONE

    def snapshot(self) -> Snapshot:
        """The state as plain data: how the lines stood to each other, without the distance."""
        last = self._last
        return {"last": None if last is None else (last > 0) - (last < 0)}

    def restore(self, saved: Snapshot) -> None:
        """Take up a saved state. Raises InvalidSnapshot where it is damaged; the state is then as before."""
        last = whole_or_none(saved, "last")
        if last not in (None, DOWN, NONE, UP):
            raise InvalidSnapshot(
                f"last is {last} where {DOWN}, {NONE} or {UP} was saved: rebuild the state from its origin",
                code="out-of-range",
                field="last",
                value=str(last),
                limit=f"{DOWN}, {NONE}, {UP}",
            )
        self._last = last

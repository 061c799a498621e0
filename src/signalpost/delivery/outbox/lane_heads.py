"""The rows that come first in each lane, remembered beside a store, so that a lease need not ask for them. Pure."""

from bisect import bisect
from collections.abc import Iterable, Iterator

from signalpost.delivery.outbox.order import Row
from signalpost.domain.delivery import DeliveryId

DEPTH = 8
"""How many rows of a lane are remembered at most, at some 1 kB each."""


class Head:
    """The first pending rows of one lane, in order: as many as are remembered, with none left out between them."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = list(rows)
        self.is_whole = len(self._rows) <= DEPTH
        """Whether no others wait behind these."""
        del self._rows[DEPTH:]

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def enter(self, row: Row) -> None:
        """A pending row is in the lane now. Behind the last that is remembered it may be one of many, and is not."""
        at = bisect(self._rows, row.place, key=_place)
        if at < len(self._rows) or self.is_whole:
            self._rows.insert(at, row)
            if len(self._rows) > DEPTH:
                del self._rows[DEPTH:]
                self.is_whole = False

    def leave(self, name: DeliveryId) -> None:
        """A row that was pending is not, or has another place."""
        for at, row in enumerate(self._rows):
            if row.delivery.id == name:
                del self._rows[at]
                return


def _place(row: Row) -> tuple[int, int]:
    return row.place

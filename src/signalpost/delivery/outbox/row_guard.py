"""Keeps damaged rows away from the healthy ones, and sets them aside: dead, by their primary keys, with the reason."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator

from signalpost.delivery.outbox import statements as sql
from signalpost.delivery.outbox.commands import Damaged
from signalpost.delivery.outbox.lanes import Row
from signalpost.delivery.outbox.row_checks import (
    Unreadable,
    Values,
    as_shown,
    damage,
    has_ended,
    is_open,
    row_of,
)


class RowGuard:
    """Checks each delivery's row as it is read. Transactions are the caller's."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.suspects: dict[Values, None] = {}
        """Primary keys of rows that were found damaged before they ended, and are not set aside yet."""
        self._passed_over: set[Values] = set()
        """Those whose notification a fault of ours keeps from being read: they wait for another version."""

    def checked(self, found: Iterable[Values]) -> Iterator[Row]:
        """The rows that pass the check."""
        for values in found:
            if damage(values) is None:
                yield row_of(values)
            elif not has_ended(values):
                self.suspects[values[:3]] = None

    def shown(self, values: Values) -> Row:
        """A row for a person to see, damaged or not."""
        if (what := damage(values)) is None:
            return row_of(values)
        if not has_ended(values):
            self.suspects[values[:3]] = None
        return as_shown(values, what)

    def note(self, row: Row, told: Unreadable) -> None:
        """The notification of a row that passed the check cannot be read."""
        if not told.is_damaged:
            self._passed_over.add(row.delivery.id)
        elif not row.delivery.state.is_terminal:
            self.suspects[row.delivery.id] = None

    def suspect_all(self, keys: Iterable[Values]) -> None:
        """These rows were found damaged by a query."""
        self.suspects.update(dict.fromkeys(keys))

    def may_leave(self, row: Row) -> bool:
        """Whether nothing is known that keeps a row from being sent."""
        return row.delivery.id not in self.suspects and row.delivery.id not in self._passed_over

    def set_aside(self, damage_of: Callable[[Values], str | None]) -> list[Damaged]:
        """Read each suspect once more, because it may have been repaired, and write it by its primary key."""
        found = []
        for key in list(self.suspects):
            query, change, bound = sql.same_row(key)
            values = self._db.execute(query, bound).fetchone()
            if values is None or has_ended(values) or (what := damage_of(values)) is None:
                continue
            row = as_shown(values, what)
            self._db.execute(change, [row.delivery.reason, *bound])
            found.append(Damaged(row.delivery, was_open=is_open(values)))
        self.suspects.clear()
        return found

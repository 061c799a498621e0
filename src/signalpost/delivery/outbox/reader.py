"""Reads an outbox that another process may be writing, without taking its lock or changing it.

It executes the commands that only read. For people, it also finds the tickets of a name, a message, the position of a
delivery in its lane, and the recent failures of a destination.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

from signalpost.delivery.outbox import sql
from signalpost.delivery.outbox.book import READING
from signalpost.delivery.outbox.commands import Command, Message
from signalpost.delivery.outbox.rows import instant, is_text, is_time, micros
from signalpost.delivery.outbox.schema import HAS_META, MIGRATED_FROM
from signalpost.delivery.outbox.sqlite_file import (
    failure,
    is_there,
    opened_to_read,
)
from signalpost.delivery.outbox.transaction import Transaction
from signalpost.delivery.outbox.verbs import execute
from signalpost.delivery.ticket_ids import first_of
from signalpost.domain.delivery import Delivery
from signalpost.errors import StoreFailed

_FAILURES = frozenset({"unavailable", "unconfirmed"})
"""Outcomes of attempts that a breaker counts."""
_LOOKS_BACK_FOR = timedelta(hours=24)
_MOST_ATTEMPTS = 100


class Past(NamedTuple):
    """The number of notifications accepted before a time, and the size of the file."""

    ended: int
    """Notifications without an open delivery."""
    open: int
    """Notifications with an open delivery."""
    size: int
    """Bytes of the file."""
    free: int
    """Unused bytes in it."""


class StoreVersion(NamedTuple):
    """The version of a store's tables."""

    version: int
    migrated_from: int | None
    """The version from which it was last migrated; None if it never was, or if its version does not record this."""


def version_of(path: Path) -> StoreVersion | None:
    """The version of the store at `path`; None if there is none yet. Raises StoreUnusable and StoreFailed."""
    if not is_there(path):
        return None
    with closing(SqliteReader(path)) as reader:
        return reader.version()


class SqliteReader:
    """A core that only reads. Raises StoreUnusable if there is no outbox at `path`, or it cannot be read."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._db = opened_to_read(self._path)
        self._tx = Transaction(self._db)

    def apply(self, batch: Sequence[Command[Any]]) -> list[Any]:
        """Answer the commands from one snapshot. Raises TypeError for a command that would change something."""
        for command in batch:
            if type(command) not in READING:
                raise TypeError(f"{type(command).__name__} would change the outbox, which is open for reading only")
        try:
            self._db.execute("BEGIN")
            try:
                return execute(self._tx, batch)
            finally:
                self._db.execute("ROLLBACK")
        except sqlite3.Error as fault:
            raise failure(StoreFailed, self._path, "cannot read it", fault) from fault

    def tickets(self, name: str) -> list[str]:
        """The tickets of a signal's (or another payload's) id, or of an idempotency key, the oldest first.

        The keys are searched first, which is quick. If they were deleted, all deliveries are read.
        """
        found = self._found(sql.TICKETS_BY_KEY, name, name, name) or self._found(sql.TICKETS_BY_SEQUENCE, name, name)
        return [ticket for (ticket,) in found if is_text(ticket)]

    def message(self, delivery: Delivery) -> Message | None:
        """The message that shows a delivery; None if there is none or it is unknown."""
        for destination, message_id, sent_at, version in self._found(
            sql.MESSAGE, delivery.id.destination, delivery.message_id
        ):
            if is_time(sent_at) and type(version) is int:
                return Message(destination, message_id, instant(sent_at), version)
        return None

    def ahead(self, delivery: Delivery) -> int:
        """The number of pending deliveries ahead of this one in its lane."""
        name, destination, _ = delivery.id
        ((count,),) = self._found(sql.AHEAD, destination, delivery.rank, delivery.rank, name)
        return int(count)

    def failures(self, destination: str, now: datetime) -> int:
        """The number of a destination's last attempts that failed in a row, at most 100 and within the last day."""
        found = self._found(sql.OUTCOMES, first_of(now - _LOOKS_BACK_FOR), destination, _MOST_ATTEMPTS)
        return sum(1 for _ in takewhile(lambda row: row[0] in _FAILURES, found))

    def past(self, before: datetime) -> Past:
        """The notifications that were accepted before a time, and the size of the file."""
        ((count, is_open),) = self._found(sql.PAST, micros(before))
        ((pages,), (free,), (size,)) = (
            self._found(f"PRAGMA {name}")[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return Past(count - is_open, is_open, pages * size, free * size)

    def version(self) -> StoreVersion:
        """The version of the tables."""
        ((version,),) = self._found("PRAGMA user_version")
        kept = self._found(sql.META, MIGRATED_FROM) if version >= HAS_META else []
        return StoreVersion(version, kept[0][0] if kept else None)

    def close(self) -> None:
        """Close the file. Repeated calls are fine."""
        self._db.close()

    def _found(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as fault:
            raise failure(StoreFailed, self._path, "cannot read it", fault) from fault

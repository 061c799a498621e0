"""Reads an outbox that another process may be writing, without taking its lock or changing it.

`SqliteReader` executes the commands that only read. `SqliteLookup` serves people: the tickets of a name, a message, the
position of a delivery in its lane, and the recent failures of a destination.
"""

import sqlite3
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

from signalpost.delivery.outbox import sql
from signalpost.delivery.outbox.book import READING
from signalpost.delivery.outbox.commands import Command, Message, OutboxEntry
from signalpost.delivery.outbox.queries import shown_entry
from signalpost.delivery.outbox.rows import instant, is_text, is_time, listed, micros
from signalpost.delivery.outbox.schema import HAS_META, MIGRATED_FROM
from signalpost.delivery.outbox.sqlite_file import (
    advice,
    check_there,
    code_of,
    is_there,
    opened_to_read,
    refuse_hard_link,
)
from signalpost.delivery.outbox.transaction import Transaction
from signalpost.delivery.outbox.verbs import execute
from signalpost.delivery.ticket_ids import first_of
from signalpost.domain.delivery import Delivery, DeliveryState
from signalpost.domain.priority import NotificationPriority
from signalpost.errors import StoreFailed

_FAILURES = frozenset({"unavailable", "unconfirmed"})
"""Outcomes of attempts that a breaker counts."""
_LOOKS_BACK_FOR = timedelta(hours=24)
_MOST_ATTEMPTS = 100


class SqliteReader:
    """A core that only reads. Raises StoreUnusable if there is no outbox at `path`, or it cannot be read."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        check_there(self._path)
        refuse_hard_link(self._path, self._path.resolve())
        self._db = opened_to_read(self._path)
        self._tx = Transaction(self._db)

    def apply(self, batch: Sequence[Command[Any]]) -> list[Any]:
        """Answer the commands from one snapshot. Raises TypeError for a command that would change something."""
        for command in batch:
            if not isinstance(command, READING):
                raise TypeError(f"{type(command).__name__} would change the outbox, which is open for reading only")
        try:
            self._db.execute("BEGIN")
            try:
                return execute(self._tx, batch)
            finally:
                self._db.execute("ROLLBACK")
        except sqlite3.Error as fault:
            raise _unreadable(self._path, fault) from fault

    def close(self) -> None:
        """Close the file. Repeated calls are fine."""
        self._db.close()


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


class Wanted(NamedTuple):
    """A filter of deliveries. Empty and None match all."""

    limit: int
    states: Collection[DeliveryState] = ()
    destination: str | None = None
    priority: NotificationPriority | None = None
    since: datetime | None = None
    """Accepted then or later."""


class StoreVersion(NamedTuple):
    """The version of a store's tables."""

    version: int
    migrated_from: int | None
    """The version from which it was last migrated; None if it was created in its version or is still older."""


def version_of(path: Path) -> StoreVersion | None:
    """The version of the store at `path`; None if there is none yet. Raises StoreUnusable and StoreFailed."""
    if not is_there(path):
        return None
    lookup = SqliteLookup(path)
    try:
        return lookup.version()
    finally:
        lookup.close()


class SqliteLookup:
    """Looks up rows of the outbox at `path` while others may write. Raises StoreUnusable if it cannot be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = opened_to_read(path)
        self._tx = Transaction(self._db)

    def listed(self, wanted: Wanted) -> list[OutboxEntry]:
        """The matching deliveries, the newest first. A damaged one is shown as dead."""
        conditions: dict[str, Any] = {}
        if wanted.states:
            lost = f" OR {sql.LOST_STATE}" if DeliveryState.DEAD in wanted.states else ""
            conditions[f"(state IN {sql.LISTED}{lost})"] = listed([state.value for state in wanted.states])
        if wanted.destination is not None:
            conditions["destination = ?"] = wanted.destination
        if wanted.priority is not None:
            conditions["priority = ?"] = wanted.priority.value
        if wanted.since is not None:
            conditions["notification_id >= ?"] = first_of(wanted.since)
        only_open = bool(wanted.states) and not any(state.is_terminal for state in wanted.states)
        query = sql.find(list(conditions), only_open=only_open)
        rows = map(self._tx.guard.shown, self._found(query, *conditions.values(), wanted.limit))
        try:
            entries = [shown_entry(self._tx, row) for row in rows]
        except sqlite3.Error as fault:
            raise _unreadable(self._path, fault) from fault
        return [each for each in entries if not wanted.states or each.delivery.state in wanted.states]

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
            raise _unreadable(self._path, fault) from fault


def _unreadable(path: Path, fault: sqlite3.Error) -> StoreFailed:
    text = f"{path}: cannot read it ({fault}): {advice(fault)}"
    return StoreFailed(text, code=code_of(fault), field="path", value=str(path))

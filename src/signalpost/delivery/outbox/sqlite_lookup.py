"""What a person asks of an outbox's file, and no service does.

Which tickets a name has, what a message is, what waits before a delivery, and how a destination has fared.
"""

import sqlite3
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

from signalpost.delivery.outbox.commands import Message, Parcel
from signalpost.delivery.outbox.row_checks import instant, is_text, is_time
from signalpost.delivery.outbox.schema import HAS_META, MIGRATED_FROM
from signalpost.delivery.outbox.sqlite_file import advice, is_there, opened_to_read
from signalpost.delivery.outbox.sqlite_tables import SqliteTables
from signalpost.delivery.outbox.statements import IN_LANE, LISTED, LOST_STATE, find
from signalpost.delivery.outbox.verbs import shown_parcel
from signalpost.delivery.ticket_ids import first_of
from signalpost.domain.delivery import Delivery, DeliveryState
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.value import encoded
from signalpost.errors import StoreFailed

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FAILURES = frozenset({"unavailable", "unconfirmed"})
"""Outcomes of attempts that a breaker counts."""
_LOOKS_BACK_FOR = timedelta(hours=24)
_MOST_ATTEMPTS = 100

# A key is a sequence, a blank and an event: what follows the blank in Unicode is "!".
_BY_KEY = """
SELECT notification_id FROM key WHERE key = ?1 OR (key >= ?1 || ' ' AND key < ?1 || '!') ORDER BY notification_id"""
_BY_SEQUENCE = """
SELECT DISTINCT notification_id FROM delivery WHERE sequence = ?1 OR sequence || ' ' || event = ?1
ORDER BY notification_id"""
_MESSAGE = "SELECT destination, message_id, sent_at, version FROM message WHERE destination = ? AND message_id = ?"
_AHEAD = (
    f"SELECT count(*) FROM delivery {IN_LANE} 'pending' AND destination = ?"  # noqa: S608  # constants
    " AND (rank < ? OR (rank = ? AND notification_id < ?))"
)
_OUTCOMES = """
SELECT outcome FROM attempt WHERE notification_id >= ? AND destination = ? ORDER BY ended_at DESC LIMIT ?"""

_META = "SELECT value FROM meta WHERE name = ?"

_PAST = """
SELECT count(*), coalesce(sum(EXISTS (
  SELECT 1 FROM delivery WHERE notification_id = id AND state IN ('pending', 'leased')
)), 0) FROM notification WHERE accepted_at < ?"""


class Past(NamedTuple):
    """What was accepted before a time, and the file's room."""

    ended: int
    """Notifications without an open delivery."""
    open: int
    """Notifications with one."""
    size: int
    """Bytes of the file."""
    free: int
    """Bytes of it that nothing is in."""


class Wanted(NamedTuple):
    """Which deliveries a person wants to see; empty and None are for all."""

    limit: int
    states: Collection[DeliveryState] = ()
    destination: str | None = None
    priority: NotificationPriority | None = None
    since: datetime | None = None
    """Accepted then or later."""


class StoreVersion(NamedTuple):
    """Which version a store's tables are of."""

    version: int
    migrated_from: int | None
    """The version from which it was last migrated; None if it was made by its version, or is still of an older one."""


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
    """Looks into the outbox at `path`, beside whoever writes it. Raises StoreUnusable where it cannot be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = opened_to_read(path)
        self._tables = SqliteTables(self._db)

    def listed(self, wanted: Wanted) -> list[Parcel]:
        """The deliveries that are wanted, the newest first. One that is damaged is shown as dead."""
        asked: dict[str, Any] = {}
        if wanted.states:
            lost = f" OR {LOST_STATE}" if DeliveryState.DEAD in wanted.states else ""
            asked[f"(state IN {LISTED}{lost})"] = encoded([state.value for state in wanted.states]).decode()
        if wanted.destination is not None:
            asked["destination = ?"] = wanted.destination
        if wanted.priority is not None:
            asked["priority = ?"] = wanted.priority.value
        if wanted.since is not None:
            asked["notification_id >= ?"] = first_of(wanted.since)
        only_open = bool(wanted.states) and not any(state.is_terminal for state in wanted.states)
        query = find(list(asked), only_open=only_open)
        rows = map(self._tables.guard.shown, self._found(query, *asked.values(), wanted.limit))
        try:
            parcels = [shown_parcel(self._tables, row) for row in rows]
        except sqlite3.Error as fault:
            raise self._failure(fault) from fault
        return [each for each in parcels if not wanted.states or each.delivery.state in wanted.states]

    def tickets(self, name: str) -> list[str]:
        """The tickets of a signal's (or another payload's) id, or of an idempotency key, the oldest first.

        The keys are asked first, which is quick; where they are forgotten already, all deliveries are read.
        """
        found = self._found(_BY_KEY, name) or self._found(_BY_SEQUENCE, name)
        return [ticket for (ticket,) in found if is_text(ticket)]

    def message(self, delivery: Delivery) -> Message | None:
        """The message that shows a delivery; None where there is none, or it is not known."""
        for destination, message_id, sent_at, version in self._found(
            _MESSAGE, delivery.id.destination, delivery.message_id
        ):
            if is_time(sent_at) and type(version) is int:
                return Message(destination, message_id, instant(sent_at), version)
        return None

    def ahead(self, delivery: Delivery) -> int:
        """How many pending deliveries have a place before this one in its lane."""
        name, destination, _ = delivery.id
        ((count,),) = self._found(_AHEAD, destination, delivery.rank, delivery.rank, name)
        return int(count)

    def failures(self, destination: str, now: datetime) -> int:
        """How many of a destination's last attempts failed in a row, of 100 at most within a day."""
        found = self._found(_OUTCOMES, first_of(now - _LOOKS_BACK_FOR), destination, _MOST_ATTEMPTS)
        return sum(1 for _ in takewhile(lambda row: row[0] in _FAILURES, found))

    def past(self, before: datetime) -> Past:
        """How much was accepted before a time."""
        ((count, is_open),) = self._found(_PAST, (before - _EPOCH) // timedelta(microseconds=1))
        ((pages,), (free,), (size,)) = (
            self._found(f"PRAGMA {name}")[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return Past(count - is_open, is_open, pages * size, free * size)

    def version(self) -> StoreVersion:
        """The version of the tables."""
        ((version,),) = self._found("PRAGMA user_version")
        kept = self._found(_META, MIGRATED_FROM) if version >= HAS_META else []
        return StoreVersion(version, kept[0][0] if kept else None)

    def close(self) -> None:
        """Release the file; once is enough."""
        self._db.close()

    def _found(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as fault:
            raise self._failure(fault) from fault

    def _failure(self, fault: sqlite3.Error) -> StoreFailed:
        return StoreFailed(f"{self._path}: it could not be read ({fault}): {advice(fault)}")

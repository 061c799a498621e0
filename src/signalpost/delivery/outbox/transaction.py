"""Reads and writes an outbox's rows in an open file, checks them, and caches some.

`forget` drops the cache when a transaction is rolled back or another process has written. Also reads
the current owner, and the deliveries that other processes put.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from signalpost import clock
from signalpost.delivery.outbox import sql
from signalpost.delivery.outbox.commands import Lease
from signalpost.delivery.outbox.order import Row
from signalpost.delivery.outbox.rows import (
    PRIORITIES,
    RowGuard,
    Unreadable,
    changes_of,
    instant,
    is_text,
    listed,
    micros,
    notification_in,
    values_of,
)
from signalpost.delivery.outbox.schema import LAST
from signalpost.domain.delivery import DeliveryId, DeliveryState
from signalpost.domain.notification import Notification, is_chart
from signalpost.domain.priority import NotificationPriority
from signalpost.telemetry.log_queue import log_failure

OF_A_COMMAND = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)
"""Errors about the values of a command. All others are about the file or the machine."""

Result = TypeVar("Result")
Write = tuple[str, tuple[Any, ...]]
"""A statement and its values."""

_EVER = -(2**63)
_FEW = 4
"""Values that are looked up without a list."""
_NEITHER = -1
MOST_RECENT = 2_048
"""Notifications that are cached for their lease, at about 2 kB each."""

_MOST_EPOCHS = 2**53
"""Far below the limit of a file lock, so there is always a next epoch."""

# Text that is not UTF-8 is read too, so that the check of the row can report it.
_TEXT = partial(str, encoding="utf-8", errors="surrogateescape")


class Arrival(NamedTuple):
    """Pending deliveries for one destination that other processes put."""

    destination: str
    priority: NotificationPriority
    """The highest among them."""
    deliveries: int


class Owner(NamedTuple):
    """The process that delivers. See docs/why/0027-an-epoch-fences-the-owner.md."""

    epoch: int
    """Increases by one with each owner; 0 if there was none yet."""
    holder: str
    process: int


class Transaction:
    """The rows of an outbox in an open SQLite file of our schema. Its caller begins, commits and rolls back."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._number: int | None = None
        self.nothing_overdue_before = _EVER
        """In microseconds since 1970: until then no pending delivery can be overdue."""
        self._trades: dict[str | None, int] = {}
        """The last number of a trade, outside replays and of each replay."""
        self._recent: dict[int, Notification] = {}
        self._no_wait_after: dict[str, int] = {}
        """For each lane that was looked at: when no delivery in it waited for a later time."""
        self._leased: dict[str, dict[DeliveryId, Row]] | None = None
        """The leased rows by destination; None if they have to be read."""
        db.text_factory = _TEXT
        self.guard = RowGuard()

    def forget(self) -> None:
        """Drop the cache."""
        self.nothing_overdue_before = _EVER
        self._number = None
        self._trades.clear()
        self._recent.clear()
        self._no_wait_after.clear()
        self._leased = None

    def optional(self, work: Callable[[], Result]) -> Result | None:
        """The result of `work`, or None if it failed. Then only its own changes are undone."""
        self._db.execute("SAVEPOINT optional")
        try:
            result = work()
        except OF_A_COMMAND as fault:
            # If SQLite has undone the whole transaction, there is no savepoint, and this fails the batch.
            self._db.execute("ROLLBACK TO optional")
            self.forget()
            log_failure("a lease failed; the verdicts before it were saved", fault)
            result = None
        self._db.execute("RELEASE optional")
        return result

    def select(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows one at a time. Stopping early ends the statement, which would otherwise hold back checkpoints."""
        cursor = self._db.execute(query, values)
        try:
            for row in cursor:  # noqa: UP028  # `yield from` would close the cursor, and fail after the database
                yield row
        finally:
            with suppress(sqlite3.ProgrammingError):  # the database was closed first
                cursor.close()

    def first(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> Any:
        """The first row, or None."""
        return self._db.execute(query, values).fetchone()

    def matching(self, query: str, names: Sequence[str]) -> list[tuple[Any, ...]]:
        """The rows for these values of the column that the query ends with."""
        if not names:
            return []
        if len(names) <= _FEW:  # a list is slower for these, and faster for many
            return self._db.execute(f"{query} IN ({', '.join('?' * len(names))})", names).fetchall()
        return self._db.execute(f"{query} IN {sql.LISTED}", (listed(names),)).fetchall()

    def write(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Execute a statement for each of the rows."""
        if rows:
            self._db.executemany(statement, rows)

    @property
    def last_number(self) -> int:
        """The number of the last notification."""
        if self._number is None:
            self._number = self.first(sql.LAST_NUMBER)[0]
        return self._number

    def next_number(self) -> int:
        """A number above those of all notifications and above all numbers assigned before."""
        self._number = self.last_number + 1
        return self._number

    def next_trade(self, run: str | None) -> int:
        """A number above those of all trades of the folder, or of a replay."""
        if (last := self._trades.get(run)) is None:
            last = self.first(sql.LAST_TRADE)[0] if run is None else self._last_of_replay(run)
        self._trades[run] = last + 1
        if run is not None:  # its trades are deleted with their notifications
            self.write(sql.SAVE_META, [(f"trades {run}", last + 1)])
        return last + 1

    def _last_of_replay(self, run: str) -> int:
        found = self.first(sql.META, (f"trades {run}",))
        last: int = found[0] if found and type(found[0]) is int else self.first(sql.LAST_TRADE_OF_RUN, (run,))[0]
        return last

    def add_notifications(self, numbered: Sequence[tuple[int, Notification]]) -> None:
        """Write notifications, each as one line of JSON."""
        rows = [(number, each.id, micros(each.accepted_at), each.to_json().decode()) for number, each in numbered]
        self.write(sql.ADD_NOTIFICATION, rows)
        self._recent.update(numbered)
        for number in list(islice(self._recent, max(0, len(self._recent) - MOST_RECENT))):
            del self._recent[number]

    def notification(self, row: Row) -> Notification | Unreadable:
        """A row's notification, or the reason why it cannot be read. Then the row is kept out of its lane.

        Most are leased soon after they were put, so the most recent ones are cached until their lease.
        """
        found = self._recent.pop(row.number, None) or self._read(row)
        if isinstance(found, Notification) and found.id != row.delivery.id.notification_id:
            found = Unreadable(f"number is {row.number}, which is that of another notification", is_damaged=True)
        if isinstance(found, Unreadable):
            self.guard.note(row, found)
        return found

    def look_up(self, row: Row) -> Notification | Unreadable:
        """A row's notification, which stays cached for its lease."""
        return self._recent.get(row.number) or self._read(row)

    def is_in_flight(self, sequence: str, destination: str, *, with_chart: bool = True) -> bool:
        """Whether a delivery of a sequence is leased in a lane."""
        rows = (row for row in self._leased_in(destination).values() if row.delivery.sequence == sequence)
        return any(with_chart or not is_chart(row.event) for row in rows)

    def _read(self, row: Row) -> Notification | Unreadable:
        body = self.first(sql.BODY, (row.number,))
        return notification_in(body[0]) if body else Unreadable("its notification is missing", is_damaged=True)

    def rows(self, names: Iterable[DeliveryId]) -> dict[DeliveryId, Row]:
        """The rows of these deliveries that exist. Leased ones come from the cache."""
        rows = (self._leased_in(name.destination).get(name) or self._row(name) for name in names)
        return {row.delivery.id: row for row in rows if row is not None}

    def _row(self, name: DeliveryId) -> Row | None:
        return next(self.guard.checked(self.select(sql.ROW, name)), None)

    def waiting(self, sequences: Collection[str]) -> Iterator[Row]:
        """The pending deliveries of these sequences, in any order."""
        return self.guard.checked(self.matching(sql.WAITING, list(sequences)))

    def lane(self, lease: Lease) -> Iterator[Row]:
        """The pending deliveries that may leave a lane or have outlived their validity, in order, read as needed."""
        query = sql.LEASE_EXPRESS if lease.express else sql.LEASE
        lane = lease.destination
        in_flight = [row.delivery.sequence for row in self._leased_in(lane).values()]
        wanted = {
            "lane": lane,
            "now": micros(lease.now),
            "in_flight": listed(in_flight),
            "held_out": listed(self.guard.held_out(lane)),
            "posts": 0 if lease.posts else _NEITHER,
            "edits": 1 if lease.edits else _NEITHER,
        }
        return filter(self.guard.may_leave, self.guard.checked(self.select(query, wanted)))

    def companions(self, destination: str) -> Iterator[Row]:
        """The companions that wait in a lane, in the order of acceptance, read as needed."""
        return filter(self.guard.may_leave, self.guard.checked(self.select(sql.COMPANIONS, (destination,))))

    def next_wait(self, lease: Lease) -> datetime | None:
        """The earliest future `not_before` in a lane; None if there is none."""
        lane, now = lease.destination, micros(lease.now)
        if self._no_wait_after.get(lane, LAST) <= now:
            return None
        query = sql.NEXT_EXPRESS_WAIT if lease.express else sql.NEXT_WAIT
        (at,) = self.first(query, {"lane": lane, "now": now})
        if at is None and not lease.express:
            self._no_wait_after[lane] = now
        return None if at is None else instant(at)

    def add(self, rows: Sequence[Row]) -> None:
        """Insert rows."""
        self._update_cache(rows, was=None)
        self.write(sql.ADD, [values_of(row) for row in rows])

    def move(self, rows: Sequence[Row], was: DeliveryState) -> None:
        """Update rows that were in the state `was`."""
        self._update_cache(rows, was)
        self.write(sql.MOVE, [changes_of(row.delivery) for row in rows])

    def _update_cache(self, rows: Sequence[Row], was: DeliveryState | None) -> None:
        """Update the cache for changed rows."""
        ends = [row.delivery.valid_until for row in rows if row.is_pending]
        if ends:
            self.nothing_overdue_before = min(self.nothing_overdue_before, micros(min(ends)))
        for row in rows:
            name = row.delivery.id
            if row.delivery.not_before is not None:
                self._no_wait_after.pop(name.destination, None)
            if was is DeliveryState.LEASED:
                self._leased_in(name.destination).pop(name, None)
            elif row.delivery.state is DeliveryState.LEASED:
                self._leased_in(name.destination)[name] = row

    def _leased_in(self, destination: str) -> dict[DeliveryId, Row]:
        if self._leased is None:
            self._leased = {}
            for row in self.guard.checked(self.select(sql.LEASED)):
                self._leased.setdefault(row.delivery.id.destination, {})[row.delivery.id] = row
        return self._leased.setdefault(destination, {})


def arrived_since(tx: Transaction, number: int) -> tuple[Arrival, ...]:
    """The pending deliveries of the notifications after `number`. The cost grows with their number only."""
    return tuple(
        Arrival(name, PRIORITIES.get(priority, NotificationPriority.URGENT), count)
        for name, priority, count in tx.select(sql.ARRIVED, (number,))
        if is_text(name)  # a damaged row is set aside by the command that reads it
    )


def owner_in(tx: Transaction) -> Owner:
    """The owner recorded in the store; epoch 0 if that row is missing or damaged.

    Then the next process to own the store begins with epoch 1, and a living owner is deposed.
    """
    epoch, holder, pid = tx.first(sql.OWNER) or (None,) * 3
    if type(epoch) is not int or not 0 <= epoch < _MOST_EPOCHS:
        return Owner(0, "", 0)
    return Owner(epoch, (holder or b"").decode(errors="replace"), pid if type(pid) is int else 0)


def save_owner(tx: Transaction, owner: Owner) -> None:
    """Write a new owner."""
    tx.write(sql.SAVE_OWNER, [(*owner, micros(clock.now()))])

"""An outbox's rows in SQLite: one statement a look or write, whatever the number of rows."""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any

import msgspec

from signalpost.delivery.outbox import statements as sql
from signalpost.delivery.outbox.commands import Damaged, Find, Message, Open, StreamState
from signalpost.delivery.outbox.lane_heads import DEPTH, Head
from signalpost.delivery.outbox.lanes import Row
from signalpost.delivery.outbox.row_checks import (
    LAST,
    STATES,
    Unreadable,
    Values,
    changes_of,
    damage,
    instant,
    is_text,
    is_time,
    micros,
    notification_in,
    row_of,
    values_of,
)
from signalpost.delivery.outbox.row_guard import RowGuard
from signalpost.delivery.outbox.tables import Key
from signalpost.domain.delivery import Attempt, DeliveryId, DeliveryState
from signalpost.domain.notification import Notification

_EVER = -(2**63)
MOST_RECENT = 1_024
"""Notifications that are kept ready to be lent, at some 3 kB each."""


class SqliteTables:
    """The rows of an outbox in an open SQLite file of our schema. Transactions are the caller's."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._number: int | None = None
        self._counts: Counter[tuple[str, str]] | None = None
        self._nothing_overdue_before = _EVER
        self._recent: dict[int, Notification] = {}
        self._heads: dict[str, Head] = {}
        self._lent: dict[str, dict[DeliveryId, Row]] | None = None
        """What is leased, by destination: None where it has to be asked for."""
        db.text_factory = _TEXT
        self.guard = RowGuard(db)

    def forget(self) -> None:
        """Forget what was learnt, because a transaction was rolled back or another process has written."""
        self._counts = None
        self._nothing_overdue_before = _EVER
        self._number = None
        self._recent.clear()
        self._heads.clear()
        self._lent = None

    @property
    def last_number(self) -> int:
        """The number of the last notification."""
        if self._number is None:
            self._number = self._db.execute(sql.LAST_NUMBER).fetchone()[0]
        return self._number

    def next_number(self) -> int:
        """One more than the last, which is asked for once and then remembered, until `forget`."""
        self._number = self.last_number + 1
        return self._number

    def keys(self, names: Sequence[str]) -> dict[str, Key]:
        """Look keys up."""
        found = self._looked_up(sql.KEYS, names)
        return {name: _key(*facts) for name, *facts in found}

    def save_keys(self, keys: Mapping[str, Key]) -> None:
        """Write keys."""
        rows = [(name, key.content_hash, key.notification_id, micros(key.until)) for name, key in keys.items()]
        self._write("INSERT OR REPLACE INTO key VALUES (?, ?, ?, ?)", rows)

    def forget_keys(self, now: datetime, after: str, limit: int) -> str:
        """Walk along the keys; one whose end is damaged goes, because nobody can tell it. A damaged name stays."""
        found = self._db.execute(sql.NEXT_KEYS, (after, limit)).fetchall()
        keys = [(key, until) for key, until in found if is_text(key)]
        over = [(key,) for key, until in keys if not is_time(until) or until <= micros(now)]
        self._write(sql.DELETE_KEY, over)
        return keys[-1][0] if keys and len(found) == limit else ""

    def add_notifications(self, numbered: Sequence[tuple[int, Notification]]) -> None:
        """Write notifications, each as one line of JSON."""
        rows = [(number, each.id, micros(each.accepted_at), each.to_json().decode()) for number, each in numbered]
        self._write("INSERT INTO notification (number, id, accepted_at, body) VALUES (?, ?, ?, ?)", rows)
        self._recent.update(numbered)
        for number in list(islice(self._recent, max(0, len(self._recent) - MOST_RECENT))):
            del self._recent[number]

    def notification(self, row: Row) -> Notification | Unreadable:
        """Read a notification, or take it from the most recent ones: most are lent soon after they were put."""
        told = self._recent.pop(row.number, None) or self._read(row)
        if isinstance(told, Notification) and told.id != row.delivery.id.notification_id:
            told = Unreadable(f"number is {row.number}, which is that of another notification", is_damaged=True)
        if isinstance(told, Unreadable):
            self.guard.note(row, told)
        return told

    def _read(self, row: Row) -> Notification | Unreadable:
        found = self._db.execute("SELECT body FROM notification WHERE number = ?", (row.number,)).fetchone()
        return notification_in(found[0]) if found else Unreadable("its notification is missing", is_damaged=True)

    def old(self, before: datetime) -> Iterator[tuple[int, str, bool]]:
        """Read notifications from the first on."""
        limit = micros(before)
        for number, name, accepted_at, has_open in _stepwise(self._db.execute(sql.OLD)):
            if not is_time(accepted_at) or not is_text(name):
                continue  # damaged: it is kept, and keeps nothing else
            if accepted_at >= limit:
                return
            yield number, name, bool(has_open)

    def delete(self, numbered: Sequence[tuple[int, str]]) -> None:
        """Delete notifications, and all that hangs on them."""
        names = (_json([name for _, name in numbered]),)
        if self._counts is not None:
            self._counts.subtract(_counted(self._db.execute(sql.COUNT_GONE, names)))
        messages = self._db.execute(sql.MESSAGES_OF_GONE, names).fetchall()
        self._show_less([each for each in messages if is_text(each[1]) and is_text(each[2])])
        self._db.execute(sql.DELETE_ATTEMPTS, names)
        self._db.execute(sql.DELETE, names)
        self._write(sql.DELETE_NOTIFICATION, [(number,) for number, _ in numbered])

    def rows(self, names: Sequence[DeliveryId]) -> dict[DeliveryId, Row]:
        """Look deliveries up by their primary key; those that are leased are remembered."""
        rows = (self._lent_by(name.destination).get(name) or self._looked_up_row(name) for name in names)
        return {row.delivery.id: row for row in rows if row is not None}

    def waiting(self, sequences: Collection[str]) -> Iterable[Row]:
        """Look up what waits of some sequences."""
        return self.guard.checked(self._looked_up(sql.WAITING, list(sequences)).fetchall())

    def lane(self, destination: str) -> Iterator[Row]:
        """Go through the lane's head, and then along its index, where anything is behind that."""
        if (head := self._heads.get(destination)) is None or not (head or head.is_whole):
            head = self._heads[destination] = Head(islice(self._along(destination), DEPTH + 1))
        yield from filter(self.guard.may_leave, head)
        if not head.is_whole:
            yield from filter(self.guard.may_leave, islice(self._along(destination), len(head), None))

    def overdue(self, now: datetime, limit: int) -> list[Row]:
        """Walk over all that is pending, but only when something can be overdue."""
        at = micros(now)
        if at < self._nothing_overdue_before:
            return []
        found = self._db.execute(sql.OVERDUE, (at, limit)).fetchall()
        rows = list(self.guard.checked(found))
        if not found and limit > 0:
            (earliest,) = self._db.execute(sql.NEXT_OVERDUE).fetchone()
            self._nothing_overdue_before = at if earliest is None else earliest
        return rows

    def waiting_beyond(self, now: datetime) -> list[Row]:
        """Walk over all that is pending, which is asked for only where a clock was put back."""
        return list(self.guard.checked(self._db.execute(sql.WAITING_BEYOND, (micros(now),))))

    def in_flight(self, destination: str) -> Collection[str]:
        """Tell what a lane has lent."""
        return [row.delivery.sequence for row in self._lent_by(destination).values()]

    def find(self, wanted: Find) -> list[Row]:
        """Look deliveries up by what is asked for; the limit counts what is returned."""
        asked: dict[str, Any] = {}
        if wanted.notification_id is not None:
            asked["notification_id = ?"] = wanted.notification_id
        if wanted.destination is not None:
            asked["destination = ?"] = wanted.destination
        if wanted.states:
            asked[f"state IN {sql.LISTED}"] = _json([state.value for state in wanted.states])
        only_open = (
            wanted.notification_id is None
            and bool(wanted.states)
            and not any(state.is_terminal for state in wanted.states)
        )
        query = sql.find(list(asked), only_open=only_open)
        found = map(self.guard.shown, _stepwise(self._db.execute(query, [*asked.values(), -1])))
        return list(islice((row for row in found if _is_in(row, wanted.states)), wanted.limit))

    def open(self, wanted: Open) -> list[Row]:
        """Walk along the lanes, or look each notification up by its id."""
        asked: list[Any] = [] if wanted.destination is None else [wanted.destination]
        if wanted.notification_ids is not None:
            asked.append(_json(wanted.notification_ids))
        query = sql.open_ones(
            in_a_lane=wanted.destination is not None, of_notifications=wanted.notification_ids is not None
        )
        return list(islice(self.guard.checked(_stepwise(self._db.execute(query, [*asked, -1]))), wanted.limit))

    def add(self, rows: Sequence[Row]) -> None:
        """Insert deliveries."""
        self._learn(rows, was=None)
        self._write(sql.ADD, [values_of(row) for row in rows])

    def move(self, rows: Sequence[Row], was: DeliveryState) -> None:
        """Update deliveries."""
        self._learn(rows, was)
        if self._counts is not None:
            self._counts.subtract((row.delivery.id.destination, was.value) for row in rows)
        self._write(sql.MOVE, [changes_of(row.delivery) for row in rows])

    def add_attempts(self, attempts: Sequence[tuple[DeliveryId, Attempt]]) -> None:
        """Insert attempts."""
        rows = [
            (*name, micros(each.began_at), micros(each.ended_at), each.outcome, each.detail) for name, each in attempts
        ]
        self._write(sql.ADD_ATTEMPT, rows)

    def attempts(self, name: DeliveryId) -> tuple[Attempt, ...]:
        """Read attempts."""
        found = self._db.execute(sql.ATTEMPTS, name)
        return tuple(
            Attempt(instant(began), instant(ended), outcome, detail)
            for began, ended, outcome, detail in found
            if is_time(began) and is_time(ended) and is_text(outcome) and is_text(detail)
        )

    def add_messages(self, messages: Sequence[tuple[Message, str | None]]) -> None:
        """Insert messages, and count what each shows."""
        rows, left = [], []
        for new, before in messages:
            moves = new.message_id != before
            rows.append((new.destination, new.message_id, micros(new.sent_at), new.version, int(moves)))
            if moves and before is not None:
                left.append((1, new.destination, before))
        self._write(sql.ADD_MESSAGE, rows)
        self._show_less(left)

    def _show_less(self, messages: Sequence[tuple[int, str, str]]) -> None:
        self._write(sql.SHOW_LESS, messages)
        self._write(sql.DELETE_MESSAGE, [message[1:] for message in messages])

    def stats(self) -> dict[tuple[str, DeliveryState], int]:
        """Count once, by reading all; from then on the count is kept."""
        if self._counts is None:
            self._counts = _counted(self._db.execute(sql.COUNT))
        return _readable(self._counts)

    def open_stats(self) -> dict[tuple[str, DeliveryState], int]:
        """Count along the index that holds nothing else."""
        return _readable(_counted(self._db.execute(sql.COUNT_OPEN)))

    def stream(self, name: str) -> StreamState | None:
        """Read a stream's state."""
        query = "SELECT stream, fingerprint, watermark, state FROM stream WHERE stream = ?"
        found = self._db.execute(query, (name,)).fetchone()
        if found is None or not (is_text(found[1]) and is_time(found[2]) and type(found[3]) is bytes):
            return None
        return StreamState(found[0], found[1], instant(found[2]), found[3])

    def save_streams(self, states: Sequence[StreamState]) -> None:
        """Write streams' states."""
        rows = [(each.stream, each.fingerprint, micros(each.watermark), each.state) for each in states]
        self._write("INSERT OR REPLACE INTO stream VALUES (?, ?, ?, ?)", rows)

    def facts(self, destination: str) -> dict[str, bytes]:
        """Read facts."""
        found = self._db.execute("SELECT name, value FROM fact WHERE destination = ?", (destination,)).fetchall()
        return {name: value for name, value in found if is_text(name) and type(value) is bytes}

    def save_facts(self, destination: str, facts: Mapping[str, bytes]) -> None:
        """Write facts."""
        kept = [(destination, name, value) for name, value in facts.items() if value]
        self._write("INSERT OR REPLACE INTO fact VALUES (?, ?, ?)", kept)
        forgotten = [(destination, name) for name, value in facts.items() if not value]
        self._write("DELETE FROM fact WHERE destination = ? AND name = ?", forgotten)

    def look_for_lost(self) -> None:
        """Look along the index that holds nothing else."""
        self.guard.suspect_all(self._db.execute(sql.LOST).fetchall())

    def set_aside(self) -> list[Damaged]:
        """Set aside what the guard suspects; what is remembered beside the file is learnt anew."""
        if found := self.guard.set_aside(self._damage):
            self.forget()
        return found

    def _damage(self, values: Values) -> str | None:
        if (what := damage(values)) is not None:
            return what
        told = self.notification(row_of(values))
        return told.why if isinstance(told, Unreadable) and told.is_damaged else None

    def _learn(self, rows: Sequence[Row], was: DeliveryState | None) -> None:
        """Keep in step what is remembered beside the file, for rows as they are now."""
        if self._counts is not None:
            self._counts.update((row.delivery.id.destination, row.delivery.state.value) for row in rows)
        ends = [row.delivery.valid_until for row in rows if row.is_pending]
        if ends:
            self._nothing_overdue_before = min(self._nothing_overdue_before, micros(min(ends)))
        for row in rows:
            self._learn_place(row, was)

    def _learn_place(self, row: Row, was: DeliveryState | None) -> None:
        name = row.delivery.id
        if was is DeliveryState.LEASED:
            self._lent_by(name.destination).pop(name, None)
        elif row.delivery.state is DeliveryState.LEASED:
            self._lent_by(name.destination)[name] = row
        if (head := self._heads.get(name.destination)) is not None:
            if was is DeliveryState.PENDING:
                head.leave(name)
            if row.is_pending:
                head.enter(row)

    def _lent_by(self, destination: str) -> dict[DeliveryId, Row]:
        if self._lent is None:
            self._lent = {}
            for row in self.guard.checked(self._db.execute(sql.LENT).fetchall()):
                self._lent.setdefault(row.delivery.id.destination, {})[row.delivery.id] = row
        return self._lent.setdefault(destination, {})

    def _along(self, destination: str) -> Iterator[Row]:
        return self.guard.checked(_stepwise(self._db.execute(sql.LANE, (destination,))))

    def _looked_up_row(self, name: DeliveryId) -> Row | None:
        found = self._db.execute(sql.ROW, name).fetchone()
        return None if found is None else next(self.guard.checked([found]), None)

    def _looked_up(self, query: str, names: Sequence[str]) -> sqlite3.Cursor:
        if len(names) == 1:
            return self._db.execute(f"{query} = ?", names)
        return self._db.execute(f"{query} IN {sql.LISTED}", (_json(names),))

    def _write(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            self._db.executemany(statement, rows)


_TEXT = partial(str, encoding="utf-8", errors="surrogateescape")
"""How SQLite's text is read: also where it is not UTF-8, which the check of the row then reports."""


def _key(content_hash: object, first: object, until: object) -> Key:
    """A key as it is in force. What is damaged counts as still in force: the thing was accepted before."""
    return Key(
        content_hash if type(content_hash) is bytes else b"",
        first if is_text(first) else "",
        instant(until if is_time(until) else LAST),
    )


def _is_in(row: Row, states: Collection[DeliveryState]) -> bool:
    return not states or row.delivery.state in states


def _readable(counts: Mapping[tuple[str, str], int]) -> dict[tuple[str, DeliveryState], int]:
    """Counts by destination and state, without zeros; a damaged state counts as dead, because it ends there."""
    found: Counter[tuple[str, DeliveryState]] = Counter()
    for (lane, state), count in counts.items():
        found[lane if is_text(lane) else repr(lane), STATES.get(state, DeliveryState.DEAD)] += count
    return {name: count for name, count in found.items() if count}


def _counted(found: Iterable[tuple[str, str, int]]) -> Counter[tuple[str, str]]:
    return Counter({(destination, state): count for destination, state, count in found})


def _stepwise(cursor: sqlite3.Cursor) -> Iterator[tuple[Any, ...]]:
    """The rows one at a time; whoever stops early ends the statement, which would hold back checkpoints."""
    try:
        yield from cursor
    finally:
        cursor.close()


def _json(names: Sequence[str]) -> str:
    return msgspec.json.encode(names).decode()

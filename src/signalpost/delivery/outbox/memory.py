"""An outbox in memory: for tests, simulations, and where nothing needs to outlive the process."""

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import count, islice
from typing import Any, TypeVar

from signalpost.delivery.outbox.commands import Command, Find, Message, Open, StreamState
from signalpost.delivery.outbox.lanes import Row
from signalpost.delivery.outbox.tables import Key
from signalpost.delivery.outbox.verbs import carry_out
from signalpost.domain.delivery import Attempt, DeliveryId, DeliveryState
from signalpost.domain.notification import Notification
from signalpost.errors import CommandFailed

Name = TypeVar("Name")
Held = TypeVar("Held")


class MemoryCore:
    """A core that forgets everything when it is closed."""

    def __init__(self) -> None:
        self._tables = _MemoryTables()

    def apply(self, batch: Sequence[Command[Any]]) -> list[Any]:
        """Carry out the commands. Raises CommandFailed for an id that is taken; nothing has happened then."""
        try:
            answers = carry_out(batch, self._tables)
        except BaseException:
            self._tables.undo()
            raise
        self._tables.keep()
        return answers

    def close(self) -> None:
        """Forget everything."""
        self._tables = _MemoryTables()


class _MemoryTables:
    """An outbox's rows in dicts, which can be put back to where the batch began."""

    def __init__(self) -> None:
        self._notifications: dict[str, tuple[int, Notification]] = {}
        self._rows: dict[DeliveryId, Row] = {}
        self._turns: dict[str, tuple[DeliveryId, ...]] = {}
        self._attempts: dict[DeliveryId, tuple[Attempt, ...]] = {}
        self._keys: dict[str, Key] = {}
        self._streams: dict[str, StreamState] = {}
        self._facts: dict[tuple[str, str], bytes] = {}
        self._numbers = count(1)
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []
        self._index_all()

    def keep(self) -> None:
        """End a batch: it can no longer be undone."""
        self._undo.clear()

    def undo(self) -> None:
        """Put everything back to where the batch began."""
        for table, name, before in reversed(self._undo):
            if before is None:
                del table[name]
            else:
                table[name] = before
        self.keep()
        self._notifications = dict(sorted(self._notifications.items(), key=lambda each: each[1][0]))
        self._index_all()

    def next_number(self) -> int:
        return next(self._numbers)

    def keys(self, names: Sequence[str]) -> dict[str, Key]:
        return {name: self._keys[name] for name in names if name in self._keys}

    def save_keys(self, keys: Mapping[str, Key]) -> None:
        for name, key in keys.items():
            self._set(self._keys, name, key)

    def forget_keys(self, now: datetime, limit: int) -> None:  # noqa: ARG002  # a look at all of them is short
        for name in [name for name, key in self._keys.items() if key.until <= now]:
            self._drop(self._keys, name)

    def add_notifications(self, numbered: Sequence[tuple[int, Notification]]) -> None:
        for number, notification in numbered:
            if notification.id in self._notifications:
                raise CommandFailed(f"the notification id {notification.id} is taken: give each one of its own")
            self._set(self._notifications, notification.id, (number, notification))

    def notification(self, row: Row) -> Notification:
        return self._notifications[row.delivery.id.notification_id][1]

    def old(self, before: datetime) -> Iterator[tuple[int, str, bool]]:
        for name, (number, notification) in self._notifications.items():
            if notification.accepted_at >= before:
                return
            yield (
                number,
                name,
                any(not self._rows[each].delivery.state.is_terminal for each in self._turns.get(name, ())),
            )

    def delete(self, numbered: Sequence[tuple[int, str]]) -> None:
        for _, name in numbered:
            self._drop(self._notifications, name)
            for each in self._drop(self._turns, name) or ():
                self._drop(self._rows, each)
                self._drop(self._attempts, each)

    def rows(self, names: Sequence[DeliveryId]) -> dict[DeliveryId, Row]:
        return {name: self._rows[name] for name in names if name in self._rows}

    def waiting(self, sequences: Collection[str]) -> Iterable[Row]:
        return [self._rows[name] for sequence in sequences for name in self._pending.get(sequence, ())]

    def lane(self, destination: str) -> Iterator[Row]:
        return (self._rows[name] for _, name in self._lanes.get(destination, ()))

    def overdue(self, now: datetime, limit: int) -> list[Row]:
        rows = (row for destination in sorted(self._lanes) for row in self.lane(destination))
        return list(islice((row for row in rows if row.delivery.valid_until <= now), limit))

    def waiting_beyond(self, now: datetime) -> list[Row]:
        rows = (row for destination in self._lanes for row in self.lane(destination))
        return [row for row in rows if row.delivery.not_before is not None and row.delivery.not_before > now]

    def in_flight(self, destination: str) -> Collection[str]:
        return self._in_flight.get(destination, ())

    def find(self, wanted: Find) -> list[Row]:
        one = wanted.notification_id
        names = self._rows if one is None else self._turns.get(one, ())
        found = (self._rows[name] for name in sorted(names, reverse=True))
        return list(islice((row for row in found if _is_wanted(row, wanted)), wanted.limit))

    def open(self, wanted: Open) -> list[Row]:
        rows = [row for row in self._rows.values() if not row.delivery.state.is_terminal]
        if (ids := wanted.notification_ids) is not None:
            rows = sorted(
                (row for row in rows if row.delivery.id.notification_id in ids), key=lambda row: row.delivery.id
            )
        else:
            rows.sort(key=lambda row: (row.delivery.state.value, row.delivery.id.destination, row.place))
        found = (row for row in rows if wanted.destination in {None, row.delivery.id.destination})
        return list(islice(found, wanted.limit))

    def add(self, rows: Sequence[Row]) -> None:
        for row in rows:
            name = row.delivery.id
            if name in self._rows:
                raise CommandFailed(f"the delivery {name} is there already: name each destination once")
            self._set(self._turns, name.notification_id, (*self._turns.get(name.notification_id, ()), name))
            self._set(self._rows, name, row)
            self._index(row)

    def move(self, rows: Sequence[Row], was: DeliveryState) -> None:  # noqa: ARG002  # the row itself tells
        for row in rows:
            self._unindex(self._rows[row.delivery.id])
            self._set(self._rows, row.delivery.id, row)
            self._index(row)

    def add_attempts(self, attempts: Sequence[tuple[DeliveryId, Attempt]]) -> None:
        for name, attempt in attempts:
            self._set(self._attempts, name, (*self.attempts(name), attempt))

    def attempts(self, name: DeliveryId) -> tuple[Attempt, ...]:
        return self._attempts.get(name, ())

    def add_messages(self, messages: Sequence[tuple[Message, str | None]]) -> None:
        """A message is remembered by its deliveries, each of which has its id."""

    def stats(self) -> dict[tuple[str, DeliveryState], int]:
        return dict(Counter((name.destination, row.delivery.state) for name, row in self._rows.items()))

    def open_stats(self) -> dict[tuple[str, DeliveryState], int]:
        return {name: count for name, count in self.stats().items() if not name[1].is_terminal}

    def stream(self, name: str) -> StreamState | None:
        return self._streams.get(name)

    def save_streams(self, states: Sequence[StreamState]) -> None:
        for state in states:
            self._set(self._streams, state.stream, state)

    def facts(self, destination: str) -> dict[str, bytes]:
        return {name: value for (owner, name), value in self._facts.items() if owner == destination}

    def save_facts(self, destination: str, facts: Mapping[str, bytes]) -> None:
        for name, value in facts.items():
            if value:
                self._set(self._facts, (destination, name), value)
            else:
                self._drop(self._facts, (destination, name))

    def _set(self, table: dict[Name, Held], name: Name, value: Held) -> None:
        self._undo.append((table, name, table.get(name)))
        table[name] = value

    def _drop(self, table: dict[Name, Held], name: Name) -> Held | None:
        before = table.pop(name, None)
        if before is not None:
            self._undo.append((table, name, before))
        return before

    def _index_all(self) -> None:
        self._lanes: defaultdict[str, list[tuple[tuple[int, int], DeliveryId]]] = defaultdict(list)
        self._pending: defaultdict[str, dict[DeliveryId, None]] = defaultdict(dict)
        self._in_flight: defaultdict[str, set[str]] = defaultdict(set)
        for row in self._rows.values():
            self._index(row)

    def _index(self, row: Row) -> None:
        delivery = row.delivery
        if row.is_pending:
            insort(self._lanes[delivery.id.destination], (row.place, delivery.id))
            self._pending[delivery.sequence][delivery.id] = None
        elif delivery.state is DeliveryState.LEASED:
            self._in_flight[delivery.id.destination].add(delivery.sequence)

    def _unindex(self, row: Row) -> None:
        delivery = row.delivery
        if row.is_pending:
            lane = self._lanes[delivery.id.destination]
            del lane[bisect_left(lane, (row.place, delivery.id))]
            pending = self._pending[delivery.sequence]
            del pending[delivery.id]
            if not pending:
                del self._pending[delivery.sequence]
        else:
            self._in_flight[delivery.id.destination].remove(delivery.sequence)


def _is_wanted(row: Row, wanted: Find) -> bool:
    if wanted.destination is not None and row.delivery.id.destination != wanted.destination:
        return False
    return not wanted.states or row.delivery.state in wanted.states

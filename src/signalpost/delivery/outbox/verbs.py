"""Every command carried out on a store's tables: the same code whatever the store.

Neighbours of one kind come as a run, and are carried out together where that saves the store statements.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby, islice
from typing import Any

from signalpost.delivery.outbox.commands import (
    Cancel,
    Command,
    Damaged,
    Expire,
    Find,
    ForgetKeys,
    History,
    Lease,
    Leased,
    LoadFacts,
    LoadState,
    Message,
    NewDelivery,
    NewNotification,
    Open,
    Parcel,
    Prune,
    Put,
    PutResult,
    Revive,
    SaveFacts,
    SetAside,
    Settle,
    Settlement,
    ShortenWaits,
    Stats,
    StreamState,
)
from signalpost.delivery.outbox.lanes import Choice, Row, Waiting, choose
from signalpost.delivery.outbox.row_checks import reason_of, stand_in
from signalpost.delivery.outbox.tables import Key, Tables
from signalpost.delivery.outbox.verdicts import first, passed_on, revived, settled
from signalpost.delivery.outbox.waits import shortened
from signalpost.domain.delivery import Attempt, Delivery, DeliveryId, DeliveryState
from signalpost.domain.notification import Notification, is_same_content
from signalpost.domain.ticket import Outcome
from signalpost.errors import CommandFailed

_MOST_DESTINATIONS = 10_000
"""More than a notification can have, turns included."""
_PENDING, _LEASED, _DEAD = DeliveryState.PENDING, DeliveryState.LEASED, DeliveryState.DEAD


def carry_out(batch: Iterable[Command[Any]], tables: Tables) -> list[Any]:
    """The answers to the commands, carried out as if one after the other."""
    answers: list[Any] = []
    for kind, run in groupby(batch, key=type):
        answers += _RUNS[kind](tables, run)
    return answers


def _put(tables: Tables, run: Iterable[Put]) -> list[list[PutResult]]:
    puts = list(run)
    intake = _Intake(tables, [item for put in puts for item in put.notifications])
    answers = [[intake.accept(item) for item in put.notifications] for put in puts]
    intake.write()
    tables.save_streams([put.state for put in puts if put.state is not None])
    return answers


class _Intake:
    """The notifications of a run of puts: looked up together, decided one after the other, written together."""

    def __init__(self, tables: Tables, items: Sequence[NewNotification]) -> None:
        self._tables = tables
        names = [each.notification.key for each in items]
        sequences = [each.notification.sequence for each in items]
        self._names = iter(zip(names, sequences, strict=True))
        self._known = tables.keys([*names, *(former for each in items for former in each.former_keys)])
        self._waiting = Waiting(tables.waiting(set(sequences)))
        self._keys: dict[str, Key] = {}
        self._notifications: dict[str, tuple[int, Notification]] = {}
        self._rows: list[Row] = []

    def accept(self, item: NewNotification) -> PutResult:
        """Decide on the next of the notifications."""
        told = item.notification
        name, sequence = next(self._names)
        known = next((self._known[each] for each in (name, *item.former_keys) if each in self._known), None)
        if known is None:
            return self._accept(item, sequence, {name: told.content_hash})
        if not is_same_content(known.content_hash, told.content_hash):
            return PutResult(Outcome.REFUSED, known.notification_id)
        missing = self._missing(item, name, known)
        if all(each.state is not _PENDING for each in missing):
            return PutResult(Outcome.DUPLICATE, known.notification_id)
        names = {_added_key(name, each.destination): told.content_hash for each in missing}
        accepted = self._accept(item._replace(deliveries=missing, supersedes=False), sequence, names)
        return accepted._replace(added=tuple(each.destination for each in missing))

    def _accept(self, item: NewNotification, sequence: str, hash_by_key: Mapping[str, bytes]) -> PutResult:
        told = item.notification
        if told.id in self._notifications:
            raise CommandFailed(
                f"the notification id {told.id} was given twice: give each notification an id of its own",
                code="conflict",
                field="id",
                value=told.id,
            )
        for name, content_hash in hash_by_key.items():
            self._known[name] = self._keys[name] = Key(content_hash, told.id, item.key_until)
        number = self._tables.next_number()
        self._notifications[told.id] = number, told
        for wanted in item.deliveries:
            row = first(told, number, sequence, wanted)
            self._rows.append(row)
            if wanted.state is _PENDING:
                if item.supersedes:
                    self._waiting.supersede(row)
                self._waiting.enter(row)
        return PutResult(Outcome.ACCEPTED, told.id)

    def _missing(self, item: NewNotification, name: str, known: Key) -> tuple[NewDelivery, ...]:
        """What is asked for destinations that were not given it under this key; nothing once that was pruned."""
        rows = self._rows if known.notification_id in self._notifications else self._tables.find(_all_of(known))
        have = {row.delivery.id.destination for row in rows if row.delivery.id.notification_id == known.notification_id}
        if not have:
            return ()
        missing = {_added_key(name, each.destination): each for each in item.deliveries if each.destination not in have}
        added = {*self._known, *self._tables.keys(list(missing))}
        return tuple(each for key, each in missing.items() if key not in added)

    def write(self) -> None:
        changed = dict(self._waiting.changed)
        self._tables.add_notifications(list(self._notifications.values()))
        self._tables.save_keys(self._keys)
        self._tables.add([changed.pop(row.delivery.id, row) for row in self._rows])
        self._tables.move(list(changed.values()), was=_PENDING)


def _added_key(name: str, destination: str) -> str:
    """The key of what was added for one more destination. `deliveries why` finds it by the key that it begins with."""
    return f"{name} \t{destination}"


def _all_of(known: Key) -> Find:
    return Find(notification_id=known.notification_id, limit=_MOST_DESTINATIONS)


def _lease(tables: Tables, run: Iterable[Lease]) -> list[Leased]:
    leasing = _Leasing(tables)
    answers = [leasing.lease(lease) for lease in run]
    leasing.write()
    return answers


class _Leasing:
    """The leases of a run: what they move in different lanes is written together."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._moved: list[Row] = []
        self._lanes: set[str] = set()

    def lease(self, lease: Lease) -> Leased:
        """Lend what the next of them takes."""
        if lease.destination in self._lanes:  # it has to see what the one before it moved there
            self.write()
        self._lanes.add(lease.destination)
        expired: tuple[Delivery, ...] = ()
        while True:
            choice = choose(self._tables.lane(lease.destination), lease, self._tables.in_flight(lease.destination))
            parcels = self._take(choice)
            expired += _deliveries(choice.expired)
            if parcels or not choice.taken:  # else nothing that it took can be read, and the next ones are looked at
                return Leased(tuple(parcels), expired, choice.next_at, choice.has_doubtful)
            self.write()

    def write(self) -> None:
        self._tables.move(self._moved, was=_PENDING)
        self._moved.clear()

    def _take(self, choice: Choice) -> list[Parcel]:
        """Move what was chosen and can be read."""
        parcels = []
        self._moved += choice.expired
        for row in choice.taken:
            told = self._tables.notification(row)
            if isinstance(told, Notification):
                parcels.append(Parcel(row.delivery, told))
                self._moved.append(row)
        return parcels


def _settle(tables: Tables, run: Iterable[Settle]) -> list[list[Delivery]]:
    settles = list(run)
    settling = _Settling(tables, [verdict for command in settles for verdict in command.settlements])
    answers = [settling.settle(command.settlements) for command in settles]
    settling.write()
    for command in settles:
        for facts in command.learnt:
            _save_facts(tables, facts)
    return answers


class _Settling:
    """The verdicts of a run of settles: looked up together, decided one after the other, written together."""

    def __init__(self, tables: Tables, verdicts: Sequence[Settlement]) -> None:
        self._tables = tables
        fallbacks = [_named(each, each.fallback) for each in verdicts if each.fallback is not None]
        self._rows = tables.rows([*(each.id for each in verdicts), *fallbacks])
        entering = {each.id for each in verdicts if each.fallback is not None or each.state is _PENDING}
        sequences = {row.delivery.sequence for name, row in self._rows.items() if name in entering}
        self._waiting = Waiting(tables.waiting(sequences) if sequences else ())
        self._moved: dict[DeliveryId, Row] = {}
        self._added: dict[DeliveryId, Row] = {}
        self._attempts: list[tuple[DeliveryId, Attempt]] = []
        self._messages: list[tuple[Message, str | None]] = []

    def settle(self, verdicts: Sequence[Settlement]) -> list[Delivery]:
        names = []
        for verdict in verdicts:
            row = self._rows.get(verdict.id)
            if row is None:
                continue
            names.append(verdict.id)
            if (after := settled(row, verdict)) is not None:
                self._move(after, verdict)
        return [self._waiting.changed.get(name, self._rows[name]).delivery for name in names]

    def _move(self, row: Row, verdict: Settlement) -> None:
        before = self._rows[verdict.id].delivery.message_id
        self._rows[verdict.id] = self._moved[verdict.id] = row
        if row.is_pending:
            self._waiting.enter(row)
        if verdict.attempt is not None:
            self._attempts.append((verdict.id, verdict.attempt))
        if verdict.message is not None:
            self._messages.append((verdict.message, before))
        if verdict.fallback is not None and (name := _named(verdict, verdict.fallback)) not in self._rows:
            added = passed_on(row, verdict.fallback)
            self._rows[name] = self._added[name] = added
            if added.is_pending:
                self._waiting.enter(added)

    def write(self) -> None:
        changed = dict(self._waiting.changed)
        self._tables.move([changed.pop(name, row) for name, row in self._moved.items()], was=_LEASED)
        self._tables.add([changed.pop(name, row) for name, row in self._added.items()])
        self._tables.move(list(changed.values()), was=_PENDING)
        self._tables.add_attempts(self._attempts)
        self._tables.add_messages(self._messages)


def _named(verdict: Settlement, fallback: NewDelivery) -> DeliveryId:
    return DeliveryId(verdict.id.notification_id, fallback.destination)


def _expire(tables: Tables, command: Expire) -> list[Delivery]:
    tables.look_for_lost()
    rows = [row.outlived() for row in tables.overdue(command.now, command.limit)]
    tables.move(rows, was=_PENDING)
    return [row.delivery for row in rows]


def _shorten_waits(tables: Tables, command: ShortenWaits) -> list[Delivery]:
    rows = shortened(tables, command.now)
    tables.move(rows, was=_PENDING)
    return [row.delivery for row in rows]


def _cancel(tables: Tables, command: Cancel) -> Delivery | None:
    row = tables.rows([command.id]).get(command.id)
    if row is None or not row.is_pending:
        return None
    cancelled = row.moved(DeliveryState.CANCELLED, command.reason)
    tables.move([cancelled], was=_PENDING)
    return cancelled.delivery


def _revive(tables: Tables, command: Revive) -> Delivery | None:
    following = command.id._replace(turn=command.id.turn + 1)
    rows = tables.rows([command.id, following])
    row = rows.get(command.id)
    again = None if row is None or following in rows else revived(row, command)
    if again is None:
        return None
    waiting = Waiting(tables.waiting({again.delivery.sequence}))
    again = waiting.enter(again)
    tables.add([again])
    tables.move([moved for moved in waiting.changed.values() if moved is not again], was=_PENDING)
    return again.delivery


def _find(tables: Tables, command: Find) -> tuple[Parcel, ...]:
    parcels = (shown_parcel(tables, row) for row in tables.find(command))
    return tuple(parcel for parcel in parcels if not command.states or parcel.delivery.state in command.states)


def _open(tables: Tables, command: Open) -> tuple[Delivery, ...]:
    return _deliveries(tables.open(command))


def shown_parcel(tables: Tables, row: Row) -> Parcel:
    """A delivery for a person to see, with a stand-in for a notification that cannot be read."""
    told = tables.notification(row)
    if isinstance(told, Notification):
        return Parcel(row.delivery, told)
    if told.is_damaged and not row.delivery.state.is_terminal:
        was_leased = row.delivery.state is _LEASED
        row = row.moved(_DEAD, reason_of(told.why, was_leased=was_leased))
    return Parcel(row.delivery, stand_in(row))


def _set_aside(tables: Tables, _: SetAside) -> tuple[Damaged, ...]:
    return tuple(tables.set_aside())


def _history(tables: Tables, command: History) -> tuple[Attempt, ...]:
    return tables.attempts(command.id)


def _stats(tables: Tables, command: Stats) -> dict[tuple[str, DeliveryState], int]:
    return tables.open_stats() if command.only_open else tables.stats()


def _load_state(tables: Tables, command: LoadState) -> StreamState | None:
    return tables.stream(command.stream)


def _load_facts(tables: Tables, command: LoadFacts) -> dict[str, bytes]:
    return tables.facts(command.destination)


def _save_facts(tables: Tables, command: SaveFacts) -> None:
    tables.save_facts(command.destination, command.facts)


def _prune(tables: Tables, command: Prune) -> int:
    closed = ((number, name) for number, name, is_open in tables.old(command.before) if not is_open)
    numbered = list(islice(closed, command.limit))
    tables.delete(numbered)
    return len(numbered)


def _forget_keys(tables: Tables, command: ForgetKeys) -> str:
    return tables.forget_keys(command.now, command.after, command.limit)


def _deliveries(rows: Iterable[Row]) -> tuple[Delivery, ...]:
    return tuple(row.delivery for row in rows)


def _one_by_one(verb: Callable[[Tables, Any], Any]) -> Callable[[Tables, Iterable[Any]], list[Any]]:
    return lambda tables, run: [verb(tables, command) for command in run]


_RUNS: dict[type[Command[Any]], Callable[[Tables, Iterable[Any]], list[Any]]] = {
    Put: _put,
    Lease: _lease,
    Settle: _settle,
    Expire: _one_by_one(_expire),
    ShortenWaits: _one_by_one(_shorten_waits),
    Cancel: _one_by_one(_cancel),
    Revive: _one_by_one(_revive),
    Find: _one_by_one(_find),
    Open: _one_by_one(_open),
    History: _one_by_one(_history),
    Stats: _one_by_one(_stats),
    LoadState: _one_by_one(_load_state),
    LoadFacts: _one_by_one(_load_facts),
    SaveFacts: _one_by_one(_save_facts),
    Prune: _one_by_one(_prune),
    ForgetKeys: _one_by_one(_forget_keys),
    SetAside: _one_by_one(_set_aside),
}

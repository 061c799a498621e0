"""Executes the commands that change the store.

Consecutive puts or settles are executed together, which saves statements.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from signalpost.delivery.outbox import sql
from signalpost.delivery.outbox.amend import amend, end_trades
from signalpost.delivery.outbox.book import Amend, EndTrades
from signalpost.delivery.outbox.cards import cards_of, is_opening, leased_entry, settle_card
from signalpost.delivery.outbox.commands import (
    Cancel,
    Command,
    Expire,
    History,
    Lease,
    Leased,
    Message,
    Namespace,
    NewDelivery,
    NewNotification,
    OutboxEntry,
    Put,
    PutResult,
    Revive,
    SaveFacts,
    Settle,
    SettleAndLease,
    SettledAndLeased,
    Settlement,
    ShortenWaits,
    Subject,
)
from signalpost.delivery.outbox.housekeeping import HOUSEKEEPING, show_less
from signalpost.delivery.outbox.order import (
    WAIT,
    Row,
    Waiting,
    choose,
    counted_anew,
    new_row,
    passed_on,
    revived,
    settled,
)
from signalpost.delivery.outbox.queries import QUERIES, attempts
from signalpost.delivery.outbox.rows import Key, is_text, key_in_force, micros
from signalpost.delivery.outbox.trades import Book, TradeRow
from signalpost.delivery.outbox.transaction import Transaction
from signalpost.domain.delivery import Attempt, Delivery, DeliveryId, DeliveryState
from signalpost.domain.notification import Notification, is_same_content
from signalpost.domain.ticket import Outcome
from signalpost.domain.tier import UserTier
from signalpost.errors import CommandFailed

_PENDING, _LEASED = DeliveryState.PENDING, DeliveryState.LEASED


def execute(tx: Transaction, batch: Iterable[Command[Any]]) -> list[Any]:
    """Execute the commands as if one after the other, and return their answers."""
    answers: list[Any] = []
    for kind, run in groupby(batch, key=type):
        if (together := _TOGETHER.get(kind)) is not None:
            answers += together(tx, list(run))
        else:
            answers += [_VERBS[kind](tx, command) for command in run]
    return answers


def _put(tx: Transaction, puts: Sequence[Put]) -> list[list[PutResult]]:
    intake = _Intake(tx, [item for put in puts for item in put.notifications])
    answers = [[intake.accept(item) for item in put.notifications] for put in puts]
    intake.write()
    states = [put.state for put in puts if put.state is not None]
    rows = [(each.stream, each.fingerprint, micros(each.watermark), each.state) for each in states]
    tx.write(sql.SAVE_STREAM, rows)
    return answers


class _Intake:
    """The notifications of consecutive puts: looked up together, decided one after the other, written together."""

    def __init__(self, tx: Transaction, items: Sequence[NewNotification]) -> None:
        self._tx = tx
        names = [each.notification.key for each in items]
        sequences = [each.notification.sequence for each in items]
        self._names = iter(zip(names, sequences, strict=True))
        self._known = self._keys_of([*names, *(former for each in items for former in each.former_keys)])
        self._waiting = Waiting(tx.waiting(set(sequences)))
        self._book = Book(tx)
        self._trades = self._book.of(
            [name for name, each in zip(sequences, items, strict=True) if is_opening(each.notification)]
        )
        self._opened: list[TradeRow] = []
        self._cards: list[tuple[str, NewDelivery, UserTier, datetime]] = []
        self._keys: dict[str, Key] = {}
        self._notifications: dict[str, tuple[int, Notification]] = {}
        self._rows: list[Row] = []

    def accept(self, item: NewNotification) -> PutResult:
        """Accept or refuse the next notification."""
        notification = item.notification
        name, sequence = next(self._names)
        known = next((self._known[each] for each in (name, *item.former_keys) if each in self._known), None)
        trade = self._trades.get(sequence) if is_opening(notification) else None
        if known is None and trade is not None:  # it outlives its key
            known = trade.key
        if known is None:
            return self._accept(item, sequence, {name: notification.content_hash})
        if not is_same_content(known.content_hash, notification.content_hash):
            return PutResult(Outcome.REFUSED, known.notification_id)
        missing = self._missing(item, name, known)
        if all(each.state is not _PENDING for each in missing):
            return PutResult(Outcome.DUPLICATE, known.notification_id)
        names = {_added_key(name, each.destination): notification.content_hash for each in missing}
        accepted = self._accept(item._replace(deliveries=missing, supersedes=False), sequence, names)
        return accepted._replace(added=tuple(each.destination for each in missing))

    def _accept(self, item: NewNotification, sequence: str, hash_by_key: Mapping[str, bytes]) -> PutResult:
        notification = item.notification
        if notification.id in self._notifications:
            raise CommandFailed(
                f"the notification id {notification.id} is used twice: use a different id for each notification",
                code="conflict",
                field="id",
                value=notification.id,
            )
        for name, content_hash in hash_by_key.items():
            self._known[name] = self._keys[name] = Key(content_hash, notification.id, item.key_until)
        number = self._tx.next_number()
        if is_opening(notification):
            notification = self._open(item, sequence)
        self._notifications[notification.id] = number, notification
        for wanted in item.deliveries:
            row = new_row(notification, number, sequence, wanted)
            self._rows.append(row)
            if wanted.state is _PENDING:
                if item.supersedes:
                    self._waiting.supersede(row)
                self._waiting.enter(row)
        return PutResult(Outcome.ACCEPTED, notification.id, number=notification.number)

    def _open(self, item: NewNotification, sequence: str) -> Notification:
        """Open the signal's trade, or add a tier to it. Returns the notification of what is to be shown."""
        notification = item.notification
        waiting = [each for each in item.deliveries if each.state is _PENDING]
        self._cards += [(sequence, each, notification.user_tier, notification.valid_until) for each in waiting]
        row = self._trades.get(sequence)
        if row is None:
            row = self._trades[sequence] = self._book.open(notification, sequence)
            self._opened.append(row)
            return notification.but(number=row.number)
        notification = notification.but(number=row.number)
        if row in self._opened or (trade := self._book.trade(row)) is None:
            return notification
        if notification.user_tier not in row.tiers:
            trade = trade.but(tiers=(*row.tiers, notification.user_tier))
            self._trades[sequence] = row._replace(tiers=trade.tiers)
            self._book.save(row, trade)
        return notification if trade.version == 1 else notification.but(trade=trade)

    def _missing(self, item: NewNotification, name: str, known: Key) -> tuple[NewDelivery, ...]:
        """The deliveries to destinations without one under this key; none once the first notification was pruned."""
        if known.notification_id in self._notifications:
            ids = (row.delivery.id for row in self._rows)
            have = {each.destination for each in ids if each.notification_id == known.notification_id}
        else:
            have = {each for (each,) in self._tx.select(sql.DESTINATIONS_OF, (known.notification_id,))}
            if is_opening(item.notification):
                have |= {card.destination for card in cards_of(self._tx, item.notification.sequence)}
        if not have:
            return ()
        missing = {_added_key(name, each.destination): each for each in item.deliveries if each.destination not in have}
        added = {*self._known, *self._keys_of(list(missing))}
        return tuple(each for key, each in missing.items() if key not in added)

    def _keys_of(self, names: Sequence[str]) -> dict[str, Key]:
        return {name: key_in_force(*found) for name, *found in self._tx.matching(sql.KEYS, names)}

    def write(self) -> None:
        changed = dict(self._waiting.changed)
        self._tx.add_notifications(list(self._notifications.values()))
        keys = [
            (name, each.content_hash, each.notification_id, micros(each.until)) for name, each in self._keys.items()
        ]
        self._tx.write(sql.SAVE_KEY, keys)
        self._book.write(self._opened, self._cards)
        self._tx.add([changed.pop(row.delivery.id, row) for row in self._rows])
        self._tx.move(list(changed.values()), was=_PENDING)


def _added_key(name: str, destination: str) -> str:
    """The key for a destination added later. `deliveries why` finds it because it begins with the original key."""
    return f"{name} \t{destination}"


def _lease(tx: Transaction, command: Lease) -> Leased:
    expired: list[Delivery] = []
    while True:
        noted = tx.guard.noted
        choice = choose(tx.lane(command), command)
        read = [(row, found) for row in choice.taken if isinstance(found := tx.notification(row), Notification)]
        made = [leased_entry(tx, row, found, command.now) for row, found in read]
        moved = [each for each in made if isinstance(each, Row)]
        ended = [*choice.expired, *(each for each in moved if not each.is_pending)]
        entries = tuple(each for each in made if isinstance(each, OutboxEntry))
        leased = [row for (row, _), each in zip(read, made, strict=True) if isinstance(each, OutboxEntry)]
        tx.move([*choice.expired, *moved, *leased], was=_PENDING)
        expired += (row.delivery for row in ended)
        if entries or (tx.guard.noted == noted and len(made) == 0):
            return Leased(entries, tuple(expired), tx.next_wait(command), choice.has_doubtful)
        # What was found is damaged, unreadable or of no use. It is out of the lane now, so choose again.


def _settle(tx: Transaction, settles: Sequence[Settle]) -> list[list[Delivery]]:
    settling = _Settling(tx, [verdict for command in settles for verdict in command.settlements])
    answers = [settling.settle(command.settlements) for command in settles]
    settling.write()
    for command in settles:
        for facts in command.facts:
            _save_facts(tx, facts)
    return answers


def _settle_and_lease(tx: Transaction, commands: Sequence[SettleAndLease]) -> list[SettledAndLeased]:
    settled = _settle(tx, [each.settle for each in commands])
    # One savepoint for all leases: SQLite copies the pages that change after it.
    leased = tx.optional(lambda: [_lease(tx, each.lease) for each in commands])
    if leased is None:
        return [SettledAndLeased(each, None) for each in settled]
    return [SettledAndLeased(*each) for each in zip(settled, leased, strict=True)]


class _Settling:
    """The verdicts of consecutive settles: looked up together, decided one after the other, written together."""

    def __init__(self, tx: Transaction, verdicts: Sequence[Settlement]) -> None:
        self._tx = tx
        fallbacks = [_named(each, each.fallback) for each in verdicts if each.fallback is not None]
        self._rows = tx.rows([*(each.id for each in verdicts), *fallbacks])
        entering = {each.id for each in verdicts if each.fallback is not None or each.state is _PENDING}
        sequences = {row.delivery.sequence for name, row in self._rows.items() if name in entering}
        self._waiting = Waiting(tx.waiting(sequences) if sequences else ())
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
        settle_card(self._tx, row, verdict)
        if verdict.fallback is not None and (name := _named(verdict, verdict.fallback)) not in self._rows:
            added = passed_on(row, verdict.fallback)
            self._rows[name] = self._added[name] = added
            if added.is_pending:
                self._waiting.enter(added)

    def write(self) -> None:
        changed = dict(self._waiting.changed)
        self._tx.move([changed.pop(name, row) for name, row in self._moved.items()], was=_LEASED)
        self._tx.add([changed.pop(name, row) for name, row in self._added.items()])
        self._tx.move(list(changed.values()), was=_PENDING)
        self._tx.write(
            sql.ADD_ATTEMPT,
            [
                (*name, micros(each.began_at), micros(each.ended_at), each.outcome, each.detail, *name)
                for name, each in self._attempts
            ],
        )
        _show(self._tx, self._messages)


def _show(tx: Transaction, messages: Iterable[tuple[Message, str | None]]) -> None:
    """Save the message that now shows each delivery, and count one less for the message before."""
    rows, left = [], []
    for new, before in messages:
        moves = new.message_id != before
        facts = (new.version, int(moves), new.channel, new.guild, new.webhook)
        rows.append((new.destination, new.message_id, micros(new.sent_at), *facts))
        if moves and before is not None:
            left.append((1, new.destination, before))
    tx.write(sql.ADD_MESSAGE, rows)
    show_less(tx, left)


def _named(verdict: Settlement, fallback: NewDelivery) -> DeliveryId:
    return DeliveryId(verdict.id.notification_id, fallback.destination)


def _expire(tx: Transaction, command: Expire) -> list[Delivery]:
    tx.guard.suspect_all(tx.select(sql.LOST))
    rows = [row.outlived() for row in _overdue(tx, micros(command.now), command.limit)]
    tx.move(rows, was=_PENDING)
    return [row.delivery for row in rows]


def _overdue(tx: Transaction, now: int, limit: int) -> list[Row]:
    """Pending deliveries past their validity. Reads all pending rows, but only if one can be overdue."""
    if now < tx.nothing_overdue_before:
        return []
    found = list(tx.select(sql.OVERDUE, (now, limit)))
    rows = list(tx.guard.checked(found))
    if not found and limit > 0:
        (earliest,) = tx.first(sql.NEXT_OVERDUE)
        tx.nothing_overdue_before = now if earliest is None else earliest
    return rows


def _shorten_waits(tx: Transaction, command: ShortenWaits) -> list[Delivery]:
    found = tx.select(sql.FACTS_OF_ALL, (Namespace.DELIVERY, WAIT))
    kept = {name: value for name, value in found if is_text(name) and type(value) is bytes}
    changes = dict.fromkeys(kept, b"")
    shortened = []
    for row in list(tx.guard.checked(tx.select(sql.WAITING_BEYOND, (micros(command.now),)))):
        name = str(row.delivery.id)
        if history := attempts(tx, History(row.delivery.id)):
            after, changes[name] = counted_anew(row, history[-1].ended_at, kept.get(name), command.now)
            if after is not row:
                shortened.append(after)
    for name, fact in changes.items():
        _save_facts(tx, SaveFacts(Subject(name, Namespace.DELIVERY), {WAIT: fact}))
    shortened.sort(key=lambda row: row.delivery.id)
    tx.move(shortened, was=_PENDING)
    return [row.delivery for row in shortened]


def _cancel(tx: Transaction, command: Cancel) -> Delivery | None:
    row = tx.rows([command.id]).get(command.id)
    if row is None or not row.is_pending:
        return None
    cancelled = row.moved(DeliveryState.CANCELLED, command.reason)
    tx.move([cancelled], was=_PENDING)
    return cancelled.delivery


def _revive(tx: Transaction, command: Revive) -> Delivery | None:
    following = command.id._replace(turn=command.id.turn + 1)
    rows = tx.rows([command.id, following])
    row = rows.get(command.id)
    again = None if row is None or following in rows else revived(row, command)
    if again is None:
        return None
    waiting = Waiting(tx.waiting({again.delivery.sequence}))
    again = waiting.enter(again)
    # A person may want it shown although its opening has expired.
    tx.write(sql.REOPEN_CARD, [(micros(command.valid_until), again.delivery.sequence, command.id.destination)])
    tx.add([again])
    tx.move([moved for moved in waiting.changed.values() if moved is not again], was=_PENDING)
    return again.delivery


def _save_facts(tx: Transaction, command: SaveFacts) -> None:
    subject, namespace = command.subject
    items = command.facts.items()
    tx.write(sql.SAVE_FACT, [(namespace, subject, name, value) for name, value in items if value])
    tx.write(sql.FORGET_FACT, [(namespace, subject, name) for name, value in items if not value])


_TOGETHER: Mapping[type[Command[Any]], Callable[[Transaction, Any], list[Any]]] = {
    Put: _put,
    Settle: _settle,
    SettleAndLease: _settle_and_lease,
}
_VERBS: Mapping[type[Command[Any]], Callable[[Transaction, Any], Any]] = {
    **QUERIES,
    **HOUSEKEEPING,
    Amend: amend,
    EndTrades: end_trades,
    Lease: _lease,
    Expire: _expire,
    ShortenWaits: _shorten_waits,
    Cancel: _cancel,
    Revive: _revive,
    SaveFacts: _save_facts,
}

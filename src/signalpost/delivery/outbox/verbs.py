"""Executes the commands that change the store.

Consecutive puts or settles are executed together, which saves statements.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from signalpost.delivery.outbox import sql
from signalpost.delivery.outbox.amend import add_chart, amend, end_trades, follow
from signalpost.delivery.outbox.book import AddChart, Amend, EndTrades, Follow
from signalpost.delivery.outbox.cards import leased_entry, settle_card, together
from signalpost.delivery.outbox.commands import (
    Cancel,
    Command,
    Damaged,
    Expire,
    ForgetKeys,
    History,
    Lease,
    Leased,
    Message,
    Namespace,
    OutboxEntry,
    PassOn,
    Prune,
    Put,
    Revive,
    SaveFacts,
    SetAside,
    Settle,
    SettleAndLease,
    SettledAndLeased,
    Settlement,
    ShortenWaits,
    Subject,
)
from signalpost.delivery.outbox.order import (
    WAIT,
    Row,
    Waiting,
    choose,
    counted_anew,
    revived,
    settled,
)
from signalpost.delivery.outbox.pass_on import pass_on
from signalpost.delivery.outbox.put import put
from signalpost.delivery.outbox.queries import QUERIES, attempts
from signalpost.delivery.outbox.rows import (
    Unreadable,
    Values,
    as_shown,
    bound_key,
    damage,
    has_ended,
    instant,
    is_open,
    is_text,
    is_time,
    listed,
    micros,
    row_of,
)
from signalpost.delivery.outbox.trades import Book
from signalpost.delivery.outbox.transaction import Transaction, Write
from signalpost.domain.delivery import Attempt, Delivery, DeliveryId, DeliveryState
from signalpost.domain.notification import Notification

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


def _lease(tx: Transaction, command: Lease) -> Leased:
    expired: list[Delivery] = []
    while True:
        noted = tx.guard.noted
        taken, moved, has_doubtful = choose(tx.lane(command), command)
        expired += [row.delivery for row in moved]
        entries: list[OutboxEntry] = []
        for row in taken:
            if not isinstance(notification := tx.notification(row), Notification):
                continue
            made = _offered(tx, row, notification, command)
            if isinstance(made, OutboxEntry):
                entries.append(made)
                moved.append(row)
                continue
            moved.append(made)
            if not made.is_pending:
                expired.append(made.delivery)
        tx.move(moved, was=_PENDING)
        if entries or (tx.guard.noted == noted and not taken):
            leased = together(tx, entries[0], command.now) if len(entries) == 1 else tuple(entries)
            return Leased(leased, tuple(expired), tx.next_wait(command), has_doubtful)
        # What was found is damaged, unreadable or of no use. It is out of the lane now, so choose again.


def _offered(tx: Transaction, row: Row, notification: Notification, lease: Lease) -> OutboxEntry | Row:
    """An entry, or a row that is not leased. While edits are held, a post that became an edit stays pending."""
    made = leased_entry(tx, row, notification, lease.now)
    if lease.edits or isinstance(made, Row) or not made.is_edit:
        return made
    tx.write(sql.MARK_EDIT, [(True, *row.delivery.id)])
    return row.moved(_PENDING, row.delivery.reason)


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
        self._rows = tx.rows([each.id for each in verdicts])
        entering = {each.id for each in verdicts if each.state is _PENDING}
        sequences = {row.delivery.sequence for name, row in self._rows.items() if name in entering}
        self._waiting = Waiting(tx.waiting(sequences))
        self._moved: dict[DeliveryId, Row] = {}
        self._attempts: list[tuple[DeliveryId, Attempt]] = []
        self._messages: list[tuple[Message, str | None]] = []
        self._cards: list[Write] = []

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
        self._cards += settle_card(row, verdict)

    def write(self) -> None:
        for statement, writes in groupby(self._cards, key=itemgetter(0)):
            self._tx.write(statement, [values for _, values in writes])
        changed = dict(self._waiting.changed)
        self._tx.move([changed.pop(name, row) for name, row in self._moved.items()], was=_LEASED)
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
        facts = (new.version, int(moves), new.channel, new.guild, new.webhook, new.digest, new.has_chart)
        rows.append((new.destination, new.message_id, micros(new.sent_at), *facts))
        if moves and before is not None:
            left.append((1, new.destination, before))
    tx.write(sql.ADD_MESSAGE, rows)
    _show_less(tx, left)


def _show_less(tx: Transaction, messages: Sequence[tuple[int, str, str]]) -> None:
    """Lower how many deliveries each message shows, and delete those that show none."""
    tx.write(sql.SHOW_LESS, messages)
    for statement in (sql.DELETE_ALERT_CARD, sql.DELETE_MESSAGE):
        tx.write(statement, [message[1:] for message in messages])


def _expire(tx: Transaction, command: Expire) -> list[Delivery]:
    tx.guard.suspects.update(dict.fromkeys(tx.select(sql.DAMAGED)))
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
        if (began := _waits_since(tx, row)) is not None:
            after, changes[name] = counted_anew(row, began, kept.get(name), command.now)
            if after is not row:
                shortened.append(after)
    for name, fact in changes.items():
        _save_facts(tx, SaveFacts(Subject(name, Namespace.DELIVERY), {WAIT: fact}))
    shortened.sort(key=lambda row: row.delivery.id)
    tx.move(shortened, was=_PENDING)
    return [row.delivery for row in shortened]


def _waits_since(tx: Transaction, row: Row) -> datetime | None:
    """When its wait began: at the end of its last attempt, or at its acceptance if it was never tried."""
    if history := attempts(tx, History(row.delivery.id)):
        return history[-1].ended_at
    found = tx.first(sql.ACCEPTED_AT, (row.number,))
    return instant(found[0]) if found is not None and is_time(found[0]) else None


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


def _prune(tx: Transaction, command: Prune) -> int:
    before = micros(command.before)
    numbered: list[tuple[int, str]] = []
    for number, name, accepted_at, has_open in tx.select(sql.OLD):
        if not is_time(accepted_at) or not is_text(name):
            continue  # damaged: it stays, but does not keep the others
        if accepted_at >= before or len(numbered) == command.limit:
            break
        if not has_open:
            numbered.append((number, name))
    names = (listed([name for _, name in numbered]),)
    Book(tx).keep_openings(names[0])
    messages = list(tx.select(sql.MESSAGES_OF_GONE, names))
    _show_less(tx, [each for each in messages if is_text(each[1]) and is_text(each[2])])
    for statement in (sql.DELETE_ATTEMPTS, sql.DELETE):
        tx.write(statement, [names])
    tx.write(sql.DELETE_NOTIFICATION, [(number,) for number, _ in numbered])
    return len(numbered)


def _forget_keys(tx: Transaction, command: ForgetKeys) -> str:
    """A key whose expiry is damaged is deleted. A damaged name stays."""
    found = list(tx.select(sql.NEXT_KEYS, (command.after, command.limit)))
    keys = [(key, until) for key, until in found if is_text(key)]
    tx.write(sql.DELETE_KEY, [(key,) for key, until in keys if not is_time(until) or until <= micros(command.now)])
    return keys[-1][0] if keys and len(found) == command.limit else ""


def _set_aside(tx: Transaction, _: SetAside) -> tuple[Damaged, ...]:
    """Read each suspect once more, because it may have been repaired, and end it by its primary key."""
    found = []
    for key in list(tx.guard.suspects):
        is_fine, bound = bound_key(key)
        query, change = sql.same_row(is_fine)
        values = tx.first(query, bound)
        if values is None or has_ended(values) or (what := _damage(tx, values)) is None:
            continue
        row = as_shown(values, what)
        tx.write(change, [[row.delivery.reason, *bound]])
        found.append(Damaged(row.delivery, was_open=is_open(values)))
    tx.guard.suspects.clear()
    if found:
        tx.forget()  # a damaged row may be cached in another place than its own
    return tuple(found)


def _damage(tx: Transaction, values: Values) -> str | None:
    if (what := damage(values)) is not None:
        return what
    found = tx.notification(row_of(values))
    return found.why if isinstance(found, Unreadable) and found.is_damaged else None


def _save_facts(tx: Transaction, command: SaveFacts) -> None:
    subject, namespace = command.subject
    items = command.facts.items()
    tx.write(sql.SAVE_FACT, [(namespace, subject, name, value) for name, value in items if value])
    tx.write(sql.FORGET_FACT, [(namespace, subject, name) for name, value in items if not value])


_TOGETHER: Mapping[type[Command[Any]], Callable[[Transaction, Any], list[Any]]] = {
    Put: put,
    Settle: _settle,
    SettleAndLease: _settle_and_lease,
}
_VERBS: Mapping[type[Command[Any]], Callable[[Transaction, Any], Any]] = {
    **QUERIES,
    AddChart: add_chart,
    Amend: amend,
    EndTrades: end_trades,
    Follow: follow,
    Lease: _lease,
    PassOn: pass_on,
    Expire: _expire,
    ShortenWaits: _shorten_waits,
    Cancel: _cancel,
    Revive: _revive,
    SaveFacts: _save_facts,
    Prune: _prune,
    ForgetKeys: _forget_keys,
    SetAside: _set_aside,
}

"""The commands that delete old rows and set damaged ones aside, as functions of a transaction and a command."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from signalpost.delivery.outbox import sql
from signalpost.delivery.outbox.commands import Command, Damaged, ForgetKeys, Prune, SetAside
from signalpost.delivery.outbox.rows import (
    Unreadable,
    Values,
    as_shown,
    bound_key,
    damage,
    has_ended,
    is_open,
    is_text,
    is_time,
    listed,
    micros,
    row_of,
)
from signalpost.delivery.outbox.trades import Book
from signalpost.delivery.outbox.transaction import Transaction


def _prune(tx: Transaction, command: Prune) -> int:
    before = micros(command.before)
    numbered: list[tuple[int, str]] = []
    for number, name, accepted_at, has_open in tx.select(sql.OLD):
        if not is_time(accepted_at) or not is_text(name):
            continue  # damaged: it is kept, and keeps nothing else
        if accepted_at >= before or len(numbered) == command.limit:
            break
        if not has_open:
            numbered.append((number, name))
    names = (listed([name for _, name in numbered]),)
    Book(tx).keep_openings(names[0])
    messages = list(tx.select(sql.MESSAGES_OF_GONE, names))
    show_less(tx, [each for each in messages if is_text(each[1]) and is_text(each[2])])
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
        tx.forget()  # a damaged row may be remembered by another place than its own
    return tuple(found)


def _damage(tx: Transaction, values: Values) -> str | None:
    if (what := damage(values)) is not None:
        return what
    found = tx.notification(row_of(values))
    return found.why if isinstance(found, Unreadable) and found.is_damaged else None


def show_less(tx: Transaction, messages: Sequence[tuple[int, str, str]]) -> None:
    """Messages show so many deliveries less, and are deleted once they show none."""
    tx.write(sql.SHOW_LESS, messages)
    tx.write(sql.DELETE_MESSAGE, [message[1:] for message in messages])


HOUSEKEEPING: Mapping[type[Command[Any]], Callable[[Transaction, Any], Any]] = {
    Prune: _prune,
    ForgetKeys: _forget_keys,
    SetAside: _set_aside,
}

"""The commands that change nothing, as functions of a transaction and a command."""

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from signalpost.delivery.outbox import sql
from signalpost.delivery.outbox.backlog import Backlog, LaneBacklog
from signalpost.delivery.outbox.book import FindTrades
from signalpost.delivery.outbox.commands import (
    Command,
    Find,
    History,
    LoadFacts,
    LoadState,
    Namespace,
    Open,
    OutboxEntry,
    Stats,
)
from signalpost.delivery.outbox.order import Row
from signalpost.delivery.outbox.rows import STATES, instant, is_text, is_time, listed, reason_of, stand_in
from signalpost.delivery.outbox.schema import DAMAGED_STATE
from signalpost.delivery.outbox.trades import find_trades
from signalpost.delivery.outbox.transaction import Transaction
from signalpost.delivery.ticket_ids import first_of
from signalpost.domain.delivery import Attempt, Delivery, DeliveryState
from signalpost.domain.ledger import StreamState
from signalpost.domain.notification import Notification


def _find(tx: Transaction, wanted: Find) -> tuple[OutboxEntry, ...]:
    conditions: dict[str, Any] = {}
    if wanted.notification_id is not None:
        conditions["notification_id = ?"] = wanted.notification_id
    if wanted.destination is not None:
        conditions["destination = ?"] = wanted.destination
    if wanted.states:
        damaged = f" OR {DAMAGED_STATE}" if DeliveryState.DEAD in wanted.states else ""
        conditions[f"(state IN {sql.LISTED}{damaged})"] = listed([state.value for state in wanted.states])
    if wanted.priority is not None:
        conditions["priority = ?"] = wanted.priority.value
    if wanted.since is not None:
        conditions["notification_id >= ?"] = first_of(wanted.since)
    is_open = bool(wanted.states) and not any(state.is_terminal for state in wanted.states)
    query = sql.find(list(conditions), only_open=is_open and wanted.notification_id is None)
    found = map(tx.guard.shown, tx.select(query, [*conditions.values(), -1]))
    # A damaged row, or one with a damaged notification, is shown in a state other than the one by which it was found.
    rows = (row for row in found if not wanted.states or row.delivery.state in wanted.states)
    entries = (_shown_entry(tx, row) for row in islice(rows, wanted.limit))
    return tuple(entry for entry in entries if not wanted.states or entry.delivery.state in wanted.states)


def _shown_entry(tx: Transaction, row: Row) -> OutboxEntry:
    """A delivery for a person to see, with a stand-in for a notification that cannot be read."""
    found = tx.notification(row)
    if isinstance(found, Notification):
        return OutboxEntry(row.delivery, found)
    if found.is_damaged and not row.delivery.state.is_terminal:
        was_leased = row.delivery.state is DeliveryState.LEASED
        row = row.moved(DeliveryState.DEAD, reason_of(found.why, was_leased=was_leased))
    return OutboxEntry(row.delivery, stand_in(row))


def _open(tx: Transaction, command: Open) -> tuple[Delivery, ...]:
    values: list[Any] = [] if command.destination is None else [command.destination]
    if command.edits_held_in:
        values.append(listed(sorted(command.edits_held_in)))
    if command.notification_ids is not None:
        values.append(listed(command.notification_ids))
    query = sql.open_ones(
        in_a_lane=command.destination is not None,
        of_notifications=command.notification_ids is not None,
        without_edits=bool(command.edits_held_in),
    )
    rows = tx.guard.checked(tx.select(query, [*values, -1]))
    return tuple(row.delivery for row in islice(rows, command.limit))


def attempts(tx: Transaction, command: History) -> tuple[Attempt, ...]:
    """A delivery's history, without damaged attempts."""
    return tuple(
        Attempt(instant(began), instant(ended), outcome, detail)
        for began, ended, outcome, detail in tx.select(sql.ATTEMPTS, command.id)
        if is_time(began) and is_time(ended) and is_text(outcome) and is_text(detail)
    )


def _stats(tx: Transaction, command: Stats) -> dict[tuple[str, DeliveryState], int]:
    """Counts by destination and state, without zeros; a damaged state counts as dead, because it ends there."""
    counts: Counter[tuple[str, DeliveryState]] = Counter()
    for lane, state, count in tx.select(sql.COUNT_OPEN if command.only_open else sql.COUNT):
        counts[lane if is_text(lane) else repr(lane), STATES.get(state, DeliveryState.DEAD)] += count
    return dict(counts)


def _backlog(tx: Transaction, _: Backlog) -> dict[str, LaneBacklog]:
    found: dict[str, LaneBacklog] = {}
    for lane, count, oldest in tx.select(sql.BACKLOG):  # a lane's oldest comes first
        name = lane if is_text(lane) else repr(lane)
        known = found.get(name, LaneBacklog(0, instant(oldest) if is_time(oldest) else None))
        found[name] = known._replace(deliveries=known.deliveries + count)
    return found


def _state(tx: Transaction, command: LoadState) -> StreamState | None:
    found = tx.first(sql.STREAM, (command.stream,))
    if found is None or not (is_text(found[1]) and is_time(found[2]) and type(found[3]) is bytes):
        return None
    return StreamState(found[0], found[1], instant(found[2]), found[3])


_NAME_IN_VERSION_1 = {
    Namespace.DESTINATION: "{}",
    Namespace.WEBHOOK: "(webhook {})",
    Namespace.HOST: "(host {})",
    Namespace.STORE: "({})",
}
"""Version 1 has only destinations, and stores all else under names that no destination has."""


def facts(tx: Transaction, command: LoadFacts) -> dict[str, bytes]:
    """The facts about a subject, except damaged ones."""
    name, namespace = command.subject
    if tx.first(sql.HAS_NAMESPACES) is None:  # a command that only reads does not migrate
        found = tx.select(sql.FACTS_OF_VERSION_1, (_NAME_IN_VERSION_1[namespace].format(name),))
    else:
        found = tx.select(sql.FACTS, (namespace, name))
    return {name: value for name, value in found if is_text(name) and type(value) is bytes}


QUERIES: Mapping[type[Command[Any]], Callable[[Transaction, Any], Any]] = {
    Find: _find,
    Open: _open,
    History: attempts,
    Stats: _stats,
    Backlog: _backlog,
    LoadState: _state,
    LoadFacts: facts,
    FindTrades: find_trades,
}

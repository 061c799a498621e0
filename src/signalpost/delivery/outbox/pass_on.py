"""Moves the deliveries that wait for an unreachable destination to its fallbacks, together with their cards."""

from signalpost.delivery.outbox import sql
from signalpost.delivery.outbox.cards import FOR_ITS_CARD, leased_entry
from signalpost.delivery.outbox.commands import Lease, OutboxEntry, PassOn, PassOnResult
from signalpost.delivery.outbox.order import Row, Waiting, passed_on
from signalpost.delivery.outbox.transaction import Transaction
from signalpost.domain.delivery import PASSED_ON, DeliveryState
from signalpost.domain.notification import COMPANION, NEW, Notification, is_chart
from signalpost.domain.signal import Signal
from signalpost.sinks.evidence import Loss

_MOST = 100
"""Sequences that leave with one command, so that none takes long. The lane executes another one then."""
_PENDING = DeliveryState.PENDING
_FAILED = frozenset({DeliveryState.DEAD, DeliveryState.EXPIRED, DeliveryState.CANCELLED, DeliveryState.SUPPRESSED})


def pass_on(tx: Transaction, command: PassOn) -> PassOnResult:
    """Execute `PassOn`."""
    leaving, moved = _leaving(tx, command)
    tx.move([row for row, _ in moved], was=_PENDING)
    waiting = list(tx.waiting({name for sequence in leaving for name in (sequence, f"{sequence}{COMPANION}")}))
    lanes = Waiting(row for row in waiting if row.delivery.id.destination != command.destination)
    ended = [(row.delivery, notification) for row, notification in moved if not row.is_pending]
    passed: list[tuple[Row, Row, Notification]] = []
    for row in sorted(waiting, key=lambda each: each.number):
        found = tx.look_up(row)
        if row.delivery.id.destination == command.destination and isinstance(found, Notification):
            passed.append((*_passed(row, leaving[_trade_of(row)], command), found))
    known = tx.rows([new.delivery.id for _, new, _ in passed])
    added = [new for _, new, _ in passed if new.delivery.id not in known]
    for new in added:
        lanes.enter(new)
    tx.move([old for old, _, _ in passed], was=_PENDING)
    changed = dict(lanes.changed)
    added = [changed.pop(new.delivery.id, new) for new in added]
    tx.add(added)
    tx.move(list(changed.values()), was=_PENDING)
    for sequence, to in leaving.items():
        tx.write(sql.CARD_AT_FALLBACK, [(to, sequence, command.destination)])
        tx.write(sql.LEAVE_CARD, [(Loss.UNREACHABLE.value, sequence, command.destination)])
    replaced = ((row.delivery, None) for row in changed.values() if not row.is_pending)
    return PassOnResult(
        (*ended, *((old.delivery, notification) for old, _, notification in passed), *replaced),
        tuple(row.delivery for row in added if row.is_pending),
        tx.next_wait(Lease(command.destination, command.now)),
    )


def _leaving(tx: Transaction, command: PassOn) -> tuple[dict[str, str], list[tuple[Row, Notification]]]:
    """The sequences that leave the lane, with their fallbacks, and the rows that end or wait instead."""
    leaving: dict[str, str] = {}
    moved = []
    for row in tx.lane(Lease(command.destination, command.now)):
        if len(leaving) >= _MOST:
            break
        found = tx.look_up(row)
        if row.delivery.valid_until <= command.now or not isinstance(found, Notification):
            continue  # the sweep expires the one, and a lease sets the other aside
        if is_chart(found.event):
            continue  # a card does not move for its chart
        entry = leased_entry(tx, row, found, command.now)
        if isinstance(entry, Row):
            moved.append((entry, found))
        elif (to := _fallback_of(entry, command)) is None and _is_lost(tx, found, command):
            moved.append((_ended(row, command.reason), found))
            tx.write(sql.LEAVE_CARD, [(Loss.UNREACHABLE.value, _trade_of(row), command.destination)])
        elif to is not None and to != command.destination:
            leaving[_trade_of(row)] = to
    return leaving, moved


def _fallback_of(entry: OutboxEntry, command: PassOn) -> str | None:
    notification = entry.notification
    if isinstance(notification.payload, Signal):
        return command.by_tier.get(entry.tier or notification.user_tier)
    return command.by_kind.get(notification.routed_by)


def _is_lost(tx: Transaction, notification: Notification, command: PassOn) -> bool:
    """Whether a new notification has no destination that is not gone, so that nothing else can show it."""
    if not command.gone or notification.event != NEW or notification.about is not None:
        return False
    return all(
        destination in command.gone or state in _FAILED
        for destination, state in tx.select(sql.STATES_OF, (notification.id,))
    )


def _ended(row: Row, reason: str) -> Row:
    return row.moved(DeliveryState.UNCONFIRMED if row.delivery.may_repeat else DeliveryState.DEAD, reason)


def _passed(row: Row, to: str, command: PassOn) -> tuple[Row, Row]:
    """How a row ends, and the one that replaces it. A companion gives its card time to be posted."""
    not_before = row.delivery.not_before
    if row.delivery.sequence.endswith(COMPANION):
        not_before = max(not_before or command.now, command.now + FOR_ITS_CARD)
    return _ended(row, f"{PASSED_ON}{to}: {command.reason}"), passed_on(row, to, not_before)


def _trade_of(row: Row) -> str:
    return row.delivery.sequence.removesuffix(COMPANION)

"""Executes puts: new notifications with their keys and deliveries, and the trades that new signals open."""

from collections.abc import Sequence
from datetime import datetime

from signalpost.delivery.deduplication import decide
from signalpost.delivery.outbox import sql
from signalpost.delivery.outbox.cards import FOR_ITS_CARD, cards_of, is_opening
from signalpost.delivery.outbox.commands import NewDelivery, NewNotification, Put, PutResult
from signalpost.delivery.outbox.order import Row, Waiting, new_row
from signalpost.delivery.outbox.rows import Key, key_in_force, micros
from signalpost.delivery.outbox.trades import Book, BookHistory, TradeRow
from signalpost.delivery.outbox.transaction import Transaction
from signalpost.delivery.rank import rank_of
from signalpost.domain import validity
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.notification import Notification, is_same_content
from signalpost.domain.signal import Signal
from signalpost.domain.ticket import Outcome
from signalpost.domain.tier import UserTier
from signalpost.errors import CommandFailed

_PENDING = DeliveryState.PENDING


def put(tx: Transaction, puts: Sequence[Put]) -> list[list[PutResult]]:
    """Execute consecutive puts."""
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
        of_signals = [
            name for name, each in zip(sequences, items, strict=True) if isinstance(each.notification.payload, Signal)
        ]
        self._trades = self._book.of(of_signals)
        self._opened: dict[str, TradeRow] = {}
        self._cards: list[tuple[str, NewDelivery, UserTier, datetime]] = []
        self._keys: dict[str, Key] = {}
        self._notifications: dict[str, tuple[int, Notification]] = {}
        self._rows: list[Row] = []

    def accept(self, item: NewNotification) -> PutResult:
        """Accept or refuse the next notification."""
        notification = item.notification
        name, sequence = next(self._names)
        content_hash = notification.content_hash
        known = next((self._known[each] for each in (name, *item.former_keys) if each in self._known), None)
        trade = self._trades.get(sequence) if is_opening(notification) else None
        if trade is not None and (stopped_for := self._book.why_unpublished(trade)) is not None:
            item = item.not_posted(stopped_for)
        if known is None and trade is not None:  # it outlives its key
            known = trade.key
        if known is None:
            return self._accept(item, sequence, content_hash, [name])
        may_see = trade is None or item.tiers is None or item.tiers.issuperset(trade.tiers)
        if not may_see:
            return PutResult(Outcome.REFUSED, known.notification_id)
        if not is_same_content(known.content_hash, content_hash):
            return PutResult(Outcome.REFUSED, known.notification_id)
        missing = self._missing(item, name, known)
        # An unpublished signal gets all its tiers at once: none is added after it was recorded or posted.
        has_pending = any(each.state is _PENDING for each in missing)
        adds = has_pending if item.unpublished is None else sequence in self._opened
        if not missing or not adds:
            return PutResult(Outcome.DUPLICATE, known.notification_id)
        names = [_added_key(name, each.destination) for each in missing]
        accepted = self._accept(item._replace(deliveries=missing), sequence, content_hash, names)
        return accepted._replace(added=tuple(each.destination for each in missing))

    def _accept(self, item: NewNotification, sequence: str, content_hash: bytes, names: Sequence[str]) -> PutResult:
        notification = item.notification
        if notification.id in self._notifications:
            raise CommandFailed(
                f"the notification id {notification.id} is used twice: use a different id for each notification",
                code="conflict",
                field="id",
                value=notification.id,
            )
        key = Key(content_hash, notification.id, item.key_until)
        for name in names:
            self._known[name] = self._keys[name] = key
        number = self._tx.next_number()
        item = self._filtered(item, sequence)
        is_pending = any(each.state is _PENDING for each in item.deliveries)
        if is_opening(notification) and (is_pending or item.unpublished is not None):  # not a stale one
            notification = self._open(item, sequence, content_hash)
        elif not is_opening(notification) and (trade := self._trades.get(sequence)) is not None:
            notification = notification.but(number=trade.number)
        self._notifications[notification.id] = number, notification
        for wanted in item.deliveries:
            row = new_row(notification, number, sequence, wanted)
            self._rows.append(row)
            if wanted.state is _PENDING:
                self._waiting.enter(row)
        companions = self._add_recovery(notification, sequence, item.deliveries)
        version = 1 if notification.trade is None else notification.trade.version
        return PutResult(
            Outcome.ACCEPTED,
            notification.id,
            number=notification.number,
            version=version,
            unpublished=item.unpublished,
            companions=companions,
        )

    def _add_recovery(
        self, notification: Notification, sequence: str, deliveries: Sequence[NewDelivery]
    ) -> tuple[str, ...]:
        """Add the companion of an alert that is resolved, where the alert is shown or will be. Returns these lanes."""
        if not notification.resolves:
            return ()
        shown = {card.destination for card in cards_of(self._tx, sequence)}
        waiting = (each.destination for each in deliveries if each.state is _PENDING)
        lanes = tuple(
            lane
            for lane in waiting
            if lane in shown or self._waiting.has(sequence, lane) or self._tx.is_in_flight(sequence, lane)
        )
        if not lanes:
            return ()
        at = notification.accepted_at
        recovery = notification.but(
            id=notification.companion_id,
            event=f"{notification.event} companion",
            is_recovery=True,
            valid_until=min(notification.valid_until, at + validity.of_companion(None)),
        )
        number, rank = self._tx.next_number(), rank_of(recovery.priority, at)
        self._notifications[recovery.id] = number, recovery
        for lane in lanes:
            wanted = NewDelivery(lane, rank, not_before=at + FOR_ITS_CARD)
            self._rows.append(new_row(recovery, number, recovery.sequence, wanted))
        return lanes

    def _filtered(self, item: NewNotification, sequence: str) -> NewNotification:
        """The item. If a filter stops the trade that it would open, it is only recorded, not posted."""
        notification = item.notification
        is_new = is_opening(notification) and sequence not in self._trades
        would_open = is_new and any(each.state is _PENDING for each in item.deliveries)
        if item.filters is None or not would_open or not isinstance(notification.payload, Signal):
            return item
        history = BookHistory(self._tx, self._opened, self._notifications)
        decision = decide(notification.payload, notification.accepted_at, item.filters, history)
        return item if decision.allowed else item.not_posted(f"{decision.rule}: {decision.reason}")

    def _open(self, item: NewNotification, sequence: str, content_hash: bytes) -> Notification:
        """Open the signal's trade, or add a tier to it. Returns the notification that shows it."""
        notification = item.notification
        waiting = [each for each in item.deliveries if each.state is _PENDING]
        self._cards += [(sequence, each, notification.user_tier, notification.valid_until) for each in waiting]
        row = self._trades.get(sequence)
        if row is None:
            row = self._trades[sequence] = self._opened[sequence] = self._book.open(item, sequence, content_hash)
            return notification.but(number=row.number)
        notification = notification.but(number=row.number)
        tiers = tuple(dict.fromkeys((*row.tiers, notification.user_tier)))
        self._trades[sequence] = wider = row._replace(tiers=tiers)
        if sequence in self._opened:
            self._opened[sequence] = wider
            return notification
        if (trade := self._book.trade(wider)) is None:
            return notification
        if tiers != row.tiers:
            self._book.save(row, trade)
        return notification if trade.version == 1 else notification.but(trade=trade)

    def _missing(self, item: NewNotification, name: str, known: Key) -> tuple[NewDelivery, ...]:
        """The deliveries to destinations without one under this key; none once the first notification was pruned."""
        if known.notification_id in self._notifications:
            ids = (row.delivery.id for row in self._rows)
            have = {each.destination for each in ids if each.notification_id == known.notification_id}
        else:
            have = {each for each, _ in self._tx.select(sql.STATES_OF, (known.notification_id,))}
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
        self._book.write(self._opened.values(), self._cards)
        self._tx.add([changed.pop(row.delivery.id, row) for row in self._rows])
        self._tx.move(list(changed.values()), was=_PENDING)


def _added_key(name: str, destination: str) -> str:
    """The key for a destination added later. `deliveries why` finds it because it begins with the original key."""
    return f"{name} \t{destination}"

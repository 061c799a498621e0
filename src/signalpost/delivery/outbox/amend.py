"""Changes a trade: one transaction writes it, with a delivery to each of its cards, and its companions."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from signalpost.delivery.deduplication import Filters, decide_note, notes_count_for
from signalpost.delivery.outbox import sql
from signalpost.delivery.outbox.book import AddChart, Amend, Amendment, EndTrades, Follow
from signalpost.delivery.outbox.cards import FOR_ITS_CARD, CardRow, cards_of
from signalpost.delivery.outbox.commands import NewDelivery
from signalpost.delivery.outbox.order import Row, Waiting, new_row
from signalpost.delivery.outbox.rows import micros, notification_in
from signalpost.delivery.outbox.trades import Book, BookHistory, NoteHistory, TradeRow
from signalpost.delivery.outbox.transaction import Transaction
from signalpost.delivery.rank import rank_of
from signalpost.domain import validity
from signalpost.domain.change import Close, CloseReason, ExpireOrder, NotePrice
from signalpost.domain.context import Context
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.life import after
from signalpost.domain.notification import CHART, COMPANION, Notification, sequence_of
from signalpost.domain.possible import possible_changes
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.ticket import Outcome, Refusal
from signalpost.domain.trade import News, Trade, TradeState, is_news, one_order_each
from signalpost.errors import NotPossible, shown

_TOGETHER = timedelta(seconds=10)
"""How long a companion waits for more news of the same trade."""
_WAITS = frozenset({News.TARGET, News.STOP})
_URGENT_NEWS = frozenset({News.STOP, News.ENDED})
_KEY_LASTS_FOR = timedelta(days=7)


def amend(tx: Transaction, command: Amend) -> Amendment:
    """Change a trade, and put the change on its cards."""
    if (known := _known(tx, command)) is not None:
        return known
    book = Book(tx)
    if command.run is None:
        rows = book.named(command.name, exact=command.exact)
    else:
        rows = list(book.of([sequence_of(command.name, command.run)]).values())
    if command.may is not None:
        rows = [row for row in rows if command.may.tiers.issuperset(row.tiers)]
    if len(rows) != 1:
        return _unknown(command.name, rows)
    (row,) = rows
    trade = book.trade(row)
    if trade is None:
        why = f"the signal book's entry of {command.name} is damaged"
        return Amendment(Outcome.REFUSED, None, Refusal.UNSTORABLE, why)
    is_repeat = command.change == trade.last_change
    if command.if_version is not None and command.if_version != trade.version:
        if is_repeat and command.if_version == trade.version - 1:
            return Amendment(Outcome.DUPLICATE, trade)
        why = f"{trade.signal.signal_id} has version {trade.version}, not {command.if_version} as the change expects"
        return Amendment(Outcome.REFUSED, trade, Refusal.STALE_VERSION, f"{why}: check the signal before you change it")
    try:
        # A command that names the current version does not repeat the change that led to it.
        base = trade.but(last_change=None) if command.if_version == trade.version else trade
        changed = after(base, command.change, command.now)
    except NotPossible as why:
        verbs = None if command.may is None else command.may.verbs
        possible = ", ".join(possible_changes(trade, command.now, verbs))
        return Amendment(Outcome.REFUSED, trade, Refusal.NOT_POSSIBLE, f"{why}. Possible now: {possible}")
    if changed is base:
        return Amendment(Outcome.DUPLICATE, trade)
    return _Change(tx, command, row, trade, changed).write()


def _known(tx: Transaction, command: Amend) -> Amendment | None:
    """The answer to a change whose key is known: the first answer again, or a refusal if the request differs."""
    known = None if command.key is None else tx.first(f"{sql.KEYS} = ?", (command.key,))
    if known is None:
        return None
    _, request, notification_id, _ = known
    if command.request is not None and command.request != request:
        why = "this idempotency key was used for another request: use a different key for each"
        return Amendment(Outcome.REFUSED, None, Refusal.CONFLICT, why)
    first = notification_in((tx.first(sql.OPENING, (notification_id,)) or (None,))[0])
    trade = first.trade if isinstance(first, Notification) else None
    return Amendment(Outcome.DUPLICATE, trade, repeats=notification_id)


def follow(tx: Transaction, command: Follow) -> tuple[Amendment, ...] | None:
    """Save what candles did to trades, unless one of them has changed since they were read."""
    book = Book(tx)
    names = {sequence_of(name, command.run): name for name in command.states}
    rows = {names[sequence]: row for sequence, row in book.of(list(names)).items()}
    trades = {name: trade for name, row in rows.items() if (trade := book.trade(row)) is not None}
    if {name: trade.version for name, trade in trades.items()} != command.versions:
        return None
    made = []
    for each in command.changes:
        before = trades[each.name]
        trades[each.name] = _filtered(tx, rows[each.name], after(before, each.change, each.now), command.filters)
        made.append(_Change(tx, each, rows[each.name], before, trades[each.name]).write())
    for name, state in command.states.items():
        book.save(rows[name], trades[name].but(followed=state), heard_at=command.now)
    return tuple(made)


def _filtered(tx: Transaction, row: TradeRow, trade: Trade, filters: Filters) -> Trade:
    """The trade after a change; if that is a price note that a filter stops, the note says so."""
    note = trade.price_note
    if note is None or not isinstance(trade.last_change, NotePrice):
        return trade
    decision = decide_note(trade.signal, note.at, filters, BookHistory(tx), NoteHistory(tx))
    if decision.allowed:
        Book(tx).add_note(row, note.at, note.at - notes_count_for(filters))
        return trade
    stopped = msgspec.structs.replace(note, stopped_for=f"{decision.rule}: {decision.reason}")
    return trade.but(price_note=stopped)


def end_trades(tx: Transaction, command: EndTrades) -> tuple[Amendment, ...]:
    """End trades that have not changed for too long."""
    book = Book(tx)
    ended = []
    found = [(row, trade) for row in list(book.unheard_of(command.before)) if (trade := book.trade(row)) is not None]
    for (row, trade), name in zip(found, command.ids, strict=False):
        is_pending = trade.state is TradeState.PENDING
        change = ExpireOrder() if is_pending else Close(reason=CloseReason.TIME, from_feed=True)
        amended = Amend(row.sequence, change, command.now, (name, name))
        ended.append(_Change(tx, amended, row, trade, after(trade, change, command.now), is_silent=True).write())
    return tuple(ended)


def add_chart(tx: Transaction, command: AddChart) -> Notification | None:
    """Queue an edit that adds a chart to a card, with the lowest priority, unless the card is about to change."""
    sequence, destination = command.sequence, command.destination
    card = next((card for card in cards_of(tx, sequence) if card.destination == destination), None)
    row = Book(tx).of([sequence]).get(sequence)
    if card is None or row is None or not card.may_get_chart(row.version):
        return None
    is_busy = Waiting(tx.waiting({sequence})).has(sequence, destination) or tx.is_in_flight(sequence, destination)
    trade = None if is_busy else Book(tx).trade(row)
    if trade is None or not trade.state.is_live:
        return None
    notification = Notification(
        id=command.id,
        payload=trade.signal,
        event=f"v{trade.version}{CHART}",
        priority=NotificationPriority.LOW,
        user_tier=card.tier,
        accepted_at=command.now,
        valid_until=command.valid_until,
        context=trade.context,
        run=row.run,
        number=trade.number,
        trade=trade,
    )
    number = tx.next_number()
    wanted = NewDelivery(destination, rank_of(notification.priority, command.now), is_edit=True)
    tx.add_notifications([(number, notification)])
    tx.add([new_row(notification, number, sequence, wanted)])
    return notification


def _unknown(name: str, rows: Sequence[TradeRow]) -> Amendment:
    if not rows:
        return Amendment(Outcome.REFUSED, None, Refusal.UNKNOWN_SIGNAL, f"no signal is called {shown(name)}")
    ids = ", ".join(f"#{row.number} {row.sequence}" for row in rows)
    why = f"{shown(name)} matches several signals: {ids}. Use one of these numbers or ids"
    return Amendment(Outcome.REFUSED, None, Refusal.UNKNOWN_SIGNAL, why)


def _priority_of(trade: Trade) -> NotificationPriority:
    if isinstance(trade.last_change, NotePrice):
        return NotificationPriority.LOW
    return NotificationPriority.HIGH if trade.news in _URGENT_NEWS else NotificationPriority.NORMAL


def _why_stopped(trade: Trade) -> str | None:
    """Why the last change is not posted; None if it is posted."""
    is_note = isinstance(trade.last_change, NotePrice)
    return trade.price_note.stopped_for if is_note and trade.price_note is not None else None


class _Change:
    """A change that was accepted, with its deliveries."""

    def __init__(
        self,
        tx: Transaction,
        command: Amend,
        row: TradeRow,
        before: Trade,
        changed: Trade,
        *,
        is_silent: bool = False,
    ) -> None:
        self._tx, self._command, self._row = tx, command, row
        context = Context({**changed.context, **command.context}) if command.context else changed.context
        self._before, self._trade, self._is_silent = before, changed.but(context=context), is_silent
        self._cards = [card for card in cards_of(tx, row.sequence) if not card.is_stopped]
        self._waiting = Waiting(tx.waiting({row.sequence, f"{row.sequence}{COMPANION}"}))
        self._added: list[Row] = []
        self._stopped: list[Row] = []
        self._notifications: list[tuple[int, Notification]] = []

    def write(self) -> Amendment:
        """Write the trade, the notifications and their deliveries."""
        trade, command = self._trade, self._command
        ended = trade.end is not None
        until = command.now + validity.EDIT + (timedelta(0) if ended else command.open_for)
        notification = Notification(
            id=command.ids[0],
            payload=trade.signal,
            event=f"v{trade.version}",
            priority=_priority_of(trade),
            user_tier=trade.tiers[0],
            accepted_at=command.now,
            valid_until=until,
            context=trade.context,
            run=self._row.run,
            number=trade.number,
            trade=trade,
        )
        reached = [card for card in self._cards if self._may_reach(card)]
        self._add(notification, [(card, self._released_at(card)) for card in reached], _why_stopped(trade))
        if is_news(self._before, trade) and not self._is_silent:
            self._add_companions(notification, reached)
        self._save(notification)
        superseded = tuple(row.delivery for row in self._waiting.changed.values() if row.delivery.state.is_terminal)
        waiting = tuple(row.delivery.id.destination for row in self._added)
        return Amendment(Outcome.ACCEPTED, trade, notification=notification, waiting=waiting, superseded=superseded)

    def _released_at(self, card: CardRow) -> datetime | None:
        """When a delayed tier may see this state: with the signal if it waits, else after the delay; an end at once."""
        now = self._command.now
        if now < card.release_at:
            return card.release_at
        return now + card.delay if card.delay and self._trade.state.is_live else None

    def _may_reach(self, card: CardRow) -> bool:
        """Whether the destination shows the trade, or may still show it later."""
        sequence, destination = card.sequence, card.destination
        if card.is_shown or card.replacements or self._tx.is_in_flight(sequence, destination):
            return True
        return self._waiting.has(sequence, destination) or (
            (self._trade.state.is_live or card.shows_ended) and self._command.now < card.open_until
        )

    def _add_companions(self, notification: Notification, cards: Sequence[CardRow]) -> None:
        """Post a companion for each card that is shown. It includes the changes of companions that still wait."""
        lasts = validity.of_companion(self._trade.signal.timeframe)
        by_news: dict[Any, tuple[Trade, list[tuple[CardRow, datetime | None]]]] = {}
        now = self._command.now
        for card in cards:
            is_shown = card.is_shown or self._tx.is_in_flight(card.sequence, card.destination)
            if card.delay or not is_shown:
                continue
            before, since = self._joined(card)
            wait = _TOGETHER if self._trade.news in _WAITS and self._trade.end is None else FOR_ITS_CARD
            at = now + wait if since is None else min(now + wait, since)
            key = before.version, before.stop, len(before.parts)
            by_news.setdefault(key, (before, []))[1].append((card, at))
        steps = [
            (step, later, places)
            for before, places in by_news.values()
            for step, later in one_order_each(before, self._trade)
        ]
        for count, (before, trade, places) in enumerate(steps):
            companion = notification.but(
                id=f"{self._command.ids[1]}{count or ''}",
                event=f"{notification.event} companion",
                before=before,
                trade=trade,
                valid_until=now + lasts,
            )
            self._add(companion, places)

    def _joined(self, card: CardRow) -> tuple[Trade, datetime | None]:
        """The trade before the waiting news for this destination, and when that news was due to be sent.

        Each message asks its readers for one action. News that needs another action is not joined, but sent later.
        """
        waiting = self._waiting.unsent(f"{card.sequence}{COMPANION}", card.destination)
        for place, row in enumerate(waiting):
            found = self._tx.look_up(row)
            before = (found.before if isinstance(found, Notification) else None) or self._before
            is_reopening = before.end is not None and self._trade.end is None  # which has a message of its own
            if not is_reopening and len(one_order_each(before, self._trade)) == 1:
                for joined in waiting[place:]:
                    self._waiting.take(joined, self._command.ids[1])
                return before, row.delivery.not_before
            self._waiting.hurry(row, self._command.now + FOR_ITS_CARD)
        return self._before, None

    def _add(
        self,
        notification: Notification,
        places: Sequence[tuple[CardRow, datetime | None]],
        stopped_for: str | None = None,
    ) -> None:
        if not places:
            return
        number = self._tx.next_number()
        self._notifications.append((number, notification))
        rank = rank_of(notification.priority, notification.accepted_at)
        state = DeliveryState.PENDING if stopped_for is None else DeliveryState.SUPPRESSED
        for card, not_before in places:
            is_edit = notification.before is None and card.is_shown and not card.is_doubtful
            wanted = NewDelivery(card.destination, rank, state, stopped_for, not_before, is_edit=is_edit)
            row = new_row(notification, number, notification.sequence, wanted)
            if stopped_for is None:
                self._added.append(row)
                self._waiting.enter(row)
            else:
                self._stopped.append(row)

    def _save(self, notification: Notification) -> None:
        changed = dict(self._waiting.changed)
        self._tx.add_notifications(self._notifications)
        self._tx.add([changed.pop(row.delivery.id, row) for row in self._added] + self._stopped)
        self._tx.move(list(changed.values()), was=DeliveryState.PENDING)
        until = micros(notification.accepted_at + _KEY_LASTS_FOR)
        content, command = notification.content_hash, self._command
        rows = [(notification.key, content, notification.id, until)]
        if command.key is not None:
            rows.append((command.key, command.request or content, notification.id, until))
        self._tx.write(sql.SAVE_KEY, rows)
        Book(self._tx).save(self._row, self._trade)

"""The signal book in a store: trades, and what each destination shows of them.

A trade that has not changed since its opening has no body: it is made from the notification that opened it. See
docs/why/0032-a-signal-has-a-life.md.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from signalpost.delivery.deduplication import Posted, SignalHistory, candle_of, last_of
from signalpost.delivery.outbox import sql
from signalpost.delivery.outbox.book import BookEntry, FindTrades
from signalpost.delivery.outbox.cards import cards_of
from signalpost.delivery.outbox.commands import NewDelivery, NewNotification
from signalpost.delivery.outbox.rows import Key, instant, is_text, is_time, micros, notification_in
from signalpost.delivery.outbox.schema import FIRST
from signalpost.delivery.outbox.transaction import Transaction
from signalpost.delivery.ticket_ids import first_of
from signalpost.domain.change import Close, Flag
from signalpost.domain.identity import short_id
from signalpost.domain.instrument import Instrument
from signalpost.domain.life import after, opened
from signalpost.domain.notification import CLOSED, Notification
from signalpost.domain.order import OrderKind
from signalpost.domain.signal import Signal
from signalpost.domain.tier import UserTier
from signalpost.domain.trade import Trade, TradeState, unpublished
from signalpost.errors import InvalidValue, StoreFailed

_MICROSECOND = timedelta(microseconds=1)
_MOST_DECODED = 1_000
"""Trades that are kept decoded, each until it changes."""
_NEVER = 2**63 - 1
"""Later than any time in a row."""
_DIGITS = 16
"""A number with fewer digits than this fits into an integer of SQLite."""
_READS = (InvalidValue, msgspec.DecodeError, ValueError)


class TradeRow(NamedTuple):
    """A row of the table `trade`."""

    sequence: str
    run: str | None
    number: int
    version: int
    state: str
    pair: str
    short_id: str
    tiers: tuple[UserTier, ...]
    opening: str
    hash: bytes
    changed_at: datetime
    """When it was last changed or followed."""
    body: str | None
    candle: str | None = None
    """`candle_of` its signal; None if it was not read."""
    is_posted: bool | None = None
    """Whether its signal was posted: not if it was only recorded, or is of a replay. None if this was not read."""

    @property
    def key(self) -> Key:
        """The idempotency key of its opening, which holds as long as the trade exists."""
        return Key(self.hash, self.opening, instant(0))

    @property
    def is_unpublished(self) -> bool:
        """Whether it was only recorded."""
        return self.state == TradeState.EXPIRED and f'"{Flag.UNPUBLISHED.value}"' in (self.body or "")


class Book:
    """The trades and cards in a transaction's file."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def of(self, sequences: Sequence[str]) -> dict[str, TradeRow]:
        """The trades of these sequences that exist."""
        return {row.sequence: row for row in self.rows(self._tx.matching(sql.TRADES, sequences))}

    def trade(self, row: TradeRow) -> Trade | None:
        """The trade of a row; None if it is damaged."""
        try:
            if row.body is not None:
                return _decoded(row.body, row.tiers)
            found = notification_in((self._tx.first(sql.OPENING, (row.opening,)) or (None,))[0])
            if not isinstance(found, Notification) or not isinstance(found.payload, Signal):
                return None
            trade = opened(found.payload, row.number, row.tiers, found.accepted_at, found.context)
            return self._as_ended(row, trade if found.closes is None else trade.but(closes=found.closes))
        except _READS:
            return None

    def _as_ended(self, row: TradeRow, trade: Trade) -> Trade:
        """The trade as an older version ended it: by a notification of its own."""
        if row.state != TradeState.CLOSED:
            return trade
        ended = self._tx.first(sql.ENDED_BY, (row.sequence,))
        found = None if ended is None else notification_in((self._tx.first(sql.OPENING, ended) or (None,))[0])
        if not isinstance(found, Notification) or not isinstance(found.payload, Signal) or found.event != CLOSED:
            return after(trade, Close(reason="time", from_feed=True), row.changed_at)
        return after(trade, Close(price=found.payload.current_price), found.accepted_at)

    def named(self, name: str, *, exact: bool) -> list[TradeRow]:
        """The trades that a person means: by id, number or short id, in this order, or all live ones of a pair.

        Exact names are not pairs, and numbers need their `#`.
        """
        if by_id := [row for row in self.rows(self._tx.select(f"{sql.TRADES} = ?", (name,))) if row.run is None]:
            return by_id
        number = name.removeprefix("#")
        is_number = number.isascii() and number.isdigit() and len(number) < _DIGITS and not (exact and number == name)
        if is_number and (by_number := list(self.rows(self._tx.select(sql.TRADE_BY_NUMBER, (int(number),))))):
            return by_number
        found = list(self.rows(self._tx.select(sql.TRADES_BY_SHORT_ID, (name.lower(),))))
        if found or exact:
            return found
        try:
            pair = str(Instrument(name))
        except InvalidValue:
            return []
        return list(self.rows(self._tx.select(sql.LIVE_TRADES_OF, (pair,))))

    def why_unpublished(self, row: TradeRow) -> str | None:
        """Why a trade was only recorded; None if it was posted."""
        if not row.is_unpublished or (trade := self.trade(row)) is None or trade.end is None:
            return None
        return trade.end.text or Flag.UNPUBLISHED.value  # an earlier version did not record why

    def add_note(self, row: TradeRow, at: datetime, forget_before: datetime) -> None:
        """Save that a price note was posted, and forget old ones."""
        self._tx.write(sql.FORGET_NOTES, [(micros(forget_before),)])
        self._tx.write(sql.ADD_NOTE, [(micros(at), row.sequence)])

    def unheard_of(self, before: datetime) -> Iterator[TradeRow]:
        """The live trades that changed, or were followed, last before a time."""
        return self.rows(self._tx.select(sql.UNHEARD_OF, (micros(before),)))

    def entries(self, wanted: FindTrades) -> Iterator[BookEntry]:
        """The trades that a person looks for, without damaged ones."""
        since = FIRST if wanted.changed_since is None else micros(wanted.changed_since)
        if wanted.run is not None:
            since = _NEVER if wanted.only_live else since
            rows: Iterable[TradeRow] = self.rows(self._tx.select(sql.TRADES_OF_RUN, (wanted.run, wanted.above, since)))
        elif wanted.name is not None:
            rows = self.named(wanted.name, exact=wanted.exact)
        elif wanted.only_live and wanted.pair is not None:  # what every alert of a hook looks up, so by its index
            rows = reversed(list(self.rows(self._tx.select(sql.LIVE_TRADES_OF, (str(wanted.pair),)))))
        elif wanted.only_live:
            rows = self.rows(self._tx.select(sql.LIVE_TRADES))
        else:
            rows = self.rows(self._tx.select(sql.ALL_TRADES, (wanted.above, since)))
        for row in rows:
            trade = self.trade(row) if _is_wanted(row, wanted) else None
            if trade is not None and (trade.state.is_live or not wanted.only_live):
                yield BookEntry(trade, row.run, tuple(card.entry for card in cards_of(self._tx, row.sequence)))

    def keep_openings(self, notifications: str) -> None:
        """Give trades that were opened by these notifications, which are about to be deleted, a body of their own.

        The trades of replays are deleted instead.
        """
        for row in list(self.rows(self._tx.select(sql.OPENED_BY, {"names": notifications}))):
            if row.run is not None:
                self._tx.write(sql.DELETE_TRADE, [(row.sequence,)])
                self._tx.write(sql.DELETE_CARDS, [(row.sequence,)])
            elif row.body is None and (trade := self.trade(row)) is not None:
                self._tx.write(sql.KEEP_TRADE, [(trade.to_json().decode(), row.sequence)])

    def rows(self, found: Iterable[Sequence[Any]]) -> Iterator[TradeRow]:
        """The trades that a query has found, without damaged ones."""
        return (row for row in map(_trade_row, found) if row is not None)

    def open(self, new: NewNotification, sequence: str, content_hash: bytes) -> TradeRow:
        """The trade that a new signal opens, not written yet."""
        notification = new.notification
        signal = notification.payload
        assert isinstance(signal, Signal)  # noqa: S101  # for mypy
        is_pending = signal.order is not OrderKind.MARKET
        row = TradeRow(
            sequence,
            notification.run,
            self._tx.next_trade(notification.run),
            1,
            (TradeState.PENDING if is_pending else TradeState.OPEN).value,
            str(signal.pair),
            short_id(signal.signal_id, notification.run),
            (notification.user_tier,),
            notification.id,
            content_hash,
            notification.accepted_at,
            None,
            candle_of(signal),
            notification.run is None and new.unpublished is None,
        )
        if new.unpublished is None:
            return row
        trade = opened(signal, row.number, row.tiers, notification.accepted_at, notification.context)
        trade = unpublished(trade, new.unpublished)
        return row._replace(version=trade.version, state=trade.state.value, body=trade.to_json().decode())

    def write(self, trades: Iterable[TradeRow], cards: Iterable[tuple[str, NewDelivery, UserTier, datetime]]) -> None:
        """Write trades that were opened, and the cards that they are to have."""
        self._tx.write(sql.ADD_TRADE, [_values(row) for row in trades])
        rows = [
            (
                sequence,
                each.destination,
                tier,
                micros(each.valid_until or until),
                0 if each.not_before is None else micros(each.not_before),
                each.delay // _MICROSECOND,
                each.shows_ended,
            )
            for sequence, each, tier, until in cards
        ]
        self._tx.write(sql.ADD_CARD, rows)

    def save(self, row: TradeRow, trade: Trade, heard_at: datetime | None = None) -> None:
        """Write a trade after a change of it or of its tiers, or after it was followed at `heard_at`."""
        tiers = _encoded(trade.tiers)
        body = trade.to_json().decode()
        heard = micros(max(trade.changed_at, heard_at or trade.changed_at))
        self._tx.write(sql.SAVE_TRADE, [(trade.version, trade.state.value, tiers, heard, body, row.sequence)])


class NoteHistory:
    """The price notes that were posted, each with its signal."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def count(self, after: datetime, before: datetime) -> int:
        """The number of notes between two instants."""
        return int(self._tx.first(sql.COUNT_NOTES, (micros(after), micros(before)))[0])

    def last_of(self, pair: Instrument, after: datetime, before: datetime) -> Posted | None:
        """The last note on a pair between two instants."""
        for at, *found in self._tx.select(sql.NOTES_OF, (micros(after), micros(before), str(pair))):
            row = _trade_row(found)
            if row is not None and (trade := Book(self._tx).trade(row)) is not None:
                return Posted(instant(at), trade.signal)
        return None


class BookHistory:
    """The signals that were posted: the trades of a book, and those that were opened but are not saved yet.

    `notifications` has the openings of the latter by their ids.
    """

    def __init__(
        self,
        tx: Transaction,
        opened: Mapping[str, TradeRow] = {},
        notifications: Mapping[str, tuple[int, Notification]] = {},
    ) -> None:
        self._tx = tx
        self._opened = opened
        self._notifications = notifications

    def count(self, after: datetime, before: datetime) -> int:
        """The number of signals between two instants."""
        saved = int(self._tx.first(sql.COUNT_POSTED, _ids_between(after, before))[0])
        return saved + sum(after < each.at < before for each in self._new())

    def of_candle(self, signal: Signal, after: datetime, before: datetime) -> Posted | None:
        """A signal posted between two instants whose candle is the same as that of `signal`, or is not known."""
        wanted = {**_ids_between(after, before), "pair": str(signal.pair), "candle": candle_of(signal)}
        saved = self._saved(sql.POSTED_OF_CANDLE, wanted)
        return SignalHistory((*saved, *self._new())).of_candle(signal, after, before)

    def last_of(self, pair: Instrument, after: datetime, before: datetime) -> Posted | None:
        """The last signal of a pair between two instants."""
        saved = next(self._saved(sql.POSTED_OF, {**_ids_between(after, before), "pair": str(pair)}), None)
        new = SignalHistory(self._new()).last_of(pair, after, before)
        return last_of(each for each in (saved, new) if each is not None)

    def _saved(self, query: str, wanted: Mapping[str, str]) -> Iterator[Posted]:
        """The signals that a query finds, without damaged ones."""
        book = Book(self._tx)
        trades = map(book.trade, book.rows(self._tx.select(query, wanted)))
        return (Posted(trade.opened_at, trade.signal) for trade in trades if trade is not None)

    def _new(self) -> Iterator[Posted]:
        for row in self._opened.values():
            _, notification = self._notifications[row.opening]
            if row.run is None and not row.is_unpublished and isinstance(notification.payload, Signal):
                yield Posted(notification.accepted_at, notification.payload)


def find_trades(tx: Transaction, command: FindTrades) -> tuple[BookEntry, ...]:
    """Look trades up."""
    if tx.first(sql.HAS_BOOK) is None:  # a command that only reads does not migrate
        text = (
            "the data folder is of an older version. To list its signals, migrate it first: start `signalpost serve` "
            "with it once"
        )
        raise StoreFailed(text, code="store-not-migrated")
    return tuple(islice(Book(tx).entries(command), command.limit))


@lru_cache(maxsize=_MOST_DECODED)  # live trades are read again every few seconds
def _decoded(body: str, tiers: tuple[UserTier, ...]) -> Trade:
    return Trade.from_json(body).but(tiers=tiers)


def _is_wanted(row: TradeRow, wanted: FindTrades) -> bool:
    return (
        (wanted.states is None or row.state in wanted.states)
        and row.number > wanted.above
        and (wanted.pair is None or row.pair == str(wanted.pair))
        and (wanted.tiers is None or wanted.tiers.issuperset(row.tiers))
    )


def _ids_between(after: datetime, before: datetime) -> dict[str, str]:
    """The bounds of the ids of notifications that were accepted between two instants, to the millisecond."""
    return {"first": first_of(after + timedelta(milliseconds=1)), "end": first_of(before)}


def _encoded(tiers: Sequence[UserTier]) -> str:
    return msgspec.json.encode([str.__str__(tier) for tier in tiers]).decode()


def _values(row: TradeRow) -> tuple[Any, ...]:
    return (*row[:7], _encoded(row.tiers), row.opening, row.hash, micros(row.changed_at), *row[11:])


def _trade_row(values: Sequence[Any]) -> TradeRow | None:
    """A trade's row; None if it is damaged."""
    *texts, tiers, opening, content_hash, changed_at, body = values
    sequence, run, number, version, state, pair, short = texts
    is_whole = type(number) is int and type(version) is int and type(content_hash) is bytes and is_time(changed_at)
    if not is_whole or not all(map(is_text, (sequence, state, pair, short, tiers, opening))):
        return None
    if not (run is None or is_text(run)) or not (body is None or is_text(body)):
        return None
    try:
        names = tuple(map(UserTier, msgspec.json.decode(tiers, type=list[str])))
    except _READS:
        return None
    return TradeRow(
        sequence, run, number, version, state, pair, short, names, opening, content_hash, instant(changed_at), body
    )

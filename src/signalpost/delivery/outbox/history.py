"""The history of posted signals and price notes, read from the signal book of a store."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from signalpost.delivery.deduplication import Posted, SignalHistory, candle_of, last_of
from signalpost.delivery.outbox.trades import Book, TradeRow
from signalpost.domain.instrument import Instrument
from signalpost.domain.notification import Notification
from signalpost.domain.signal import Signal


class NoteHistory:
    """The price notes that were posted, each with its signal."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def count(self, after: datetime, before: datetime) -> int:
        """The number of notes between two instants."""
        return self._book.notes(after, before)

    def last_of(self, pair: Instrument, after: datetime, before: datetime) -> Posted | None:
        """The last note on a pair between two instants."""
        notes = self._book.notes_of(pair, after, before)
        return next((Posted(at, trade.signal) for at, trade in notes), None)


class BookHistory:
    """The signals that were posted: the trades of a book, and those that were opened but are not saved yet.

    `notifications` has the openings of the latter by their ids.
    """

    def __init__(
        self,
        book: Book,
        opened: Mapping[str, TradeRow] = {},
        notifications: Mapping[str, tuple[int, Notification]] = {},
    ) -> None:
        self._book = book
        self._opened = opened
        self._notifications = notifications

    def count(self, after: datetime, before: datetime) -> int:
        """The number of signals between two instants."""
        return self._book.posted(after, before) + sum(after < each.at < before for each in self._new())

    def of_candle(self, signal: Signal, after: datetime, before: datetime) -> Posted | None:
        """One of the same candle as this signal between two instants."""
        saved = self._readable(self._book.posted_of_candle(candle_of(signal), signal.pair, after, before))
        return SignalHistory((*saved, *self._new())).of_candle(signal, after, before)

    def last_of(self, pair: Instrument, after: datetime, before: datetime) -> Posted | None:
        """The last signal of a pair between two instants."""
        saved = next(self._readable(self._book.posted_of(pair, after, before)), None)
        new = SignalHistory(self._new()).last_of(pair, after, before)
        return last_of(each for each in (saved, new) if each is not None)

    def _readable(self, rows: Iterator[TradeRow]) -> Iterator[Posted]:
        """The signals of these rows, without damaged ones."""
        trades = map(self._book.trade, rows)
        return (Posted(trade.opened_at, trade.signal) for trade in trades if trade is not None)

    def _new(self) -> Iterator[Posted]:
        for row in self._opened.values():
            _, notification = self._notifications[row.opening]
            if row.run is None and not row.is_unpublished and isinstance(notification.payload, Signal):
                yield Posted(notification.accepted_at, notification.payload)

"""The history of posted signals, read from the signal book of a store."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from signalpost.delivery.deduplication import Posted
from signalpost.delivery.outbox.trades import Book, TradeRow
from signalpost.domain.instrument import Instrument
from signalpost.domain.notification import Notification
from signalpost.domain.signal import Signal


class BookHistory:
    """The signals that were posted: the trades of a book, and those that were opened but are not saved yet.

    `notifications` has the openings of the latter by their ids.
    """

    def __init__(
        self, book: Book, opened: Mapping[str, TradeRow], notifications: Mapping[str, tuple[int, Notification]]
    ) -> None:
        self._book = book
        self._opened = opened
        self._notifications = notifications

    def count(self, after: datetime, before: datetime) -> int:
        """The number of signals between two instants."""
        return self._book.posted(after, before) + sum(after < each.at < before for each in self._new())

    def of_pair(self, pair: Instrument, after: datetime, before: datetime) -> Iterator[Posted]:
        """The signals of a pair between two instants. Damaged ones are skipped."""
        trades = map(self._book.trade, self._book.posted_of(pair, after, before))
        yield from (Posted(trade.opened_at, trade.signal) for trade in trades if trade is not None)
        yield from (each for each in self._new() if each.signal.pair == pair and after < each.at < before)

    def _new(self) -> Iterator[Posted]:
        for row in self._opened.values():
            _, notification = self._notifications[row.opening]
            if row.run is None and not row.is_unpublished and isinstance(notification.payload, Signal):
                yield Posted(notification.accepted_at, notification.payload)

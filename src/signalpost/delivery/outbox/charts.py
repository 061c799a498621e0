"""Puts an edit that adds a chart to a card. A newer state of the card supersedes it."""

from signalpost.delivery.outbox.book import AddChart
from signalpost.delivery.outbox.cards import cards_of
from signalpost.delivery.outbox.commands import NewDelivery
from signalpost.delivery.outbox.order import Waiting, new_row
from signalpost.delivery.outbox.trades import Book
from signalpost.delivery.outbox.transaction import Transaction
from signalpost.delivery.rank import rank_of
from signalpost.domain.notification import CHART, Notification
from signalpost.domain.priority import NotificationPriority


def add_chart(tx: Transaction, command: AddChart) -> Notification | None:
    """Put the edit with the lowest priority, unless the card is about to change."""
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

"""The card of a reversal leads to the one that it closes."""

from datetime import timedelta

from signalpost.delivery.outbox.commands import NewDelivery, NewNotification, Put
from signalpost.domain.change import Close, CloseReason, Update
from signalpost.domain.notification import notification_of
from signalpost.domain.ticket import Outcome
from signalpost.domain.tier import AT_ONCE
from signalpost.sinks.port import Successor
from tests.contracts.book_driver import MINUTE, A, B, Driver, signal


async def test_a_reversal_gets_the_card_of_the_signal_that_it_reverses_in_each_version(book: Driver) -> None:
    old = await book.shown()
    await book.open(signal("s2", signal_type="SELL", stop_loss="1.1050", targets=()), A, B, closes=1)
    opening, elsewhere = await book.leased(), await book.leased(B)
    assert opening.closes is not None
    assert (opening.closes.channel, opening.closes.guild, opening.card) == ("c1", "g1", None)
    assert (old.closes, elsewhere.closes) == (None, None), "it was not shown there"
    await book.settle(opening)
    assert (await book.change(Update(note="n"), "s2")).outcome is Outcome.ACCEPTED
    edit = await book.leased()
    assert edit.notification.trade is not None
    assert (edit.closes, edit.notification.trade.closes) == (opening.closes, 1)


async def reversed_by(book: Driver, *, delay: timedelta = AT_ONCE, is_shown: bool = True) -> Successor | None:
    """What the edit of a reversed signal says of the signal that reversed it."""
    await book.shown()
    await book.open(signal("other", pair="GBP_USD"))
    await book.open(signal("same pair"))
    await book.settle(await book.leased())
    await book.settle(await book.leased())
    reversal = signal("s2", signal_type="SELL", stop_loss="1.1050", targets=())
    made = notification_of(reversal, ticket_id="reversal", accepted_at=book.now).but(closes=1)
    wanted = NewDelivery(A, 0, not_before=book.now + delay if delay else None, delay=delay)
    await book.outbox.do(Put((NewNotification(made, (wanted,), book.now + timedelta(days=1)),)))
    if is_shown:
        book.now += delay
        await book.settle(await book.leased())
    await book.change(Close(price="1.0990", reason=CloseReason.REVERSED))
    entries = [await book.leased()]
    if entries[0].notification.payload.signal_id != "s1":
        entries = [await book.leased()]
    return entries[0].closed_by


async def test_the_card_of_a_reversed_signal_leads_to_the_one_that_reversed_it(book: Driver) -> None:
    found = await reversed_by(book)
    assert found is not None
    assert (found.number, found.card is not None) == (4, True)


async def test_it_has_only_the_number_while_the_other_is_not_posted(book: Driver) -> None:
    assert await reversed_by(book, is_shown=False) == Successor(4)


async def test_a_delayed_tier_hears_of_no_signal_early(book: Driver) -> None:
    assert await reversed_by(book, delay=MINUTE, is_shown=False) is None


async def test_a_close_by_hand_or_without_a_reversal_leads_nowhere(book: Driver) -> None:
    await book.shown()
    await book.change(Close(price="1.0990", reason=CloseReason.REVERSED))
    edit = await book.leased()
    assert edit.closed_by is None

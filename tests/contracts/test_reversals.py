"""The card of a reversal leads to the one that it closes."""

from signalpost.domain.change import Update
from signalpost.domain.ticket import Outcome
from tests.contracts.book_driver import A, B, Driver, signal


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

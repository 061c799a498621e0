"""The book says which cards a fallback has taken over, whether the first destination had shown them or not."""

import pytest

from signalpost.delivery.outbox.commands import PassOn
from signalpost.domain.change import Update
from signalpost.domain.tier import UserTier
from tests.contracts.book_driver import A, B, Driver, signal


@pytest.mark.parametrize("is_shown", [True, False])
async def test_a_card_that_moved_is_elsewhere(book: Driver, *, is_shown: bool) -> None:
    if is_shown:
        await book.shown()
        await book.change(Update(note="n"))
    else:
        await book.open(signal())
    await book.outbox.do(PassOn(A, book.now, "unreachable", {UserTier.FREE: B}, {}))
    await book.settle(await book.leased(B))
    (entry,) = await book.find()
    found = {card.destination: (card.is_elsewhere, card.was_live) for card in entry.cards}
    assert found == {A: (True, is_shown), B: (False, True)}

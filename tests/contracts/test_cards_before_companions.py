"""A companion never comes before its card, and a card that replaces another says nothing twice."""

from datetime import timedelta
from decimal import Decimal

import pytest

from signalpost.delivery.outbox.commands import CardResult
from signalpost.domain.change import Close, NotePrice, Update
from signalpost.domain.delivery import DeliveryState
from signalpost.sinks.evidence import Loss
from tests.contracts.book_driver import MINUTE, Driver, signal

_S = DeliveryState


async def test_a_companion_waits_for_the_card_that_replaces_a_deleted_one(book: Driver) -> None:
    await book.shown()
    await book.change(Close(price="1.1010"))
    lost = CardResult(2, is_edit=True, loss=Loss.DELETED)
    await book.settle(await book.leased(), _S.PENDING, card=lost, not_before=book.now + MINUTE)
    book.now += MINUTE / 2
    held = await book.lease()
    assert (held.entries, held.expired) == ((), ())
    book.now += MINUTE / 2
    replacement = await book.leased()
    assert (replacement.notification.event, replacement.replaces) == ("v2", Loss.DELETED)
    book.now += timedelta(seconds=2)
    assert (await book.lease()).entries == (), "it is being sent"
    await book.settle(replacement)
    book.now += timedelta(seconds=2)
    assert [each.state for each in (await book.lease()).expired] == [_S.SUPERSEDED]


async def test_a_companion_is_sent_if_the_card_that_replaces_a_deleted_one_is_refused(book: Driver) -> None:
    """Its readers saw the signal."""
    await book.shown()
    await book.change(Close(price="1.1010"))
    lost = CardResult(2, is_edit=True, loss=Loss.DELETED)
    await book.settle(await book.leased(), _S.PENDING, card=lost)
    await book.settle(await book.leased(), _S.DEAD)
    book.now += timedelta(seconds=1)
    companion = await book.leased()
    assert (companion.notification.event, companion.card) == ("v2 companion", None)


@pytest.mark.parametrize(
    ("change", "is_sent", "is_known"),
    [
        (Update(note="Calm."), True, True),
        (Update(note="Calm."), False, False),
        (NotePrice(level=Decimal("1.1050"), price=Decimal("1.1060"), from_feed=True), True, True),
        (Update(stop_loss="1.0970"), True, False),
    ],
)
async def test_a_replacement_without_news_is_known(
    book: Driver, change: Update, *, is_sent: bool, is_known: bool
) -> None:
    """If the news before it were sent, a note alone need not notify anybody again."""
    await book.shown()
    await book.change(Update(stop_loss="1.0960"))
    await book.settle(await book.leased())
    if is_sent:
        book.now += MINUTE
        await book.settle(await book.leased())
    await book.change(change)
    edit = await book.leased()
    assert not edit.is_known
    await book.settle(edit, _S.PENDING, card=CardResult(3, is_edit=True, loss=Loss.DELETED))
    assert (await book.leased()).is_known is is_known


async def test_a_companion_never_comes_before_an_opening_that_is_tried_again(book: Driver) -> None:
    await book.open(signal())
    opening = await book.leased()
    await book.change(Close(price="1.1010"))
    await book.settle(opening, _S.PENDING, may_repeat=True, not_before=book.now + MINUTE, reason="503")
    book.now += MINUTE / 2
    held = await book.lease()
    assert (held.entries, held.expired) == ((), ())
    book.now += MINUTE / 2
    card = await book.leased()
    assert (card.notification.event, card.delivery.may_repeat) == ("v2", True)
    await book.settle(card)
    book.now += timedelta(seconds=2)
    assert [each.state for each in (await book.lease()).expired] == [_S.SUPERSEDED]


async def test_a_companion_is_sent_if_the_opening_that_may_be_shown_is_not_tried_again(book: Driver) -> None:
    await book.open(signal())
    opening = await book.leased()
    await book.change(Close(price="1.1010"))
    await book.settle(opening, _S.UNCONFIRMED, may_repeat=True)
    await book.settle(await book.leased(), _S.DEAD)
    book.now += timedelta(seconds=1)
    assert (await book.leased()).notification.event == "v2 companion"

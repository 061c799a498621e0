"""Each companion asks readers to do one thing."""

from datetime import timedelta
from decimal import Decimal

import pytest

from signalpost.domain.change import Close, Reopen, Update
from tests.contracts.book_driver import Driver


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_message_asks_readers_to_do_one_thing(book: Driver, *, at_once: bool) -> None:
    """A part that was closed and a moved stop are two orders, whether they were one change or two."""
    await book.shown()
    if at_once:
        await book.change(Update(close_part=20, price="1.1010", stop_loss="be"))
    else:
        await book.change(Update(stop_loss="1.0970"))
        await book.change(Update(close_part=20, price="1.1010"))
        await book.change(Update(stop_loss="be"))
    await book.settle(await book.leased())
    book.now += timedelta(seconds=1)
    orders = []
    while entries := (await book.lease()).entries:
        before, after = entries[0].notification.before, entries[0].notification.trade
        assert before is not None
        assert after is not None
        orders.append((after.stop != before.stop, len(after.parts) - len(before.parts)))
        await book.settle(entries[0])
        book.now += timedelta(seconds=10)
    assert orders == ([(False, 1), (True, 0)] if at_once else [(True, 0), (False, 1), (True, 0)])


async def test_only_the_last_of_several_waiting_messages_is_joined(book: Driver) -> None:
    await book.shown()
    await book.change(Update(close_part=20, price="1.1010", stop_loss="1.0970"))
    await book.change(Update(stop_loss="be"))
    await book.settle(await book.leased())
    book.now += timedelta(seconds=10)
    first = await book.leased()
    await book.settle(first)
    second = await book.leased()
    stops = [(each.notification.before and each.notification.before.stop) for each in (first, second)]
    assert stops == [Decimal("1.0950"), Decimal("1.0950")]
    assert second.notification.trade is not None
    assert second.notification.trade.stop == Decimal("1.1000")


async def test_a_reopening_has_a_message_of_its_own_unless_the_trade_ends_again(book: Driver) -> None:
    await book.shown()
    await book.change(Close(price="1.1010"))
    await book.settle(await book.leased())
    book.now += timedelta(seconds=1)
    await book.settle(await book.leased())
    await book.change(Reopen())
    await book.change(Update(stop_loss="be"))
    waiting = [event for event, state in await book.states() if state == "pending" and "companion" in event]
    assert waiting == ["v3 companion", "v4 companion"]
    await book.change(Close(price="1.1020"))
    waiting = [event for event, state in await book.states() if state == "pending" and "companion" in event]
    assert waiting == ["v5 companion"]

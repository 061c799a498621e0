"""Companions of several trades that wait together leave in one message: from the store's side."""

from datetime import timedelta
from typing import Any

import pytest

from signalpost.delivery.outbox.commands import Lease, Message, OutboxEntry, Settle
from signalpost.domain.change import Change, Close, Update
from signalpost.domain.delivery import DeliveryState
from signalpost.testing.outbox_samples import verdict
from tests.contracts.book_driver import MINUTE, A, B, Driver, damage, signal

_S = DeliveryState
SECOND = timedelta(seconds=1)
END, HIT = Close(price="1.1010"), Update(target_hit=1)


async def show(book: Driver, names: str, *, run: str | None = None, **fields: Any) -> None:
    for name in names:
        await book.open(signal(name, **fields), run=run)
        await book.settle(await book.leased())


async def change(book: Driver, names: str, change: Change, **options: Any) -> None:
    """Change trades, and edit their cards."""
    for name in names:
        await book.change(change, name, **options)
        await book.settle(await book.leased(posts=False))


def signal_ids(entries: tuple[OutboxEntry, ...]) -> str:
    return "".join(entry.notification.payload.signal_id for entry in entries)  # type: ignore[union-attr]


async def companions(book: Driver) -> list[str]:
    """The trades in each message that leaves now."""
    found = []
    while entries := (await book.lease()).entries:
        found.append(signal_ids(entries))
        await settle(book, entries, _S.DELIVERED)
    return found


async def settle(book: Driver, entries: tuple[OutboxEntry, ...], state: DeliveryState, **changes: Any) -> None:
    message = Message(A, f"m{entries[0].delivery.id}", book.now) if state is _S.DELIVERED else None
    verdicts = tuple(verdict(each.delivery, state, message=message, **changes) for each in entries)
    await book.outbox.do(Settle(verdicts))


async def test_three_trades_that_wait_together_share_a_message(book: Driver) -> None:
    await show(book, "abc")
    await change(book, "abc", HIT)
    book.now += 9 * SECOND
    assert await companions(book) == []
    book.now += SECOND
    leased = (await book.lease()).entries
    assert signal_ids(leased) == "abc"
    assert all(entry.delivery.state is _S.LEASED and entry.card is not None for entry in leased)
    assert (await book.lease()).entries == ()
    await settle(book, leased, _S.DELIVERED)
    assert [state for event, state in await book.states() if "companion" in event] == ["delivered"] * 3


async def test_two_trades_have_a_message_each(book: Driver) -> None:
    await show(book, "ab")
    await change(book, "ab", END)
    book.now += SECOND
    assert await companions(book) == ["a", "b"]


async def test_an_end_does_not_wait_for_others_and_takes_what_waits_with_it(book: Driver) -> None:
    await show(book, "abcd")
    await change(book, "ab", HIT)
    book.now += 3 * SECOND
    await change(book, "c", END)
    book.now += SECOND
    await change(book, "d", END)
    assert await companions(book) == ["abc"], "the card of d may not be edited yet"
    book.now += SECOND
    assert await companions(book) == ["d"]


async def test_a_companion_without_half_a_second_for_its_card_is_not_joined_unless_it_waited(book: Driver) -> None:
    await show(book, "abc")
    await change(book, "a", END)
    book.now += SECOND / 2
    await change(book, "bc", END)
    book.now += SECOND / 2
    assert await companions(book) == ["abc"]


async def test_at_most_ten_trades_share_a_message(book: Driver) -> None:
    await show(book, "abcdefghijkl")
    await change(book, "abcdefghijkl", END)
    book.now += SECOND
    assert await companions(book) == ["abcdefghij", "k", "l"]


async def test_each_trade_has_one_line_and_its_later_news_stay_behind(book: Driver) -> None:
    await show(book, "abc")
    await change(book, "abc", HIT)
    book.now += 10 * SECOND
    leased = (await book.lease()).entries
    await settle(book, leased, _S.PENDING, may_repeat=True)
    await change(book, "abc", END)
    book.now += SECOND
    assert await companions(book) == ["a", "b", "c", "abc"], "a second try has a message and a mark of its own"


async def test_a_process_that_dies_while_it_sends_loses_none_and_marks_all(book: Driver) -> None:
    await show(book, "abc")
    await change(book, "abc", END)
    book.now += SECOND
    lapsed = (await book.lease()).entries
    await settle(book, lapsed, _S.PENDING, attempts=1, may_repeat=True)
    for name in "abc":
        (entry,) = (await book.lease()).entries
        assert (signal_ids((entry,)), entry.delivery.may_repeat) == (name, True)
        await settle(book, (entry,), _S.DELIVERED)


async def test_after_a_refusal_each_is_tried_alone(book: Driver) -> None:
    await show(book, "abc")
    await change(book, "abc", END)
    book.now += SECOND
    await settle(book, (await book.lease()).entries, _S.PENDING, attempts=1)
    assert await companions(book) == ["a", "b", "c"]


async def test_one_that_was_throttled_is_joined_again(book: Driver) -> None:
    await show(book, "abc")
    await change(book, "abc", END)
    book.now += SECOND
    await settle(book, (await book.lease()).entries, _S.PENDING, attempts=0, not_before=book.now + MINUTE)
    assert await companions(book) == []
    book.now += MINUTE
    assert await companions(book) == ["abc"]


async def test_one_that_expires_soon_is_sent_alone(book: Driver) -> None:
    """The message is cut off when the first of its companions expires."""
    await show(book, "abc")
    await change(book, "ab", END)
    book.now += timedelta(seconds=3590)
    await change(book, "c", END)
    book.now += SECOND
    assert await companions(book) == ["a", "b", "c"]


async def test_replays_tiers_and_destinations_are_not_mixed(book: Driver) -> None:
    await show(book, "ab")
    await show(book, "cd", run="r1")
    await book.open(signal("e"), B)
    await book.settle(await book.leased(B))
    await change(book, "ab", END)
    await change(book, "cd", END, run="r1")
    await book.change(END, "e")
    await book.settle(await book.leased(B))
    book.now += SECOND
    assert await companions(book) == ["a", "b", "c", "d"]


async def test_a_companion_in_flight_and_a_damaged_one_are_left_out(book: Driver) -> None:
    await show(book, "abcde")
    await change(book, "a", END)
    book.now += SECOND
    in_flight = (await book.lease()).entries
    await change(book, "bcde", END)
    damage(book, "UPDATE notification SET body = '{' WHERE body LIKE '%companion%' AND body LIKE '%\"c\"%'")
    book.now += SECOND
    assert await companions(book) == ["bde"]
    await settle(book, in_flight, _S.DELIVERED)


async def test_one_that_is_not_to_be_sent_ends_on_its_own(book: Driver) -> None:
    await show(book, "abcd")
    await change(book, "abcd", END)
    damage(book, "UPDATE card SET is_stopped = 1 WHERE sequence = 'b'")
    book.now += SECOND
    assert await companions(book) == ["acd"]
    assert [state for event, state in await book.states() if "companion" in event].count("suppressed") == 1


@pytest.mark.parametrize("limit", [2, 9])
async def test_a_lease_of_several_entries_joins_none(book: Driver, limit: int) -> None:
    await show(book, "abc")
    await change(book, "abc", END)
    book.now += SECOND
    leased = await book.outbox.do(Lease(A, book.now, limit=limit))
    assert signal_ids(leased.entries) == "abc"[:limit]

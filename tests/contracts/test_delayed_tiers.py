"""A tier that gets signals later: from the store's side."""

from datetime import timedelta

from signalpost.delivery.outbox.commands import CardResult, NewDelivery, NewNotification, Put
from signalpost.domain.change import Close, Reopen, Update
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.notification import notification_of
from signalpost.domain.tier import UserTier
from tests.contracts.book_driver import MINUTE, A, B, Driver, signal

DELAY = 15 * MINUTE
_S = DeliveryState


async def opened(book: Driver, *, shows_ended: bool = True) -> None:
    """Open a signal for premium at once, and for free later."""
    await book.open(signal(), B, tier=UserTier.PREMIUM)
    made = notification_of(signal(), user_tier="free", ticket_id="free", accepted_at=book.now)
    release = book.now + DELAY
    until = release + 60 * MINUTE
    later = NewDelivery(A, 0, not_before=release, valid_until=until, delay=DELAY, shows_ended=shows_ended)
    await book.outbox.do(Put((NewNotification(made, (later,), until),)))


async def serve(book: Driver, lane: str) -> list[str]:
    """Deliver what is due in a lane, and return the events."""
    events = []
    while entries := (await book.lease(lane)).entries:
        events.append(entries[0].notification.event)
        await book.settle(entries[0])
    return events


async def test_a_copy_is_released_later_in_the_newest_state(book: Driver) -> None:
    await opened(book)
    assert await serve(book, B) == ["new"]
    assert await serve(book, A) == []
    book.now += 5 * MINUTE
    await book.change(Update(stop_loss="1.0960"))
    assert await serve(book, A) == []
    assert (await book.lease(A)).next_at == book.now + 10 * MINUTE, "a change does not postpone the release"
    book.now += 10 * MINUTE
    await serve(book, B)
    entry = await book.leased(A)
    assert (entry.notification.event, entry.tier, entry.is_edit) == ("v2", UserTier.FREE, False)
    assert entry.delivery.valid_until == book.now + 60 * MINUTE, "its validity starts now"


async def test_after_the_release_each_change_follows_after_the_delay_and_an_end_at_once(book: Driver) -> None:
    await opened(book)
    await serve(book, B)
    book.now += DELAY
    assert await serve(book, A) == ["new"]
    start = book.now
    for minutes, stop in ((1, "1.0960"), (10, "1.0970")):
        book.now = start + minutes * MINUTE
        await book.change(Update(stop_loss=stop))
        await serve(book, B)
    for minutes, shown in ((15, []), (16, ["v2"]), (24, []), (25, ["v3"])):
        book.now = start + minutes * MINUTE
        await serve(book, B)
        assert await serve(book, A) == shown, minutes
    await book.change(Update(note="soon"))
    await book.change(Close(price="1.1010"))
    await serve(book, B)
    assert await serve(book, A) == ["v5"]


async def test_a_faster_tier_is_served_first(book: Driver) -> None:
    await opened(book)
    entry = await book.leased(B)
    book.now += DELAY
    waiting = await book.lease(A)
    assert (waiting.entries, waiting.expired) == ((), ())
    await book.settle(entry, _S.PENDING, not_before=book.now + MINUTE)
    book.now += timedelta(seconds=2)
    assert (await book.lease(A)).entries == ()
    book.now += MINUTE
    assert await serve(book, B) == ["new"]
    assert await serve(book, A) == ["new"]


async def test_a_signal_that_ended_before_its_release_is_shown_as_ended_or_dropped(book: Driver) -> None:
    for shows, expected in ((True, ["v2"]), (False, [])):
        await opened_as(book, str(shows), shows_ended=shows)
        await book.change(Close(price="1.1010"), str(shows))
        assert await serve(book, A) == []
        book.now += DELAY
        assert await serve(book, A) == expected
    dropped, shown = await book.find()
    assert (dropped.cards[0].version, shown.cards[0].version) == (0, 2)
    assert not dropped.cards[0].was_live
    assert not shown.cards[0].was_live, "it was shown, but only its end"
    await book.change(Reopen(), "True")
    book.now += DELAY
    assert await serve(book, A) == ["v3"]
    _, shown = await book.find()
    assert shown.cards[0].was_live, "reopened, it is shown before its next end"
    await book.change(Close(price="1.1010"), "True")
    assert await serve(book, A) == ["v4"]
    _, shown = await book.find()
    assert shown.cards[0].was_live


async def test_a_post_without_an_answer_may_have_shown_a_trade_before_it_ended(book: Driver) -> None:
    await opened(book)
    await serve(book, B)
    book.now += DELAY
    entry = await book.leased(A)
    await book.settle(entry, _S.PENDING, may_repeat=True, card=CardResult(1, is_edit=False))
    await book.change(Close(price="1.1010"))
    await serve(book, B)
    assert (await book.find())[0].cards[0].was_live
    assert await serve(book, A) == ["v2"]
    assert (await book.find())[0].cards[0].was_live


async def test_an_end_that_was_posted_without_an_answer_was_not_shown_live(book: Driver) -> None:
    await opened(book)
    await serve(book, B)
    await book.change(Close(price="1.1010"))
    book.now += DELAY
    await serve(book, B)
    await book.settle(await book.leased(A), _S.PENDING, may_repeat=True)
    assert not (await book.find())[0].cards[0].was_live
    assert await serve(book, A) == ["v2"]
    assert not (await book.find())[0].cards[0].was_live


async def opened_as(book: Driver, name: str, *, shows_ended: bool) -> None:
    made = notification_of(signal(name), user_tier="free", ticket_id=f"{name} 1", accepted_at=book.now)
    until = book.now + DELAY + 60 * MINUTE
    later = NewDelivery(A, 0, not_before=book.now + DELAY, valid_until=until, delay=DELAY, shows_ended=shows_ended)
    await book.outbox.do(Put((NewNotification(made, (later,), until),)))


async def test_a_delayed_tier_gets_no_companions(book: Driver) -> None:
    await opened(book)
    await serve(book, B)
    book.now += DELAY
    await serve(book, A)
    await book.change(Close(price="1.1010"))
    book.now += timedelta(seconds=1)
    assert await serve(book, B) == ["v2", "v2 companion"]
    assert await serve(book, A) == ["v2"]


async def test_an_end_that_still_waits_is_not_shown_once_the_trade_is_open_again(book: Driver) -> None:
    await opened(book)
    await serve(book, B)
    book.now += DELAY
    await serve(book, A)
    await book.change(Close(price="1.1010"))
    assert await serve(book, A) == [], "it waits for the card of premium"
    await book.change(Reopen())
    assert await serve(book, B) == ["v3"]
    book.now += MINUTE
    assert await serve(book, A) == []
    book.now += DELAY
    assert await serve(book, A) == ["v3"]

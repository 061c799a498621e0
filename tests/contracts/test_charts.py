"""The edit that adds a chart to a card: nothing waits for it, any newer state replaces it, and it says nothing bad."""

from datetime import timedelta

import pytest

from signalpost.delivery.dispatch.decide import LeaseEnd, decide
from signalpost.delivery.outbox.book import AddChart
from signalpost.delivery.outbox.cards import cards_gone, with_card
from signalpost.delivery.outbox.commands import (
    CardResult,
    Message,
    NewDelivery,
    NewNotification,
    OutboxEntry,
    PassOn,
    Put,
    Settle,
)
from signalpost.domain.change import Close, Correct, Update
from signalpost.domain.delivery import Attempt, DeliveryState
from signalpost.domain.notification import Notification, is_chart, notification_of
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.tier import UserTier
from signalpost.errors import Evidence
from signalpost.sinks.evidence import CardLost, Loss, Rejected, Unavailable, Unwanted
from tests.contracts.book_driver import MINUTE, A, B, Driver, damage, signal

_S = DeliveryState


async def add(book: Driver, lane: str = A, name: str = "s1") -> Notification | None:
    made = AddChart(name, lane, book._id(), book.now, book.now + MINUTE)
    return await book.outbox.do(made)


async def upload(book: Driver, entry: OutboxEntry) -> None:
    assert entry.card is not None
    message = Message(A, entry.card.message_id, book.now, 1, "c1", "g1", "w1", has_chart=True)
    await book.settle(entry, message=message)


async def end(book: Driver, entry: OutboxEntry, outcome: Evidence) -> DeliveryState:
    """A lane's reaction to evidence."""
    made = decide(entry.delivery, outcome, book.now, 0.0, is_edit=entry.is_edit)
    attempt = None if isinstance(outcome, Unwanted) else Attempt(book.now, book.now, "unavailable")
    attempted = made._replace(attempt=attempt)
    settlement = with_card(attempted, entry)
    assert cards_gone([entry], [settlement], book.now) == ()
    (settled,) = await book.outbox.do(Settle((settlement,)))
    return settled.state


async def test_it_is_the_last_edit_of_a_card_that_shows_the_newest_state(book: Driver) -> None:
    await book.shown()
    made = await add(book)
    assert made is not None
    assert (made.event, made.priority, made.valid_until) == ("v1 chart", NotificationPriority.LOW, book.now + MINUTE)
    entry = await book.leased()
    assert (is_chart(entry.notification.event), entry.is_edit) == (True, True)
    assert entry.card is not None
    assert entry.card.has_chart is False
    assert await add(book) is None, "it is being sent"
    await upload(book, entry)
    assert await add(book) is None, "it has one"
    await book.change(Update(note="n"))
    edit = await book.leased()
    assert edit.card is not None
    assert edit.card.has_chart is True


async def test_it_keeps_the_links_and_marks_of_its_card(book: Driver) -> None:
    await book.shown()
    await book.open(signal("s2", signal_type="SELL", stop_loss="1.1050", targets=()), closes=1)
    opening = await book.leased()
    await book.settle(opening)
    await add(book, name="s2")
    chart = await book.leased()
    assert (chart.closes is not None, chart.closes, chart.replaces) == (True, opening.closes, None)
    await book.settle(chart, _S.SUPPRESSED)

    await book.change(Update(note="n"), "s2")
    loss = CardResult(0, is_edit=True, loss=Loss.DELETED)
    await book.settle(await book.leased(), _S.PENDING, card=loss)
    replacement = await book.leased()
    await book.settle(replacement)
    await add(book, name="s2")
    chart = await book.leased()
    assert (chart.closes, chart.replaces) == (replacement.closes, Loss.DELETED)


async def test_nothing_is_added_to_a_card_that_is_not_shown_or_about_to_change(book: Driver) -> None:
    assert await add(book) is None, "there is no trade"
    await book.open(signal())
    assert (await add(book), await add(book, B)) == (None, None)
    await book.settle(await book.leased())
    await book.change(Update(note="n"))
    assert await add(book) is None, "an edit waits"
    edit = await book.leased()
    assert await add(book) is None, "an edit is being sent"
    await book.settle(edit)
    assert await add(book) is not None


async def test_a_card_that_missed_a_state_gets_none(book: Driver) -> None:
    """The edit that adds a chart shows the newest state too, which was refused."""
    await book.shown()
    await book.change(Update(note="n"))
    assert await end(book, await book.leased(), Rejected("400", status=400, code=50035)) is _S.DEAD
    assert await add(book) is None


async def test_no_ended_trade_gets_one(book: Driver) -> None:
    await book.shown()
    await book.change(Close(price="1.1010"))
    await book.settle(await book.leased())
    assert await add(book) is None


async def test_a_newer_state_replaces_it_and_inherits_none_of_its_troubles(book: Driver) -> None:
    await book.shown()
    await add(book)
    assert await end(book, await book.leased(), Unavailable("no answer")) is _S.PENDING
    changed = await book.change(Update(note="n"))
    assert [each.state for each in changed.superseded] == [_S.SUPERSEDED]
    edit = await book.leased()
    assert (edit.notification.event, edit.delivery.attempts, edit.delivery.not_before) == ("v2", 0, None)
    assert edit.card is not None
    assert edit.card.has_chart is None, "the upload may have arrived"
    await book.settle(edit)
    assert await add(book) is not None, "it is queued again"


async def test_one_that_returns_gives_way_to_a_newer_state_that_waits(book: Driver) -> None:
    await book.shown()
    await add(book)
    chart = await book.leased()
    await book.change(Update(note="n"))
    assert (await book.lease()).entries == (), "two edits of one card are never in flight together"
    assert await end(book, chart, Unavailable("no answer")) is _S.SUPERSEDED
    assert (await book.leased()).notification.event == "v2"


async def test_one_that_is_not_needed_when_it_could_leave_is_superseded(book: Driver) -> None:
    await book.shown()
    await add(book)
    damage(book, "UPDATE message SET has_chart = 1")
    assert (await book.lease()).entries == ()
    assert (await book.states())[-1] == ("v1 chart", _S.SUPERSEDED)


@pytest.mark.parametrize(
    "outcome",
    [
        Rejected("413", status=413, code=40005),
        CardLost("unknown message", how=Loss.DELETED),
        Unwanted("no longer wanted"),
    ],
)
async def test_a_refusal_ends_the_chart_and_leaves_the_card(book: Driver, outcome: Evidence) -> None:
    await book.shown()
    await add(book)
    assert await end(book, await book.leased(), outcome) is _S.SUPPRESSED
    (entry,) = await book.find("s1")
    assert entry.cards[0].message is not None
    await book.change(Update(note="n"))
    assert (await book.leased()).is_edit


async def test_no_companion_and_no_slower_tier_waits_for_it(book: Driver) -> None:
    await book.shown()
    await add(book)
    changed = await book.change(Update(stop_loss="1.0960"))
    assert A in changed.waiting
    edit = await book.leased()
    await book.settle(edit)
    await add(book)
    book.now += timedelta(seconds=20)
    companions = [each for each in (await book.lease(limit=5)).entries if each.notification.before is not None]
    assert len(companions) == 1


async def test_a_slower_tier_is_served_during_an_upload(book: Driver) -> None:
    await book.shown()
    made = notification_of(signal(), user_tier="premium", ticket_id="later", accepted_at=book.now)
    until = book.now + 60 * MINUTE
    later = NewDelivery(B, 0, not_before=book.now, valid_until=until, delay=MINUTE)
    await book.outbox.do(Put((NewNotification(made, (later,), until),)))
    await add(book)
    assert is_chart((await book.leased()).notification.event)
    assert (await book.leased(B)).notification.event == "new"


async def test_it_expires_alone(book: Driver) -> None:
    await book.shown()
    await add(book)
    book.now += 2 * MINUTE
    (expired,) = (await book.lease()).expired
    assert expired.state is _S.EXPIRED
    await book.change(Correct(stop_loss="1.0940"))
    assert (await book.leased()).is_edit


async def test_no_card_moves_to_a_fallback_for_it(book: Driver) -> None:
    await book.shown()
    await add(book)
    moved = await book.outbox.do(PassOn(A, book.now, "unreachable", {UserTier.FREE: B}, {}))
    assert (moved.ended, moved.added) == ((), ())
    await book.change(Update(note="n"))
    moved = await book.outbox.do(PassOn(A, book.now, "unreachable", {UserTier.FREE: B}, {}))
    assert [each.id.destination for each in moved.added] == [B]


async def test_a_process_that_died_during_the_upload_loses_at_most_the_picture(book: Driver) -> None:
    await book.shown()
    await add(book)
    chart = await book.leased()
    lapsed = decide(chart.delivery, LeaseEnd.LAPSED, book.now, 0.0)
    await book.outbox.do(Settle((lapsed._replace(attempt=Attempt(book.now, book.now, "lapsed")),)))
    book.now += timedelta(seconds=5)
    again = await book.leased()
    assert again.card is not None
    assert (again.card.has_chart, again.card.digest) == (None, None), "nobody knows what the message shows"
    assert await end(book, again, Unwanted("the chart is no longer wanted")) is _S.SUPPRESSED
    await book.change(Update(note="n"))
    edit = await book.leased()
    assert (edit.notification.event, edit.is_edit, edit.delivery.may_repeat) == ("v2", True, False)

"""An alert that is over: its message is edited, and a companion notifies readers who saw it, once."""

from datetime import timedelta
from typing import Any

from signalpost.delivery.dispatch.decide import decide
from signalpost.delivery.outbox.cards import ALERT_NEVER_SHOWN, cards_gone, with_card
from signalpost.delivery.outbox.commands import (
    Message,
    NewDelivery,
    NewNotification,
    OutboxEntry,
    Prune,
    Put,
    PutResult,
    Settle,
    Settlement,
)
from signalpost.domain.delivery import Attempt, Delivery, DeliveryState
from signalpost.domain.notification import notification_of
from signalpost.domain.reports import Alert, AlertStatus
from signalpost.domain.ticket import Outcome
from signalpost.domain.tier import UserTier
from signalpost.errors import Evidence
from signalpost.sinks.evidence import CardLost, Loss, Rejected, Unavailable, Unconfirmed
from signalpost.testing.outbox_samples import verdict
from tests.contracts.book_driver import MINUTE, START, A, B, Driver

_S = DeliveryState
LATER = timedelta(seconds=5)


async def put(book: Driver, event: str = "new", *lanes: str, **changes: Any) -> PutResult:
    alert = Alert(alert_type="feed", severity="high", title="t", alert_id="a1", timestamp=START, **changes)
    made = notification_of(alert, user_tier=UserTier.ADMIN, event=event, ticket_id=book._id(), accepted_at=book.now)
    deliveries = tuple(NewDelivery(lane, 0) for lane in lanes or (A,))
    (result,) = await book.outbox.do(Put((NewNotification(made, deliveries, book.now + timedelta(days=1)),)))
    return result


async def resolve(book: Driver, event: str = "resolved", *lanes: str) -> PutResult:
    return await put(book, event, *lanes, status=AlertStatus.RESOLVED, resolved_at=START + MINUTE)


async def save(book: Driver, entry: OutboxEntry, made: Settlement) -> Delivery:
    settlement = with_card(made._replace(attempt=Attempt(book.now, book.now, "sent")), entry)
    assert cards_gone([entry], [settlement], book.now) == (), "nothing is reported about an alert's own message"
    (settled,) = await book.outbox.do(Settle((settlement,)))
    return settled


async def sent(book: Driver, entry: OutboxEntry) -> str:
    """Settle an entry as a lane does after a receipt; the id of its message."""
    name = entry.card.message_id if entry.is_edit and entry.card else f"m{book._id()}"
    message = Message(entry.delivery.id.destination, name, book.now, 1, "c1", "g1", "w1", "digest")
    await save(book, entry, verdict(entry.delivery, _S.DELIVERED, message=message))
    return name


async def failed(book: Driver, entry: OutboxEntry, outcome: Evidence) -> Delivery:
    deleted = entry.replaces is Loss.DELETED
    return await save(
        book, entry, decide(entry.delivery, outcome, book.now, 0.0, is_edit=entry.is_edit, was_deleted=deleted)
    )


async def test_its_message_is_edited_and_then_the_companion_links_to_it(book: Driver) -> None:
    await put(book)
    first = await sent(book, await book.leased())
    assert (await resolve(book)).companions == (A,)
    edit = await book.leased()
    assert (edit.is_edit, edit.card and edit.card.message_id) == (True, first)
    book.now += LATER
    assert (await book.lease()).entries == (), "the companion waits for the edit"
    await sent(book, edit)
    book.now += LATER
    companion = await book.leased()
    assert (companion.notification.is_recovery, companion.is_edit) == (True, False)
    assert companion.card is not None
    assert (companion.card.message_id, companion.card.guild) == (first, "g1")
    await sent(book, companion)
    again = await resolve(book)
    assert (again.outcome, again.companions) == (Outcome.DUPLICATE, ())
    book.now += LATER
    assert (await book.lease()).entries == ()


async def test_an_alert_that_waits_is_shown_first(book: Driver) -> None:
    await put(book)
    assert (await resolve(book)).companions == (A,)
    first = await book.leased()
    assert first.notification.event == "new"
    name = await sent(book, first)
    edit = await book.leased()
    assert edit.card is not None
    assert edit.card.message_id == name


async def test_readers_of_neither_the_alert_nor_its_end_get_no_companion(book: Driver) -> None:
    await put(book)
    entry = await book.leased()
    assert (await resolve(book)).companions == (A,)
    assert (await failed(book, entry, Rejected("400", status=400))).state is _S.DEAD
    post = await book.leased()
    assert (post.is_edit, post.notification.resolves) == (False, True)
    assert (await failed(book, post, Rejected("400", status=400))).state is _S.DEAD
    book.now += LATER
    (ended,) = (await book.lease()).expired
    assert (ended.state, ended.reason) == (_S.SUPPRESSED, ALERT_NEVER_SHOWN)


async def test_where_it_was_never_shown_the_end_is_posted_without_a_companion(book: Driver) -> None:
    await put(book)
    await sent(book, await book.leased())
    result = await resolve(book, "resolved", A, B)
    assert result.companions == (A,)
    post = await book.leased(B)
    assert (post.is_edit, post.card) == (False, None)
    await sent(book, post)
    book.now += LATER
    assert (await book.lease(B)).entries == ()


async def test_a_message_that_was_deleted_is_posted_again_and_needs_no_companion(book: Driver) -> None:
    await put(book)
    first = await sent(book, await book.leased())
    await resolve(book)
    lost = CardLost("deleted", how=Loss.DELETED)
    assert (await failed(book, await book.leased(), lost)).state is _S.PENDING
    post = await book.leased()
    assert (post.is_edit, post.replaces) == (False, Loss.DELETED)
    assert await sent(book, post) != first
    book.now += LATER
    assert (await book.lease()).entries == ()
    assert (await book.states())[-1] == ("resolved companion", _S.SUPERSEDED)


async def test_an_edit_without_an_answer_is_repeated(book: Driver) -> None:
    await put(book)
    name = await sent(book, await book.leased())
    await resolve(book)
    settled = await failed(book, await book.leased(), Unconfirmed("no answer"))
    assert (settled.state, settled.may_repeat) == (_S.PENDING, False)
    book.now += MINUTE
    again = await book.leased()
    assert again.card is not None
    assert (again.is_edit, again.card.message_id, again.card.digest) == (True, name, None)


async def test_an_alert_that_begins_again_is_a_new_message(book: Driver) -> None:
    await put(book)
    first = await sent(book, await book.leased())
    await resolve(book)
    await sent(book, await book.leased())
    book.now += LATER
    await sent(book, await book.leased())
    await put(book, "again")
    post = await book.leased()
    assert not post.is_edit
    second = await sent(book, post)
    await resolve(book, "resolved again")
    edit = await book.leased()
    assert edit.card is not None
    assert (edit.card.message_id, first != second) == (second, True)
    await sent(book, edit)
    book.now += LATER
    assert (await book.leased()).notification.event == "resolved again companion"


async def test_its_card_goes_with_its_message(book: Driver) -> None:
    await put(book)
    await sent(book, await book.leased())
    await resolve(book)
    await sent(book, await book.leased())
    book.now += 2 * timedelta(hours=1)
    assert (await book.lease()).expired != ()
    assert await book.outbox.do(Prune(book.now, 1)) == 1
    result = await resolve(book, "resolved later")
    assert result.companions == (A,), "the message is still known"
    await sent(book, await book.leased())
    book.now += 2 * timedelta(hours=1)
    await book.lease()
    await book.outbox.do(Prune(book.now))
    assert (await resolve(book, "resolved last")).companions == ()
    assert not (await book.leased()).is_edit


async def test_an_alert_that_reaches_nobody_expires_with_all_of_it(book: Driver) -> None:
    await put(book)
    entry = await book.leased()
    await resolve(book)
    assert (await failed(book, entry, Unavailable("503"))).state is _S.PENDING
    book.now += timedelta(days=2)
    await book.lease()
    assert {state for _, state in await book.states()} == {_S.EXPIRED}

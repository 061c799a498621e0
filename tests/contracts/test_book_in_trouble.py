"""The signal book in trouble: lost cards, doubts, and damaged rows."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from signalpost.delivery.outbox.book import EndTrades
from signalpost.delivery.outbox.commands import CardResult, Message, NewDelivery, NewNotification, Put, Revive
from signalpost.domain.change import Close, Update
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.notification import notification_of
from signalpost.domain.ticket import Outcome, Refusal
from signalpost.sinks.evidence import Loss
from tests.contracts.book_driver import MINUTE, START, A, Driver, damage, signal

_S = DeliveryState
NOBODY_KNOWS = Message(A, "", START, 1)


async def test_a_post_that_may_be_shown_is_followed_by_a_marked_one(book: Driver) -> None:
    """The older state may be shown, so it ends unconfirmed, and its end is posted although the trade is over."""
    await book.open(signal())
    first = await book.leased()
    await book.change(Close(price="1.1010"))
    ended = await book.settle(first, _S.PENDING, may_repeat=True)
    assert ended.state is _S.UNCONFIRMED
    entry = await book.leased()
    assert (entry.notification.event, entry.delivery.may_repeat, entry.is_edit) == ("v2", True, False)


async def test_a_state_after_a_post_that_may_be_shown_is_marked(book: Driver) -> None:
    await book.open(signal())
    await book.settle(await book.leased(), _S.UNCONFIRMED, may_repeat=True)
    await book.change(Update(stop_loss="1.0960"))
    entry = await book.leased()
    assert (entry.delivery.may_repeat, entry.is_edit) == (True, False)
    await book.settle(entry)
    await book.change(Update(stop_loss="1.0970"))
    entry = await book.leased()
    assert (entry.delivery.may_repeat, entry.is_edit) == (False, True)


async def test_a_state_after_a_post_whose_message_is_unknown_is_marked(book: Driver) -> None:
    """Such as one that was answered 204, without a body."""
    await book.open(signal())
    await book.settle(await book.leased(), message=NOBODY_KNOWS)
    await book.change(Update(stop_loss="1.0960"))
    entry = await book.leased()
    assert (entry.delivery.may_repeat, entry.is_edit) == (True, False)


async def test_an_edit_that_a_crash_cut_short_stays_an_edit(book: Driver) -> None:
    """The next process does not know what was being sent; the card's message shows that it was no post."""
    await book.shown()
    await book.change(Update(stop_loss="1.0960"))
    unknown = CardResult(2, is_edit=False)
    await book.settle(await book.leased(), _S.PENDING, may_repeat=True, card=unknown)
    await book.change(Update(stop_loss="1.0970"))
    entry = await book.leased(posts=False)
    assert (entry.notification.event, entry.is_edit) == ("v3", True)


async def test_a_companion_waits_while_the_first_card_is_being_sent(book: Driver) -> None:
    """The receipt of the card may be saved late, because the store fails."""
    await book.open(signal())
    first = await book.leased()
    await book.change(Close(price="1.1010"))
    book.now += timedelta(seconds=2)
    waiting = await book.lease()
    assert (waiting.entries, waiting.expired) == ((), ())
    await book.settle(first)
    await book.settle(await book.leased())
    book.now += timedelta(seconds=2)
    assert (await book.leased()).notification.event == "v2 companion"


async def test_a_post_whose_message_is_unknown_counts_as_shown_and_an_unanswered_one_does_not(book: Driver) -> None:
    for name, state in (("s1", _S.DELIVERED), ("s2", _S.UNCONFIRMED)):
        await book.open(signal(name))
        await book.settle(
            await book.leased(), state, message=None if state is _S.UNCONFIRMED else NOBODY_KNOWS, may_repeat=True
        )
    unanswered, shown = [entry.cards[0] for entry in await book.find()]
    assert (shown.message, shown.version, shown.first_shown_at) == (None, 1, START)
    assert (unanswered.message, unanswered.version, unanswered.first_shown_at) == (None, 0, None)


async def test_a_person_revives_an_opening_that_expired(book: Driver) -> None:
    await book.open(signal())
    book.now = signal().valid_until
    (expired,) = (await book.lease()).expired
    assert expired.state is _S.EXPIRED
    until = book.now + MINUTE
    await book.outbox.do(Revive(expired.id, 0, until))
    entry = await book.leased()
    assert (entry.notification.event, entry.delivery.valid_until) == ("new", until)


async def test_an_expired_opening_is_not_revived_after_its_trade_has_changed(book: Driver) -> None:
    await book.open(signal())
    book.now = signal().valid_until
    (expired,) = (await book.lease()).expired
    await book.change(Close(price="1.1010"))
    await book.outbox.do(Revive(expired.id, 0, book.now + MINUTE))
    assert [each.state for each in (await book.lease()).expired] == [_S.SUPPRESSED]


async def test_a_returned_older_state_is_replaced_by_the_one_that_waits(book: Driver) -> None:
    await book.shown()
    await book.change(Update(stop_loss="1.0960"))
    older = await book.leased()
    await book.change(Update(stop_loss="1.0970"))
    later = book.now + 5 * MINUTE
    assert (await book.settle(older, _S.PENDING, not_before=later, reason="429")).state is _S.SUPERSEDED
    assert (await book.lease()).next_at is not None, "a wait that was demanded is not cut short"
    book.now = later
    assert (await book.leased()).notification.event == "v3"


@pytest.mark.parametrize("how", list(Loss))
async def test_a_lost_card_is_posted_again_and_says_so(book: Driver, how: Loss) -> None:
    first = await book.shown()
    await book.change(Close(price="1.1010"))
    lost = CardResult(2, is_edit=True, loss=how)
    edit = await book.leased()
    assert (await book.settle(edit, _S.PENDING, card=lost)).state is _S.PENDING
    again = await book.leased(edits=False)
    assert (again.is_edit, again.replaces, again.card) == (False, how, None)
    await book.settle(again)
    book.now += timedelta(seconds=1)
    assert (await book.lease()).entries == (), "no companion: the new message says it"
    (found,) = await book.find("s1")
    assert found.cards[0].first_shown_at == START, first
    assert (await book.states())[-1] == ("v2 companion", "superseded")


async def test_a_card_that_was_deleted_again_is_left_alone(book: Driver) -> None:
    await book.shown()
    await book.change(Update(note="one"))
    await book.settle(await book.leased(), _S.PENDING, card=CardResult(2, is_edit=True, loss=Loss.DELETED))
    await book.settle(await book.leased())
    await book.change(Update(note="two"))
    lost = CardResult(3, is_edit=True, loss=Loss.DELETED, is_stopped=True)
    await book.settle(await book.leased(), _S.DEAD, card=lost)
    assert (await book.change(Close(price="1.1010"))).waiting == ()


async def test_the_same_change_is_a_duplicate_and_a_stale_one_is_refused(book: Driver) -> None:
    await book.shown()
    assert (await book.change(Update(stop_loss="1.0960"), if_version=1)).outcome is Outcome.ACCEPTED
    assert (await book.change(Update(stop_loss="1.0960"))).outcome is Outcome.DUPLICATE
    repeated = await book.change(Update(stop_loss="1.0960"), if_version=1)
    assert repeated.outcome is Outcome.DUPLICATE, "its answer was lost"
    stale = await book.change(Update(stop_loss="1.0970"), if_version=1)
    assert (stale.outcome, stale.refusal) == (Outcome.REFUSED, Refusal.STALE_VERSION)
    assert [each.trade.version for each in await book.find()] == [2]


async def test_a_companion_that_may_be_shown_is_not_joined(book: Driver) -> None:
    await book.shown()
    await book.change(Update(target_hit=1))
    await book.settle(await book.leased())
    book.now += timedelta(seconds=10)
    await book.settle(await book.leased(), _S.PENDING, may_repeat=True)
    await book.change(Update(stop_loss="be"))
    leased = []
    for _ in range(2):
        entry = await book.leased()
        leased.append((entry.notification.event, entry.delivery.may_repeat))
        await book.settle(entry)
    assert sorted(leased) == [("v2 companion", True), ("v3", False)]


async def test_a_damaged_entry_is_refused_and_leaves_the_others_alone(book: Driver) -> None:
    await book.shown()
    await book.change(Update(note="one"))
    await book.open(signal("s2"))
    with closing(sqlite3.connect(book.path)) as db:
        db.execute("UPDATE trade SET body = '{' WHERE sequence = 's1'")
        db.commit()
    assert (await book.change(Update(note="two"))).refusal is Refusal.UNSTORABLE
    assert [each.trade.number for each in await book.find()] == [2]
    assert (await book.open(signal())).outcome is Outcome.DUPLICATE


async def test_a_damaged_card_is_never_posted_again(book: Driver) -> None:
    await book.shown()
    with closing(sqlite3.connect(book.path)) as db:
        db.execute("UPDATE card SET open_until = 'soon'")
        db.commit()
    await book.change(Close(price="1.1010"))
    assert (await book.lease()).entries == ()


@pytest.mark.parametrize(
    "change",
    [
        "version = 'two'",
        "hash = 1",
        "changed_at = NULL + 'x'",
        "run = x'ff'",
        "tiers = '[1]'",
        "tiers = '[\"not a tier!\"]'",
        "pair = x'ff'",
        "opening = 'nothing'",
    ],
)
async def test_a_damaged_row_of_a_trade_is_as_if_it_were_not_there(book: Driver, change: str) -> None:
    await book.shown()
    damage(book, "CREATE TABLE loose AS SELECT * FROM trade")
    damage(book, "DROP TABLE trade")
    damage(book, "ALTER TABLE loose RENAME TO trade")
    for name in ("live ON trade (pair, number)", "number ON trade (number)", "short_id ON trade (short_id)"):
        live = " AND state IN ('pending', 'open')" if name.startswith("live") else ""
        damage(book, f"CREATE INDEX trade_{name} WHERE run IS NULL{live}")
    damage(book, f"UPDATE trade SET {change}")
    assert await book.find() == await book.find("s1") == ()
    assert (await book.change(Close(price="1.1"))).refusal in {Refusal.UNKNOWN_SIGNAL, Refusal.UNSTORABLE}


async def test_a_change_waiting_for_a_card_that_is_no_longer_edited_is_suppressed(book: Driver) -> None:
    await book.shown()
    await book.change(Update(note="one"))
    damage(book, "UPDATE card SET is_stopped = 1")
    assert [each.state for each in (await book.lease()).expired] == [_S.SUPPRESSED]


async def test_a_revived_older_state_is_not_shown_again(book: Driver) -> None:
    await book.open(signal())
    first = await book.leased()
    await book.settle(first, _S.UNCONFIRMED, may_repeat=True)
    await book.change(Update(note="one"))
    await book.settle(await book.leased())
    await book.outbox.do(Revive(first.delivery.id, 0, book.now + MINUTE))
    assert [each.state for each in (await book.lease()).expired] == [_S.SUPERSEDED]


async def test_a_signal_without_a_card_is_sent_as_a_plain_message(book: Driver) -> None:
    """Such as one that an older version put."""
    await book.open(signal())
    damage(book, "DELETE FROM card")
    entry = await book.leased()
    assert (entry.card, entry.tier, entry.notification.number) == (None, None, 1)


async def test_a_joined_companion_that_is_damaged_loses_only_its_own_news(book: Driver) -> None:
    await book.shown()
    await book.change(Update(target_hit=1))
    damage(book, "UPDATE notification SET body = '{' WHERE body LIKE '%v2 companion%'")
    await book.change(Close(reason="stop"))
    await book.settle(await book.leased())
    book.now += timedelta(seconds=1)
    before = (await book.leased()).notification.before
    assert before is not None
    assert before.version == 2


async def test_a_revived_opening_is_not_shown_once_its_signal_has_changed(book: Driver) -> None:
    """Even within its validity: readers would enter a trade that is over."""
    await book.open(signal())
    refused = await book.leased()
    await book.settle(refused, _S.DEAD)
    await book.change(Close(price="1.1010"))
    await book.outbox.do(Revive(refused.delivery.id, 0, book.now + MINUTE))
    assert [each.state for each in (await book.lease()).expired if each.id.turn == 2] == [_S.SUPERSEDED]


async def test_a_damaged_trade_without_changes_is_left_alone(book: Driver) -> None:
    await book.shown()
    await book.change(Update(note="one"))
    damage(book, "UPDATE trade SET body = '{'")
    later = book.now + timedelta(days=91)
    assert await book.outbox.do(EndTrades(later, later, ("e1",))) == ()


async def test_a_signal_that_nobody_may_see_opens_no_trade(book: Driver) -> None:
    made = notification_of(signal(), user_tier="free", ticket_id="stale", accepted_at=book.now)
    late = NewDelivery(A, 0, state=_S.SUPPRESSED, reason="stale")
    (answer,) = await book.outbox.do(Put((NewNotification(made, (late,), book.now + timedelta(days=1)),)))
    assert (answer.outcome, answer.number) == (Outcome.ACCEPTED, None)
    assert await book.find() == ()
    assert [state for _, state in await book.states()] == [_S.SUPPRESSED]


async def test_a_change_that_names_the_current_version_closes_a_second_equal_part(book: Driver) -> None:
    await book.open(signal())
    part = Update(close_part=20, price="1.1050")
    assert (await book.change(part)).outcome is Outcome.ACCEPTED
    assert (await book.change(part)).outcome is Outcome.DUPLICATE
    assert (await book.change(part, if_version=1)).outcome is Outcome.DUPLICATE, "it is what led to version 2"
    second = await book.change(part, if_version=2)
    assert (second.outcome, second.trade and second.trade.open_share) == (Outcome.ACCEPTED, 60)
    assert (await book.change(Update(note="n"), if_version=3)).outcome is Outcome.ACCEPTED
    assert (await book.change(Update(note="n"), if_version=4)).outcome is Outcome.DUPLICATE


def message(book: Driver, digest: str | None, name: str = "m1") -> Message:
    return Message(A, name, book.now, 1, "c1", "g1", "w1", digest)


async def shown_digest(book: Driver) -> str | None:
    """Change the trade, and return the digest with which its edit is leased."""
    await book.change(Update(note=f"at {book.now}"))
    book.now += MINUTE
    entry = await book.leased()
    await book.settle(entry, _S.PENDING)
    return entry.card and entry.card.digest


async def test_an_edit_knows_the_digest_of_what_its_message_shows(book: Driver) -> None:
    await book.open(signal())
    await book.settle(await book.leased(), message=message(book, "+1"))
    assert await shown_digest(book) == "+1"
    await book.settle(await book.leased(), message=message(book, "-2"))
    assert await shown_digest(book) == "-2"


@pytest.mark.parametrize(
    ("edit", "is_known"),
    [
        ({"card": CardResult(2, is_edit=True, is_uncertain=True)}, False),
        ({"card": None, "may_repeat": True}, False),  # its process died
        ({"card": CardResult(2, is_edit=True, loss=Loss.MOVED)}, False),
        ({"reason": "429"}, True),
        ({"state": _S.DEAD}, True),
    ],
)
async def test_an_edit_that_may_have_been_shown_leaves_no_digest(
    book: Driver, edit: dict[str, Any], *, is_known: bool
) -> None:
    await book.open(signal())
    await book.settle(await book.leased(), message=message(book, "+1"))
    await book.change(Update(stop_loss="1.0960"))
    await book.settle(await book.leased(), **({"state": _S.PENDING} | edit))
    assert await shown_digest(book) == ("+1" if is_known else None)


async def test_a_replaced_card_shows_only_what_it_was_posted_with(book: Driver) -> None:
    await book.open(signal())
    await book.settle(await book.leased(), message=message(book, "+1"))
    await book.change(Update(stop_loss="1.0960"))
    lost = CardResult(2, is_edit=True, loss=Loss.DELETED)
    await book.settle(await book.leased(), _S.PENDING, card=lost)
    await book.settle(await book.leased(), message=message(book, "-2", "m2"))
    assert await shown_digest(book) == "-2"


async def test_a_card_that_shows_a_state_already_shows_its_version(book: Driver) -> None:
    await book.shown()
    await book.change(Update(note="one"))
    entry = await book.leased()
    assert (await book.settle(entry, _S.SUPERSEDED)).state is _S.SUPERSEDED
    (found,) = await book.find("s1")
    (card,) = found.cards
    assert entry.card is not None
    assert (card.version, card.message and card.message.message_id) == (2, entry.card.message_id)
    assert card.first_shown_at == START

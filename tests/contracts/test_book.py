"""The signal book, as every store must keep it."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import Any

from signalpost.delivery.outbox.book import EndTrades, Permission
from signalpost.delivery.outbox.commands import Message, NewDelivery, NewNotification, Open, Prune, Put
from signalpost.domain.change import CancelOrder, Close, Fill, Flag, Reopen, Update
from signalpost.domain.context import Context
from signalpost.domain.delivery import Delivery, DeliveryState
from signalpost.domain.identity import short_id
from signalpost.domain.instrument import Instrument
from signalpost.domain.notification import notification_of
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.ticket import Outcome, Refusal
from signalpost.domain.tier import UserTier
from signalpost.domain.trade import TradeState
from tests.contracts.book_driver import MINUTE, A, B, Driver, damage, signal

_S = DeliveryState


async def test_a_signal_is_numbered_and_its_opening_is_written_once(book: Driver) -> None:
    for name in ("s1", "s2"):
        assert (await book.open(signal(name), A, B)).outcome is Outcome.ACCEPTED
    newest, oldest = await book.find()
    assert (newest.trade.number, oldest.trade.number) == (2, 1)
    assert (oldest.trade.signal.signal_id, oldest.trade.version, oldest.trade.state) == ("s1", 1, TradeState.OPEN)
    assert [card.destination for card in oldest.cards] == [A, B]
    with closing(sqlite3.connect(book.path)) as db:
        assert db.execute("SELECT count(*) FROM trade WHERE body IS NOT NULL").fetchone() == (0,)
    assert (await book.leased()).notification.number == 1


async def test_an_exact_name_is_neither_a_pair_nor_a_number_without_its_sign(book: Driver) -> None:
    await book.open(signal())
    for name, is_exact in (("s1", True), (short_id("s1"), True), ("#1", True), ("1", False), ("EUR/USD", False)):
        assert len(await book.find(name)) == 1
        assert len(await book.find(name, exact=True)) == is_exact, name
        answer = await book.change(Update(note=name), name, exact=True)
        assert answer.outcome is (Outcome.ACCEPTED if is_exact else Outcome.REFUSED), name


async def test_trades_are_found_by_state_and_pair(book: Driver) -> None:
    for name, changes in (("s1", {}), ("s2", {"order": "limit"}), ("s3", {"pair": "GBP_USD"})):
        await book.open(signal(name, **changes))
    await book.change(Close(price="1.1010"))

    async def found(**wanted: Any) -> list[str]:
        return [entry.trade.signal.signal_id for entry in await book.find(**wanted)]

    euro = Instrument("EURUSD")
    assert await found(states=frozenset({TradeState.CLOSED, TradeState.PENDING})) == ["s2", "s1"]
    assert await found(pair=euro) == ["s2", "s1"]
    assert await found(pair=euro, states=frozenset({TradeState.OPEN})) == []
    assert await found(pair=euro, limit=1) == ["s2"]
    assert await found(pair=euro, only_live=True) == ["s2"]
    await book.open(signal("s4"))
    assert await found(pair=euro, only_live=True) == ["s4", "s2"], "the newest first"


async def test_a_change_edits_the_card_and_posts_a_companion(book: Driver) -> None:
    await book.shown()
    book.now += MINUTE
    answer = await book.change(Update(target_hit=1))
    assert answer.trade is not None
    assert (answer.outcome, answer.trade.version, answer.waiting) == (Outcome.ACCEPTED, 2, (A, A))
    edit = await book.leased()
    assert edit.card is not None
    assert (edit.is_edit, edit.notification.trade, edit.card.channel) == (True, answer.trade, "c1")
    await book.settle(edit)
    assert (await book.lease()).entries == (), "news of targets wait to be joined"
    book.now += timedelta(seconds=10)
    companion = await book.leased()
    assert companion.notification.before is not None
    assert (companion.notification.before.version, companion.is_edit, companion.card) == (1, False, edit.card)
    await book.settle(companion)
    ((found,)) = await book.find("s1")
    assert [(card.version, card.message and card.message.message_id) for card in found.cards] == [
        (2, edit.card.message_id)
    ]


async def test_the_end_does_not_wait_to_be_joined(book: Driver) -> None:
    await book.shown()
    await book.change(Update(target_hit=1))
    book.now += timedelta(seconds=5)
    await book.change(Close(reason="stop"))
    entry = await book.leased()
    assert (entry.notification.event, entry.delivery.priority) == ("v3", NotificationPriority.HIGH)
    await book.settle(entry)
    book.now += timedelta(seconds=1)
    companion = await book.leased()
    assert companion.notification.before is not None
    assert companion.notification.before.version == 1, "it covers both changes"
    assert await book.states() == [
        ("new", "delivered"),
        ("v2", "superseded"),
        ("v2 companion", "superseded"),
        ("v3", "delivered"),
        ("v3 companion", "leased"),
    ]


async def test_changes_share_a_companion_only_where_it_was_not_sent_yet(book: Driver) -> None:
    await book.open(signal(), A, B)
    for lane in (A, B):
        await book.settle(await book.leased(lane))
    await book.change(Update(target_hit=1))
    await book.settle(await book.leased(A))
    book.now += timedelta(seconds=10)
    await book.settle(await book.leased(A))
    await book.change(Update(stop_loss="be"))
    for lane in (A, B):
        await book.settle(await book.leased(lane))
    befores = {}
    book.now += timedelta(seconds=10)
    for lane in (A, B):
        before = (await book.leased(lane)).notification.before
        assert before is not None
        befores[lane] = before.version
    assert befores == {A: 2, B: 1}


async def test_a_note_has_no_companion(book: Driver) -> None:
    await book.shown()
    await book.change(Update(note="Watch the news."))
    assert [event for event, _ in await book.states()] == ["new", "v2"]


async def test_a_signal_that_was_not_sent_yet_is_shown_in_its_newest_state_only(book: Driver) -> None:
    await book.open(signal())
    await book.change(Update(stop_loss="1.0960"))
    entry = await book.leased()
    assert (entry.notification.event, entry.is_edit, entry.replaces) == ("v2", False, None)
    assert entry.delivery.valid_until == signal().valid_until, "a post is cut off with its opening"
    assert entry.delivery.rank == 0, "it takes the place of the state before"
    await book.settle(entry)
    assert await book.states() == [("new", "superseded"), ("v2", "delivered")], "and the card says it all"


async def test_an_ended_signal_is_not_shown_for_the_first_time(book: Driver) -> None:
    await book.open(signal())
    await book.change(Close(price="1.1010"))
    assert (await book.lease()).entries == ()
    assert await book.states() == [("new", "superseded"), ("v2", "suppressed")]
    book.now += MINUTE
    assert (await book.change(Reopen())).outcome is Outcome.ACCEPTED


async def test_nothing_is_shown_after_the_validity_of_the_opening(book: Driver) -> None:
    await book.open(signal())
    book.now = signal().valid_until
    assert [each.state for each in (await book.lease()).expired] == [_S.EXPIRED]
    answer = await book.change(Update(stop_loss="1.0960"))
    assert (answer.outcome, answer.waiting) == (Outcome.ACCEPTED, ())
    assert await book.states() == [("new", "expired")]


async def test_a_change_during_the_first_post_becomes_an_edit(book: Driver) -> None:
    await book.open(signal())
    first = await book.leased()
    await book.change(Close(price="1.1010"))
    assert (await book.lease()).entries == ()
    await book.settle(first)
    assert (await book.leased()).is_edit


async def test_edits_can_be_held_while_posts_leave_and_the_reverse(book: Driver) -> None:
    await book.shown()
    await book.change(Update(note="Watch the news."))
    await book.open(signal("s2"))
    assert (await book.leased(edits=False)).notification.event == "new"
    assert (await book.lease(edits=False)).entries == ()
    assert (await book.leased(posts=False)).notification.event == "v2"


async def test_an_edit_that_was_put_as_a_post_waits_with_the_edits(book: Driver) -> None:
    await book.open(signal())
    first = await book.leased()
    await book.change(Update(note="Watch the news."))
    await book.settle(first)
    held = await book.lease(edits=False)
    assert (held.entries, held.expired) == ((), ())
    assert (await book.leased(posts=False)).is_edit


async def test_open_deliveries_can_be_listed_without_the_edits_of_some_destinations(book: Driver) -> None:
    await book.open(signal(), A, B)
    for lane in (A, B):
        await book.settle(await book.leased(lane))
    await book.change(Update(target_hit=1))
    await book.leased(B)
    for held, events in ((frozenset({A, B}), 3), (frozenset({A}), 3), (frozenset({"other"}), 4), (frozenset(), 4)):
        for where in ({}, {"notification_ids": tuple({each.id.notification_id for each in await opened(book)})}):
            assert len(await opened(book, edits_held_in=held, **where)) == events, held
        assert len(await opened(book, destination=A, edits_held_in=held)) == events - 2


async def opened(book: Driver, **wanted: Any) -> tuple[Delivery, ...]:
    return await book.outbox.do(Open(**wanted))


async def test_a_change_with_a_key_that_was_used_is_a_duplicate_of_the_first_one(book: Driver) -> None:
    """Whatever the state of the signal is now, and whichever signal it is for."""
    await book.shown()
    await book.open(signal("s2"))
    refused = await book.change(CancelOrder(), key="call 1")
    first = await book.change(Update(close_part=50, price="1.1010"), key="call 1")
    assert (refused.outcome, first.outcome) == (Outcome.REFUSED, Outcome.ACCEPTED)
    assert first.notification is not None
    for name, change in (("s1", Update(close_part=25, price="1.1010")), ("s2", Close(price="1.1")), ("s3", Close())):
        again = await book.change(change, name, key="call 1", if_version=7)
        assert (again.outcome, again.repeats) == (Outcome.DUPLICATE, first.notification.id)
        assert (again.trade, again.notification) == (first.trade, None)
    assert (await book.change(Update(close_part=25, price="1.1010"), key="call 2")).outcome is Outcome.ACCEPTED
    nobody_saw = await book.change(Close(price="1.1"), "s2", key="call 3")
    assert (await book.change(Close(price="1.1"), "s2", key="call 3")).trade == nobody_saw.trade


async def test_an_impossible_change_is_refused_and_writes_nothing(book: Driver) -> None:
    await book.shown()
    answer = await book.change(CancelOrder())
    assert (answer.outcome, answer.refusal) == (Outcome.REFUSED, Refusal.NOT_POSSIBLE)
    assert "close" in (answer.reason or "")
    unknown = await book.change(Close(price="1.1"), "nobody")
    assert (unknown.trade, unknown.refusal) == (None, Refusal.UNKNOWN_SIGNAL)
    assert await book.states() == [("new", "delivered")]


async def test_a_level_that_is_set_back_is_another_change(book: Driver) -> None:
    await book.shown()
    both = [Update(stop_loss="1.0960"), Update(stop_loss="1.0950")]
    answers = [await book.change(each) for each in both]
    assert [each.trade and each.trade.version for each in answers] == [2, 3]


async def test_a_person_finds_a_signal_by_id_number_short_id_and_pair(book: Driver) -> None:
    await book.open(signal())
    await book.open(signal("s2", pair="GBP_JPY", entry_price="190.00", stop_loss="189.50", targets=["191.00"]))
    await book.open(signal("s3", pair="GBP_JPY", entry_price="190.00", stop_loss="189.50", targets=["191.00"]))
    for name in ("s1", "#1", "1", "EURUSD", "eur/usd"):
        assert [each.trade.signal.signal_id for each in await book.find(name)] == ["s1"], name
    await book.open(signal("#2"))
    await book.open(signal("3"))
    for name, found in (("#2", "#2"), ("2", "s2"), ("3", "3"), ("#3", "s3")):  # an id comes before a number
        assert [each.trade.signal.signal_id for each in await book.find(name)] == [found], name
    for name in ("3", "#4"):
        assert (await book.change(Close(price="1.1"), name)).outcome is Outcome.ACCEPTED
    two = await book.change(Close(price="190.10"), "GBPJPY")
    assert two.refusal is Refusal.UNKNOWN_SIGNAL
    assert "#2" in (two.reason or "")
    await book.change(Close(price="190.10"), "s2")
    assert (await book.change(Close(price="190.10"), "GBPJPY")).outcome is Outcome.ACCEPTED
    assert [each.trade.number for each in await book.find(only_live=True)] == [1]


async def test_a_signal_of_a_higher_tier_is_unknown_to_a_lower_one(book: Driver) -> None:
    await book.open(signal(), B, tier=UserTier.PREMIUM)
    only_free = frozenset({UserTier.FREE})
    may = Permission(only_free, frozenset())
    assert (await book.change(Close(price="1.1"), may=may)).refusal is Refusal.UNKNOWN_SIGNAL
    assert await book.find(tiers=only_free) == ()
    assert len(await book.find(tiers=only_free | {UserTier.PREMIUM})) == 1


async def test_a_second_tier_adds_its_destination_in_the_present_state(book: Driver) -> None:
    await book.open(signal(), B, tier=UserTier.PREMIUM)
    await book.settle(await book.leased(B))
    await book.change(Update(stop_loss="1.0960"))
    added = await book.open(signal(), A)
    assert (added.outcome, added.added) == (Outcome.ACCEPTED, (A,))
    entry = await book.leased(A)
    assert entry.notification.trade is not None
    assert (entry.notification.trade.stop, entry.tier) == (entry.notification.trade.stop, UserTier.FREE)
    assert str(entry.notification.trade.stop) == "1.0960"
    (found,) = await book.find("s1")
    assert (found.trade.tiers, found.trade.version) == ((UserTier.PREMIUM, UserTier.FREE), 2)
    assert (await book.open(signal(), A)).outcome is Outcome.DUPLICATE


async def test_the_same_tier_adds_another_destination_even_of_a_damaged_trade(book: Driver) -> None:
    await book.open(signal(), B)
    added = await book.open(signal(), A)
    assert (added.outcome, added.added) == (Outcome.ACCEPTED, (A,))
    damage(book, "UPDATE trade SET body = 'damaged'")
    assert (await book.open(signal(), "signals-more")).added == ("signals-more",)


async def test_a_trade_outlives_its_notification_and_its_key(book: Driver) -> None:
    await book.shown()
    book.now += timedelta(days=60)
    assert await book.outbox.do(Prune(book.now)) == 1
    (found,) = await book.find("s1")
    assert (found.trade.signal.targets, found.trade.version) == (signal().targets, 1)
    assert found.cards[0].message is not None, "the card can still be edited"
    assert (await book.change(Close(price="1.1010"))).outcome is Outcome.ACCEPTED
    assert (await book.leased()).is_edit
    again = await book.open(signal("s1", entry_price="1.2000", stop_loss="1.1950", targets=["1.2050"]))
    assert again.outcome is Outcome.REFUSED
    assert (await book.open(signal())).outcome is Outcome.DUPLICATE
    await book.open(signal("s2"))
    assert [each.trade.number for each in await book.find("s2")] == [2], "no number is used again"


async def test_replays_have_a_book_of_their_own(book: Driver) -> None:
    await book.open(signal(), run="r1")
    await book.open(signal())
    assert [each.trade.number for each in await book.find()] == [1]
    for _ in range(2):
        await book.settle(await book.leased())
    assert (await book.change(Close(price="1.1010"), run="r1")).outcome is Outcome.ACCEPTED
    (found,) = await book.find()
    assert found.trade.state is TradeState.OPEN
    await book.settle(await book.leased())
    book.now += timedelta(seconds=1)
    await book.settle(await book.leased())
    await book.outbox.do(Prune(book.now + timedelta(days=60)))
    assert (await book.change(Reopen(), run="r1")).refusal is Refusal.UNKNOWN_SIGNAL, "they go with their openings"
    assert len(await book.find()) == 1


async def test_a_pending_order_is_filled_and_cancelled(book: Driver) -> None:
    await book.open(signal(order="limit"))
    await book.settle(await book.leased())
    await book.open(signal("s2", order="stop"))
    filled = await book.change(Fill(price="1.0999"))
    cancelled = await book.change(CancelOrder(reason="news"), "s2")
    assert [each.trade and each.trade.state for each in (filled, cancelled)] == [
        TradeState.OPEN,
        TradeState.CANCELLED,
    ]


async def test_a_name_that_is_not_a_symbol_finds_nothing(book: Driver) -> None:
    await book.shown()
    assert await book.find("not a {{symbol}}") == ()
    (found,) = await book.find("s1")
    assert await book.find(short_id("s1")) == (found,)


async def test_trades_without_changes_end_without_a_result_and_without_a_companion(book: Driver) -> None:
    await book.open(signal())
    await book.settle(await book.leased())
    await book.open(signal("s2", order="limit"))
    await book.settle(await book.leased())
    book.now += timedelta(days=60)
    await book.open(signal("s3"))
    book.now += timedelta(days=31)
    before = book.now - timedelta(days=90)
    ended = await book.outbox.do(EndTrades(before, book.now, ("e1", "e2", "e3")))
    assert [each.waiting for each in ended] == [(A,), (A,)]
    assert await book.outbox.do(EndTrades(before, book.now, ("e4",))) == ()
    states = {each.trade.number: each.trade for each in await book.find()}
    assert [states[number].state for number in (1, 2, 3)] == [
        TradeState.CLOSED,
        TradeState.EXPIRED,
        TradeState.OPEN,
    ]
    assert (states[1].end and states[1].end.price, states[1].flags) == (None, (Flag.NOT_FOLLOWED,))
    assert [event for event, _ in await book.states()].count("v2") == 2


async def test_a_companion_links_to_its_card_even_if_only_other_messages_name_the_server(book: Driver) -> None:
    for name, guild in (("s1", None), ("s2", "g7")):
        await book.open(signal(name))
        await book.settle(await book.leased(), message=Message(A, f"m {name}", book.now, 1, "c1", guild, "w1"))
    await book.change(Close(price="1.1010"))
    await book.settle(await book.leased(), message=Message(A, "m s1", book.now, 2, "c1", None, "w1"))
    book.now += timedelta(seconds=1)
    companion = await book.leased()
    assert companion.card is not None
    assert (companion.card.message_id, companion.card.guild) == ("m s1", "g7")


async def test_the_facts_of_the_callers_stay_on_the_card(book: Driver) -> None:
    made = notification_of(signal(), context={"exchange": "X"}, ticket_id="new", accepted_at=book.now)
    await book.outbox.do(Put((NewNotification(made, (NewDelivery(A, 0),), made.valid_until),)))
    await book.settle(await book.leased())
    await book.change(Update(note="one"), context=Context({"by": "Ann"}))
    await book.change(Update(note="two"))
    assert dict((await book.leased()).notification.context) == {"exchange": "X", "by": "Ann"}


async def test_a_tier_that_is_added_in_the_batch_of_the_opening_is_in_the_book(book: Driver) -> None:
    """Otherwise a token of the lower tier alone could change what premium sees."""
    items = []
    for name, tier, lane in (("01", "free", A), ("02", "premium", B)):
        made = notification_of(signal(), user_tier=tier, ticket_id=name, accepted_at=book.now)
        items.append(NewNotification(made, (NewDelivery(lane, 0),), made.valid_until))
    results = await book.outbox.do(Put(tuple(items)))
    assert [each.number for each in results] == [1, 1]
    (found,) = await book.find()
    assert found.trade.tiers == (UserTier.FREE, UserTier.PREMIUM)
    assert await book.find(tiers=frozenset({UserTier.FREE})) == ()

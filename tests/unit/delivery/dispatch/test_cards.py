"""A lane posts a card, edits it, and posts the companions beside it."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from signalpost import Signal, clock
from signalpost.delivery.dispatch.decide import LeaseEnd, decide
from signalpost.delivery.facts import card_gone_fact
from signalpost.delivery.outbox.book import Amend, Amendment
from signalpost.delivery.outbox.commands import History, NewDelivery, NewNotification, Put
from signalpost.delivery.rank import rank_of
from signalpost.domain.change import Change, Close, Update
from signalpost.domain.delivery import Delivery, DeliveryId, DeliveryState
from signalpost.domain.events import CardGone, Settled
from signalpost.domain.notification import notification_of
from signalpost.sinks.evidence import (
    CardLost,
    Loss,
    Receipt,
    Rejected,
    Throttled,
    Unavailable,
    Unchanged,
    Unconfirmed,
    Unwanted,
)
from signalpost.testing.scripted_sink import HANG, ScriptedSink
from tests.inline_outbox import InlineOutbox
from tests.unit.delivery.dispatch.world import FREE, HERE, NORMAL, FaultyOutbox, World, now, virtual, wait

HELD = Throttled("30046", retry_after=300.0, scope="edits")


class Channel(World):
    """A lane with one signal."""

    async def open(self, name: str = "s1", **changes: Any) -> None:
        signal = Signal(
            **{
                "signal_id": name,
                "pair": "EUR_USD",
                "signal_type": "BUY",
                "entry_price": "1.1000",
                "stop_loss": "1.0950",
                "targets": ["1.1050", "1.1100"],
                "timestamp": clock.now() - timedelta(minutes=1),
                **changes,
            }
        )
        made = notification_of(signal, ticket_id=f"{name} new", accepted_at=clock.now())
        item = NewNotification(made, (NewDelivery(HERE, rank_of(NORMAL, clock.now())),), made.valid_until)
        await InlineOutbox.do(self.outbox, Put((item,)))
        self.dispatcher.wake([HERE], NORMAL, None)

    async def change(self, change: Change, name: str = "s1") -> Amendment:
        self._numbers += 1
        ids = f"{name} {self._numbers}", f"{name} {self._numbers} companion"
        answer = await InlineOutbox.do(self.outbox, Amend(name, change, clock.now(), ids))
        self.dispatcher.wake([HERE], NORMAL, None)
        return answer


def sent(sink: ScriptedSink) -> list[tuple[str, bool]]:
    """The event of each message, and whether it edited one."""
    items = [each.items[0] for each in sink.sent]
    return [(item.notification.event, item.card is not None and item.notification.before is None) for item in items]


@virtual
async def test_a_card_is_edited_and_then_its_companion_is_posted() -> None:
    sink = ScriptedSink()
    async with Channel(sink) as world:
        await world.open()
        await wait(1)
        await world.change(Close(price="1.1010"))
        await wait(3)
        assert sent(sink) == [("new", False), ("v2", True), ("v2 companion", False)]
        assert sink.sent[1].items[0].card == sink.sent[2].items[0].card is not None


@virtual
async def test_held_edits_stop_no_post_and_the_newest_state_is_shown_in_the_end() -> None:
    sink = ScriptedSink([lambda: None, HELD])
    async with Channel(sink) as world:
        await world.open()
        await wait(1)
        await world.change(Update(stop_loss="1.0960"))
        await wait(20)
        await world.open("s2")
        await world.change(Close(price="1.1010"))
        await wait(20)
        assert sent(sink) == [
            ("new", False),
            ("v2", True),
            ("v2 companion", False),
            ("new", False),
            ("v3 companion", False),
        ]
        began = now()
        await wait(400)
        assert sent(sink)[5:] == [("v3", True)]
        assert sink.sent[5].began - began < 300


@virtual
async def test_an_edit_leaves_while_the_limit_of_messages_lets_no_post_leave() -> None:
    sink = ScriptedSink()
    async with Channel(sink, limits=FREE._replace(messages_a_minute=2)) as world:
        await world.open()
        await world.open("s2")
        await world.open("s3")
        await wait(1)
        await world.change(Update(note="Watch the news."))
        await wait(1)
        assert sent(sink) == [("new", False), ("new", False), ("v2", True)]
        await wait(60)
        assert sent(sink)[3:] == [("new", False)]


@virtual
async def test_an_edit_without_an_answer_is_repeated_without_a_mark() -> None:
    sink = ScriptedSink([lambda: None, Unconfirmed("cut"), Unconfirmed("cut"), Unconfirmed("cut")])
    async with Channel(sink) as world:
        await world.open()
        await wait(1)
        await world.change(Update(note="one"))
        await wait(60)
        assert sent(sink) == [("new", False)] + [("v2", True)] * 4
        assert not any(each.items[0].may_repeat for each in sink.sent)
        assert await world.state("s1 1") == "delivered"


@virtual
@pytest.mark.parametrize("how", list(Loss))
async def test_a_lost_card_is_posted_again_in_its_present_state(how: Loss) -> None:
    sink = ScriptedSink([lambda: None, CardLost("it is gone", how=how)])
    async with Channel(sink) as world:
        await world.open()
        await wait(1)
        await world.change(Close(price="1.1010"))
        await wait(10)
        assert sent(sink) == [("new", False), ("v2", True), ("v2", False)]
        assert sink.sent[2].items[0].replaces is how
        (gone,) = world.emitted(CardGone)
        assert gone == CardGone(HERE, "s1", how.value, is_stopped=False, at=gone.at)


@virtual
async def test_a_card_that_was_deleted_twice_is_left_alone() -> None:
    gone = CardLost("it is gone", how=Loss.DELETED)
    sink = ScriptedSink([lambda: None, gone, lambda: None, gone])
    async with Channel(sink) as world:
        await world.open()
        await wait(1)
        for note in ("one", "two", "three"):
            await world.change(Update(note=note))
            await wait(10)
        assert sent(sink) == [("new", False), ("v2", True), ("v2", False), ("v3", True)]
        assert [each.is_stopped for each in world.emitted(CardGone)] == [False, True]
        assert await world.state("s1 2") == "dead"


@virtual
async def test_a_lost_card_is_reported_at_each_start_until_an_operator_was_alerted() -> None:
    gone = CardLost("it is gone", how=Loss.DELETED)
    sink = ScriptedSink([lambda: None, gone, lambda: None, gone])
    async with Channel(sink) as world:
        await world.open()
        await wait(1)
        for note in ("one", "two"):
            await world.change(Update(note=note))
            await wait(10)
        replaced, stopped = world.emitted(CardGone)
        assert (replaced.is_for_operators, stopped.is_for_operators) == (False, True)
    for _ in range(2):
        async with Channel(ScriptedSink(), outbox=world.outbox) as world:
            assert world.emitted(CardGone) == [stopped]
            await world.dispatcher.stop(0)
            await world.dispatcher.start()
            assert world.emitted(CardGone) == [stopped], "once in each process"
    await InlineOutbox.do(world.outbox, card_gone_fact(stopped, is_reported=True))
    async with Channel(ScriptedSink(), outbox=world.outbox) as world:
        assert world.emitted(CardGone) == []


@virtual
async def test_a_companion_that_the_operator_turned_off_is_suppressed() -> None:
    sink = ScriptedSink([lambda: None, lambda: None, Unwanted("off")])
    async with Channel(sink) as world:
        await world.open()
        await wait(1)
        await world.change(Close(price="1.1010"))
        await wait(3)
        assert world.emitted(Settled)[-1].delivery.state is DeliveryState.SUPPRESSED


@virtual
async def test_an_edit_that_would_change_nothing_is_superseded_and_takes_no_slot() -> None:
    sink = ScriptedSink([Receipt("m1", digest="+1"), *[Unchanged("it shows this")] * 40])
    async with Channel(sink) as world:
        await world.open()
        await wait(1)
        for number in range(40):
            await world.change(Update(note=f"{number}"))
            await wait(0.01)
        ends = [event.delivery for event in world.emitted(Settled)][1:]
        assert [(each.state, each.attempts) for each in ends] == [(DeliveryState.SUPERSEDED, 0)] * 40
        assert [each.items[0].card and each.items[0].card.digest for each in sink.sent[1:]] == ["+1"] * 40
        assert await InlineOutbox.do(world.outbox, History(ends[0].id)) == ()


@virtual
async def test_a_state_that_waits_behind_an_unanswered_older_one_is_marked() -> None:
    """Without an id, the message that may be shown cannot be edited."""
    sink = ScriptedSink([Unconfirmed("cut")])
    async with Channel(sink) as world:
        await world.open()
        await wait(0)
        await world.change(Update(note="one"))
        await wait(60)
        assert sent(sink) == [("new", False), ("v2", False)]
        assert sink.sent[1].items[0].may_repeat


async def ended(world: Channel, names: str) -> None:
    """Open trades and end them."""
    for name in names:
        await world.open(name)
    await wait(1)
    for name in names:
        await world.change(Close(price="1.1010"), name)
    await wait(2)


@virtual
async def test_companions_of_three_trades_are_one_message() -> None:
    sink = ScriptedSink()
    async with Channel(sink) as world:
        await ended(world, "abc")
        assert [len(each.items) for each in sink.sent] == [1] * 6 + [3]
        ends = [each.delivery for each in world.emitted(Settled)][-3:]
        assert [(each.state, each.message_id) for each in ends] == [(DeliveryState.DELIVERED, "7")] * 3


@virtual
async def test_companions_that_are_refused_together_are_tried_alone() -> None:
    refused = Rejected("400", status=400)
    sink = ScriptedSink([*[lambda: None] * 6, refused, lambda: None, refused])
    async with Channel(sink) as world:
        await ended(world, "abc")
        await wait(10)
        assert [len(each.items) for each in sink.sent[6:]] == [3, 1, 1, 1]
        ends = Counter(each.delivery.state for each in world.emitted(Settled)[-3:])
        assert ends == {DeliveryState.DELIVERED: 2, DeliveryState.DEAD: 1}


@virtual
async def test_only_unwanted_companions_are_left_out() -> None:
    unwanted = Unwanted("off", frozenset({"b 2 companion"}))
    sink = ScriptedSink([*[lambda: None] * 8, unwanted])
    async with Channel(sink) as world:
        await ended(world, "abcd")
        await wait(5)
        assert [len(each.items) for each in sink.sent[8:]] == [4, 3]
        states = [await world.state(f"{name} {number} companion") for number, name in enumerate("abcd", start=1)]
        assert states == ["delivered", "suppressed", "delivered", "delivered"]


@virtual
async def test_companions_whose_webhook_is_gone_are_dead_together() -> None:
    sink = ScriptedSink([*[lambda: None] * 6, Rejected("10015", status=404, is_gone=True)])
    async with Channel(sink) as world:
        await ended(world, "abc")
        assert len(sink.sent) == 7
        assert await world.state("a 1 companion") == "dead"


async def _crash_during_the_last_send(sink: ScriptedSink, outbox: FaultyOutbox, *changes: Change) -> None:
    """Open a trade and change it, and crash while the last of its cards is sent."""
    world = Channel(sink, outbox=outbox)
    await world.dispatcher.start()
    await world.open(valid_until=clock.now() + timedelta(minutes=10))
    await wait(1)
    for change in changes:
        await world.change(change)
        await wait(1)
    world.crash()
    await wait(3600)


@virtual
async def test_a_post_that_a_crash_cut_short_may_be_shown_so_the_end_of_its_trade_is_posted() -> None:
    """The opening has expired since, but readers may act on a card that nobody knows."""
    outbox, sink = FaultyOutbox(), ScriptedSink()
    await _crash_during_the_last_send(ScriptedSink([HANG]), outbox)
    async with Channel(sink, outbox=outbox) as world:
        await wait(1)
        await world.change(Close(price="1.1010"))
        await wait(60)
        assert sent(sink)[:1] == [("v2", False)]
        assert sink.sent[0].items[0].may_repeat


@virtual
async def test_an_edit_that_a_crash_cut_short_leaves_no_doubt_about_the_card() -> None:
    outbox, sink = FaultyOutbox(), ScriptedSink()
    await _crash_during_the_last_send(ScriptedSink([lambda: None, HANG]), outbox, Update(stop_loss="1.0960"))
    async with Channel(sink, outbox=outbox) as world:
        world._numbers = 1  # the first process used it
        await wait(60)
        await world.change(Update(stop_loss="1.0970"))
        await wait(60)
        edits = [each for each in sent(sink) if "companion" not in each[0]]
        assert edits == [("v2", True), ("v3", True)]
        assert not any(item.may_repeat for each in sink.sent[1:] for item in each.items)


def delivery(**changes: Any) -> Delivery:
    until = clock.now() + timedelta(hours=1)
    return Delivery(DeliveryId("1", HERE), DeliveryState.LEASED, NORMAL, 0, "s1", until)._replace(**changes)


@pytest.mark.parametrize(
    "end", [LeaseEnd.LAPSED, LeaseEnd.INTERRUPTED, LeaseEnd.CUT_OFF, Unconfirmed("502", status=502)]
)
def test_an_edit_never_may_repeat(end: Any) -> None:
    of, at = delivery(), clock.now()
    plain, edit = decide(of, end, at, 0.0), decide(of, end, at, 0.0, is_edit=True)
    assert (plain.may_repeat, edit.may_repeat) == (True, False)
    assert edit._replace(reason="", card=None) == decide(of, Unavailable(""), at, 0.0)._replace(reason="")
    assert (edit.card and edit.card.is_uncertain, plain.card) == (True, None)


def test_an_edit_that_failed_may_have_been_carried_out() -> None:
    """A sink reports an edit that was answered 5xx as unavailable, because it may be repeated."""
    edit = decide(delivery(), Unavailable("524", status=524), clock.now(), 0.0, is_edit=True)
    assert edit.card is not None
    assert edit.card.is_uncertain

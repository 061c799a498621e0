"""The order of deliveries: by rank, by priority, and within each sequence."""

import pytest

from signalpost.delivery.outbox.commands import Lease
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED
from signalpost.domain.events import Settled
from signalpost.testing.scripted_sink import HANG, ScriptedSink
from tests.unit.delivery.dispatch.world import DOWN, FREE, HIGH, LOW, NORMAL, URGENT, World, ids, now, virtual, wait


@virtual
async def test_with_one_sender_all_leave_in_the_order_of_rank() -> None:
    sink = ScriptedSink()
    world = World(sink, workers=1)
    for name, priority in (("low", LOW), ("normal", NORMAL), ("high", HIGH), ("urgent", URGENT), ("late", URGENT)):
        await world.put(name, priority, wakes=False)
    async with world:
        assert await world.dispatcher.drain() == ()
    assert ids(sink) == ["urgent", "late", "high", "normal", "low"]


@virtual
async def test_a_delivery_that_waited_long_enough_leaves_before_a_more_important_one() -> None:
    """A NORMAL one leaves before a HIGH one accepted more than 5 minutes later; a LOW one after an hour."""
    sink = ScriptedSink()
    world = World(sink, workers=1)
    await world.put("low", LOW, wakes=False)
    await wait(54 * 60 + 59)
    await world.put("normal", NORMAL, wakes=False)
    await wait(5 * 60 + 2)
    await world.put("high", HIGH, wakes=False)
    await world.put("urgent", URGENT, wakes=False)
    async with world:
        await world.dispatcher.drain()
    assert ids(sink) == ["urgent", "normal", "low", "high"]


@virtual
async def test_priority_is_decided_at_the_last_moment() -> None:
    """An URGENT that is put while a backlog waits for the pace leaves with the next free slot."""
    sink = ScriptedSink()
    async with World(sink, limits=FREE._replace(messages_a_minute=2), workers=1) as world:
        for _ in range(5):
            await world.put()
        await wait(30)
        await world.put("urgent", URGENT)
        await wait(40)
        assert ids(sink) == ["n00001", "n00002", "urgent", "n00003"]


@virtual
async def test_an_urgent_leaves_at_once_into_its_reserved_slots() -> None:
    sink = ScriptedSink()
    async with World(sink, limits=NOTHING_ASSUMED._replace(messages_a_minute=30), workers=1) as world:
        for _ in range(60):
            await world.put()
        await wait(5)
        assert len(sink.sent) == 24
        for name in ("first", "second"):
            await world.put(name, URGENT)
            await wait(0.001)
            assert ids(sink)[-1] == name
        await world.put("high", HIGH)
        await wait(0.001)
        assert ids(sink)[-1] == "high"


@virtual
async def test_slots_reserved_for_urgent_are_not_used_by_high() -> None:
    """If only URGENT slots are free, a HIGH keeps waiting in its place, and no attempt counts."""
    sink = ScriptedSink()
    async with World(sink, limits=NOTHING_ASSUMED._replace(messages_a_minute=30)) as world:
        for number in range(30):
            await world.put(f"high-{number:02}", HIGH)
        await wait(1)
        assert len(sink.sent) == 27
        await world.put("urgent", URGENT)
        await wait(1)
        assert ids(sink)[27:] == ["urgent"]
        assert await world.state("high-27") == "pending"
        assert (await world.delivery("high-27")).attempts == 0
        before = world.outbox.commands[Lease]
        await wait(30)
        assert world.outbox.commands[Lease] - before <= 8  # no polling, except a look a minute
        await world.dispatcher.drain()
        assert ids(sink)[28:] == ["high-27", "high-28", "high-29"]
        assert await world.history("high-27") == await world.history("high-27")
        assert [attempt.outcome for attempt in await world.history("high-27")] == ["delivered"]


@virtual
async def test_a_hanging_send_does_not_delay_an_urgent() -> None:
    sink = ScriptedSink([HANG])
    async with World(sink) as world:
        for _ in range(3):
            await world.put()
        await wait(1)
        began = now()
        await world.put("urgent", URGENT)
        await wait(0.01)
        assert ids(sink) == ["n00001", "urgent"]
        assert world.settled_at("urgent") == [("delivered", began)]
        sink.release()
        await world.dispatcher.drain()
        assert ids(sink) == ["n00001", "urgent", "n00002", "n00003"]


@virtual
async def test_the_second_sender_takes_nothing_below_high() -> None:
    sink = ScriptedSink([HANG])
    async with World(sink) as world:
        for name, priority in (("hangs", NORMAL), ("normal", NORMAL), ("low", LOW), ("high", HIGH)):
            await world.put(name, priority)
            await wait(0.1)
        assert ids(sink) == ["hangs", "high"]


@virtual
async def test_with_n_senders_all_but_one_take_everything() -> None:
    sink = ScriptedSink([HANG] * 9)
    async with World(sink, workers=4) as world:
        for _ in range(5):
            await world.put()
        await wait(1)
        assert len(sink.sent) == 3
        for _ in range(3):
            await world.put(priority=URGENT)
        await wait(1)
        assert len(sink.sent) == 4


@virtual
async def test_two_of_one_sequence_are_never_in_flight_together_and_the_next_leaves_when_the_first_is_settled() -> None:
    sink = ScriptedSink([HANG])
    async with World(sink, workers=3) as world:
        await world.put("opened", about="trade")
        await wait(1)
        await world.put("closed", URGENT, about="trade", event="closed")
        await wait(1)
        assert ids(sink) == ["opened"]
        sink.release()
        released = now()
        await wait(0.001)
        assert ids(sink) == ["opened", "closed"]
        assert sink.sent[1].began == released


@virtual
async def test_deliveries_freed_by_the_second_sender_are_sent_by_the_first() -> None:
    """The second sends nothing below HIGH, so it wakes the first, whose last lease found nothing."""
    sink = ScriptedSink(latency=iter([1.0, 3.0, 0.0]).__next__)
    async with World(sink) as world:
        began = now()
        await world.put("keeps the first")
        await wait(0.1)
        await world.put("urgent", URGENT, about="trade")
        await world.put("after it", about="trade", event="closed")
        await wait(10)
        assert [sent.began - began for sent in sink.sent] == pytest.approx([0.0, 0.1, 3.1])


@virtual
async def test_a_lease_notices_deliveries_that_wait_behind_a_simultaneous_lease() -> None:
    """The store may answer a lease before an earlier one, so the gap behind the earlier one must be noticed."""
    sink = ScriptedSink(latency=1.0)
    async with World(sink, workers=3) as world:
        await wait(1)
        world.outbox.delays[Lease] = 0.5
        await world.put("opened", about="trade")
        await world.put("closed", about="trade", event="closed")
        await wait(5)
        assert ids(sink) == ["opened", "closed"]


@virtual
async def test_a_retry_is_sent_by_another_sender_if_the_first_is_busy() -> None:
    sink = ScriptedSink([DOWN, HANG], latency=0.05)
    async with World(sink, jitter=lambda: 0.5) as world:
        await world.put("high", HIGH)
        await wait(0.1)
        await world.put("hangs")
        await wait(1)
        assert ids(sink) == ["high", "hangs", "high"]


@virtual
async def test_an_urgent_raises_the_deliveries_that_must_leave_before_it() -> None:
    sink = ScriptedSink()
    world = World(sink, workers=1)
    for name, about in (("a", "s"), ("b", "t"), ("c", "t")):
        await world.put(name, about=about, wakes=False, event=name)
    await world.put("d", URGENT, about="t", wakes=False)
    async with world:
        await world.dispatcher.drain()
    assert ids(sink) == ["b", "c", "d", "a"]


@virtual
async def test_a_delivery_waiting_for_its_retry_lets_others_pass_and_leaves_on_time() -> None:
    sink = ScriptedSink([DOWN])
    async with World(sink, workers=1, jitter=lambda: 0.75) as world:
        began = now()
        for name in ("fails", "other"):
            await world.put(name)
        await wait(5)
        assert ids(sink) == ["fails", "other", "fails"]
        assert sink.sent[2].began == began + 0.75
        assert [attempt.outcome for attempt in await world.history("fails")] == ["unavailable", "delivered"]


@virtual
async def test_the_store_is_idle_while_nothing_happens() -> None:
    async with World(ScriptedSink()) as world:
        await world.put()
        await world.dispatcher.drain()
        before = world.outbox.commands[Lease]
        await wait(59)
        assert world.outbox.commands[Lease] == before


@virtual
async def test_an_ordinary_backlog_costs_one_lease_a_message() -> None:
    sink = ScriptedSink(latency=0.01)
    async with World(sink) as world:
        for _ in range(100):
            await world.put()
        await world.dispatcher.drain()
        assert world.outbox.commands[Lease] <= 105
        assert len(world.emitted(Settled)) == 100


@virtual
async def test_a_put_during_a_lease_is_not_missed() -> None:
    sink = ScriptedSink()
    async with World(sink, workers=1) as world:
        await wait(1)
        world.outbox.delays[Lease] = 0.5
        world.dispatcher.wake(["signals-free"], LOW)
        await wait(0.25)
        await world.put("meanwhile")
        await wait(5)
        assert ids(sink) == ["meanwhile"]


@virtual
async def test_a_delivery_that_comes_free_unnoticed_is_found_within_a_minute() -> None:
    sink = ScriptedSink()
    async with World(sink) as world:
        await wait(1)
        await world.put("silently", wakes=False)
        await wait(60)
        assert ids(sink) == ["silently"]

"""The promises of delivery under random faults, judged by the requests that arrived."""

from collections import defaultdict
from itertools import repeat
from random import Random

import pytest

from signalpost.delivery.outbox.commands import Lease, Settle
from signalpost.delivery.pacing.limits import Limits
from signalpost.domain.events import Settled
from signalpost.sinks.evidence import Receipt, Rejected
from signalpost.testing.scripted_sink import HANG, ScriptedSink
from tests.size import size
from tests.unit.delivery.dispatch.world import (
    BROKEN,
    DOWN,
    FREE,
    GRAIN,
    HIGH,
    LOW,
    NORMAL,
    SILENT,
    URGENT,
    World,
    now,
    throttled,
    virtual,
    wait,
)


@pytest.mark.unmeasured
@pytest.mark.parametrize("seed", range(size(4, 20)))
def test_each_sequence_keeps_its_order_and_each_delivery_has_one_final_state(seed: int) -> None:
    random = Random(seed)

    def answer() -> object:
        return random.choice([None] * 6 + [DOWN, BROKEN, SILENT, throttled(random.random()), Rejected("bad")])

    @virtual
    async def run() -> None:
        sink = ScriptedSink(repeat(answer), latency=lambda: random.random() / 3)
        async with World(sink, limits=Limits(), workers=random.randint(1, 4), jitter=random.random) as world:
            for kind in (Lease, Settle):
                world.outbox.delays[kind] = random.random() / 100
            names = []
            for n in range(60):
                priority = random.choice([LOW, NORMAL, HIGH, URGENT])
                about = f"s{random.randint(0, 8)}"
                names.append(await world.put(f"n{n:03}", priority, about=about, event=f"{n}", valid_for=1800.0))
                await wait(random.random() * 2)
            await wait(3600)
            assert await world.dispatcher.drain() == ()
            sent = defaultdict(list)
            for each in sink.sent:
                (item,) = each.items
                sent[item.notification.sequence].append(item.notification.id)
            assert all(order == sorted(order) for order in sent.values())
            ends = [event.delivery for event in world.emitted(Settled) if event.delivery.state.is_terminal]
            assert sorted(each.id.notification_id for each in ends) == names
            shown = [name for each in sink.shown for name in each.ids]
            delivered = [each.id.notification_id for each in ends if each.state.value == "delivered"]
            assert sorted(shown) == sorted(delivered)

    run()


@pytest.mark.unmeasured
@virtual
async def test_an_urgent_behind_thousands_of_low_ones_leaves_within_a_second() -> None:
    """With only the reserve of the window left, and another send hanging."""
    sink = ScriptedSink([Receipt("1")] * 20 + [HANG], latency=0.1)
    world = World(sink, limits=Limits(30))
    for _ in range(size(2_000, 10_000)):
        await world.put(priority=LOW, wakes=False)
    async with world:
        await wait(30)
        assert (sink.hanging, len(sink.sent)) == (1, 21)
        for name in ("first", "second"):
            began = now()
            await world.put(name, URGENT)
            await wait(1)
            assert [at - began < 1 for state, at in world.settled_at(name) if state == "delivered"] == [True]


@virtual
async def test_an_urgent_beyond_the_reserve_leaves_with_the_next_free_slot() -> None:
    sink = ScriptedSink()
    async with World(sink, limits=FREE._replace(messages_a_minute=5)) as world:
        for _ in range(50):
            await world.put(priority=LOW)
        await wait(30)
        await world.put("urgent", URGENT)
        await wait(31)
        assert sink.sent[5].ids == ("urgent",)
        assert sink.sent[5].began - sink.sent[0].began == pytest.approx(60.0, abs=GRAIN)


@virtual
async def test_a_restart_in_one_process_counts_earlier_sends_once() -> None:
    sink = ScriptedSink()
    world = World(sink, limits=FREE._replace(messages_a_minute=10))
    async with world:
        for _ in range(5):
            await world.put()
        await world.dispatcher.drain()
    async with world:
        began = now()
        for _ in range(5):
            await world.put()
        await world.dispatcher.drain()
        assert (len(sink.sent), now()) == (10, began)

"""After a ban a single request is tried first. After a short wait of a host, all send at once."""

from collections.abc import Iterator
from datetime import timedelta
from math import inf

import pytest

from signalpost.delivery.pacing.host import Ban, Host
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED
from signalpost.delivery.pacing.pacer import Pacer
from signalpost.sinks.evidence import Receipt, Throttled
from signalpost.testing.scripted_sink import HANG, ScriptedSink, Step
from tests.unit.delivery.dispatch.world import (
    GRAIN,
    HERE,
    URGENT,
    FaultyOutbox,
    World,
    now,
    step,
    throttled,
    virtual,
    wait,
)

BAN = throttled(60.0, "host")


def banned(until: float, again: Throttled) -> Iterator[Step]:
    """A script: banned until then, and accepted afterwards."""
    while True:
        yield lambda: again if now() < until else None


@pytest.mark.parametrize("is_restarted", [False, True])
def test_one_request_is_tried_and_if_the_ban_continues_no_other_is(is_restarted: bool) -> None:
    @virtual
    async def run() -> None:
        outbox = FaultyOutbox()
        sinks = [ScriptedSink(banned(1150.0, BAN), latency=0.5) for _ in range(5)]
        world = World(*sinks, outbox=outbox)
        async with world:
            await world.put(to="there-1")
            await wait(1)
            for name in world.sinks:
                for number in range(3):
                    await world.put(f"{name} {number}", to=name)
            await wait(9)
            assert sum(len(sink.sent) for sink in sinks) == 1
            if not is_restarted:
                await wait(300)
        if is_restarted:
            async with World(*sinks, outbox=outbox) as again:
                await wait(300)
                assert again.dispatcher.lanes
        sent = sorted(each.began for sink in sinks for each in sink.sent)
        assert sent[0] == 1000.0
        tries = [each for each in sent if each > 1000.0][:2]
        assert tries[0] == pytest.approx(1060.5, abs=GRAIN)
        assert tries[1] == pytest.approx(1121.0, abs=2 * GRAIN), "a single one is tried, and banned again"
        third = [each for each in sent if each > tries[1]]
        assert third[0] == pytest.approx(1181.5, abs=3 * GRAIN)
        assert third[1] == pytest.approx(third[0] + 0.5, abs=GRAIN), "the rest follows its answer at once"
        assert sum(len(sink.shown) for sink in sinks) == 16

    run()


@virtual
async def test_a_destination_without_messages_passes_the_trial_to_the_next() -> None:
    first, second = ScriptedSink([BAN]), ScriptedSink()
    async with World(first, second) as world:
        await world.put("a", valid_for=30.0, known=True)
        await wait(1)
        await world.put("b", to="there-1")
        await wait(65)
        assert len(second.shown) == 1


@virtual
async def test_a_ban_that_is_over_is_forgotten_even_if_the_clock_was_set_at_a_restart() -> None:
    outbox, sink = FaultyOutbox(), ScriptedSink([BAN])
    async with World(sink, outbox=outbox) as world:
        await world.put("shut out")
        await wait(65)
        assert len(sink.shown) == 1
        step(timedelta(hours=-1))
    async with World(sink, outbox=outbox) as world:
        await world.put("after")
        await wait(1)
        assert len(sink.shown) == 2


@pytest.mark.parametrize("is_first", [False, True])
def test_a_first_look_waits_for_the_trial_request(is_first: bool) -> None:
    @virtual
    async def run() -> None:
        shut_out, other = ScriptedSink([BAN], latency=0.5), ScriptedSink(latency=0.5)
        sinks = (other, shut_out) if is_first else (shut_out, other)
        async with World(*sinks, settings={"fetches_details": True}) as world:
            await world.put(to="there-1" if is_first else HERE)
            await wait(70)
            tried = sorted([*(each.began for each in shut_out.sent[1:]), *shut_out.probed, *other.probed])
            assert len(tried) >= 2
            assert tried[1] >= tried[0] + 0.5, "a single one is tried, and the others wait for its end"

    run()


@virtual
async def test_after_a_short_wait_of_a_host_all_send_at_once() -> None:
    first, second = ScriptedSink([throttled(2.0, "host"), HANG]), ScriptedSink()
    async with World(first, second) as world:
        await world.put("a", valid_for=70.0)
        await wait(1)
        await world.put("b", to="there-1")
        await wait(1.5)
        assert (first.hanging, len(second.shown)) == (1, 1)


@virtual
async def test_if_the_trial_hangs_the_others_wait_for_its_end() -> None:
    first, second = ScriptedSink([BAN, HANG]), ScriptedSink()
    async with World(first, second) as world:
        await world.put("a", valid_for=70.0)
        await wait(1)
        await world.put("b", to="there-1")
        await wait(63)
        assert (first.hanging, second.sent) == (1, [])
        await wait(10)
        assert len(second.shown) == 1


def test_a_trial_that_was_not_sent_is_not_over() -> None:
    host = Host(None)
    one, other = Pacer(NOTHING_ASSUMED, host), Pacer(NOTHING_ASSUMED, host)
    host.hold(Ban("shut out", 60.0), 0.0)
    one.give_back(one.begin(60.0))
    slot = other.begin(61.0)
    assert one.ready_at(61.0, URGENT) == inf
    other.end(slot, 62.0, Receipt("1"))
    assert one.ready_at(62.0, URGENT) == 62.0

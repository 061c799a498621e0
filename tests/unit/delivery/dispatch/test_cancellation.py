"""Senders that are cancelled at each await: no delivery is lost, and no slot stays occupied."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from signalpost.delivery.outbox.commands import Command, Lease, SaveFacts, Settle
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED
from signalpost.domain.priority import NotificationPriority
from signalpost.sinks.evidence import Rejected
from signalpost.testing.scripted_sink import HANG, ScriptedSink
from tests.unit.delivery.dispatch.world import DOWN, HERE, FaultyOutbox, World, ids, now, virtual, wait

LIMITS = NOTHING_ASSUMED._replace(messages_a_minute=30, reserve=False)


@pytest.mark.unmeasured
@pytest.mark.parametrize("answer", [None, DOWN, Rejected("unknown webhook", is_gone=True), HANG])
@pytest.mark.parametrize("slow", [Lease, Settle, SaveFacts])
@pytest.mark.parametrize("moment", [0.0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.5])
def test_senders_cancelled_at_any_await_lose_nothing(answer: Any, slow: type[Command[Any]], moment: float) -> None:
    """Each command takes half a second or more, and so does the sink, so that each moment is another await."""

    @virtual
    async def run() -> None:
        outbox, sink = FaultyOutbox(), ScriptedSink([answer or (lambda: None)], latency=0.5)
        for kind in (Lease, Settle, SaveFacts):
            outbox.delays[kind] = 1.0 if kind is slow else 0.5
        world = World(sink, outbox=outbox, limits=LIMITS, jitter=lambda: 0.5)
        await world.dispatcher.start()
        for name in "abc":
            await world.put(name)
        await wait(moment)
        lane = world.dispatcher.lanes[HERE]
        world.crash()
        await wait(2.0)
        assert all(task.done() for task in lane.tasks)
        pacer = lane.gate.pacer
        assert pacer.ready_at(now(), NotificationPriority.LOW) == now()
        await world.dispatcher.stop(0.0)
        while pacer.ready_at(now(), NotificationPriority.LOW) == now():
            pacer.end(pacer.begin(now()), now())
        assert len(pacer.memory(now()).ages) == LIMITS.messages_a_minute, "no request is in flight"

        outbox.delays.clear()
        after = ScriptedSink()
        async with World(after, outbox=outbox, limits=LIMITS) as again:
            if again.dispatcher.lanes[HERE].gate.gone is None:
                await wait(120)
                states = {name: await again.state(name) for name in "abc"}
                assert set(states.values()) <= {"delivered", "dead"}
                shown = [name for each in (*sink.shown, *after.shown) for name in each.ids]
                for name, state in states.items():
                    marked = [each.items[0].may_repeat for each in after.sent if each.ids == (name,)]
                    assert (name in shown) is (state == "delivered")
                    assert shown.count(name) == 1 or all(marked)
            else:
                await again.dispatcher.drain()
                assert ids(after) == []
                assert sorted([await again.state(name) for name in "abc"]) == ["dead", "pending", "pending"]

    run()


@pytest.mark.parametrize("slow", [Lease, Settle])
@pytest.mark.parametrize("moment", [0.0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.5])
def test_cancelled_senders_are_restarted_and_deliver_everything(slow: type[Command[Any]], moment: float) -> None:
    @virtual
    async def run() -> None:
        outbox, sink = FaultyOutbox(), ScriptedSink(latency=0.5)
        for kind in (Lease, Settle):
            outbox.delays[kind] = 1.0 if kind is slow else 0.5
        async with World(sink, outbox=outbox, limits=LIMITS, jitter=lambda: 0.5) as world:
            for name in "abc":
                await world.put(name)
            await wait(moment)
            for task in world.dispatcher.lanes[HERE].tasks:
                task.cancel()
            await wait(60)
            assert {name: await world.state(name) for name in "abc"} == dict.fromkeys("abc", "delivered")
            shown = [name for each in sink.shown for name in each.ids]
            for name in "abc":
                marked = [each.items[0].may_repeat for each in sink.sent if each.ids == (name,)]
                assert shown.count(name) == 1 or any(marked), "a repeat is marked"
            assert not world.dispatcher.lanes[HERE].in_flight
            kinds = [type(event).__name__ for event in world.events]
            assert (kinds.count("WorkerFailed"), kinds.count("WorkerRecovered")) == (2, 2)

    run()


@virtual
async def test_senders_cancelled_again_before_they_have_settled_what_was_left_lose_nothing() -> None:
    """The store fails while they settle it, so it is still leased when they start once more."""
    outbox, sink = FaultyOutbox(), ScriptedSink(latency=0.5)
    async with World(sink, outbox=outbox, limits=LIMITS, jitter=lambda: 0.5) as world:
        await world.put("a")
        lane = world.dispatcher.lanes[HERE]
        for pause, faults in ((0.25, 100), (1.5, 0)):
            await wait(pause)
            outbox.faults[Settle] = faults
            for task in lane.tasks:
                task.cancel()
        await wait(60)
        assert await world.state("a") == "delivered"
        assert not lane.in_flight


@pytest.mark.parametrize("fault", [SystemExit(), GeneratorExit(), asyncio.CancelledError()])
def test_a_sink_that_exits_ends_no_sender_for_good(fault: BaseException) -> None:
    @virtual
    async def run() -> None:
        sink = ScriptedSink([_raises(fault)])
        async with World(sink) as world:
            await world.put("a")
            await wait(30)
            assert await world.state("a") == "delivered"

    try:
        run()
    except BaseException as error:  # noqa: BLE001  # an error of a sink must not end the loop
        pytest.fail(f"{type(error).__name__} reached the loop: {error}")


def _raises(fault: BaseException) -> Callable[[], None]:
    def raising() -> None:
        raise fault

    return raising


def test_a_cancelled_sweeper_is_restarted_and_expires_deliveries() -> None:
    @virtual
    async def run() -> None:
        async with World(ScriptedSink([DOWN] * 100, probes=[DOWN] * 100)) as world:
            await world.put("a", valid_for=200)
            await wait(1)
            for task in asyncio.all_tasks():
                if task.get_name() == "signalpost sweeper":
                    task.cancel()
            await wait(300)
            assert await world.state("a") == "expired"

    run()


@pytest.mark.parametrize("moment", [1.5, 3.5])
def test_a_sender_cancelled_in_a_probe_leaves_the_breaker_able_to_probe(moment: float) -> None:
    @virtual
    async def run() -> None:
        sink = ScriptedSink([DOWN] * 5, probes=[HANG, DOWN])
        async with World(sink, jitter=lambda: 1.0) as world:
            for _ in range(9):
                await world.put()
            await wait(moment)
            lane = world.dispatcher.lanes[HERE]
            for task in lane.tasks:
                task.cancel()
            await wait(0.1)
            assert lane.gate.breaker.probe_at == 1002.8 if moment == 1.5 else 1004.0
            await wait(20)
            assert len(sink.probed) >= 2
            assert len(sink.shown) == 9

    run()

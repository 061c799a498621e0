"""After a receipt, the transaction that settles a message also leases the next one, if that may begin at once."""

import pytest

from signalpost.delivery.outbox.commands import Lease, Settle, SettleAndLease
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED, Rate
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.events import Settled, StoreMoved
from signalpost.sinks.evidence import Rejected
from signalpost.testing.scripted_sink import ScriptedSink, Step
from tests.unit.delivery.dispatch.world import (
    DOWN,
    HERE,
    NORMAL,
    FaultyOutbox,
    World,
    ids,
    now,
    throttled,
    virtual,
    wait,
)

LIMITS = NOTHING_ASSUMED._replace(messages_a_minute=2, reserve=False)
GONE = Rejected("unknown webhook", is_gone=True)


async def _put(world: World, *names: str) -> None:
    """All before the lane is woken."""
    for name in names:
        await world.put(name, wakes=name == names[-1])


@virtual
async def test_a_backlog_takes_one_transaction_a_message() -> None:
    sink = ScriptedSink()
    async with World(sink, workers=1) as world:
        await wait(1)
        before = world.outbox.commands[Lease]
        await _put(world, "a", "b", "c", "d")
        await wait(1)
        assert ids(sink) == ["a", "b", "c", "d"]
        assert [event.delivery.state for event in world.emitted(Settled)] == [DeliveryState.DELIVERED] * 4
        assert world.outbox.commands[SettleAndLease] == 4
        assert world.outbox.commands[Settle] == 4
        assert world.outbox.commands[Lease] == before + 1 + 4, "the lane knows that the last lease found nothing"
        assert not world.dispatcher.lanes[HERE].in_flight
        assert not world.dispatcher.lanes[HERE].busy


@virtual
async def test_the_next_of_a_sequence_leaves_with_the_receipt_of_the_one_before() -> None:
    sink = ScriptedSink(latency=0.5)
    async with World(sink, workers=2) as world:
        await world.put("first", about="s", event="new")
        await world.put("second", about="s", event="update 1")
        await wait(0.75)
        assert ids(sink) == ["first", "second"]
        await wait(1)
        assert world.outbox.commands[SettleAndLease] >= 1


@pytest.mark.parametrize("answer", [DOWN, GONE, throttled(5.0), Rejected("bad embed")])
def test_nothing_is_leased_with_the_settle_of_a_message_without_a_receipt(answer: Step) -> None:
    @virtual
    async def run() -> None:
        async with World(ScriptedSink([answer]), workers=1) as world:
            await world.put("a")
            await wait(0.001)
            assert (world.outbox.commands[Settle], world.outbox.commands[SettleAndLease]) == (1, 0)

    run()


@pytest.mark.parametrize("failures", [2, 5])
def test_a_retried_settle_has_no_lease_and_holds_no_slot(failures: int) -> None:
    """While the store fails, nothing is leased, and the slot of the next message is free."""

    @virtual
    async def run() -> None:
        outbox, sink = FaultyOutbox(), ScriptedSink()
        async with World(sink, outbox=outbox, workers=1, limits=LIMITS, jitter=lambda: 1.0) as world:
            await wait(1)
            outbox.faults[Settle] = failures
            await _put(world, "a", "b")
            await wait(0.01)
            assert ids(sink) == ["a"]
            pacer = world.dispatcher.lanes[HERE].gate.pacer
            assert pacer.ready_at(now(), NORMAL) == now()
            assert outbox.commands[SettleAndLease] == 1
            await wait(20)
            assert ids(sink) == ["a", "b"]
            assert [event.is_well for event in world.emitted(StoreMoved)] == [False, True]

    run()


@virtual
async def test_nothing_is_leased_with_a_settle_once_the_lane_stops_or_has_no_heartbeat() -> None:
    may_send, sink = True, ScriptedSink(latency=1.0)
    async with World(sink, workers=1, may_send=lambda: may_send) as world:
        await _put(world, "a", "b", "c")
        await wait(0.5)
        may_send = False
        await wait(2)
        assert (ids(sink), world.outbox.commands[SettleAndLease]) == (["a"], 0)
        may_send = True
        await wait(0.75)
        assert ids(sink) == ["a", "b"]
        world.dispatcher.lanes[HERE].close()
        await wait(5)
        assert ids(sink) == ["a", "b"]
        assert [await world.state(name) for name in "abc"] == ["delivered", "delivered", "pending"]
        assert world.outbox.commands[SettleAndLease] == 0


@virtual
async def test_nothing_is_leased_with_a_settle_if_no_slot_is_free() -> None:
    sink = ScriptedSink()
    async with World(sink, workers=1, host_rate=Rate(2, 10.0)) as world:
        await wait(11)
        await _put(world, "a", "b", "c")
        await wait(1)
        assert ids(sink) == ["a", "b"]
        assert world.outbox.commands[SettleAndLease] == 1
        await wait(11)
        assert ids(sink) == ["a", "b", "c"]

"""Without a heartbeat of its own nothing is sent, and a lost epoch ends the senders."""

from typing import Any

from signalpost.delivery.outbox.commands import Command, Lease, Settle
from signalpost.errors import OwnershipLost
from signalpost.testing.scripted_sink import ScriptedSink
from tests.unit.delivery.dispatch.world import FaultyOutbox, World, ids, virtual, wait


class Heart:
    """Beats, or does not."""

    beats = True

    def __call__(self) -> bool:
        return self.beats


@virtual
async def test_nothing_is_leased_while_this_process_has_no_heartbeat() -> None:
    sink, heart = ScriptedSink(), Heart()
    async with World(sink, may_send=heart) as world:
        heart.beats = False
        await world.put("waits")
        await wait(60)
        assert (ids(sink), await world.state("waits")) == ([], "pending")
        heart.beats = True
        await wait(1)
        assert ids(sink) == ["waits"]


@virtual
async def test_what_was_leased_when_the_heartbeat_stopped_is_not_sent_and_uses_up_no_attempt() -> None:
    sink, heart = ScriptedSink(), Heart()
    async with World(sink, may_send=heart) as world:
        world.outbox.delays[Lease] = 1.0
        await world.put("waits")
        await wait(0.5)
        heart.beats = False
        await wait(60)
        delivery = await world.delivery("waits")
        assert (ids(sink), delivery.state.value, delivery.attempts) == ([], "pending", 0)


class Lost(FaultyOutbox):
    """Another process owns the store from some moment on."""

    is_lost = False

    async def do(self, command: Command[Any]) -> Any:
        if self.is_lost and isinstance(command, Lease | Settle):
            self.asked[type(command)] += 1
            raise OwnershipLost("process 7 delivers now")
        return await super().do(command)


@virtual
async def test_a_settle_of_one_that_lost_the_store_is_not_tried_again_and_its_senders_end() -> None:
    outbox = Lost()
    sink = ScriptedSink(latency=1.0)
    async with World(sink, outbox=outbox) as world:
        await world.put("in flight")
        await wait(0.5)
        outbox.is_lost, asked = True, outbox.asked[Settle]
        await wait(60)
        assert outbox.asked[Settle] == asked + 1
        await world.put("later")
        await wait(60)
        assert ids(sink) == ["in flight"]
        assert outbox.asked[Settle] == asked + 1

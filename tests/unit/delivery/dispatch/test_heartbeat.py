"""Without a heartbeat of its own nothing is sent, and a lost epoch ends the senders."""

from typing import Any

from signalpost.delivery.outbox.commands import Command, Lease, Settle
from signalpost.errors import OwnershipLost
from signalpost.testing.scripted_sink import ScriptedSink
from tests.unit.delivery.dispatch.world import FaultyOutbox, World, ids, parts_of, virtual, wait


class Heart:
    """A heartbeat that can stop."""

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
async def test_deliveries_leased_when_the_heartbeat_stopped_are_not_sent_and_use_up_no_attempt() -> None:
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
    """Another process takes the store over on demand."""

    is_lost = False

    async def do(self, command: Command[Any]) -> Any:
        kinds = [type(part) for part in parts_of(command)]
        if self.is_lost and {Lease, Settle} & set(kinds):
            self.commands.update(kinds)
            raise OwnershipLost("process 7 delivers now")
        return await super().do(command)


@virtual
async def test_a_settle_after_ownership_is_lost_is_not_retried_and_the_senders_end() -> None:
    outbox = Lost()
    sink = ScriptedSink(latency=1.0)
    async with World(sink, outbox=outbox) as world:
        await world.put("in flight")
        await wait(0.5)
        outbox.is_lost, before = True, outbox.commands[Settle]
        await wait(60)
        assert outbox.commands[Settle] == before + 1
        await world.put("later")
        await wait(60)
        assert ids(sink) == ["in flight"]
        assert outbox.commands[Settle] == before + 1

"""A destination that a person enables: sent to at once, and told, whichever process the person asked."""

import pytest

from signalpost.delivery.facts import Gone, gone_fact, place_of_webhook, read_gone
from signalpost.delivery.outbox.commands import LoadFacts, SaveFacts, Settle
from signalpost.domain.events import DestinationEnabled, DestinationGone
from signalpost.errors import StoreFailed
from signalpost.sinks.evidence import Rejected
from signalpost.testing.scripted_sink import ScriptedSink
from tests.unit.delivery.dispatch.world import HERE, World, ids, virtual, wait

GONE = Rejected("unknown webhook", status=404, code=10015, is_gone=True)
SHARED = {"webhook": "1-aa"}
PLACE = place_of_webhook("1-aa")


@virtual
async def test_all_destinations_of_the_webhook_are_enabled_and_told_once() -> None:
    sinks = ScriptedSink([GONE]), ScriptedSink()
    async with World(*sinks, settings=SHARED) as world:
        await world.put("finds out")
        await wait(1)
        await world.put("waits", to="there-1")
        await world.dispatcher.look_for_enabled()
        assert world.heard(DestinationEnabled) == [], "nobody has enabled it"
        await world.outbox.do(SaveFacts(PLACE, gone_fact(None)))  # as the command does, in another process
        await world.dispatcher.look_for_enabled()
        await world.dispatcher.look_for_enabled()
        await world.dispatcher.enable(HERE)
        assert [event.destination for event in world.heard(DestinationEnabled)] == [HERE, "there-1"]
        await wait(1)
        assert ids(sinks[1]) == ["waits"]


@virtual
async def test_what_the_store_does_not_know_yet_is_not_taken_for_enabled() -> None:
    async with World(ScriptedSink([GONE]), settings=SHARED) as world:
        world.dispatcher.lanes[HERE].gate.webhook.close(Gone("404"))
        await world.dispatcher.look_for_enabled()
        assert len(world.heard(DestinationGone)) == 1
        assert world.heard(DestinationEnabled) == []


@virtual
async def test_one_that_turns_out_to_be_gone_again_is_told_again() -> None:
    async with World(ScriptedSink([GONE, GONE]), ScriptedSink()) as world:
        for _ in range(2):
            await world.put()
            await wait(1)
            await world.dispatcher.enable(HERE)
        told = [[event.destination for event in world.heard(kind)] for kind in (DestinationGone, DestinationEnabled)]
        assert told == [[HERE, HERE]] * 2, "and nobody else"


@virtual
async def test_a_store_that_cannot_leaves_it_disabled() -> None:
    async with World(ScriptedSink([GONE]), settings=SHARED) as world:
        await world.put()
        await wait(1)
        for kind, ask in (
            (SaveFacts, lambda: world.dispatcher.enable(HERE)),
            (LoadFacts, world.dispatcher.look_for_enabled),
        ):
            world.outbox.faults[kind] = 1
            with pytest.raises(StoreFailed):
                await ask()
        gone = world.dispatcher.lanes[HERE].gate.gone
        assert gone is not None
        assert gone.reason == "unknown webhook"
        assert world.heard(DestinationEnabled) == []


@virtual
async def test_one_that_is_enabled_while_the_store_cannot_write_that_it_is_gone_stays_enabled() -> None:
    async with World(ScriptedSink([GONE]), settings=SHARED) as world:
        world.outbox.faults[Settle] = 3
        await world.put("finds out")
        await wait(0)
        await world.dispatcher.enable(HERE)
        await wait(10)
        assert await world.state("finds out") == "dead", "its verdict came after all, and with it what it had learnt"
        await world.put("next")
        await wait(1)
        assert read_gone(await world.outbox.do(LoadFacts(PLACE))) is None

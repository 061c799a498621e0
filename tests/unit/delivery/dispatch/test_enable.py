"""A person enables a destination: deliveries leave at once, and it is reported, whichever process did it."""

import pytest

from signalpost.delivery.facts import Gone, gone_fact, of_webhook, read_gone
from signalpost.delivery.outbox.commands import LoadFacts, SaveFacts, Settle
from signalpost.domain.events import DestinationEnabled, DestinationGone
from signalpost.errors import StoreFailed
from signalpost.sinks.evidence import Rejected
from signalpost.testing.scripted_sink import ScriptedSink
from tests.unit.delivery.dispatch.world import HERE, World, ids, virtual, wait

GONE = Rejected("unknown webhook", status=404, code=10015, is_gone=True)
SHARED = {"webhook": "1-aa"}
PLACE = of_webhook("1-aa")


@virtual
async def test_all_destinations_of_a_webhook_are_enabled_and_reported_once() -> None:
    sinks = ScriptedSink([GONE]), ScriptedSink()
    async with World(*sinks, settings=SHARED) as world:
        await world.put("finds out")
        await wait(1)
        await world.put("waits", to="there-1")
        await world.dispatcher.check_enabled_elsewhere()
        assert world.emitted(DestinationEnabled) == [], "it is not enabled yet"
        await world.outbox.do(SaveFacts(PLACE, gone_fact(None)))  # as the command does, in another process
        await world.dispatcher.check_enabled_elsewhere()
        await world.dispatcher.check_enabled_elsewhere()
        await world.dispatcher.enable(HERE)
        assert [event.destination for event in world.emitted(DestinationEnabled)] == [HERE, "there-1"]
        await wait(1)
        assert ids(sinks[1]) == ["waits"]


@virtual
async def test_a_gone_webhook_that_is_not_saved_yet_does_not_count_as_enabled() -> None:
    async with World(ScriptedSink([GONE]), settings=SHARED) as world:
        world.dispatcher.lanes[HERE].gate.webhook.close(Gone("404"))
        await world.dispatcher.check_enabled_elsewhere()
        assert len(world.emitted(DestinationGone)) == 1
        assert world.emitted(DestinationEnabled) == []


@virtual
async def test_an_enabled_webhook_that_is_gone_again_is_reported_again() -> None:
    async with World(ScriptedSink([GONE, GONE]), ScriptedSink()) as world:
        for _ in range(2):
            await world.put()
            await wait(1)
            await world.dispatcher.enable(HERE)
        reported = [
            [event.destination for event in world.emitted(kind)] for kind in (DestinationGone, DestinationEnabled)
        ]
        assert reported == [[HERE, HERE]] * 2, "and no other"


@virtual
async def test_if_the_store_fails_it_stays_disabled() -> None:
    async with World(ScriptedSink([GONE]), settings=SHARED) as world:
        await world.put()
        await wait(1)
        for kind, enable in (
            (SaveFacts, lambda: world.dispatcher.enable(HERE)),
            (LoadFacts, world.dispatcher.check_enabled_elsewhere),
        ):
            world.outbox.faults[kind] = 1
            with pytest.raises(StoreFailed):
                await enable()
        gone = world.dispatcher.lanes[HERE].gate.gone
        assert gone is not None
        assert gone.reason == "unknown webhook"
        assert world.emitted(DestinationEnabled) == []


@virtual
async def test_a_webhook_enabled_while_the_store_fails_stays_enabled() -> None:
    async with World(ScriptedSink([GONE]), settings=SHARED) as world:
        world.outbox.faults[Settle] = 3
        await world.put("finds out")
        await wait(0)
        await world.dispatcher.enable(HERE)
        await wait(10)
        assert await world.state("finds out") == "dead", "its verdict was saved after all, with the facts"
        await world.put("next")
        await wait(1)
        assert read_gone(await world.outbox.do(LoadFacts(PLACE))) is None

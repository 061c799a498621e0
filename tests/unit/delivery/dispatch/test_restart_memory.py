"""Facts about a destination outlive a restart. They belong to its webhook or its host, not to its name."""

import pytest

from signalpost.delivery.outbox.commands import SaveFacts, Settle
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED, Limits, Rate
from signalpost.domain.events import DestinationGone, HostBanned
from signalpost.errors import StoreFailed
from signalpost.sinks.evidence import Rejected, Throttled
from signalpost.testing.scripted_sink import ScriptedSink
from tests.unit.delivery.dispatch.world import HERE, URGENT, FaultyOutbox, World, ids, now, throttled, virtual, wait

GONE = Rejected("unknown webhook", status=404, code=10015, is_gone=True)
FIRST, SECOND = {"webhook": "1-aa"}, {"webhook": "1-bb"}
BANNED = Throttled("403, a page", retry_after=600, scope="host", status=403, is_ban=True)
CHANNEL = NOTHING_ASSUMED._replace(channel=Rate(28, 60.0), reserve=False)


@virtual
async def test_another_webhook_works_at_once_and_gets_the_deliveries_of_its_name() -> None:
    outbox = FaultyOutbox()
    async with World(ScriptedSink([GONE]), outbox=outbox, settings=FIRST, workers=1) as world:
        await world.put("finds out")
        await world.put("waits")
        await wait(1)
        assert await world.state("waits") == "pending"
    rotated = ScriptedSink()
    async with World(rotated, outbox=outbox, settings=SECOND) as world:
        await world.dispatcher.drain()
        assert (ids(rotated), world.emitted(DestinationGone)) == (["waits"], [])


@virtual
async def test_the_same_webhook_stays_disabled_under_another_name_too() -> None:
    outbox = FaultyOutbox()
    async with World(ScriptedSink([GONE]), outbox=outbox, settings=FIRST) as world:
        await world.put()
        await wait(1)
    here, renamed = ScriptedSink(), ScriptedSink()
    async with World(here, renamed, outbox=outbox, settings=FIRST) as world:
        await world.put("news", to="there-1")
        await wait(60)
        assert (ids(here), ids(renamed)) == ([], [])
        assert [event.destination for event in world.emitted(DestinationGone)] == [HERE, "there-1"]


@virtual
async def test_two_destinations_of_one_webhook_are_gone_together_and_enabled_together() -> None:
    finds, shares = ScriptedSink([GONE]), ScriptedSink()
    async with World(finds, shares, settings=FIRST) as world:
        await world.put()
        await wait(1)
        await world.put("waits", to="there-1")
        await wait(60)
        assert ids(shares) == []
        gone = [(event.destination, event.reason) for event in world.emitted(DestinationGone)]
        assert gone == [(HERE, "unknown webhook"), ("there-1", "unknown webhook")]
        await world.dispatcher.enable(HERE)
        await wait(1)
        assert ids(shares) == ["waits"]


@virtual
async def test_a_start_reports_since_when_a_destination_is_gone() -> None:
    outbox = FaultyOutbox()
    async with World(ScriptedSink([GONE]), outbox=outbox, settings=FIRST) as world:
        await world.put()
        await wait(1)
        (first,) = world.emitted(DestinationGone)
    await wait(3600)
    async with World(ScriptedSink(), outbox=outbox, settings=FIRST) as world:
        assert world.emitted(DestinationGone) == [first]


@virtual
async def test_a_ban_pauses_every_destination_of_the_host_and_a_restart_does_not_shorten_it() -> None:
    outbox = FaultyOutbox()
    shut_out, other = ScriptedSink([BANNED]), ScriptedSink()
    async with World(shut_out, other, outbox=outbox, settings=FIRST) as world:
        began = now()
        await world.put("first")
        await wait(1)
        await world.put("second", to="there-1")
        await wait(100)
        assert ids(other) == []
        (first,) = world.emitted(HostBanned)
    after, other = ScriptedSink(), ScriptedSink()
    async with World(after, other, outbox=outbox, settings=SECOND) as world:
        (again,) = world.emitted(HostBanned)
        assert (again.host, again.reason) == (first.host, "403, a page")
        assert abs((again.until - first.until).total_seconds()) < 0.1
        await world.put("third")
        await wait(400)
        assert (ids(after), ids(other)) == ([], [])
        await wait(200)
        assert {*ids(after), *ids(other)} == {"first", "second", "third"}
        assert 599.9 < min(sent.began for sent in after.sent + other.sent) - began < 601


@virtual
async def test_a_ban_is_saved_even_if_the_store_fails_for_a_while() -> None:
    outbox = FaultyOutbox()
    outbox.faults[Settle] = 4
    async with World(ScriptedSink([BANNED]), outbox=outbox) as world:
        await world.put()
        await wait(30)
    after = ScriptedSink()
    async with World(after, outbox=outbox):
        await wait(500)
        assert ids(after) == []


@virtual
async def test_refusals_outlive_a_restart_and_pause_the_destination_when_they_are_fifty() -> None:
    outbox = FaultyOutbox()
    for life in range(2):
        sink = ScriptedSink([Rejected("no access", status=403)] * 100)
        async with World(sink, outbox=outbox, settings=FIRST) as world:
            for number in range(30):
                await world.put(f"{life}-{number}", valid_for=80_000)
            await wait(60)
    assert len(sink.sent) == 20
    await wait(600)
    async with World(sink, outbox=outbox, settings=FIRST):
        await wait(60)
        assert len(sink.sent) > 20


@virtual
async def test_a_short_wait_of_a_host_is_not_a_ban_after_a_restart_either() -> None:
    outbox = FaultyOutbox()
    async with World(ScriptedSink([throttled(20.0, "host")]), outbox=outbox) as world:
        await world.put()
        await wait(5)
        assert world.emitted(HostBanned) == []
    sink = ScriptedSink()
    async with World(sink, outbox=outbox) as world:
        await wait(10)
        assert (ids(sink), world.emitted(HostBanned)) == ([], [])
        world.dispatcher.lanes[HERE].gate.observe(BANNED)
        assert len(world.emitted(HostBanned)) == 1, "a ban is reported all the same"
        await wait(10)
        assert len(sink.shown) == 1


@virtual
async def test_a_wait_of_one_webhook_does_not_apply_to_the_next() -> None:
    outbox = FaultyOutbox()
    async with World(ScriptedSink([throttled(3600)]), outbox=outbox, settings=FIRST) as world:
        await world.put("waits", valid_for=80_000)
        await wait(1)
        again = ScriptedSink()
    async with World(again, outbox=outbox, settings=FIRST):
        await wait(60)
        assert ids(again) == []
    rotated = ScriptedSink()
    async with World(rotated, outbox=outbox, settings=SECOND) as world:
        await world.put("news")
        await wait(60)
        assert ids(rotated) == ["news"]


@virtual
async def test_the_operators_limit_applies_to_a_new_webhook_too() -> None:
    outbox, limits = FaultyOutbox(), NOTHING_ASSUMED._replace(messages_a_minute=5, reserve=False)
    async with World(ScriptedSink(), outbox=outbox, limits=limits, settings=FIRST) as world:
        for _ in range(5):
            await world.put()
        await wait(1)
    rotated = ScriptedSink()
    async with World(rotated, outbox=outbox, limits=limits, settings=SECOND) as world:
        await sends_only_after_a_minute(world, rotated)


@virtual
async def test_recent_sends_of_a_webhook_count_under_another_name() -> None:
    outbox = FaultyOutbox()
    limits = Limits(burst=None, reserve=False)
    async with World(ScriptedSink(), ScriptedSink(), outbox=outbox, limits=limits, settings=FIRST) as world:
        for _ in range(28):
            await world.put(to="there-1")
        await wait(1)
        assert len(world.sinks["there-1"].sent) == 28
    renamed = ScriptedSink()
    async with World(renamed, outbox=outbox, limits=limits, settings=FIRST) as world:
        await sends_only_after_a_minute(world, renamed)


async def sends_only_after_a_minute(world: World, sink: ScriptedSink) -> None:
    await world.put("news")
    await wait(50)
    assert ids(sink) == []
    await wait(15)
    assert ids(sink) == ["news"]


@virtual
async def test_a_start_that_cannot_read_all_facts_restores_nothing_and_can_be_repeated() -> None:
    outbox = FaultyOutbox()
    async with World(ScriptedSink(), outbox=outbox, limits=CHANNEL, settings=FIRST) as world:
        for _ in range(10):
            await world.put()
        await wait(1)
    world = World(ScriptedSink(), ScriptedSink(), outbox=outbox, limits=CHANNEL, settings=SECOND)
    outbox.faults[SaveFacts] = 1
    with pytest.raises(StoreFailed):
        await world.dispatcher.start()
    async with world:
        memory = world.dispatcher.lanes[HERE].gate.pacer.memory(now())
        assert len(memory.ages) == 10


@virtual
async def test_sends_of_a_former_name_through_another_webhook_do_not_count() -> None:
    outbox = FaultyOutbox()
    limits = Limits(burst=None, reserve=False)
    async with World(ScriptedSink(), ScriptedSink(), outbox=outbox, limits=limits, settings=FIRST):
        await wait(1)
    async with World(ScriptedSink(), ScriptedSink(), outbox=outbox, limits=limits, settings=SECOND) as world:
        for number in range(28):
            await world.put(f"second {number}", to="there-1")
        await wait(1)
    renamed = ScriptedSink()
    async with World(renamed, outbox=outbox, limits=limits, settings=FIRST) as world:
        await world.put("news")
        await wait(1)
        assert ids(renamed) == ["news"]


@virtual
async def test_a_second_finding_that_a_webhook_is_gone_is_not_reported() -> None:
    gone_too = Rejected("invalid token", status=401, code=50027, is_gone=True)
    async with World(ScriptedSink([GONE, gone_too], latency=1.0)) as world:
        await world.put("one")
        await wait(0.1)
        await world.put("two", URGENT)
        await wait(5)
        assert [event.reason for event in world.emitted(DestinationGone)] == ["unknown webhook"]
        assert [await world.state(name) for name in ("one", "two")] == ["dead", "dead"]

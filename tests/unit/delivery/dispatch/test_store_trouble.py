"""A store that fails: nothing is lost, nothing is given up, and its health is told when it changes."""

import pytest

from signalpost.delivery.dispatch.lane_memory import gone
from signalpost.delivery.dispatch.patient_outbox import PatientOutbox
from signalpost.delivery.outbox.commands import (
    Command,
    Expire,
    Find,
    Lease,
    LoadFacts,
    Open,
    SaveFacts,
    Settle,
    Stats,
)
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED
from signalpost.delivery.store_health import StoreHealth
from signalpost.domain.events import Event, StoreMoved
from signalpost.errors import StoreClosed, StoreFailed
from signalpost.sinks.evidence import Rejected
from signalpost.testing.scripted_sink import HANG, ScriptedSink
from tests.unit.delivery.dispatch.world import (
    HERE,
    HIGH,
    URGENT,
    FaultyOutbox,
    World,
    ids,
    now,
    throttled,
    virtual,
    wait,
)


@virtual
async def test_a_lease_that_fails_is_tried_again_and_uses_no_slot() -> None:
    sink = ScriptedSink()
    async with World(sink, limits=NOTHING_ASSUMED._replace(messages_a_minute=2)) as world:
        await wait(1)
        world.outbox.faults[Lease] = 6
        for _ in range(2):
            await world.put(priority=HIGH)
        await wait(20)
        assert len(sink.sent) == 1  # of two a minute, one is kept for URGENT
        assert [event.is_well for event in world.heard(StoreMoved)] == [False, True]


@virtual
async def test_a_verdict_is_kept_until_the_store_takes_it_and_the_message_is_not_sent_twice() -> None:
    sink = ScriptedSink()
    async with World(sink) as world:
        world.outbox.faults[Settle] = 12
        began = now()
        await world.put("kept")
        await wait(60)
        assert ids(sink) == ["kept"]
        assert await world.state("kept") == "delivered"
        ((state, at),) = world.settled_at("kept")
        assert (state, 20 < at - began < 60) == ("delivered", True)
        assert [event.is_well for event in world.heard(StoreMoved)] == [False, True]
        assert world.heard(StoreMoved)[0].reason == "the disk is full"


@virtual
async def test_an_expiry_that_fails_is_tried_again_soon() -> None:
    async with World(ScriptedSink([throttled(3600.0)])) as world:
        await world.put("blocks")
        await wait(1)
        began = now()
        await world.put("stale", valid_for=10.0, known=True)
        world.outbox.faults[Expire] = 3
        await wait(20)
        ((state, at),) = world.settled_at("stale")
        assert (state, 13 <= at - began <= 17) == ("expired", True)


@virtual
async def test_that_a_destination_is_gone_is_kept_when_the_store_can() -> None:
    sink = ScriptedSink([Rejected("unknown webhook", is_gone=True)])
    async with World(sink) as world:
        world.outbox.faults[Settle] = 3
        await world.put()
        await wait(10)
        kept = gone(await world.outbox.do(LoadFacts(HERE)))
        assert kept is not None
        assert kept.reason == "unknown webhook"


@pytest.mark.parametrize("kind", [Find, Settle, LoadFacts])
def test_a_start_that_fails_says_so_and_may_be_repeated(kind: type[Command[object]]) -> None:
    @virtual
    async def run() -> None:
        outbox, sink = FaultyOutbox(), ScriptedSink()
        dead = World(ScriptedSink([HANG]), outbox=outbox)
        await dead.dispatcher.start()
        await dead.put("lapses")
        await wait(1)
        for task in dead.dispatcher.lanes[HERE].tasks:
            task.cancel()
        world = World(sink, outbox=outbox)
        outbox.faults[kind] = 1
        with pytest.raises(StoreFailed, match="the disk is full"):
            await world.dispatcher.start()
        async with world:
            await wait(10)
            assert ids(sink) == ["lapses"]

    run()


@virtual
async def test_drain_says_that_the_store_cannot_tell_and_stop_stops_all_the_same() -> None:
    sink = ScriptedSink()
    async with World(sink) as world:
        world.outbox.faults[Open] = 1
        with pytest.raises(StoreFailed):
            await world.dispatcher.drain()
        world.outbox.faults[Open] = 2
        assert await world.dispatcher.stop(1.0) == ()
        await world.put()
        assert sink.sent == []
    assert not world.dispatcher.lanes[HERE].is_busy


@virtual
async def test_drain_waits_for_a_store_that_fails_for_a_moment() -> None:
    async with World(ScriptedSink(), limits=NOTHING_ASSUMED._replace(messages_a_minute=1), workers=1) as world:
        for _ in range(2):
            await world.put()
        await wait(1)
        world.outbox.faults.update({Stats: 1, Open: 1})
        assert await world.dispatcher.drain(70.0) == ()


@virtual
async def test_a_store_that_was_closed_ends_the_senders_and_nothing_else() -> None:
    sink = ScriptedSink([HANG])
    async with World(sink) as world:
        await world.put("hangs")
        await wait(1)
        await world.outbox.close()
        sink.release()
        await wait(120)
        assert all(task.done() and task.exception() is None for task in world.dispatcher.lanes[HERE].tasks)
        with pytest.raises(StoreClosed):
            await world.dispatcher.drain(1.0)
        assert await world.dispatcher.stop(1.0) == ()


@virtual
async def test_a_store_is_left_alone_ever_longer_up_to_5_seconds() -> None:
    health = StoreHealth(lambda _: None)
    outbox = PatientOutbox(FaultyOutbox(), jitter=lambda: 1.0, health=health)
    assert [outbox.delay(failures) for failures in (1, 2, 3, 6, 7, 99)] == [0.1, 0.2, 0.4, 3.2, 5.0, 5.0]
    assert PatientOutbox(FaultyOutbox(), jitter=lambda: 0.0, health=health).delay(1) == 0.05


@virtual
async def test_any_look_that_succeeds_shows_that_the_store_can_be_read_again_and_none_that_it_takes_something() -> None:
    events, faulty = list[Event](), FaultyOutbox()
    outbox = PatientOutbox(faulty, jitter=lambda: 1.0, health=StoreHealth(events.append))
    faulty.faults.update({Find: 1, SaveFacts: 1})
    for command in (Find(), SaveFacts(HERE, {})):
        with pytest.raises(StoreFailed):
            await outbox.do(command)
    await outbox.do(Stats())
    assert events == [StoreMoved(False, "the disk is full")]
    await outbox.do(SaveFacts(HERE, {}))
    assert events[1:] == [StoreMoved(True)]


@virtual
async def test_while_a_verdict_cannot_be_written_a_stop_gives_up_after_its_time() -> None:
    """What was sent is then found leased at the next start, and marked as perhaps shown."""
    outbox = FaultyOutbox()
    async with World(ScriptedSink(), outbox=outbox) as world:
        outbox.faults[Settle] = 1 << 30
        await world.put("sent")
        await wait(1)
        began = now()
        (left,) = await world.dispatcher.stop(5.0)
        assert (left.state.value, now() - began) == ("leased", 7.0)
    outbox.faults.clear()
    sink = ScriptedSink()
    async with World(sink, outbox=outbox) as again:
        await again.dispatcher.drain()
        await wait(5)
        assert sink.sent[0].items[0].may_repeat
        assert await again.state("sent") == "delivered"
        assert [attempt.outcome for attempt in await again.history("sent")] == ["lapsed", "delivered"]


class Deaf(World):
    """A world whose listener fails at everything."""

    def _note(self, event: Event) -> None:
        raise ValueError(f"https://secret {event}")


@virtual
async def test_a_listener_that_fails_changes_nothing() -> None:
    sink = ScriptedSink()
    async with Deaf(sink) as world:
        await world.put("heard by nobody")
        await world.dispatcher.drain()
        assert await world.state("heard by nobody") == "delivered"


def test_of_a_listener_that_fails_only_the_kind_of_its_error_is_told(caplog: pytest.LogCaptureFixture) -> None:
    test_a_listener_that_fails_changes_nothing()
    assert "failed on SendBegan: ValueError [" in caplog.text
    assert "secret" not in caplog.text


@virtual
async def test_a_store_that_can_read_but_not_write_is_not_said_to_be_well_in_between() -> None:
    async with World(ScriptedSink(), ScriptedSink()) as world:
        world.outbox.faults[Settle] = 1 << 30
        await world.put()
        for _ in range(60):
            world.dispatcher.wake(["there-1"], URGENT)
            await wait(1)
        assert [event.is_well for event in world.heard(StoreMoved)] == [False]
        world.outbox.faults.clear()
        await wait(6)
        assert [event.is_well for event in world.heard(StoreMoved)] == [False, True]

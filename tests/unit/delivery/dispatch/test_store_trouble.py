"""A failing store loses nothing, makes no delivery give up, and changes of its health are reported."""

import pytest

from signalpost.delivery.facts import read_gone
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
    Subject,
)
from signalpost.delivery.outbox.patience import RetryingOutbox, StoreHealth
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED
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
async def test_a_failed_lease_is_retried_and_uses_no_slot() -> None:
    sink = ScriptedSink()
    async with World(sink, limits=NOTHING_ASSUMED._replace(messages_a_minute=2)) as world:
        await wait(1)
        world.outbox.faults[Lease] = 6
        for _ in range(2):
            await world.put(priority=HIGH)
        await wait(20)
        assert len(sink.sent) == 1  # of two a minute, one is reserved for URGENT
        assert [event.is_well for event in world.emitted(StoreMoved)] == [False, True]


@virtual
async def test_a_verdict_is_kept_until_the_store_saves_it_and_the_message_is_not_repeated() -> None:
    sink = ScriptedSink()
    async with World(sink) as world:
        world.outbox.faults[Settle] = 13
        began = now()
        await world.put("kept")
        await wait(60)
        assert ids(sink) == ["kept"]
        assert await world.state("kept") == "delivered"
        ((state, at),) = world.settled_at("kept")
        assert (state, 20 < at - began < 60) == ("delivered", True)
        assert [event.is_well for event in world.emitted(StoreMoved)] == [False, True]
        assert world.emitted(StoreMoved)[0].reason == "the disk is full"


@virtual
async def test_a_failed_expiry_is_retried_soon() -> None:
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
async def test_a_gone_destination_is_saved_once_the_store_works() -> None:
    sink = ScriptedSink([Rejected("unknown webhook", is_gone=True)])
    async with World(sink) as world:
        world.outbox.faults[Settle] = 3
        await world.put()
        await wait(10)
        gone = read_gone(await world.outbox.do(LoadFacts(Subject(HERE))))
        assert gone is not None
        assert gone.reason == "unknown webhook"


@pytest.mark.parametrize("kind", [Find, Settle, LoadFacts])
def test_a_failed_start_raises_and_can_be_repeated(kind: type[Command[object]]) -> None:
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
        with pytest.raises(StoreFailed) as failed:
            await world.dispatcher.start()
        assert str(failed.value) == "the disk is full", "the error of the outbox itself"
        async with world:
            await wait(10)
            assert ids(sink) == ["lapses"]

    run()


@virtual
async def test_drain_raises_if_the_store_fails_and_stop_still_stops() -> None:
    sink = ScriptedSink()
    async with World(sink) as world:
        world.outbox.faults[Open] = 1
        with pytest.raises(StoreFailed):
            await world.dispatcher.drain()
        world.outbox.faults[Open] = 2
        assert await world.dispatcher.stop(1.0) == ()
        await world.put()
        assert sink.sent == []
    assert not world.dispatcher.lanes[HERE].busy


@virtual
async def test_drain_survives_a_short_failure_of_the_store() -> None:
    async with World(ScriptedSink(), limits=NOTHING_ASSUMED._replace(messages_a_minute=1), workers=1) as world:
        for _ in range(2):
            await world.put()
        await wait(1)
        world.outbox.faults.update({Stats: 1, Open: 1})
        assert await world.dispatcher.drain(70.0) == ()


@virtual
async def test_a_closed_store_ends_the_senders_without_errors() -> None:
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
async def test_the_wait_before_a_retry_grows_to_5_seconds() -> None:
    health = StoreHealth(lambda _: None)
    outbox = RetryingOutbox(FaultyOutbox(), jitter=lambda: 1.0, health=health)
    assert [outbox.delay(failures) for failures in (1, 2, 3, 6, 7, 99)] == [0.1, 0.2, 0.4, 3.2, 5.0, 5.0]
    assert RetryingOutbox(FaultyOutbox(), jitter=lambda: 0.0, health=health).delay(1) == 0.05


@virtual
async def test_a_successful_read_does_not_end_a_failure_to_write() -> None:
    events, faulty = list[Event](), FaultyOutbox()
    outbox = RetryingOutbox(faulty, jitter=lambda: 1.0, health=StoreHealth(events.append))
    faulty.faults.update({Find: 1, SaveFacts: 1})
    for command in (Find(), SaveFacts(Subject(HERE), {})):
        with pytest.raises(StoreFailed):
            await outbox.do(command)
    await outbox.do(Stats())
    assert events == [StoreMoved(False, "the disk is full")]
    await outbox.do(SaveFacts(Subject(HERE), {}))
    assert events[1:] == [StoreMoved(True)]


@virtual
async def test_a_stop_gives_up_after_its_timeout_if_a_verdict_cannot_be_saved() -> None:
    """The next start finds the delivery leased, and marks its repeat."""
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


class FailingListener(World):
    """A world whose listener always fails."""

    def _note(self, event: Event) -> None:
        raise ValueError(f"https://secret {event}")


@virtual
async def test_a_failing_listener_changes_nothing() -> None:
    sink = ScriptedSink()
    async with FailingListener(sink) as world:
        await world.put("unheard")
        await world.dispatcher.drain()
        assert await world.state("unheard") == "delivered"


def test_only_the_kind_of_a_listeners_error_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    test_a_failing_listener_changes_nothing()
    assert any("SendBegan" in line and "ValueError" in line for line in caplog.messages)
    assert "secret" not in caplog.text


@virtual
async def test_a_read_only_store_is_not_reported_as_well_in_between() -> None:
    async with World(ScriptedSink(), ScriptedSink()) as world:
        world.outbox.faults[Settle] = 1 << 30
        await world.put()
        for _ in range(60):
            world.dispatcher.wake(["there-1"], URGENT)
            await wait(1)
        assert [event.is_well for event in world.emitted(StoreMoved)] == [False]
        world.outbox.faults.clear()
        await wait(6)
        assert [event.is_well for event in world.emitted(StoreMoved)] == [False, True]

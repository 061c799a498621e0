"""Nothing stale is sent: not from the queue, not by a retry, and what is being sent is cut off."""

import asyncio
from datetime import timedelta

import pytest

from signalpost import clock
from signalpost.delivery.outbox.commands import Lease
from signalpost.domain.events import BreakerMoved, ClockStepped, Settled
from signalpost.sinks.evidence import Unconfirmed
from signalpost.testing.scripted_sink import HANG, ScriptedSink
from signalpost.testing.virtual_loop import VirtualClock
from tests.unit.delivery.dispatch.world import FREE, URGENT, World, ids, now, throttled, virtual, wait


@virtual
async def test_what_waits_expires_at_its_moment_where_that_is_known_and_within_a_minute_where_not() -> None:
    sink = ScriptedSink([throttled(3600.0)])
    async with World(sink) as world:
        await wait(10)
        began = now()
        await world.put("blocks")
        await wait(1)
        await world.put("known", valid_for=20.5, known=True)
        await world.put("later", valid_for=25.0, known=True)
        await world.put("unknown", valid_for=5.0)
        await wait(300)
        assert world.settled_at("known") == [("expired", began + 21.5)]
        assert world.settled_at("later") == [("expired", began + 26.0)]
        assert world.settled_at("unknown") == [("expired", began + 21.5)]
        assert ids(sink) == ["blocks"]


@virtual
async def test_what_nobody_named_expires_within_a_minute() -> None:
    async with World(ScriptedSink([throttled(3600.0)])) as world:
        began = now()
        await world.put("blocks")
        await world.put("unknown", valid_for=5.0)
        await wait(61)
        assert world.settled_at("unknown") == [("expired", began + 60.0)]


@virtual
async def test_more_moments_than_are_kept_in_mind_expire_all_the_same() -> None:
    async with World(ScriptedSink([throttled(3600.0)])) as world:
        await world.put("blocks")
        for _ in range(1300):
            await world.put(valid_for=30.0, known=True)
        await wait(31)
        assert len([event for event in world.heard(Settled) if event.delivery.state.value == "expired"]) == 1300
        assert len(world.dispatcher._sweep._known_until) == 0


@virtual
async def test_what_is_stale_when_its_turn_comes_is_not_sent() -> None:
    sink = ScriptedSink()
    async with World(sink, limits=FREE._replace(messages_a_minute=1), workers=1) as world:
        await world.put("first")
        await world.put("stale", valid_for=59.9)
        await world.put("fresh")
        await wait(70)
        assert ids(sink) == ["first", "fresh"]
        assert await world.state("stale") == "expired"


@virtual
async def test_a_send_is_cut_off_at_valid_until_and_ends_as_unconfirmed() -> None:
    sink = ScriptedSink([HANG])
    async with World(sink) as world:
        began = now()
        await world.put("hangs", valid_for=20.0)
        await wait(30)
        assert world.settled_at("hangs") == [("unconfirmed", began + 20.0)]
        assert sink.hanging == 0
        (attempt,) = await world.history("hangs")
        assert (attempt.outcome, attempt.detail) == ("unconfirmed", "cut off")
        assert attempt.ended_at - attempt.began_at == timedelta(seconds=20)


@virtual
async def test_sends_cut_off_after_long_open_the_breaker_and_those_cut_off_at_once_do_not() -> None:
    sink = ScriptedSink([HANG] * 5 + [HANG] * 5)
    async with World(sink, workers=1) as world:
        for _ in range(5):
            await world.put(valid_for=2.9)
            await wait(2.9)
        assert world.heard(BreakerMoved) == []
        for _ in range(5):
            await world.put(valid_for=3.1)
            await wait(3.1)
        await wait(0.1)
        assert len(world.heard(BreakerMoved)) == 1


@virtual
async def test_what_comes_back_in_the_last_moment_is_delivered_all_the_same() -> None:
    """A sink that brings its receipt home although it is being cut off is believed."""

    class Stubborn(ScriptedSink):
        async def send(self, items: object) -> object:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return await super().send(items)

    async with World(Stubborn()) as world:
        await world.put("late", valid_for=5.0)
        await wait(6)
        assert await world.state("late") == "delivered"


@virtual
async def test_a_retry_that_would_come_too_late_is_not_waited_for() -> None:
    script = [throttled(30.0), throttled(30.0), Unconfirmed("bad gateway", status=502), throttled(30.0)]
    async with World(ScriptedSink(script), workers=1, jitter=lambda: 0.5) as world:
        began = now()
        await world.put("never shown", valid_for=29.0)
        await wait(30)
        assert world.settled_at("never shown") == [("expired", began)]
        await world.put("shown?", valid_for=60.0)
        await wait(70)
        assert [state for state, _ in world.settled_at("shown?")] == ["pending", "pending", "unconfirmed"]


@virtual
async def test_what_expires_while_it_is_leased_is_not_sent() -> None:
    """A store that is slow to answer must not let a stale one out."""
    sink = ScriptedSink()
    async with World(sink) as world:
        await wait(1)
        world.outbox.delays[Lease] = 10.0
        await world.put("stale", valid_for=5.0)
        await wait(30)
        assert sink.sent == []
        assert await world.state("stale") == "expired"
        assert await world.history("stale") == ()


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_clock_that_is_set_is_noticed_within_ten_seconds_and_no_wait_becomes_longer(hours: int) -> None:
    @virtual
    async def run() -> None:
        told = clock.install(None)
        clock.install(told)
        assert isinstance(told, VirtualClock)
        sink = ScriptedSink([throttled(1000.0)])
        async with World(sink) as world:
            await world.put("waits")
            await wait(30)
            told.step(timedelta(hours=hours))
            await wait(10.1)
            assert world.heard(ClockStepped) == [ClockStepped(hours * 3600.0)]
            await wait(1000 - 40.1 - 1)
            assert len(sink.sent) == 1  # the far end's own wait is kept on the loop's clock
            await wait(2 if hours > 0 else 1000)
            assert len(sink.sent) == 2

    run()


@virtual
async def test_valid_until_is_read_anew_at_each_decision() -> None:
    """After a step of the clock beyond it, nothing that became stale is sent."""
    told = clock.install(None)
    clock.install(told)
    assert isinstance(told, VirtualClock)
    sink = ScriptedSink([throttled(10.0)])
    async with World(sink) as world:
        await world.put("stale", URGENT, valid_for=600.0)
        await wait(5)
        told.step(timedelta(hours=1))
        await wait(70)
        assert len(sink.sent) == 1
        assert await world.state("stale") == "expired"


@virtual
async def test_what_became_stale_unnoticed_is_told_when_its_turn_comes() -> None:
    sink = ScriptedSink()
    async with World(sink, limits=FREE._replace(messages_a_minute=1)) as world:
        await wait(30)
        await world.put("first")
        await world.put("stale", valid_for=40.0)
        await wait(61)
        assert ids(sink) == ["first"]
        assert world.settled_at("stale") == [("expired", pytest.approx(1090.0, abs=0.1))]

"""Nothing stale is sent, neither from the queue nor by a retry, and a running send is cut off."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from signalpost import clock
from signalpost.delivery.dispatch.sweep import ClockWatch, Sweep
from signalpost.delivery.outbox.commands import Command, Lease, Stats
from signalpost.domain.events import BreakerMoved, ClockStepped, Settled
from signalpost.sinks.evidence import Unconfirmed
from signalpost.testing.scripted_sink import HANG, ScriptedSink
from tests.unit.delivery.dispatch.world import FREE, URGENT, World, ids, now, step, throttled, virtual, wait


@virtual
async def test_deliveries_expire_on_time_if_that_is_known_and_otherwise_within_a_minute() -> None:
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
async def test_a_delivery_with_an_unknown_validity_expires_within_a_minute() -> None:
    async with World(ScriptedSink([throttled(3600.0)])) as world:
        began = now()
        await world.put("blocks")
        await world.put("unknown", valid_for=5.0)
        await wait(61)
        assert world.settled_at("unknown") == [("expired", began + 60.0)]


@virtual
async def test_deliveries_beyond_the_known_ones_expire_too() -> None:
    async with World(ScriptedSink([throttled(3600.0)])) as world:
        await world.put("blocks")
        for _ in range(1300):
            await world.put(valid_for=30.0, known=True)
        await wait(31)
        assert len([event for event in world.emitted(Settled) if event.delivery.state.value == "expired"]) == 1300
        put_at = now()
        await world.put("later", valid_for=5.0, known=True)
        await wait(6)
        assert world.settled_at("later") == [("expired", put_at + 5.0)], "the expired ones are known no more"


class _Watch(ClockWatch):
    """Counts how often the sweep wakes."""

    looks = 0

    async def look(self) -> bool:
        self.looks += 1
        return False


class _EmptyStore:
    async def do(self, command: Command[Any]) -> Any:
        return {} if isinstance(command, Stats) else ()


@virtual
async def test_only_an_expiry_before_all_known_ones_wakes_the_sweep() -> None:
    store: Any = _EmptyStore()
    watch = _Watch(store, lambda _: None)
    sweep = Sweep({}, store, watch, jitter=lambda: 0.0, emit=lambda _: None, on_clock_set=lambda: None)
    running = asyncio.create_task(sweep.run())
    await wait(1)
    looks, at = [], clock.now()
    for seconds in (50, 50, 60, 40):
        sweep.expect(at + timedelta(seconds=seconds))
        await wait(0.1)
        looks.append(watch.looks)
    assert looks == [2, 2, 2, 3]
    running.cancel()


@virtual
async def test_a_stale_delivery_is_not_sent_by_its_lease() -> None:
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
async def test_sends_cut_off_after_long_open_the_breaker_and_early_ones_do_not() -> None:
    sink = ScriptedSink([HANG] * 5 + [HANG] * 5)
    async with World(sink, workers=1) as world:
        for _ in range(5):
            await world.put(valid_for=2.9)
            await wait(2.9)
        assert world.emitted(BreakerMoved) == []
        for _ in range(5):
            await world.put(valid_for=3.1)
            await wait(3.1)
        await wait(0.1)
        assert len(world.emitted(BreakerMoved)) == 1


@virtual
async def test_a_receipt_in_the_last_moment_still_counts_as_delivered() -> None:
    """A sink may still return its receipt while it is cut off."""

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
async def test_a_delivery_whose_retry_would_come_too_late_ends_at_once() -> None:
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
async def test_a_delivery_that_expires_during_its_lease_is_not_sent() -> None:
    """A slow store must not let a stale delivery leave."""
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
        sink = ScriptedSink([throttled(1000.0)])
        async with World(sink) as world:
            await world.put("waits")
            await wait(30)
            step(timedelta(hours=hours))
            await wait(10.1)
            assert world.emitted(ClockStepped) == [ClockStepped(hours * 3600.0)]
            await wait(1000 - 40.1 - 1)
            assert len(sink.sent) == 1  # a demanded wait uses the loop's clock
            await wait(2 if hours > 0 else 1000)
            assert len(sink.sent) == 2

    run()


@virtual
async def test_valid_until_is_read_anew_at_each_decision() -> None:
    """If the clock steps beyond it, the delivery is stale and is not sent."""
    sink = ScriptedSink([throttled(10.0)])
    async with World(sink) as world:
        await world.put("stale", URGENT, valid_for=600.0)
        await wait(5)
        step(timedelta(hours=1))
        await wait(70)
        assert len(sink.sent) == 1
        assert await world.state("stale") == "expired"


@virtual
async def test_a_delivery_that_became_stale_unnoticed_is_reported_by_its_lease() -> None:
    sink = ScriptedSink()
    async with World(sink, limits=FREE._replace(messages_a_minute=1)) as world:
        await wait(30)
        await world.put("first")
        await world.put("stale", valid_for=40.0)
        await wait(61)
        assert ids(sink) == ["first"]
        assert world.settled_at("stale") == [("expired", pytest.approx(1090.0, abs=0.1))]

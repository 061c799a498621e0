"""The clock is set by an hour, or the machine sleeps: no delivery is stuck, and none leave in a burst."""

from datetime import timedelta

import pytest

from signalpost.delivery.facts import CLOCK
from signalpost.delivery.outbox.commands import SaveFacts, ShortenWaits
from signalpost.domain.events import ClockStepped
from signalpost.testing.scripted_sink import ScriptedSink
from tests.unit.delivery.dispatch.world import (
    DOWN,
    FREE,
    FaultyOutbox,
    World,
    ids,
    now,
    step,
    throttled,
    virtual,
    wait,
)

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("by", [HOUR, -HOUR])
@pytest.mark.parametrize("at", [0.5, 7.0, 33.0])
def test_a_retry_is_late_by_the_time_to_notice_a_step_at_most(by: timedelta, at: float) -> None:
    @virtual
    async def run() -> None:
        sink = ScriptedSink([DOWN, DOWN, DOWN])
        async with World(sink, jitter=lambda: 0.9) as world:
            await wait(at)
            await world.put("waits")
            await wait(0.1)
            step(by)
            await wait(0.9 + 1.8 + 3.6 + 3 * 10.0)
            assert ids(sink) == ["waits"] * 4
            assert [event.seconds for event in world.emitted(ClockStepped)] == [by.total_seconds()]

    run()


@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_the_pace_does_not_depend_on_the_clock(by: timedelta) -> None:
    @virtual
    async def run() -> None:
        sink = ScriptedSink()
        async with World(sink, limits=FREE._replace(messages_a_minute=10)) as world:
            for _ in range(40):
                await world.put()
            await wait(5)
            step(by)
            await wait(175)
            assert [sum(1 for sent in sink.sent if sent.began < 1000 + 60 * n + 1) for n in (0, 1, 2)] == [10, 20, 30]
            assert [each for each in sink.sent if each.began > 1182] == []

    run()


@virtual
async def test_a_saved_wait_is_not_an_hour_longer_in_the_next_run() -> None:
    outbox = FaultyOutbox()
    async with World(ScriptedSink([DOWN] * 3), outbox=outbox, jitter=lambda: 0.9) as world:
        await world.put("waits")
        await wait(1.5)
        assert (await world.delivery("waits")).not_before is not None
    step(-HOUR)
    sink = ScriptedSink()
    async with World(sink, outbox=outbox) as world:
        began = now()
        assert [round(event.seconds) for event in world.emitted(ClockStepped)] == [-3600]
        await wait(5)
        assert [sent.began - began for sent in sink.sent] == [pytest.approx(1.8, abs=0.01)]
    async with World(ScriptedSink(), outbox=outbox) as world:
        assert world.emitted(ClockStepped) == [], "it is reported once"


@virtual
async def test_a_failed_shortening_of_waits_is_repeated() -> None:
    outbox = FaultyOutbox()
    sink = ScriptedSink([DOWN])
    async with World(sink, outbox=outbox, jitter=lambda: 0.9) as world:
        await world.put("waits")
        await wait(0.1)
        outbox.faults[ShortenWaits] = 2
        step(-HOUR)
        await wait(45)
        assert outbox.commands[ShortenWaits] == 3
        assert len(world.emitted(ClockStepped)) == 1
        assert ids(sink) == ["waits"] * 2


@virtual
async def test_an_unreadable_last_time_is_not_a_step() -> None:
    outbox = FaultyOutbox()
    await outbox.do(SaveFacts(CLOCK, {"seen": b"yesterday"}))
    async with World(ScriptedSink(), outbox=outbox) as world:
        await wait(100)
        assert world.emitted(ClockStepped) == []


@virtual
async def test_a_drift_is_not_a_step_and_two_jumps_are_two() -> None:
    async with World(ScriptedSink()) as world:
        for _ in range(6):
            await wait(60)
            step(timedelta(seconds=0.9))
        assert world.emitted(ClockStepped) == []
        for by in (HOUR, -HOUR):
            step(by)
            await wait(20)
        assert [round(event.seconds) for event in world.emitted(ClockStepped)] in ([3600, -3600], [3601, -3600])


@virtual
async def test_a_wait_that_discord_demanded_keeps_its_length() -> None:
    sink = ScriptedSink([throttled(30.0)])
    async with World(sink) as world:
        await world.put("waits")
        await wait(1)
        step(HOUR)
        await wait(28)
        assert len(sink.sent) == 1
        step(-2 * HOUR)
        await wait(10 + 30)  # it is noticed, and counts anew
        assert len(sink.sent) == 2
        assert await world.dispatcher.drain(0) == ()

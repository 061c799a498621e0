"""A clock that is set by an hour, and a machine that sleeps: nothing is stranded, nothing comes in a burst."""

from datetime import timedelta

import pytest

from signalpost import clock
from signalpost.delivery.outbox.commands import SaveFacts, ShortenWaits
from signalpost.domain.events import ClockStepped
from signalpost.testing.scripted_sink import ScriptedSink
from signalpost.testing.virtual_loop import VirtualClock
from tests.unit.delivery.dispatch.world import (
    DOWN,
    FREE,
    FaultyOutbox,
    World,
    ids,
    now,
    throttled,
    virtual,
    wait,
)

HOUR = timedelta(hours=1)


def step(by: timedelta) -> None:
    told = clock.install(None)
    clock.install(told)
    assert isinstance(told, VirtualClock)
    told.step(by)


@pytest.mark.parametrize("by", [HOUR, -HOUR])
@pytest.mark.parametrize("at", [0.5, 7.0, 33.0])
def test_a_retry_is_never_later_than_its_wait_and_the_time_to_notice(by: timedelta, at: float) -> None:
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
            assert [event.seconds for event in world.heard(ClockStepped)] == [by.total_seconds()]

    run()


@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_the_pace_is_kept_whatever_the_clock_says(by: timedelta) -> None:
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
async def test_a_wait_that_an_earlier_run_wrote_down_is_not_an_hour_longer_in_the_next() -> None:
    outbox = FaultyOutbox()
    async with World(ScriptedSink([DOWN] * 3), outbox=outbox, jitter=lambda: 0.9) as world:
        await world.put("waits")
        await wait(1.5)
        assert (await world.delivery("waits")).not_before is not None
    step(-HOUR)
    sink = ScriptedSink()
    async with World(sink, outbox=outbox) as world:
        began = now()
        assert [round(event.seconds) for event in world.heard(ClockStepped)] == [-3600]
        await wait(5)
        assert [sent.began - began for sent in sink.sent] == [pytest.approx(1.8, abs=0.01)]
    async with World(ScriptedSink(), outbox=outbox) as world:
        assert world.heard(ClockStepped) == [], "it is told once"


@virtual
async def test_a_store_that_cannot_shorten_waits_at_first_does_it_later() -> None:
    outbox = FaultyOutbox()
    sink = ScriptedSink([DOWN])
    async with World(sink, outbox=outbox, jitter=lambda: 0.9) as world:
        await world.put("waits")
        await wait(0.1)
        outbox.faults[ShortenWaits] = 2
        step(-HOUR)
        await wait(45)
        assert outbox.asked[ShortenWaits] == 3
        assert len(world.heard(ClockStepped)) == 1
        assert ids(sink) == ["waits"] * 2


@virtual
async def test_what_was_seen_and_cannot_be_read_is_no_step() -> None:
    outbox = FaultyOutbox()
    await outbox.do(SaveFacts("(clock)", {"seen": b"yesterday"}))
    async with World(ScriptedSink(), outbox=outbox) as world:
        await wait(100)
        assert world.heard(ClockStepped) == []


@virtual
async def test_a_clock_that_drifts_is_no_step_and_one_that_jumps_twice_is_two() -> None:
    async with World(ScriptedSink()) as world:
        for _ in range(6):
            await wait(60)
            step(timedelta(seconds=0.9))
        assert world.heard(ClockStepped) == []
        for by in (HOUR, -HOUR):
            step(by)
            await wait(20)
        assert [round(event.seconds) for event in world.heard(ClockStepped)] in ([3600, -3600], [3601, -3600])


@virtual
async def test_a_wait_that_a_far_end_asked_for_keeps_its_length() -> None:
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

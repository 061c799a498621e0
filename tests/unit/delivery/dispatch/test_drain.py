"""A drain waits for every delivery that can be sent within its timeout, and for no other."""

from collections.abc import Iterator
from random import Random

import pytest

from signalpost.delivery.dispatch.dispatcher import Dispatcher
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED, Limits
from signalpost.domain.priority import NotificationPriority
from signalpost.sinks.evidence import Evidence, Throttled
from signalpost.telemetry.bus import Bus
from signalpost.testing.scripted_sink import ScriptedSink, Step
from tests.size import size
from tests.unit.delivery.dispatch.world import (
    BROKEN,
    DOWN,
    FREE,
    HIGH,
    NORMAL,
    SILENT,
    URGENT,
    FaultyOutbox,
    World,
    ids,
    now,
    throttled,
    virtual,
    wait,
)

BANNED = Throttled("403, a page", retry_after=3600, scope="host", status=403, is_ban=True)
A_MINUTE = NOTHING_ASSUMED._replace(messages_a_minute=10, reserve=False)


async def drained(world: World, timeout: float | None) -> tuple[float, int]:
    """How long a drain takes, and how many deliveries it leaves open."""
    began = now()
    left = await world.dispatcher.drain(timeout)
    return round(now() - began, 1), len(left)


@pytest.mark.parametrize("answer", [BANNED, throttled(3600, "host"), throttled(3600)])
def test_a_drain_does_not_wait_for_a_destination_closed_for_longer(answer: Evidence) -> None:
    @virtual
    async def run() -> None:
        async with World(ScriptedSink([answer])) as world:
            for priority in (NORMAL, HIGH, URGENT):
                await world.put(priority=priority, valid_for=9000)
            assert await drained(world, 60) == (0.0, 3), "when it finds out"
            assert await drained(world, 60) == (0.0, 3), "when it knows"
            began = now()
            await world.dispatcher.stop(60)
            assert now() == began

    run()


@virtual
async def test_a_stop_does_not_wait_for_the_end_of_a_ban_and_the_next_run_delivers() -> None:
    async with World(ScriptedSink([BANNED])) as world:
        for name in ("finds out", "waits"):
            await world.put(name, valid_for=9000)
        await wait(1)
        left = await world.dispatcher.stop(60)
        assert {each.id.notification_id for each in left} == {"finds out", "waits"}
    sink = ScriptedSink()
    async with World(sink, outbox=world.outbox) as world:
        assert await drained(world, 3000) == (0.0, 2)
        assert await drained(world, 7200) == (3599.0, 0)
        assert ids(sink) == ["finds out", "waits"]


@virtual
async def test_a_drain_waits_for_a_pause_that_ends_in_time_and_without_a_timeout_for_any() -> None:
    async with World(ScriptedSink([throttled(30), BANNED])) as world:
        for _ in range(4):
            await world.put(valid_for=9000)
        assert await drained(world, 20) == (0.0, 4)
        assert await drained(world, 31) == (30.0, 4), "and then a ban begins"
        assert await drained(world, None) == (3600.0, 0)


@virtual
async def test_a_closed_destination_does_not_end_the_wait_for_others() -> None:
    async with World(ScriptedSink([throttled(3600)]), ScriptedSink(latency=5.0)) as world:
        await world.put(valid_for=9000)
        await world.put(to="there-1")
        assert await drained(world, 60) == (5.0, 1)


@virtual
async def test_a_drain_waits_for_a_free_slot_within_its_timeout() -> None:
    async with World(ScriptedSink(), limits=A_MINUTE) as world:
        for _ in range(25):
            await world.put()
        assert await drained(world, 30) == (0.0, 15)
        assert await drained(world, 61) == (60.0, 5)
        assert await drained(world, 30) == (0.0, 5)
        assert await drained(world, None) == (60.0, 0)


@pytest.mark.parametrize("waiting", [20, 1200])
@pytest.mark.parametrize(("priority", "is_in_time"), [(NORMAL, False), (URGENT, True)])
def test_the_slots_for_the_waiting_priority_count(
    waiting: int, priority: NotificationPriority, *, is_in_time: bool
) -> None:
    @virtual
    async def run() -> None:
        async with World(ScriptedSink(), limits=NOTHING_ASSUMED._replace(messages_a_minute=10)) as world:
            for number in (1, 9):
                for _ in range(number):
                    await world.put(priority=URGENT)
                await wait(25)
            for _ in range(waiting):
                await world.put(valid_for=90_000)
            await world.put("last", priority, valid_for=90_000)
            assert (await drained(world, 9))[0] == 0.0, "nothing may leave for 10 s"
            took, _ = await drained(world, 12)
            assert took == (10.0 if is_in_time else 0.0), "then an URGENT may leave"
            assert await world.state("last") == ("delivered" if is_in_time else "pending")

    run()


@virtual
async def test_a_drain_does_not_wait_for_a_probe_that_is_not_due_in_time() -> None:
    async with World(ScriptedSink([SILENT, throttled(3600)]), limits=FREE) as world:
        await world.put("may repeat", valid_for=9000)
        await wait(0.1)
        await world.put("finds out", valid_for=9000)
        took, left = await drained(world, 60)
        assert left == 2
        assert took < 10


@virtual
async def test_a_drain_waits_for_a_burst_limit_of_a_second() -> None:
    async with World(ScriptedSink(), limits=Limits(reserve=False)) as world:
        for _ in range(12):
            await world.put()
        took, left = await drained(world, 10)
        assert (3.9 < took < 5, left) == (True, 0)


@pytest.mark.parametrize(
    ("answers", "within"),
    [
        ([BROKEN], 3),
        ([DOWN], 2),
        ([SILENT], 3),
        ([throttled(1)], 2),
        ([throttled(30, "host")], 31),
        ([DOWN] * 3, 6),
        ([DOWN] * 8, 25),
    ],
)
def test_a_drain_waits_for_every_retry_within_its_timeout(answers: list[Evidence], within: float) -> None:
    @virtual
    async def run() -> None:
        async with World(ScriptedSink(answers), limits=FREE) as world:
            name = await world.put(valid_for=9000)
            took, left = await drained(world, 60)
            assert (left, await world.state(name)) == (0, "delivered")
            assert took < within

    run()


@virtual
async def test_a_drain_waits_for_a_breaker_that_closes_in_time_and_for_all_deliveries_behind_it() -> None:
    sink = ScriptedSink([DOWN] * 5, probes=[DOWN] * 2, latency=0.1)
    async with World(sink, limits=FREE) as world:
        for _ in range(20):
            await world.put()
        assert (await drained(world, 60))[1] == 0
        assert len(sink.shown) == 20


@virtual
async def test_a_stop_waits_for_a_retry_within_its_timeout() -> None:
    async with World(ScriptedSink([throttled(2)])) as world:
        name = await world.put()
        assert await world.dispatcher.stop(4) == ()
        assert await world.state(name) == "delivered"


@virtual
async def test_a_stop_begins_no_send_in_its_last_second_and_cuts_off_none_that_ends_in_time() -> None:
    sink = ScriptedSink(latency=0.4)
    async with World(sink) as world:
        for _ in range(100):
            await world.put()
        began = now()
        left = await world.dispatcher.stop(10)
        assert now() - began <= 10
        assert len(left) == 100 - len(sink.shown)
        assert [each.may_repeat for each in left] == [False] * len(left)


@virtual
async def test_a_stop_without_lanes_ends_at_once() -> None:
    dispatcher = Dispatcher(FaultyOutbox(), {}, jitter=lambda: 0.5, bus=Bus())
    await dispatcher.start()
    began = now()
    assert await dispatcher.stop(10) == ()
    assert now() == began


@virtual
async def test_a_drain_can_wait_for_one_notification() -> None:
    busy = ScriptedSink(latency=1.0)
    async with World(busy, ScriptedSink([throttled(3)]), ScriptedSink([throttled(3600)]), workers=1) as world:
        for _ in range(30):
            await world.put()
        ours = await world.put("ours", to="there-1", valid_for=9000)
        later = await world.put("later", to="there-2", valid_for=9000)
        unknown = await world.put("unknown", to="elsewhere")
        began = now()
        assert await world.dispatcher.drain(60, ours) == ()
        assert 3 <= now() - began < 5, "it does not wait for others"
        began = now()
        (left,) = await world.dispatcher.drain(60, later)
        assert (left.id.notification_id, now()) == (later, began)
        assert len(await world.dispatcher.drain(60, unknown)) == 1
        assert await world.dispatcher.drain(60, "never put") == ()
        assert now() == began
        await world.dispatcher.drain(60)
        last = await world.put()
        await wait(0.1)
        assert await world.dispatcher.drain(60, last) == (), "it is being sent, or is next"
        assert len(busy.shown) == 31


@virtual
async def test_deliveries_behind_a_thousand_others_are_assumed_to_be_ready() -> None:
    async with World(ScriptedSink([throttled(300)])) as world:
        for _ in range(1001):
            await world.put(valid_for=9000)
        assert await drained(world, 200) == (0.0, 1000)
        assert await drained(world, 301) == (300.0, 0)


@pytest.mark.unmeasured
@pytest.mark.parametrize("fault", [BROKEN, DOWN])
@pytest.mark.parametrize("answers_probes", [False, True])
@pytest.mark.parametrize("waiting", [1, 3, 20])
def test_three_seconds_of_outage_cost_a_drain_at_most_two_more(
    fault: Evidence, waiting: int, *, answers_probes: bool
) -> None:
    @virtual
    async def run(seed: int) -> None:
        random = Random(seed)
        until = now() + 3.0

        def script() -> Iterator[Step]:
            while True:
                yield lambda: fault if now() < until else None

        sink = ScriptedSink(script(), probes=() if answers_probes else script(), latency=0.01)
        async with World(sink, limits=FREE, jitter=random.random) as world:
            for _ in range(waiting):
                await world.put()
            took, left = await drained(world, 30)
            assert left == 0
            assert took <= 5.1
            assert len(sink.shown) == waiting

    for seed in range(size(2, 40)):
        run(seed)

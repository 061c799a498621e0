"""What a drain waits for: what can begin to be sent within its time, and nothing else."""

import pytest

from signalpost.delivery.pacing.limits import NOTHING_ASSUMED, Limits
from signalpost.domain.priority import NotificationPriority
from signalpost.sinks.evidence import Evidence, Throttled
from signalpost.testing.scripted_sink import ScriptedSink
from tests.unit.delivery.dispatch.world import (
    FREE,
    HIGH,
    NORMAL,
    SILENT,
    URGENT,
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
def test_what_a_far_end_shuts_out_for_longer_is_not_waited_for(answer: Evidence) -> None:
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
async def test_a_hold_that_ends_in_time_is_waited_for_and_without_a_timeout_any() -> None:
    async with World(ScriptedSink([throttled(30), BANNED])) as world:
        for _ in range(4):
            await world.put(valid_for=9000)
        assert await drained(world, 20) == (0.0, 4)
        assert await drained(world, 31) == (30.0, 4), "and then there is a ban"
        assert await drained(world, None) == (3600.0, 0)


@virtual
async def test_what_cannot_be_waited_for_keeps_nobody_from_waiting_for_others() -> None:
    async with World(ScriptedSink([throttled(3600)]), ScriptedSink(latency=5.0)) as world:
        await world.put(valid_for=9000)
        await world.put(to="there-1")
        assert await drained(world, 60) == (5.0, 1)


@virtual
async def test_a_turn_within_a_limit_is_waited_for_where_it_comes_in_time() -> None:
    async with World(ScriptedSink(), limits=A_MINUTE) as world:
        for _ in range(25):
            await world.put()
        assert await drained(world, 30) == (0.0, 15)
        assert await drained(world, 61) == (60.0, 5)
        assert await drained(world, 30) == (0.0, 5)
        assert await drained(world, None) == (60.0, 0)


@pytest.mark.parametrize("waiting", [20, 200])
@pytest.mark.parametrize(("priority", "is_in_time"), [(NORMAL, False), (URGENT, True)])
def test_it_is_the_turn_of_what_waits_that_counts(
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
            assert took == (10.0 if is_in_time else 0.0), "then one that is urgent may"
            assert await world.state("last") == ("delivered" if is_in_time else "pending")

    run()


@virtual
async def test_a_question_that_is_not_to_be_asked_in_time_is_not_waited_for() -> None:
    async with World(ScriptedSink([SILENT, throttled(3600)]), limits=FREE) as world:
        await world.put("may repeat", valid_for=9000)
        await wait(0.1)
        await world.put("finds out", valid_for=9000)
        took, left = await drained(world, 60)
        assert left == 2
        assert took < 10


@virtual
async def test_a_burst_limit_of_a_second_is_waited_for() -> None:
    async with World(ScriptedSink(), limits=Limits(reserve=False)) as world:
        for _ in range(12):
            await world.put()
        took, left = await drained(world, 10)
        assert (3.9 < took < 5, left) == (True, 0)

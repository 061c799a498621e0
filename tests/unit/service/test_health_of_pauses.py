"""That a destination is left alone for long is told by health, also where nothing is sent that would tell."""

import asyncio

from signalpost import AsyncNotificationService, HealthStatus
from signalpost.delivery.pacing.breaker import BreakerState
from signalpost.delivery.pacing.limits import Limits
from signalpost.domain.events import BreakerMoved
from signalpost.sandbox.rules.faults import Fault, usual_answer
from signalpost.sandbox.server import Sandbox
from signalpost.service.health import Trouble
from signalpost.sinks.evidence import Rejected, Throttled
from signalpost.testing.scripted_sink import ScriptedSink
from tests.unit.delivery.dispatch.world import DOWN, HERE, World, now, throttled, virtual, wait
from tests.unit.service.conftest import ConfigFor, signal
from tests.unit.service.test_far_ends import Ear

GONE = Rejected("404, code 10015", status=404, is_gone=True)


def reasons(world: World) -> tuple[str, ...]:
    """What health tells of a dispatcher, by what happened and by what is known."""
    trouble = Trouble()
    for event in world.events:
        trouble(event)
    return trouble.reasons({name: lane.far_end for name, lane in world.dispatcher.lanes.items()}, now())


@virtual
async def test_a_destination_that_refused_too_often_is_told_until_it_is_asked_again() -> None:
    async with World(ScriptedSink([Rejected("403, code 50013", status=403)] * 50)) as world:
        for _ in range(50):
            await world.put()
        await wait(60)
        (told,) = reasons(world)
        assert told == f"{HERE} is not asked for 540 s more: it refused 50 times in 10 minutes"
        await wait(545)
        assert reasons(world) == ()


@virtual
async def test_a_destination_that_told_to_wait_for_long_is_told() -> None:
    async with World(ScriptedSink([throttled(3600)]), ScriptedSink()) as world:
        await world.put()
        await wait(60)
        assert reasons(world) == (f"{HERE} is not asked for 3540 s more: it told to wait",)


@virtual
async def test_a_short_wait_and_a_full_window_are_no_trouble() -> None:
    limits = Limits(messages_a_minute=2, reserve=False)
    async with World(ScriptedSink([throttled(20)]), limits=limits) as world:
        await world.put()
        await wait(1)
        assert reasons(world) == ()
        for _ in range(5):
            await world.put()
        await wait(30)
        far_end = world.dispatcher.lanes[HERE].far_end
        assert far_end.pacer.ready_at(now(), 1) > now() + 20
        assert reasons(world) == ()


@virtual
async def test_a_host_that_told_to_wait_is_told_once_and_by_its_name() -> None:
    async with World(ScriptedSink([throttled(300, "host")]), ScriptedSink()) as world:
        await world.put()
        await wait(10)
        assert reasons(world) == ("discord.com is not asked for 290 s more: slow down",)


@virtual
async def test_what_is_told_as_a_ban_is_not_told_twice() -> None:
    ban = Throttled("403, an address is shut out", retry_after=300, scope="host", status=403, is_ban=True)
    async with World(ScriptedSink([ban])) as world:
        await world.put()
        await wait(10)
        (told,) = reasons(world)
        assert told.startswith("discord.com shuts this address out until ")


@virtual
async def test_what_is_told_as_disabled_is_not_told_twice() -> None:
    async with World(ScriptedSink([throttled(300), GONE]), workers=2) as world:
        await world.put()
        await world.put()
        await wait(10)
        world.dispatcher.lanes[HERE].far_end.notice(GONE)
        (told,) = reasons(world)
        assert told.startswith(f"{HERE} is disabled")


@virtual
async def test_what_is_told_as_an_open_breaker_is_not_told_twice() -> None:
    async with World(ScriptedSink([DOWN] * 8, probes=[DOWN] * 8)) as world:
        for _ in range(8):
            await world.put()
        await wait(2)
        far_end = world.dispatcher.lanes[HERE].far_end
        assert far_end.breaker.state is BreakerState.OPEN
        far_end.pacer.end(far_end.pacer.begin(now()), now(), throttled(300))
        (told,) = reasons(world)
        assert told.startswith(f"the breaker of {HERE} is open, since ")
        assert ", and it is asked again in " in told


async def test_a_service_that_is_told_to_wait_is_degraded(sandbox: Sandbox, config_for: ConfigFor) -> None:
    sandbox.discord.faults.plan(
        Fault(webhook="signals-free", answer=usual_answer(429, retry_after=900.0), method="POST", is_processed=False)
    )
    async with AsyncNotificationService(config_for()) as service:
        await service.queue_notification(signal())
        await service.drain(10)
        status, (reason,) = service.health()
        assert status is HealthStatus.DEGRADED
        assert reason in {f"signals-free is not asked for {left} s more: it told to wait" for left in (899, 900)}


async def test_health_may_be_asked_from_a_thread_also_while_a_breaker_is_open(
    sandbox: Sandbox, config_for: ConfigFor
) -> None:
    ear = Ear()
    sandbox.discord.faults.plan(Fault(webhook="signals-free", answer=usual_answer(502), is_processed=False, times=50))
    async with AsyncNotificationService(config_for(), listeners=[ear]) as service:
        for number in range(8):
            await service.queue_notification(signal(signal_id=str(number)))
        await ear.until(lambda event: isinstance(event, BreakerMoved))
        status, (reason,) = await asyncio.to_thread(service.health)
        assert status is HealthStatus.DEGRADED
        assert reason.startswith("the breaker of signals-free is open, since 20")
        await service.stop(0)

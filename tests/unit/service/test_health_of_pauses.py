"""Health reports destinations that are paused for long, even while nothing is sent."""

import asyncio
import re
from itertools import repeat

import pytest

from signalpost import AsyncNotificationService, HealthStatus, clock
from signalpost.delivery.pacing.breaker import BreakerState
from signalpost.delivery.pacing.limits import Limits
from signalpost.domain.events import BreakerMoved
from signalpost.domain.reason import Reason
from signalpost.sandbox.rules.faults import Fault, usual_answer
from signalpost.sandbox.server import Sandbox
from signalpost.service.health import HealthState
from signalpost.sinks.evidence import Rejected, Throttled
from signalpost.sinks.port import Answer
from signalpost.testing.scripted_sink import ScriptedSink
from tests.unit.delivery.dispatch.test_fallbacks import Falling
from tests.unit.delivery.dispatch.world import BROKEN, DOWN, HERE, World, ids, now, throttled, virtual, wait
from tests.unit.service.conftest import ConfigFor, codes, signal
from tests.unit.service.test_gone_and_banned import Ear

LOOKS = {"fetches_details": True}
GONE = Rejected("404, code 10015", status=404, is_gone=True)


def reasons(world: World) -> tuple[Reason, ...]:
    """The reasons in health for what a dispatcher's events and lanes show."""
    state = HealthState()
    for event in world.events:
        state(event)
    return state.reasons({name: lane.gate for name, lane in world.dispatcher.lanes.items()}, now())


def assert_paused(found: tuple[Reason, ...], *facts: str) -> None:
    (reason,) = found
    assert reason.code == "destination-paused"
    for fact in facts:
        assert fact in reason


@virtual
async def test_a_destination_that_refused_too_often_is_reported_until_its_pause_ends() -> None:
    async with World(ScriptedSink([Rejected("403, code 50013", status=403)] * 50)) as world:
        for _ in range(50):
            await world.put()
        await wait(60)
        refuses, *paused = reasons(world)
        assert refuses.code == "destination-unusable"
        assert_paused(tuple(paused), HERE, "540", "50", "10")
        await wait(545)
        assert reasons(world) == (refuses,), "no message was accepted since"


@virtual
@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_destination_that_refuses_any_message_is_reported_until_it_accepts_one(status: int) -> None:
    no = Rejected(f"{status}, code 10003", status=status)
    async with World(ScriptedSink([no, no], probes=[Answer(channel="77")]), settings=LOOKS) as world:
        await world.put("first")
        await wait(0.5)
        (reason,) = reasons(world)
        assert (reason.code, HERE in reason, f"{status}, code 10003" in reason) == ("destination-unusable", True, True)
        await wait(5)
        assert reasons(world) == (reason,), "the look at the webhook proves nothing"
        await world.put("second")
        await world.put("third")
        await wait(5)
        assert reasons(world) == ()
        assert [await world.state(name) for name in ("first", "second", "third")] == ["dead", "dead", "delivered"]


@virtual
async def test_a_message_that_is_refused_for_its_content_says_nothing_about_its_destination() -> None:
    probes = [Rejected("404", status=404)]
    async with World(ScriptedSink([Rejected("400", status=400)], probes=probes), settings=LOOKS) as world:
        await wait(2)
        await world.put()
        await wait(1)
        assert reasons(world) == ()


@virtual
async def test_a_long_wait_requested_by_a_destination_is_reported() -> None:
    async with World(ScriptedSink([throttled(3600)]), ScriptedSink()) as world:
        await world.put()
        await wait(60)
        assert_paused(reasons(world), HERE, "3540")


@virtual
async def test_a_short_wait_and_a_full_window_are_not_reported() -> None:
    limits = Limits(messages_a_minute=2, reserve=False)
    async with World(ScriptedSink([throttled(20)]), limits=limits) as world:
        await world.put()
        await wait(1)
        assert reasons(world) == ()
        for _ in range(5):
            await world.put()
        await wait(30)
        gate = world.dispatcher.lanes[HERE].gate
        assert gate.pacer.ready_at(now(), 1) > now() + 20
        assert reasons(world) == ()


@virtual
async def test_a_wait_requested_by_a_host_is_reported_once_with_its_name() -> None:
    async with World(ScriptedSink([throttled(300, "host")]), ScriptedSink()) as world:
        await world.put()
        await wait(10)
        assert_paused(reasons(world), "discord.com", "290", "slow down")


@virtual
async def test_a_ban_is_not_reported_as_a_pause_too() -> None:
    ban = Throttled("403, an address is shut out", retry_after=300, scope="host", status=403, is_ban=True)
    async with World(ScriptedSink([ban])) as world:
        await world.put()
        await wait(10)
        (reason,) = reasons(world)
        assert reason.code == "banned"
        assert "discord.com" in reason


@virtual
async def test_a_disabled_destination_is_not_reported_as_paused_too() -> None:
    async with World(ScriptedSink([throttled(300), GONE]), workers=2) as world:
        await world.put()
        await world.put()
        await wait(10)
        world.dispatcher.lanes[HERE].gate.observe(GONE)
        (reason,) = reasons(world)
        assert reason.code == "webhook-gone"
        assert HERE in reason


@virtual
async def test_an_open_breaker_is_not_reported_as_a_pause_too() -> None:
    async with World(ScriptedSink([DOWN] * 8, probes=[DOWN] * 8)) as world:
        for _ in range(8):
            await world.put()
        await wait(2)
        gate = world.dispatcher.lanes[HERE].gate
        assert gate.breaker.state is BreakerState.OPEN
        gate.pacer.end(gate.pacer.begin(now()), now(), throttled(300))
        (reason,) = reasons(world)
        assert reason.code == "breaker-open"
        assert HERE in reason
        assert len(re.findall(r"\b\d+ s\b", reason)) == 1, "when it is tried again"


@virtual
async def test_a_half_open_breaker_is_not_reported_once_nothing_waits() -> None:
    """All messages expire before a probe is answered. The next one is still tried alone."""
    sink = ScriptedSink([DOWN] * 6, probes=[DOWN] * 4)
    async with World(sink) as world:
        for _ in range(8):
            await world.put(valid_for=3.0)
        await wait(5)
        assert [each.code for each in reasons(world)] == ["breaker-open"], "nothing waits, but it is unreachable"
        await wait(60)
        breaker = world.dispatcher.lanes[HERE].gate.breaker
        assert (breaker.state, reasons(world)) == (BreakerState.HALF_OPEN, ())
        tried = len(sink.sent)
        for name in ("a", "b"):
            await world.put(name)
        await world.dispatcher.drain()
        assert len(sink.sent) == tried + 3, "the first fails once"
        moves = [event.state for event in world.emitted(BreakerMoved)]
        assert moves[-4:] == ["half-open", "open", "half-open", "closed"]
        assert reasons(world) == ()


@pytest.mark.parametrize("failure", [DOWN, BROKEN])
@pytest.mark.parametrize("waiting", [1, 3])
def test_a_destination_that_answers_probes_and_accepts_no_message_is_reported_all_the_time(
    failure: Exception, waiting: int
) -> None:
    @virtual
    async def run() -> None:
        async with World(ScriptedSink(repeat(failure), latency=0.1), workers=2) as world:
            for _ in range(waiting):
                await world.put()
            while not reasons(world):
                await wait(0.01)
            state, heard = HealthState(), 0
            gates = {name: lane.gate for name, lane in world.dispatcher.lanes.items()}
            for _ in range(6_000):
                await wait(0.01)
                for event in world.events[heard:]:
                    state(event)
                heard = len(world.events)
                assert [each.code for each in state.reasons(gates, now())] == ["breaker-open"]
            assert "half-open" in [event.state for event in world.emitted(BreakerMoved)]

    run()


async def test_a_service_with_a_paused_destination_is_degraded(sandbox: Sandbox, config_for: ConfigFor) -> None:
    sandbox.discord.faults.plan(
        Fault(webhook="signals-free", answer=usual_answer(429, retry_after=900.0), method="POST", is_processed=False)
    )
    async with AsyncNotificationService(config_for()) as service:
        await service.queue_notification(signal())
        await service.drain(10)
        status, (reason,) = service.health()
        assert status is HealthStatus.DEGRADED
        assert codes([reason]) == ["destination-paused"]
        assert {"signals-free"} < set(reason.split())
        assert {"899", "900"} & set(reason.split())


async def test_health_can_be_called_from_a_thread_while_a_breaker_is_open(
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
        assert codes([reason]) == ["breaker-open"]
        assert "signals-free" in reason
        assert f"{clock.now():%Y-}" in reason, "since when it is open"
        await service.stop(0)


@virtual
async def test_a_failing_destination_says_whether_its_deliveries_wait_or_go_to_a_fallback() -> None:
    is_back = asyncio.Event()
    here = ScriptedSink([DOWN] * 5, probes=repeat(lambda: Answer() if is_back.is_set() else DOWN))
    async with Falling(here, ScriptedSink(), after_seconds=60.0) as world:
        for number in range(6):
            await world.put(f"n{number}")
        await wait(50)
        (reason,) = reasons(world)
        assert ("wait" in reason, "fallback" in reason) == (True, False)
        await wait(20)
        (reason,) = reasons(world)
        assert ("wait" in reason, "fallback" in reason) == (False, True)
        is_back.set()
        await wait(10)
        await world.put("n6")
        await wait(10)
        assert (reasons(world), ids(here)[-1]) == ((), "n6")

"""A suspend with pending deliveries: stale ones expire, the rest is sent within the limits, and it is reported.

The loop's clock stands still meanwhile, as Linux's monotonic clock does, or goes on, as that of other systems does.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from signalpost import clock
from signalpost.delivery.pacing.breaker import BreakerState
from signalpost.delivery.pacing.limits import Limits
from signalpost.domain.events import BreakerMoved, ClockStepped, HostBanned
from signalpost.sinks.evidence import Evidence, Throttled
from signalpost.sinks.port import Answer
from signalpost.testing.scripted_sink import HANG, ScriptedSink
from signalpost.testing.virtual_loop import VirtualLoop
from tests.size import size
from tests.unit.delivery.dispatch.world import (
    DOWN,
    HERE,
    HIGH,
    NORMAL,
    URGENT,
    World,
    ids,
    now,
    step,
    throttled,
    virtual,
    wait,
)

HOUR, DAY = 3600.0, 86_400.0
BAN = Throttled("403, a page", retry_after=600, scope="host", status=403, is_ban=True)
NOTICED = 10.0
"""Seconds after which a step of the clock is noticed."""

suspends = pytest.mark.parametrize("stands_still", [True, False], ids=["stands still", "goes on"])
lengths = pytest.mark.parametrize("seconds", [HOUR, DAY], ids=["an hour", "a day"])


def suspend(seconds: float, *, stands_still: bool) -> None:
    """Let so many seconds of UTC pass at once. The loop's clock stands still, or goes on too."""
    if stands_still:
        step(timedelta(seconds=seconds))
    else:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.jump(seconds)


def most_within(moments: Sequence[float], period: float) -> int:
    """The highest number of them within one period."""
    return max(sum(1 for each in moments if 0 <= each - first < period) for first in moments)


@suspends
@lengths
def test_stale_deliveries_expire_and_the_rest_is_sent_within_the_limits(seconds: float, *, stands_still: bool) -> None:
    @virtual
    async def run() -> None:
        sink = ScriptedSink(latency=0.1)
        async with World(sink, limits=Limits()) as world:
            short = [await world.put(f"short {n}", NORMAL, valid_for=600.0, known=n % 2 == 0) for n in range(45)]
            long = [await world.put(f"long {n}", (NORMAL, HIGH, URGENT)[n % 3], valid_for=2 * DAY) for n in range(45)]
            await wait(5)
            before = len(sink.sent)
            assert 0 < before < 45
            suspend(seconds, stands_still=stands_still)
            await wait(NOTICED + 60)
            states = [await world.state(name) for name in short]
            assert set(states) <= {"delivered", "expired"}
            assert states.count("expired") >= 45 - before
            await wait(180)
            assert {await world.state(name) for name in long} == {"delivered"}
            assert len(ids(sink)) == len(set(ids(sink))), "nothing twice"
            for sent in sink.sent:
                (item,) = sent.items
                assert sent.began_at < item.notification.valid_until
            moments = [sent.began for sent in sink.sent]
            assert most_within(moments, 60.0) <= 28
            assert most_within(moments, 2.0) <= 5
            assert [event.seconds for event in world.emitted(ClockStepped)] == ([seconds] if stands_still else [])

    run()


@suspends
@lengths
def test_a_retry_that_became_due_meanwhile_is_made_once(seconds: float, *, stands_still: bool) -> None:
    @virtual
    async def run() -> None:
        sink = ScriptedSink([throttled(1800.0)])
        async with World(sink) as world:
            await world.put("waits", valid_for=2 * DAY)
            await wait(5)
            suspend(seconds, stands_still=stands_still)
            woken = now()
            await wait(NOTICED)
            held_for = 1795.0 if stands_still else 0.0
            assert len(sink.sent) == (1 if stands_still else 2), "by the loop's clock the wait is not over"
            await wait(held_for)
            assert ids(sink) == ["waits"] * 2
            assert sink.sent[1].began - woken == pytest.approx(held_for, abs=0.01)

    run()


@suspends
@lengths
def test_an_open_breaker_probes_once_and_tries_one_message_before_the_others(
    seconds: float, *, stands_still: bool
) -> None:
    @virtual
    async def run() -> None:
        outage: list[Evidence | Answer] = [DOWN]
        sink = ScriptedSink([DOWN] * 5, probes=iter(lambda: lambda: outage[-1], None), latency=0.5)
        async with World(sink) as world:
            for number in range(8):
                await world.put(f"n{number}", valid_for=2 * DAY)
            await wait(10)
            gate = world.dispatcher.lanes[HERE].gate
            assert gate.breaker.state is BreakerState.OPEN
            tries, probes = len(sink.sent), len(sink.probed)
            suspend(seconds, stands_still=stands_still)
            woken = now()
            outage.append(Answer())
            await wait(60)
            assert {await world.state(f"n{number}") for number in range(8)} == {"delivered"}
            assert [event.state for event in world.emitted(BreakerMoved)] == ["open", "half-open", "closed"]
            answered = [at for at in sink.probed[probes:] if at >= woken]
            assert most_within(answered, 1.0) == 1
            first, second = (sent.began for sent in sink.sent[tries : tries + 2])
            assert first - woken < (6.5 if stands_still else 1.1), "it is probed by the loop's clock"
            assert second - first >= 0.5, "a single one is tried"

    run()


@suspends
@lengths
def test_a_ban_is_not_extended_and_then_one_message_is_tried_first(seconds: float, *, stands_still: bool) -> None:
    @virtual
    async def run() -> None:
        first, other = ScriptedSink([BAN], latency=0.5), ScriptedSink(latency=0.5)
        async with World(first, other) as world:
            await world.put("finds out", valid_for=2 * DAY)
            await wait(5)
            for number in range(5):
                await world.put(f"n{number}", to="there-1", valid_for=2 * DAY)
            suspend(seconds, stands_still=stands_still)
            woken = now()
            await wait(NOTICED)
            bans = world.emitted(HostBanned)
            if stands_still:
                assert [(event.until - clock.now()).total_seconds() for event in bans[1:]] == [
                    pytest.approx(585.5, abs=5.1)
                ]
                assert not bans[1].is_news
            else:
                assert len(bans) == 1
            await wait(600)
            moments = sorted(sent.began for sink in (first, other) for sent in sink.sent if sent.began >= woken)
            assert len(moments) == 6
            assert moments[0] - woken == pytest.approx(595.5 if stands_still else 0.0, abs=0.1)
            assert moments[1] - moments[0] >= 0.5

    run()


@suspends
def test_a_send_that_hung_meanwhile_is_settled_once_and_does_not_end_as_expired(*, stands_still: bool) -> None:
    @virtual
    async def run() -> None:
        sink = ScriptedSink([HANG])
        async with World(sink) as world:
            await world.put("hangs", valid_for=60.0)
            await wait(5)
            suspend(HOUR, stands_still=stands_still)
            await wait(60)
            assert await world.state("hangs") == "unconfirmed", "it may have been shown"
            assert [state for state, _ in world.settled_at("hangs")] == ["unconfirmed"]
            assert ids(sink) == ["hangs"]

    run()


@suspends
def test_each_of_several_suspends_is_reported_once(*, stands_still: bool) -> None:
    @virtual
    async def run() -> None:
        sink = ScriptedSink()
        async with World(sink) as world:
            for night in range(3):
                suspend(DAY / 3, stands_still=stands_still)
                await world.put(f"morning {night}", valid_for=600.0)
                await wait(size(2, 16) * HOUR)
                assert await world.state(f"morning {night}") == "delivered"
            assert len(world.emitted(ClockStepped)) == (3 if stands_still else 0)

    run()


@virtual
async def test_a_short_wait_of_a_host_is_not_reported_as_a_ban() -> None:
    async with World(ScriptedSink([throttled(60.0, "host")])) as world:
        await world.put()
        await wait(5)
        suspend(HOUR, stands_still=True)
        await wait(NOTICED)
        assert (len(world.emitted(ClockStepped)), world.emitted(HostBanned)) == (1, [])

"""How fast messages leave, as Discord counts them."""

from collections.abc import Sequence
from random import Random

import pytest

from signalpost.delivery.outbox.commands import Lease, LoadFacts, Subject
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED, Limits, Rate
from signalpost.sinks.evidence import RateFacts, Receipt
from signalpost.testing.scripted_sink import HANG, ScriptedSink
from tests.size import size
from tests.unit.delivery.dispatch.world import (
    FREE,
    GRAIN,
    HERE,
    NORMAL,
    URGENT,
    FaultyOutbox,
    World,
    crash_during_a_send,
    ids,
    now,
    throttled,
    virtual,
    wait,
)

BURST = Limits(channel=None, reserve=False)


def most_within(period: float, moments: Sequence[float]) -> int:
    """The highest number of these times in any period of so many seconds, without its end."""
    moments = sorted(moments)
    return max(sum(first <= each < first + period - 1e-9 for each in moments[at:]) for at, first in enumerate(moments))


class CountingSink(ScriptedSink):
    """Counts a request when it arrives: after a random part of its latency."""

    def __init__(self, seed: int, slowest: float) -> None:
        self.random = Random(seed)
        self.arrived: list[float] = []
        super().__init__(latency=lambda: self._arrive(slowest))

    def _arrive(self, slowest: float) -> float:
        latency = self.random.uniform(slowest / 10, slowest)
        self.arrived.append(now() + latency * self.random.random())
        return latency


@virtual
async def test_fifty_messages_at_5_per_2_s_take_18_seconds() -> None:
    sink = ScriptedSink()
    async with World(sink, limits=BURST) as world:
        began = now()
        for _ in range(50):
            await world.put()
        assert await world.dispatcher.drain() == ()
        assert len(sink.shown) == 50
        assert 17.999 <= sink.sent[-1].began - began <= 18.1


@pytest.mark.parametrize("seed", range(size(4, 8)))
def test_with_any_latency_discord_never_counts_more_than_5_in_2_s(seed: int) -> None:
    @virtual
    async def run() -> None:
        sink = CountingSink(seed, slowest=0.08)
        async with World(sink, limits=BURST, workers=1 + seed % 4) as world:
            began = now()
            for n in range(50):
                await world.put(priority=URGENT if n % 5 == 0 else NORMAL)
            await world.dispatcher.drain()
            assert len(sink.arrived) == 50
            assert most_within(2.0, sink.arrived) <= 5
            assert now() - began <= 18.9

    run()


@pytest.mark.parametrize("a_minute", [20, 30])
def test_the_limit_a_minute_holds_exactly_and_is_used_up(a_minute: int) -> None:
    @virtual
    async def run() -> None:
        sink = CountingSink(a_minute, slowest=0.05)
        async with World(sink, limits=FREE._replace(messages_a_minute=a_minute)) as world:
            began, minutes = now(), size(4, 10)
            for _ in range(minutes * a_minute):
                await world.put()
            await world.dispatcher.drain()
            assert most_within(60.0, sink.arrived) == a_minute
            assert now() - began <= (minutes - 1) * 60 * 1.02 + 2

    run()


@virtual
async def test_a_request_counts_until_after_the_millisecond_of_the_clock() -> None:
    """Such a clock is up to a millisecond behind, so a server that counts exactly would see the next one too early."""
    sink = ScriptedSink(latency=0.0)
    async with World(sink, limits=BURST) as world:
        for _ in range(6):
            await world.put()
        await world.dispatcher.drain()
        assert sink.sent[5].began - sink.sent[0].began >= 2.001


@virtual
async def test_with_limits_off_nothing_waits() -> None:
    sink = ScriptedSink()
    async with World(sink, limits=NOTHING_ASSUMED) as world:
        began, number = now(), size(100, 500)
        for _ in range(number):
            await world.put()
        await world.dispatcher.drain()
        assert (len(sink.shown), now()) == (number, began)


@virtual
async def test_retry_after_is_respected_exactly_and_counts_no_attempt() -> None:
    sink = ScriptedSink([throttled(7.5)])
    async with World(sink) as world:
        began = now()
        for name in ("first", "second"):
            await world.put(name)
        await world.put("urgent", URGENT)
        await wait(7.4)
        assert len(sink.sent) == 1
        await wait(1)
        assert [sent.began - began for sent in sink.sent[1:]] == pytest.approx([7.5] * 3, abs=GRAIN)
        assert sink.sent[1].began - began >= 7.5
        assert len(sink.shown) == 3
        assert (await world.delivery(sink.sent[0].ids[0])).attempts == 1


@virtual
async def test_a_ban_of_the_host_pauses_all_its_destinations_and_a_wait_of_one_pauses_no_other() -> None:
    here, there = ScriptedSink([throttled(10.0)]), ScriptedSink([Receipt("1"), throttled(100.0, "host")])
    async with World(here, there) as world:
        began = now()
        await world.put("a")
        await world.put("b", to="there-1")
        await wait(1)
        assert (len(here.shown), len(there.shown)) == (0, 1)
        await world.put("c", to="there-1")
        await wait(50)
        await world.put("d")
        await wait(48)
        assert (len(here.shown), len(there.shown)) == (0, 1)
        await wait(3)
        assert (len(here.shown), len(there.shown)) == (2, 2)
        assert [here.shown[0].began, there.shown[1].began] == pytest.approx([began + 101] * 2, abs=GRAIN)


@virtual
async def test_limits_in_headers_are_used() -> None:
    script = [Receipt("1", rate=RateFacts("b", 2, 1, 10.0)), Receipt("2", rate=RateFacts("b", 2, 0, 10.0))]
    sink = ScriptedSink(script)
    async with World(sink) as world:
        began = now()
        for _ in range(4):
            await world.put()
        await world.dispatcher.drain()
        assert [sent.began - began for sent in sink.sent] == pytest.approx([0.0, 0.0, 10.0, 10.0], abs=GRAIN)


@virtual
async def test_the_destinations_of_a_host_share_its_limit_a_second() -> None:
    sinks = [ScriptedSink() for _ in range(4)]
    async with World(*sinks, host_rate=Rate(10, 1.0)) as world:
        for name in world.sinks:
            for _ in range(10):
                await world.put(to=name)
        await world.dispatcher.drain()
        moments = [sent.began for sink in sinks for sent in sink.sent]
        assert len(moments) == 40
        assert most_within(1.0, moments) == 10
        assert max(moments) - min(moments) == pytest.approx(3 * 1.05)


@virtual
async def test_a_lane_waiting_for_a_slot_gets_one_that_another_gives_back() -> None:
    """The host has one slot. An empty lease of one lane must not cost another lane that slot."""
    here, there = ScriptedSink(), ScriptedSink()
    async with World(here, there, host_rate=Rate(1, 1.0), workers=1) as world:
        await wait(10)
        world.outbox.delays[Lease] = 0.2
        began = now()
        world.dispatcher.wake([HERE], URGENT)
        await world.put("b", to="there-1")
        await wait(0.5)
        assert [sent.began - began for sent in there.sent] == [pytest.approx(0.4)]


@virtual
async def test_a_lane_sleeps_until_a_slot_elsewhere_is_free_and_does_not_poll() -> None:
    """Two destinations with one webhook share its bucket: the end of one's request frees the other."""
    facts = RateFacts("b", 1, 1, 0.0)
    one, other = ScriptedSink([Receipt("1", rate=facts), HANG]), ScriptedSink([Receipt("2", rate=facts)])
    async with World(one, other, workers=1) as world:
        await world.put(to=HERE)
        await world.put(to="there-1")
        await world.dispatcher.drain()
        await world.put("hangs", to=HERE)
        await wait(1)
        await world.put("waits", to="there-1")
        await wait(20)
        assert ids(other) == ["n00002"]
        one.release()
        await wait(GRAIN)
        assert ids(other) == ["n00002", "waits"]


@virtual
async def test_after_a_restart_recent_sends_and_a_wait_still_count() -> None:
    outbox, limits = FaultyOutbox(), FREE._replace(messages_a_minute=10)
    first, second = ScriptedSink([Receipt("1")] * 9 + [throttled(90.0)]), ScriptedSink()
    began = now()
    async with World(first, limits=limits, outbox=outbox) as world:
        for _ in range(12):
            await world.put()
        await wait(1)
        assert len(first.sent) == 10
    await wait(20)
    async with World(second, limits=limits, outbox=outbox):
        await wait(60)
        assert second.sent == []
        await wait(30)
        assert [sent.began - began for sent in second.sent] == pytest.approx([90.0] * 3, abs=GRAIN)


@virtual
async def test_lapsed_sends_count_as_just_sent() -> None:
    outbox, limits = FaultyOutbox(), FREE._replace(messages_a_minute=1)
    sink = ScriptedSink()
    await crash_during_a_send(outbox, "lapses", limits)
    async with World(sink, limits=limits, outbox=outbox) as world:
        restarted = now()
        await wait(125)
        assert sink.probed == [restarted + 60.0]  # it waits for an answer, and a probe counts too
        assert [sent.began for sent in sink.sent] == [pytest.approx(restarted + 120.0, abs=GRAIN)]
        assert sink.sent[0].items[0].may_repeat
    assert (await world.history("lapses"))[0].outcome == "lapsed"


@virtual
async def test_without_assumed_limits_no_pace_is_saved() -> None:
    async with World(ScriptedSink()) as world:
        await world.put()
        await world.dispatcher.drain()
        assert await world.outbox.do(LoadFacts(Subject(HERE))) == {}

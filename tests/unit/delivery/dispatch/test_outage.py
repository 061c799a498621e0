"""A destination fails: the breaker stops sending, probes it with one invisible request, and tries one message."""

from collections.abc import Iterator
from itertools import chain, repeat
from random import Random

import pytest

from signalpost.delivery.pacing.limits import Limits
from signalpost.domain.events import BreakerMoved, DestinationGone
from signalpost.sinks.evidence import Rejected, Throttled, Unavailable, Unconfirmed
from signalpost.sinks.port import Answer
from signalpost.testing.scripted_sink import HANG, ScriptedSink, Step
from tests.size import size
from tests.unit.delivery.dispatch.world import (
    BROKEN,
    DOWN,
    GRAIN,
    HERE,
    HIGH,
    SILENT,
    URGENT,
    FaultyOutbox,
    World,
    ids,
    now,
    virtual,
    wait,
)

BEGAN = 1000.0


def during(fault: Step, seconds: float, start: float = 0.0) -> Iterator[Step]:
    """A script: the fault during the outage, and none before and after."""
    while True:
        yield lambda: fault if BEGAN + start <= now() < BEGAN + start + seconds else None


def hanging_during(seconds: float) -> Iterator[Step]:
    """A script: no answer during the outage."""
    while True:
        yield HANG if now() < BEGAN + seconds else (lambda: None)


@pytest.mark.unmeasured
@pytest.mark.parametrize("seed", range(size(1, 20)))
@pytest.mark.parametrize("answers_probes", [False, True])
def test_an_outage_of_60_s_costs_under_40_requests_and_6_seconds(seed: int, answers_probes: bool) -> None:
    @virtual
    async def run() -> None:
        random = Random(seed)
        probes = () if answers_probes else during(BROKEN, 60)
        sink = ScriptedSink(during(BROKEN, 60), probes=probes, latency=lambda: random.uniform(0.01, 0.2))
        await survives_a_minute(sink, random, waiting=140)
        assert len(set(ids(sink))) == 140

    run()


async def survives_a_minute(sink: ScriptedSink, random: Random, waiting: int) -> None:
    """An outage of 60 s costs under 40 requests; 6 s later messages are shown again, and then all that wait."""
    async with World(sink, limits=Limits(reserve=False), jitter=random.random) as world:
        for _ in range(waiting):
            await world.put()
        await wait(66)
        requests = [sent.began for sent in sink.sent] + sink.probed
        assert len([each for each in requests if each < BEGAN + 60]) < 40
        assert sink.shown[0].began <= BEGAN + 66
        await world.dispatcher.drain()
        assert len(sink.shown) == waiting


@virtual
async def test_in_a_silent_outage_probes_wait_3_seconds() -> None:
    sink = ScriptedSink(during(SILENT, 60), probes=hanging_during(60))
    async with World(sink, jitter=lambda: 1.0) as world:
        for _ in range(20):
            await world.put()
        await wait(70)
        assert [at - BEGAN for at in sink.probed] == [1.0, 4.0, 8.0, *range(13, 64, 5)]
        assert sink.shown[0].began == BEGAN + 63.0


@virtual
async def test_the_breaker_opens_probes_with_one_request_tries_one_message_and_closes() -> None:
    sink = ScriptedSink([DOWN] * 5, probes=[DOWN], latency=0.5)
    async with World(sink, jitter=lambda: 1.0, workers=3) as world:
        for _ in range(20):
            await world.put()
        await wait(60)
        opened_at = world.times[world.events.index(BreakerMoved(HERE, "open"))]
        assert [event.state for event in world.emitted(BreakerMoved)] == ["open", "half-open", "closed"]
        assert [round(at - opened_at, 3) for at in sink.probed] == [1.0, 2.8]
        half_open_at, closed_at = sink.probed[-1] + 0.5, sink.probed[-1] + 1.0
        assert [sent.began for sent in sink.sent if opened_at < sent.began < closed_at] == [half_open_at]
        assert world.dispatcher.lanes[HERE].gate.breaker.trips == 1


@virtual
async def test_the_answer_to_a_probe_wakes_a_sleeping_sender() -> None:
    """The second sender probes, and then has nothing to send; the first has."""
    script = [lambda: None, *[DOWN] * 5]
    sink = ScriptedSink(script, probes=[HANG], latency=chain([2.0], repeat(0.0)).__next__)
    async with World(sink, jitter=lambda: 0.0) as world:
        await world.put("keeps the first")
        await wait(0.1)
        await world.put("fails", HIGH, valid_for=1.0)
        await world.put("waits")
        await wait(2.5)
        assert (len(sink.probed), sink.hanging, len(sink.sent)) == (1, 1, 6)
        sink.release()
        await wait(0.001)
        assert ids(sink)[6:] == ["waits"]


@virtual
async def test_while_the_breaker_is_open_nothing_is_tried_and_no_attempt_is_used_up() -> None:
    sink = ScriptedSink([DOWN] * 5, probes=[DOWN] * 1000)
    async with World(sink, jitter=lambda: 1.0) as world:
        names = [await world.put() for _ in range(10)]
        await wait(3600)
        assert len(sink.sent) == 5
        assert sum([len(await world.history(name)) for name in names]) == 5
        assert sum([(await world.delivery(name)).attempts for name in names]) == 1, "after the first it was an outage"
        assert {await world.state(name) for name in names} == {"pending"}


@virtual
async def test_after_an_outage_the_delivery_that_failed_last_is_not_tried_first() -> None:
    """One message at fault must not block the others."""
    sink = ScriptedSink([DOWN] * 5, latency=0.001)
    async with World(sink, workers=1, jitter=lambda: 0.0) as world:
        await world.put("poison")
        await world.put("other")
        await wait(0.5)
        assert ids(sink) == ["poison"] * 5
        await wait(3)
        assert ids(sink)[5] == "other"
        assert (await world.delivery("poison")).state.value == "delivered"
        assert [attempt.outcome for attempt in await world.history("poison")] == ["unavailable"] * 5 + ["delivered"]


@virtual
async def test_if_nothing_else_waits_the_delivery_that_failed_last_is_tried() -> None:
    sink = ScriptedSink([DOWN] * 5)
    async with World(sink, workers=1, jitter=lambda: 0.0) as world:
        await world.put("only")
        await wait(3)
        assert await world.state("only") == "delivered"


@pytest.mark.parametrize(
    ("answer", "is_alive"),
    [
        (Answer(), True),
        (Rejected("no such path", status=404), True),
        (Rejected("method not allowed", status=405), True),
        (Throttled("slow down", retry_after=0.0, scope="destination", status=429), False),
        (Unavailable("connection refused"), False),
        (Unconfirmed("bad gateway", status=502), False),
        (ValueError("https://secret"), False),
        (HANG, False),
    ],
)
def test_any_answer_but_429_and_5xx_shows_that_the_destination_is_alive(answer: Step, is_alive: bool) -> None:
    @virtual
    async def run() -> None:
        sink = ScriptedSink([DOWN] * 5, probes=[answer] + [DOWN] * 9)
        async with World(sink, jitter=lambda: 0.5) as world:
            for _ in range(9):
                await world.put()
            await wait(6)
            assert (len(sink.shown) > 0) is is_alive

    run()


@virtual
async def test_a_throttled_probe_is_not_repeated_early() -> None:
    sink = ScriptedSink([DOWN] * 5, probes=[Throttled("slow down", retry_after=30.0, scope="destination")])
    async with World(sink, jitter=lambda: 1.0) as world:
        for _ in range(9):
            await world.put()
        await wait(60)
        assert [at - BEGAN for at in sink.probed] == [1.0, pytest.approx(31.0, abs=GRAIN)]


@virtual
async def test_refusals_and_throttling_do_not_open_the_breaker() -> None:
    busy = Throttled("slow down", retry_after=0.1, scope="destination")
    sink = ScriptedSink([Rejected("bad request", status=400), busy] * 20)
    async with World(sink) as world:
        for _ in range(30):
            await world.put()
        await world.dispatcher.drain()
        assert world.emitted(BreakerMoved) == []
        await wait(60)
        assert len(sink.sent) == 50


@virtual
async def test_a_problem_with_one_destination_delays_no_other() -> None:
    down, slow, well = (
        ScriptedSink(during(DOWN, 3600), probes=during(DOWN, 3600)),
        ScriptedSink([HANG] * 99),
        ScriptedSink(),
    )
    async with World(down, slow, well, limits=Limits(reserve=False)) as world:
        for name in world.sinks:
            for _ in range(20):
                await world.put(to=name)
        began = now()
        await wait(7)
        assert len(well.shown) == 20
        assert max(sent.began for sent in well.shown) - began == pytest.approx(6.0, abs=GRAIN)
        assert (len(down.shown), len(slow.shown)) == (0, 0)


@pytest.mark.parametrize("fault", [BROKEN, DOWN])
@pytest.mark.parametrize("waiting", [1, 2, 3, 30])
@pytest.mark.parametrize("seed", range(size(1, 6)))
def test_a_destination_that_answers_probes_and_rejects_messages_costs_no_more(
    fault: Step, waiting: int, seed: int
) -> None:
    @virtual
    async def run() -> None:
        random = Random(seed)
        sink = ScriptedSink(during(fault, 60), latency=lambda: random.uniform(0.01, 0.2))
        await survives_a_minute(sink, random, waiting)

    run()


@pytest.mark.parametrize("slow", [4.0, 14.0])
@pytest.mark.parametrize("script", [[BROKEN], [DOWN] * 5])
def test_a_slow_destination_does_not_count_as_down(script: list[Step], slow: float) -> None:
    @virtual
    async def run() -> None:
        sink = ScriptedSink(script, latency=slow)
        async with World(sink, jitter=lambda: 0.5) as world:
            for _ in range(20):
                await world.put()
                await wait(60)
            assert len(sink.shown) == 20

    run()


@pytest.mark.parametrize(("fault", "waiting"), [(BROKEN, 3), (DOWN, 1), (BROKEN, 1), (DOWN, 3)][: size(2, 4)])
def test_in_an_outage_of_messages_of_hours_no_delivery_is_given_up(fault: Step, waiting: int) -> None:
    @virtual
    async def run() -> None:
        sink = ScriptedSink(during(fault, 2 * 3600), latency=0.1)
        async with World(sink, jitter=lambda: 0.5) as world:
            names = [await world.put(valid_for=4 * 3600.0) for _ in range(waiting)]
            await wait(2 * 3600)
            assert {await world.state(name) for name in names} == {"pending"}
            assert 2 * 100 < len(sink.sent) + len(sink.probed) < 2 * 180, "one probe and one message a minute"
            await wait(90)
            assert sorted(ids(sink)[-waiting:]) == sorted(names)
            assert {await world.state(name) for name in names} == {"delivered"}

    run()


@virtual
async def test_a_process_started_during_such_an_outage_gives_up_no_delivery() -> None:
    outbox = FaultyOutbox()
    for _ in range(3):
        sink = ScriptedSink(during(BROKEN, 3 * 3600), latency=0.1)
        async with World(sink, outbox=outbox, jitter=lambda: 0.5) as world:
            await world.put("one", valid_for=6 * 3600.0)
            await world.put("two", valid_for=6 * 3600.0)
            await wait(3000)
            for name in ("one", "two"):
                delivery = await world.delivery(name)
                assert (delivery.state.value, delivery.attempts < 4) == ("pending", True)


@virtual
async def test_a_second_silence_ends_as_unconfirmed_and_each_retry_is_marked() -> None:
    sink = ScriptedSink([SILENT, SILENT])
    async with World(sink) as world:
        await world.put("maybe")
        await wait(60)
        delivery = await world.delivery("maybe")
        assert (delivery.state.value, delivery.unanswered, delivery.may_repeat) == ("unconfirmed", 2, True)
        assert [sent.items[0].may_repeat for sent in sink.sent] == [False, True]


@virtual
async def test_a_gone_destination_gets_no_more_requests_and_its_deliveries_wait_until_they_expire() -> None:
    sink = ScriptedSink([Rejected("unknown webhook", status=404, code=10015, is_gone=True)])
    world = World(sink)
    for number in range(1200):
        await world.put(f"n{number}", wakes=False, valid_for=7200)
    async with world:
        await wait(1)
        ((destination, reason, _),) = world.emitted(DestinationGone)
        assert (destination, reason) == (HERE, "unknown webhook")
        await world.put("late", URGENT, valid_for=7200)
        await wait(3600)
        assert len(sink.sent) <= 2
        dead = len(sink.sent)
        states = [await world.state(f"n{number}") for number in range(1200)]
        assert (states.count("dead"), states.count("pending")) == (dead, 1200 - dead)
        assert len(await world.dispatcher.drain()) == 1000, "a drain does not wait for them"
        await wait(7200)
        assert {await world.state(f"n{number}") for number in range(1200)} == {"dead", "expired"}
        assert await world.state("late") == "expired"


@virtual
async def test_a_gone_destination_is_remembered_until_a_person_enables_it() -> None:
    sink = ScriptedSink([Rejected("unknown webhook", is_gone=True)])
    world = World(sink)
    async with world:
        await world.put()
        await world.dispatcher.drain()
    await world.put("waits", wakes=False)
    second = ScriptedSink()
    async with World(second, outbox=world.outbox) as again:
        await again.dispatcher.drain()
        assert (await again.state("waits"), ids(second)) == ("pending", [])
        assert [event.reason for event in again.emitted(DestinationGone)] == ["unknown webhook"]
        await again.dispatcher.enable(HERE)
        await again.put("sent")
        await again.dispatcher.drain()
        assert ids(second) == ["waits", "sent"]
    async with World(second, outbox=world.outbox) as third:
        assert third.dispatcher.lanes[HERE].gate.gone is None


@virtual
async def test_a_probe_can_find_out_that_the_destination_is_gone() -> None:
    sink = ScriptedSink([DOWN] * 5, probes=[Rejected("invalid token", code=50027, is_gone=True)])
    async with World(sink) as world:
        for _ in range(9):
            await world.put()
        await wait(10)
        ((_, reason, _),) = world.emitted(DestinationGone)
        assert (reason, len(sink.sent), len(sink.probed)) == ("invalid token", 5, 1)
        assert len(await world.dispatcher.drain()) == 9, "they wait for another webhook, and the drain does not"


@virtual
async def test_sends_under_way_when_the_destination_is_gone_are_settled_by_their_outcome() -> None:
    sink = ScriptedSink([HANG, Rejected("unknown webhook", is_gone=True)])
    async with World(sink) as world:
        await world.put("hangs")
        await wait(1)
        await world.put("finds out", URGENT)
        await wait(1)
        sink.release()
        await wait(1)
        assert await world.state("hangs") == "delivered"

"""After a send with an unknown outcome: which deliveries wait, for which answer, and how they end."""

import pytest

from signalpost.delivery.outbox.order import OUTLIVED
from signalpost.delivery.pacing.limits import Rate
from signalpost.domain.events import BreakerMoved, SendEnded
from signalpost.errors import Evidence
from signalpost.sinks.evidence import Rejected
from signalpost.sinks.port import Answer
from signalpost.testing.scripted_sink import HANG, ScriptedSink, Step
from tests.unit.delivery.dispatch.world import (
    BROKEN,
    DOWN,
    FREE,
    GRAIN,
    HERE,
    HIGH,
    LOW,
    SILENT,
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

NO_ANSWER = (SILENT, Evidence("a kind of a later version"))


@pytest.mark.parametrize("unknown", [*NO_ANSWER, BROKEN])
@pytest.mark.parametrize(
    ("answer", "is_alive"),
    [
        (Answer(), True),
        (Rejected("no such path", status=404), True),
        (throttled(0.0), False),
        (DOWN, False),
        (BROKEN, False),
        (SILENT, False),
        (HANG, False),
    ],
)
def test_it_is_repeated_only_after_a_good_answer_to_a_probe(unknown: Step, answer: Step, is_alive: bool) -> None:
    @virtual
    async def run() -> None:
        sink = ScriptedSink([unknown], probes=[answer, DOWN, Answer()])
        async with World(sink, jitter=lambda: 0.5) as world:
            began = now()
            await world.put("maybe")
            await wait(20)
            assert len(sink.probed) == (1 if is_alive else 3)
            assert sink.probed[0] - began == pytest.approx(0.5)
            assert ids(sink) == ["maybe", "maybe"]
            assert sink.sent[1].began >= sink.probed[-1]
            assert sink.sent[1].items[0].may_repeat
            assert await world.state("maybe") == "delivered"

    run()


@virtual
async def test_an_answer_to_another_message_is_enough() -> None:
    sink = ScriptedSink([SILENT])
    async with World(sink, jitter=lambda: 1.0) as world:
        await world.put("maybe")
        await wait(0.1)
        await world.put("other")
        await wait(5)
        assert ids(sink) == ["maybe", "other", "maybe"]
        assert sink.probed == []


@virtual
async def test_a_failure_of_another_message_is_not_an_answer() -> None:
    sink = ScriptedSink([SILENT, BROKEN, *[DOWN] * 99], probes=[DOWN] * 99)
    async with World(sink, jitter=lambda: 0.5) as world:
        for name in ("maybe", "broken", "down"):
            await world.put(name)
        await wait(60)
        assert ids(sink)[:3] == ["maybe", "broken", "down"]
        assert {*ids(sink)[3:]} == {"down"}


@virtual
async def test_probes_are_just_under_two_seconds_apart_and_their_failures_open_the_breaker() -> None:
    """So a lone message uses one attempt in an outage, not all of them."""
    sink = ScriptedSink([SILENT], probes=[DOWN] * 99)
    async with World(sink, jitter=lambda: 1.0) as world:
        began = now()
        await world.put("maybe")
        await wait(7.5)
        assert [round(at - began, 1) for at in sink.probed] == [1.0, 2.8, 4.6, 6.4, 7.4]
        assert world.emitted(BreakerMoved) == [BreakerMoved(HERE, "open")]
        await wait(300)
        assert ids(sink) == ["maybe"]
        assert (await world.delivery("maybe")).attempts == 1


@virtual
async def test_only_one_probe_runs_at_a_time() -> None:
    sink = ScriptedSink([SILENT, SILENT], probes=[HANG])
    async with World(sink, workers=3, jitter=lambda: 0.5) as world:
        await world.put("one")
        await world.put("two", HIGH)
        await wait(2)
        await world.put("three", LOW)
        assert (len(sink.probed), sink.hanging) == (1, 1)


@virtual
async def test_later_deliveries_of_the_sequence_wait_too() -> None:
    sink = ScriptedSink([SILENT], probes=[DOWN, Answer()])
    async with World(sink, jitter=lambda: 0.5) as world:
        await world.put("first", about="s", event="new")
        await world.put("second", URGENT, about="s", event="closed")
        await wait(10)
        assert ids(sink) == ["first", "first", "second"]


@virtual
async def test_a_second_missing_answer_is_unconfirmed() -> None:
    sink = ScriptedSink([SILENT, SILENT])
    async with World(sink, jitter=lambda: 0.5) as world:
        await world.put("maybe")
        await wait(60)
        delivery = await world.delivery("maybe")
        assert (delivery.state.value, delivery.unanswered, delivery.attempts) == ("unconfirmed", 2, 2)
        assert len(sink.probed) == 1


@virtual
async def test_a_delivery_whose_validity_ends_while_it_waits_for_an_answer_is_unconfirmed() -> None:
    sink = ScriptedSink([SILENT], probes=[DOWN] * 999)
    async with World(sink, jitter=lambda: 0.5) as world:
        await world.put("maybe", valid_for=30, known=True)
        await wait(120)
        delivery = await world.delivery("maybe")
        assert delivery.state.value == "unconfirmed"
        assert delivery.reason == OUTLIVED


@virtual
async def test_a_send_cut_by_a_crash_waits_for_an_answer_too() -> None:
    outbox = FaultyOutbox()
    await crash_during_a_send(outbox, "lapses")
    sink = ScriptedSink(probes=[DOWN, Answer()])
    async with World(sink, outbox=outbox, jitter=lambda: 0.5) as world:
        assert world.emitted(SendEnded)[0][:2] == (HERE, "lapsed")
        await wait(10)
        assert (len(sink.probed), ids(sink)) == (2, ["lapses"])
        assert sink.sent[0].items[0].may_repeat


@virtual
async def test_drain_waits_for_the_answer_up_to_its_timeout() -> None:
    outbox, sink = FaultyOutbox(), ScriptedSink([HANG])
    async with World(sink, outbox=outbox) as world:
        await world.put("cut off")
        await wait(1)
        await world.dispatcher.stop(0.0)
    answering = ScriptedSink(latency=0.5)
    async with World(answering, outbox=outbox) as world:
        await world.dispatcher.drain()
        assert (len(answering.probed), ids(answering)) == (1, ["cut off"])
    async with World(ScriptedSink([HANG]), outbox=outbox) as world:
        await world.put("again")
        await wait(1)
        await world.dispatcher.stop(0.0)
    away = ScriptedSink(probes=[DOWN] * 99)
    async with World(away, outbox=outbox) as world:
        (left,) = await world.dispatcher.drain(10)
        assert (left.id.notification_id, ids(away)) == ("again", [])
        assert len(away.probed) > 3


@virtual
async def test_a_probe_waits_for_a_slot_like_an_urgent_message() -> None:
    sink = ScriptedSink([SILENT, HANG], probes=[Answer()])
    async with World(sink, limits=FREE._replace(messages_a_minute=2), workers=3, jitter=lambda: 0.5) as world:
        began = now()
        await world.put("maybe")
        await world.put("hangs")
        await wait(61)
        assert [at - began for at in sink.probed] == [pytest.approx(60.0, abs=GRAIN)]
        await wait(60)
        assert ids(sink) == ["maybe", "hangs", "maybe"]


@virtual
async def test_a_probe_without_a_free_slot_starts_when_a_request_ends() -> None:
    sink = ScriptedSink([SILENT, HANG])
    async with World(sink, limits=FREE._replace(burst=Rate(1, 0.001)), jitter=lambda: 0.5) as world:
        await world.put("maybe")
        await world.put("hangs", valid_for=10)
        await wait(9.9)
        assert (sink.probed, ids(sink)) == ([], ["maybe", "hangs"])
        await wait(0.2)
        assert (len(sink.probed), ids(sink)) == (1, ["maybe", "hangs", "maybe"])


@virtual
async def test_a_delivery_leased_while_another_got_no_answer_is_not_sent() -> None:
    """One answer frees two. The first gets no answer while the second is being leased."""
    sink = ScriptedSink([BROKEN, BROKEN, SILENT], probes=[Answer(), *[DOWN] * 99])
    async with World(sink, workers=3, jitter=lambda: 0.5) as world:
        await world.put("one")
        await world.put("two")
        await wait(0.3)
        assert sorted(ids(sink)) == ["one", "two"]
        await wait(60)
        assert len(sink.sent) <= 4
        assert sum([len(await world.history(name)) for name in ("one", "two")]) == len(sink.sent)


@pytest.mark.parametrize("kind", ["announcement", "signal"])
def test_an_at_most_once_delivery_is_not_repeated(kind: str) -> None:
    @virtual
    async def run() -> None:
        sink = ScriptedSink([SILENT])
        async with World(sink, at_most_once=frozenset({kind})) as world:
            await world.put("maybe")
            await wait(60)
            is_meant = kind == "announcement"
            assert await world.state("maybe") == ("unconfirmed" if is_meant else "delivered")
            assert len(sink.sent) == (1 if is_meant else 2)

    run()


@virtual
async def test_an_at_most_once_delivery_is_not_repeated_after_a_crash_or_a_stop() -> None:
    outbox = FaultyOutbox()
    await crash_during_a_send(outbox, "lapses")
    async with World(ScriptedSink([HANG]), outbox=outbox, at_most_once=frozenset({"announcement"})) as world:
        assert await world.state("lapses") == "unconfirmed"
        await world.put("cut off")
        await wait(1)
        assert await world.dispatcher.stop(0.0) == ()
        assert await world.state("cut off") == "unconfirmed"

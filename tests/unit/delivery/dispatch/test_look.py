"""At its start a lane looks up its channel once: never before a message that is due, and never instead of one."""

import pytest

from signalpost.delivery.pacing.limits import NOTHING_ASSUMED, Limits, Rate
from signalpost.domain.events import BreakerMoved, DestinationGone, DestinationSeen
from signalpost.sinks.evidence import Receipt, Rejected
from signalpost.sinks.port import Answer
from signalpost.testing.scripted_sink import HANG, ScriptedSink
from tests.unit.delivery.dispatch.world import DOWN, HERE, URGENT, World, ids, now, virtual, wait

LOOKS = {"fetches_details": True}
IN_77 = Answer(channel="77", guild="5", status=200)
MINUTE = NOTHING_ASSUMED._replace(channel=Rate(28, 60.0), reserve=False)


@virtual
async def test_it_looks_once_when_nothing_is_due_and_reports_the_channel() -> None:
    sink = ScriptedSink(probes=[IN_77])
    async with World(sink, settings=LOOKS) as world:
        await wait(3600)
        assert world.emitted(DestinationSeen) == [DestinationSeen(HERE, "77", "5")]
        assert len(sink.probed) == 1


@virtual
async def test_waiting_messages_go_first_and_the_look_follows_for_the_id_of_the_server() -> None:
    """Their answers show the channel, and only a look shows the server, without which no card can be linked to."""
    sink = ScriptedSink([Receipt("1", channel="77")], latency=0.1, probes=[IN_77])
    world = World(sink, settings=LOOKS)
    await world.put(wakes=False)
    async with world:
        await wait(60)
        assert (len(sink.sent), len(sink.probed)) == (1, 1)
        assert world.emitted(DestinationSeen) == [DestinationSeen(HERE, "77")]


@virtual
async def test_an_urgent_message_does_not_wait_for_the_look_even_with_one_sender() -> None:
    sink = ScriptedSink(probes=[HANG])
    async with World(sink, settings=LOOKS, workers=1, limits=Limits()) as world:
        await wait(1.1)
        assert sink.hanging == 1
        await world.put("now", URGENT)
        began = now()
        await wait(0.05)
        assert [sent.began for sent in sink.sent] == [began]


@virtual
async def test_a_hanging_look_ends_after_3_seconds_and_is_not_repeated() -> None:
    sink = ScriptedSink(probes=[HANG, IN_77])
    async with World(sink, settings=LOOKS) as world:
        await wait(0.9)
        assert sink.probed == [], "a message may come first"
        await wait(3.0)
        assert sink.hanging == 1
        await wait(60)
        assert (sink.hanging, len(sink.probed)) == (0, 1)
        assert world.emitted(DestinationSeen) + world.emitted(BreakerMoved) == []


@virtual
async def test_a_destination_without_support_for_the_look_works_as_usual() -> None:
    sink = ScriptedSink(probes=[Answer(status=404)])
    async with World(sink, settings=LOOKS) as world:
        await wait(1.5)
        await world.put("news")
        await world.dispatcher.drain()
        assert (ids(sink), world.emitted(DestinationSeen)) == (["news"], [])


@virtual
async def test_a_look_that_raises_something_unexpected_is_logged_without_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = ScriptedSink(probes=[ValueError("a secret")])
    async with World(sink, settings=LOOKS) as world:
        await wait(1.5)
        assert "ValueError" in caplog.text
        assert "secret" not in caplog.text
        assert "shown" not in caplog.text, "a probe shows nothing"
        await world.put("news")
        await world.dispatcher.drain()
        assert ids(sink) == ["news"]


@virtual
async def test_the_look_finds_out_that_a_webhook_is_gone_before_a_message_does() -> None:
    sink = ScriptedSink(probes=[Rejected("unknown webhook", code=10015, is_gone=True)])
    async with World(sink, settings=LOOKS) as world:
        await wait(1.5)
        await world.put("waits")
        await wait(60)
        assert (ids(sink), await world.state("waits")) == ([], "pending")
        assert len(world.emitted(DestinationGone)) == 1
        assert len(sink.probed) == 1


@virtual
async def test_the_look_counts_as_a_request() -> None:
    sink = ScriptedSink(probes=[IN_77])
    async with World(
        sink, settings=LOOKS, limits=NOTHING_ASSUMED._replace(burst=Rate(2, 10.0), reserve=False)
    ) as world:
        await wait(1.5)
        for _ in range(2):
            await world.put()
        await wait(5)
        assert len(sink.sent) == 1
        await wait(10)
        assert len(sink.sent) == 2


@virtual
async def test_two_webhooks_of_one_channel_share_its_28_a_minute_from_the_start() -> None:
    one, two = ScriptedSink(probes=[IN_77]), ScriptedSink(probes=[IN_77])
    async with World(one, two, settings=LOOKS, limits=MINUTE) as world:
        await wait(1.5)
        assert [event.others for event in world.emitted(DestinationSeen)] == [(), (HERE,)]
        for number in range(60):
            await world.put(to=("there-1", HERE)[number % 2])
        await wait(50)
        assert len(one.sent) + len(two.sent) == 26, "two looks took slots"
        await wait(15)
        assert len(one.sent) + len(two.sent) == 54


@virtual
async def test_a_channel_known_from_the_last_run_is_shared_before_the_look() -> None:
    one, two = ScriptedSink(probes=[IN_77]), ScriptedSink(probes=[IN_77])
    async with World(one, two, settings=LOOKS, limits=MINUTE) as world:
        outbox = world.outbox
        await wait(90)
        for number in range(20):
            await world.put(f"a{number}", to=("there-1", HERE)[number % 2])
        await wait(1.5)
    one, two = ScriptedSink(), ScriptedSink()
    async with World(one, two, outbox=outbox, limits=MINUTE) as world:
        for number in range(20):
            await world.put(f"b{number}", to=("there-1", HERE)[number % 2])
        await wait(40)
        assert len(one.sent) + len(two.sent) == 8, "the 20 of the last run count once, for both"


@virtual
async def test_a_webhook_of_a_wrong_kind_is_reported() -> None:
    wrong = Answer(channel="77", trouble="it takes no messages", status=200)
    async with World(ScriptedSink(probes=[wrong]), settings=LOOKS) as world:
        await wait(1.5)
        assert [event.trouble for event in world.emitted(DestinationSeen)] == ["it takes no messages"]


@virtual
async def test_a_stop_does_not_wait_for_the_look() -> None:
    sink = ScriptedSink(probes=[HANG])
    async with World(sink, settings=LOOKS) as world:
        await wait(1.5)
        began = now()
        assert await world.dispatcher.stop(10.0) == ()
        assert (now(), sink.hanging) == (began, 0)


@virtual
async def test_an_open_breaker_probes_instead_of_looking() -> None:
    sink = ScriptedSink([DOWN] * 5, probes=[DOWN, IN_77], latency=0.01)
    world = World(sink, settings=LOOKS, workers=1, jitter=lambda: 0.0)
    for _ in range(5):
        await world.put(wakes=False)
    async with world:
        await wait(60)
        assert len(sink.probed) == 2
        assert [event.channel for event in world.emitted(DestinationSeen)] == ["77"]

"""While Discord holds edits, nothing waits for them needlessly, and nothing tries them."""

from signalpost.delivery.outbox.commands import Lease
from signalpost.domain.change import Update
from signalpost.sinks.evidence import Throttled
from signalpost.testing.scripted_sink import HANG, ScriptedSink
from tests.unit.delivery.dispatch.test_cards import Channel, sent
from tests.unit.delivery.dispatch.world import now, virtual, wait

HELD = Throttled("30046", retry_after=300.0, scope="edits")


async def held(world: Channel) -> None:
    """Show three signals, and change two of them while edits are held."""
    for name in ("s1", "s2"):
        await world.open(name)
    await wait(1)
    for name in ("s1", "s2"):
        await world.change(Update(note="one"), name)
    await wait(1)


@virtual
async def test_a_drain_does_not_wait_for_edits_that_are_held_for_longer() -> None:
    sink = ScriptedSink([lambda: None] * 2 + [HELD])
    async with Channel(sink) as world:
        await held(world)
        began = now()
        assert len(await world.dispatcher.drain(60)) == 2
        assert now() - began < 1
        assert len(await world.dispatcher.drain(60, "s2 2")) == 1
        assert now() - began < 1
        assert await world.dispatcher.drain(400) == ()
        assert sent(sink).count(("v2", True)) == 3


@virtual
async def test_a_stop_does_not_wait_for_edits_that_are_held_for_longer() -> None:
    sink = ScriptedSink([lambda: None] * 2 + [HELD])
    async with Channel(sink) as world:
        await held(world)
        began = now()
        assert len(await world.dispatcher.stop(60)) == 2
        assert now() - began < 1


@virtual
async def test_a_drain_waits_for_posts_while_edits_are_held() -> None:
    sink = ScriptedSink([lambda: None] * 2 + [HELD], latency=0.1)
    async with Channel(sink) as world:
        await held(world)
        await world.open("s3")
        assert {each.id.notification_id for each in await world.dispatcher.drain(60)} == {"s1 1", "s2 2"}
        assert await world.state("s3 new") == "delivered"


@virtual
async def test_a_change_during_the_first_post_waits_with_the_other_edits_without_being_tried() -> None:
    """It was put as a post, because its message was not known yet."""
    sink = ScriptedSink([lambda: None, HELD, HANG])
    async with Channel(sink) as world:
        await world.open("s1")
        await wait(1)
        await world.change(Update(note="one"), "s1")
        await world.open("s2")
        await wait(1)
        await world.change(Update(note="one"), "s2")
        before = world.outbox.commands[Lease]
        sink.release()
        await wait(10)
        assert world.outbox.commands[Lease] - before < 5
        began = now()
        assert len(await world.dispatcher.drain(60)) == 2
        assert (now() - began < 1, len(sink.sent)) == (True, 3)
        await wait(300)
        assert len(sink.sent) == 5

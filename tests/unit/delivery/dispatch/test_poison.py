"""A message that always fails at the destination ends as dead and delays no other."""

from collections.abc import Callable

import pytest

from signalpost.domain.events import BreakerMoved
from signalpost.domain.priority import NotificationPriority
from signalpost.sinks.evidence import Receipt, Unavailable, Unconfirmed
from signalpost.sinks.port import Item
from signalpost.testing.scripted_sink import HANG, ScriptedSink, Step
from tests.unit.delivery.dispatch.world import BROKEN, DOWN, HERE, NORMAL, URGENT, World, ids, now, virtual, wait

CANNOT = Unconfirmed("internal server error", status=500)


class Picky(ScriptedSink):
    """Answers 500, or another step, to names that contain poison, and shows everything else."""

    answer: Step = CANNOT
    is_poison: Callable[[str], bool] = staticmethod(lambda name: "poison" in name)

    async def send(self, items: list[Item]) -> Receipt:  # type: ignore[override]
        if any(self.is_poison(item.notification.id) for item in items):
            self._script = iter([self.answer])
        return await super().send(items)


def within(sink: ScriptedSink, name: str) -> float:
    """When a message began."""
    return next(sent.began for sent in reversed(sink.shown) if name in sent.ids)


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    ("priority", "jitter", "seconds", "workers"),
    [
        (NORMAL, 0.01, 120, 1),
        (URGENT, 0.01, 120, 2),
        (NORMAL, 0.5, 300, 2),
        (URGENT, 1.0, 500, 1),
    ],
)
def test_a_message_that_always_gets_a_500_ends_as_dead_and_never_blocks_its_lane(
    priority: NotificationPriority, jitter: float, seconds: int, workers: int
) -> None:
    """The shorter its waits, the sooner it is dead: 100 s before the end at the latest."""

    @virtual
    async def run() -> None:
        sink = Picky(latency=0.1)
        async with World(sink, workers=workers, jitter=lambda: jitter) as world:
            await world.put("poison", priority)
            late = 0.0
            for number in range(seconds):
                began = now()
                await world.put(f"n{number:03}")
                await wait(1)
                late = max(late, within(sink, f"n{number:03}") - began)
            assert late < 0.25, "no other waits for more than the running send"
            assert world.emitted(BreakerMoved) == []
            delivery = await world.delivery("poison")
            assert (delivery.state.value, delivery.attempts, delivery.may_repeat) == ("dead", 12, True)
            assert "internal server error" in str(delivery.reason)
            assert "12" in str(delivery.reason)
            assert ids(sink).count("poison") == 12

    run()


@pytest.mark.parametrize("jitter", [0.01, 0.5, 1.0])
def test_a_lone_failing_message_is_dead_only_once_another_gets_through_at_once(jitter: float) -> None:
    @virtual
    async def run() -> None:
        sink = Picky(latency=0.1)
        async with World(sink, jitter=lambda: jitter) as world:
            await world.put("poison")
            await wait(300)
            assert await world.state("poison") == "pending"
            began = now()
            await world.put("news")
            await wait(600)
            assert within(sink, "news") - began < 0.25
            assert await world.state("poison") == "dead"
            assert [event.state for event in world.emitted(BreakerMoved)] == ["open", "half-open", "closed"]

    run()


@virtual
async def test_a_message_that_fails_while_others_get_through_is_dead_after_twelve_attempts() -> None:
    sink = Picky()
    sink.answer = Unavailable("302")
    async with World(sink, jitter=lambda: 0.5) as world:
        await world.put("poison")
        for _ in range(300):
            await world.put()
            await wait(1)
        delivery = await world.delivery("poison")
        assert (delivery.state.value, delivery.attempts) == ("dead", 12)
        assert "302" in str(delivery.reason)
        assert "12" in str(delivery.reason)


@virtual
async def test_several_at_the_head_of_the_lane_delay_no_other() -> None:
    sink = Picky(latency=0.1)
    async with World(sink, jitter=lambda: 0.5) as world:
        for number in range(4):
            await world.put(f"poison {number}", URGENT)
        for number in range(20):
            await world.put(f"n{number}")
        await wait(5)
        assert len(sink.shown) == 20
        await wait(600)
        assert {await world.state(f"poison {number}") for number in range(4)} == {"dead"}


@virtual
async def test_enough_of_them_to_open_the_breaker_do_not_take_turns_on_trial() -> None:
    sink = Picky(latency=0.1)
    async with World(sink, jitter=lambda: 0.5) as world:
        for number in range(10):
            await world.put(f"poison {number}", URGENT)
        await wait(20)
        for number in range(20):
            await world.put(f"n{number}")
        await wait(15)
        assert world.emitted(BreakerMoved)[0] == BreakerMoved(HERE, "open")
        assert len(sink.shown) == 20
        await wait(1200)
        assert {await world.state(f"poison {number}") for number in range(10)} == {"dead"}


@virtual
async def test_after_an_outage_they_do_not_take_turns_before_what_failed_in_it() -> None:
    sink = Picky(latency=0.1)
    is_over = False
    async with World(sink, jitter=lambda: 0.5) as world:
        sink.is_poison = lambda name: "poison" in name or not is_over
        for name in ("poison 1", "poison 2"):
            await world.put(name, URGENT)
        await world.put("news")
        await wait(30)
        assert ids(sink).count("news") > 1
        is_over = True
        await wait(20)
        assert await world.state("news") == "delivered"
        await wait(600)
        assert {await world.state(f"poison {number}") for number in (1, 2)} == {"dead"}


@virtual
async def test_after_an_outage_it_keeps_no_breaker_half_open() -> None:
    sink = Picky([DOWN] * 5, latency=0.1)
    async with World(sink, jitter=lambda: 0.5) as world:
        for number in range(5):
            await world.put(f"n{number}", valid_for=1.0, known=True)
        await wait(1)
        assert world.emitted(BreakerMoved) == [BreakerMoved(HERE, "open")]
        await world.put("poison", URGENT)
        await wait(10)
        began = now()
        await world.put("news")
        await wait(1)
        assert within(sink, "news") - began < 0.25
        assert [event.state for event in world.emitted(BreakerMoved)][-1] == "closed"


@virtual
async def test_an_outage_of_messages_alone_opens_the_breaker_although_probes_are_answered() -> None:
    sink = ScriptedSink([BROKEN] * 200)
    async with World(sink, jitter=lambda: 0.5) as world:
        for _ in range(100):
            await world.put()
        await wait(60)
        assert world.emitted(BreakerMoved)[0] == BreakerMoved(HERE, "open")
        assert len(sink.sent) + len(sink.probed) < 40


@virtual
async def test_on_trial_any_free_sender_sends_the_first_delivery() -> None:
    """One sender hangs with a message from before the outage. The other then sends more than express ones."""
    sink = ScriptedSink([HANG, *[DOWN] * 5])
    async with World(sink, jitter=lambda: 0.5) as world:
        await world.put("hangs")
        await wait(0.1)
        for number in range(5):
            await world.put(f"n{number}", URGENT, valid_for=1.0, known=True)
        await wait(0.5)
        assert world.emitted(BreakerMoved) == [BreakerMoved(HERE, "open")]
        await world.put("news")
        await wait(10)
        assert "news" in ids(sink)
        assert [event.state for event in world.emitted(BreakerMoved)] == ["open", "half-open", "closed"]

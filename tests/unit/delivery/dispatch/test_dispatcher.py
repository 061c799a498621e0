"""Start, drain and stop at any time. No failure of a sink ends a sender."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from signalpost import clock
from signalpost.delivery.outbox.commands import Command, Expire, Find, Lease, SaveFacts, Settle
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.events import SendBegan, SendEnded, Settled
from signalpost.domain.priority import NotificationPriority
from signalpost.sinks.evidence import Receipt, Rejected
from signalpost.sinks.port import Item
from signalpost.testing.scripted_sink import HANG, ScriptedSink
from tests.size import size
from tests.unit.delivery.dispatch.world import (
    BROKEN,
    DOWN,
    FREE,
    GRAIN,
    HERE,
    URGENT,
    FaultyOutbox,
    World,
    ids,
    now,
    throttled,
    virtual,
    wait,
)


@virtual
async def test_drain_of_nothing_returns_at_once() -> None:
    async with World(ScriptedSink(), ScriptedSink()) as world:
        began = now()
        assert await world.dispatcher.drain() == ()
        assert now() == began


@virtual
async def test_drain_waits_for_queued_and_running_sends() -> None:
    sink = ScriptedSink(latency=2.0)
    async with World(sink, limits=FREE._replace(messages_a_minute=2)) as world:
        began = now()
        for _ in range(3):
            await world.put()
        assert await world.dispatcher.drain() == ()
        assert (len(sink.shown), now() - began) == (3, pytest.approx(64.0, abs=GRAIN))


@virtual
async def test_drain_of_an_empty_queue_does_not_wait_for_a_free_slot() -> None:
    async with World(ScriptedSink(), limits=FREE._replace(messages_a_minute=1)) as world:
        began = now()
        await world.put()
        assert await world.dispatcher.drain() == ()
        assert now() == began


@virtual
async def test_drain_returns_open_deliveries_if_no_retry_is_due_in_time() -> None:
    async with World(ScriptedSink([throttled(30.0)])) as world:
        began = now()
        await world.put("waits")
        await world.put("waits behind it", about="waits", event="closed")
        left = await world.dispatcher.drain(20)
        assert {each.id.notification_id for each in left} == {"waits", "waits behind it"}
        assert now() == began


@virtual
async def test_drain_does_not_wait_for_a_destination_whose_next_probe_comes_later() -> None:
    sink, other = ScriptedSink([DOWN] * 99, probes=[DOWN] * 999), ScriptedSink(latency=0.5)
    async with World(sink, other) as world:
        for _ in range(20):
            await world.put()
        await wait(600)
        probes = len(sink.probed)
        while len(sink.probed) == probes:  # from one probe to the next it is a minute by now
            await wait(1)
        await world.put("other", to="there-1")
        began = now()
        assert len(await world.dispatcher.drain(30)) == 20
        assert (len(other.shown), now() - began) == (1, 0.5)


@virtual
async def test_drain_gives_up_after_its_timeout() -> None:
    async with World(ScriptedSink([HANG])) as world:
        began = now()
        await world.put("hangs")
        (left,) = await world.dispatcher.drain(3.0)
        assert (left.state.value, now() - began) == ("leased", 3.0)


@virtual
async def test_two_drains_can_run_at_once() -> None:
    async with World(ScriptedSink(latency=1.0)) as world:
        for _ in range(5):
            await world.put()
        assert await asyncio.gather(world.dispatcher.drain(), world.dispatcher.drain(2.0), world.dispatcher.drain())
        assert len(world.emitted(Settled)) == 5


@virtual
async def test_start_and_stop_can_be_repeated() -> None:
    sink = ScriptedSink()
    world = World(sink)
    assert await world.dispatcher.stop(1.0) == ()
    for name in "ab":
        await world.dispatcher.start()
        await world.dispatcher.start()
        await world.put(name)
        assert await world.dispatcher.stop(1.0) == ()
        assert await world.dispatcher.stop(1.0) == ()
    assert ids(sink) == ["a", "b"]
    await world.put("c")
    await wait(100)
    assert ids(sink) == ["a", "b"]


@virtual
async def test_a_stop_cancels_a_hanging_send_which_uses_no_attempt_but_may_repeat() -> None:
    outbox, sink = FaultyOutbox(), ScriptedSink([HANG, HANG])
    async with World(sink, outbox=outbox) as world:
        await world.put("hangs")
        await wait(1)
        await world.put("hangs too", URGENT)
        await world.put("waits")
        await wait(1)
        began = now()
        left = await world.dispatcher.stop(2.0)
        assert now() - began == 2.0
        assert {task.cancelling() for task in world.dispatcher.lanes[HERE].tasks} == {0}
        assert {each.id.notification_id: (each.state.value, each.attempts, each.may_repeat) for each in left} == {
            "hangs": ("pending", 0, True),
            "hangs too": ("pending", 0, True),
            "waits": ("pending", 0, False),
        }
        assert [attempt.detail for attempt in await world.history("hangs")] == ["interrupted"]
    again = ScriptedSink()
    async with World(again, outbox=outbox) as world:
        await world.dispatcher.drain()
        assert ids(again) == ["waits", "hangs too", "hangs"]  # possible repeats wait for a first answer
        assert [sent.items[0].may_repeat for sent in again.sent] == [False, True, True]


@virtual
async def test_a_stop_ends_a_probe() -> None:
    sink = ScriptedSink([DOWN] * 5, probes=[HANG])
    async with World(sink, jitter=lambda: 1.0) as world:
        for _ in range(9):
            await world.put()
        await wait(3)
        assert sink.hanging == 1
        began = now()
        assert len(await world.dispatcher.stop(0.5)) == 9
        assert (now(), sink.hanging) == (began + 0.5, 0)


@virtual
async def test_a_stop_returns_leased_deliveries_that_were_not_sent() -> None:
    sink = ScriptedSink()
    async with World(sink) as world:
        await wait(1)
        world.outbox.delays[Lease] = 1.0
        await world.put("waits")
        await wait(0.5)
        (left,) = await world.dispatcher.stop(0.0)
        assert (left.state.value, left.attempts, left.may_repeat) == ("pending", 0, False)
        assert sink.sent == []


@virtual
async def test_a_sink_that_ignores_cancellation_delays_a_stop_only_briefly() -> None:
    """It is cancelled again after two seconds."""

    class Deaf(ScriptedSink):
        async def send(self, items: Sequence[Item]) -> Receipt:
            try:
                await super().send(items)
            except asyncio.CancelledError:
                await wait(3600)
            raise AssertionError("unreachable")

    async with World(Deaf([HANG])) as world:
        await world.put("hangs")
        await wait(1)
        began = now()
        (left,) = await world.dispatcher.stop(0.0)
        assert (left.state.value, left.may_repeat, now() - began) == ("pending", True, 2.0)


@pytest.mark.unmeasured
@pytest.mark.parametrize("seed", range(size(6, 12)))
def test_a_stop_at_any_time_loses_nothing_and_repeats_nothing(seed: int) -> None:
    """The next start delivers the rest. Only cancelled sends repeat, and they are marked."""
    random = Random(seed)
    script = [None, None, DOWN, throttled(0.5), BROKEN, HANG, Rejected("bad request", status=400)]

    @virtual
    async def run() -> None:
        outbox, sinks, names = FaultyOutbox(), [], []
        for kind in (Lease, Settle, Expire, SaveFacts):
            outbox.delays[kind] = random.random() / 50
        for _ in range(6):
            answers = [(each and (lambda each=each: each)) or (lambda: None) for each in random.choices(script, k=40)]
            sinks.append(ScriptedSink(answers, latency=lambda: random.random() / 5))
            async with World(sinks[-1], outbox=outbox, workers=random.randint(1, 3), jitter=random.random) as world:
                for _ in range(5):
                    name = f"n{len(names):03}"
                    names.append(
                        await world.put(
                            name,
                            random.choice(list(NotificationPriority)),
                            about=f"s{random.randint(0, 9)}",
                            event=name,
                        )
                    )
                await wait(random.random() * 2)
                await world.dispatcher.stop(random.random() / 2)
                assert not list(await world.outbox.do(Find(states=frozenset({DeliveryState.LEASED}))))
        outbox.delays.clear()
        sinks.append(ScriptedSink())
        async with World(sinks[-1], outbox=outbox) as world:
            await wait(600)
            assert await world.dispatcher.drain() == ()
            for name in names:
                sent = [
                    item for sink in sinks for each in sink.sent for item in each.items if item.notification.id == name
                ]
                shown = [
                    item for sink in sinks for each in sink.shown for item in each.items if item.notification.id == name
                ]
                state, outcomes = await world.state(name), [each.outcome for each in await world.history(name)]
                assert state in {"delivered", "dead", "unconfirmed"}, name
                assert len(outcomes) == len(sent), name
                assert len(shown) == (state == "delivered"), name
                seen_before = False
                for item, outcome in zip(sent, outcomes, strict=True):
                    assert item.may_repeat is seen_before, name
                    seen_before = seen_before or outcome == "unconfirmed"

    run()


@pytest.mark.parametrize(
    "culprit", [ValueError("https://discord.com/api/webhooks/1/secret"), TimeoutError(), None, "?"]
)
def test_a_sender_survives_any_failure_of_its_sink_and_shows_no_secret(
    culprit: object, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(ScriptedSink):
        async def send(self, items: Sequence[Item]) -> Receipt:
            await super().send(items)
            if isinstance(culprit, BaseException):
                raise culprit
            return culprit

    @virtual
    async def run() -> None:
        async with World(Broken()) as world:
            await world.put("broken")
            await wait(10)
            delivery = await world.delivery("broken")
            assert (delivery.state.value, delivery.unanswered) == ("unconfirmed", 2)
            kind = type(culprit).__name__
            assert kind in str(delivery.reason)
            assert kind in caplog.text
            assert "secret" not in caplog.text + repr(world.events) + repr(await world.history("broken"))

    run()


@virtual
async def test_an_error_of_our_own_is_logged_and_the_sender_continues(caplog: pytest.LogCaptureFixture) -> None:
    sink = ScriptedSink()
    async with World(sink, outbox=_Mischief()) as world:
        await world.put()
        await wait(10)
        assert len(sink.sent) == 1
    assert caplog.messages
    for line in caplog.messages:
        assert HERE in line
        assert "ZeroDivisionError" in line
        assert "test_dispatcher.py:" in line, "the frames are logged"


class _Mischief(FaultyOutbox):
    """An outbox with a programming error: its first lease breaks."""

    async def do(self, command: Command[Any]) -> Any:
        if isinstance(command, Lease) and not self.commands[Lease]:
            self.commands[Lease] += 1
            return 1 / 0
        return await super().do(command)


@virtual
async def test_events_are_emitted_once_and_in_order() -> None:
    script = [DOWN, throttled(1.0), BROKEN, Receipt("77")]
    async with World(ScriptedSink(script, latency=0.25), workers=1, jitter=lambda: 0.5) as world:
        await world.put("delivered")
        await wait(10)
        events = [event for event in world.events if isinstance(event, SendBegan | SendEnded | Settled)]
        assert [type(event).__name__ for event in events] == ["SendBegan", "SendEnded", "Settled"] * 4
        assert [(event.outcome, event.detail) for event in world.emitted(SendEnded)] == [
            ("unavailable", "connection refused"),
            ("throttled", "slow down"),
            ("unconfirmed", "bad gateway"),
            ("delivered", ""),
        ]
        assert {round(event.took_seconds, 9) for event in world.emitted(SendEnded)} == {0.25}
        assert [event.delivery.state.value for event in world.emitted(Settled)] == ["pending"] * 3 + ["delivered"]
        assert {event.notification.id for event in world.emitted(Settled)} == {"delivered"}
        assert (await world.delivery("delivered")).message_id == "77"
        assert [event.deliveries[0].may_repeat for event in world.emitted(SendBegan)] == [False, False, False, True]


@virtual
async def test_a_delivery_for_a_destination_without_a_lane_waits() -> None:
    async with World(ScriptedSink()) as world:
        await world.put("nowhere", to="unknown")
        await wait(100)
        assert await world.state("nowhere", "unknown") == "pending"
        with pytest.raises(KeyError):
            await world.dispatcher.enable("unknown")


@virtual
async def test_sends_in_flight_can_be_listed() -> None:
    async with World(ScriptedSink([HANG])) as world:
        lane = world.dispatcher.lanes[HERE]
        await world.put()
        await wait(1)
        assert (len(lane.in_flight), lane.busy) == (1, 1)


@pytest.mark.unmeasured
@pytest.mark.parametrize("count", [1, size(600, 1300)])
def test_leases_of_a_dead_owner_are_settled_before_any_send(count: int) -> None:
    @virtual
    async def run() -> None:
        outbox, sink = FaultyOutbox(), ScriptedSink()
        world = World(sink, outbox=outbox)
        for _ in range(count):
            await world.put(wakes=False)
        assert len((await outbox.do(Lease(HERE, clock.now(), limit=count))).entries) == count
        async with world:
            first = world.emitted(Settled)[:count]
            assert {(event.delivery.state.value, event.delivery.attempts) for event in first} == {("pending", 1)}
            await wait(60)
            assert len(sink.shown) == count
            assert all(sent.items[0].may_repeat for sent in sink.sent)

    run()

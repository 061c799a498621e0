"""A breaker after a restart: it stays open, this is reported, and no step of the clock makes its wait longer."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from signalpost.delivery.facts import BREAKER, PACE, breaker_fact, read_breaker
from signalpost.delivery.outbox.commands import LoadFacts, SaveFacts, Subject
from signalpost.delivery.pacing.breaker import BreakerMemory
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED
from signalpost.domain.events import BreakerMoved, ClockStepped
from signalpost.testing.scripted_sink import ScriptedSink
from tests.unit.delivery.dispatch.world import DOWN, HERE, FaultyOutbox, World, ids, now, step, virtual, wait

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEPT = BreakerMemory(open_for=100.0, probe_in=4.0, interval=5.0)


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        (timedelta(0), KEPT),
        (timedelta(seconds=3), BreakerMemory(103.0, 1.0, 5.0)),
        (HOUR, BreakerMemory(3700.0, 0.0, 5.0)),
        (-HOUR, KEPT),
    ],
)
def test_a_saved_breaker_is_read_as_of_now_and_a_clock_set_back_changes_nothing(
    later: timedelta, expected: BreakerMemory
) -> None:
    assert read_breaker(breaker_fact(KEPT, NOW), NOW + later) == expected


def test_a_closed_breaker_leaves_no_fact() -> None:
    assert breaker_fact(None, NOW) == {BREAKER: b""}
    assert read_breaker({}, NOW) is None


@pytest.mark.parametrize("text", [b"{}", b"open", b'{"at":1}', msgspec.json.encode({"at": NOW, "open_for": "x"})])
def test_an_unreadable_breaker_is_closed(text: bytes) -> None:
    assert read_breaker({BREAKER: text}, NOW) is None


async def broken(outbox: FaultyOutbox) -> None:
    """Leave an open breaker behind, with one pending delivery and the next probe in a second."""
    sink = ScriptedSink([DOWN] * 5, probes=[DOWN] * 99)
    async with World(sink, outbox=outbox, jitter=lambda: 1.0) as world:
        for _ in range(4):
            await world.put(valid_for=0.5, known=True)
        await world.put("waits")
        while not world.emitted(BreakerMoved):
            await wait(0.1)
        assert len(sink.probed) == 0


@virtual
async def test_an_open_breaker_is_open_after_a_restart_and_probes_at_the_same_time() -> None:
    outbox = FaultyOutbox()
    await broken(outbox)
    sink = ScriptedSink()
    async with World(sink, outbox=outbox, jitter=lambda: 1.0) as world:
        began = now()
        assert world.emitted(BreakerMoved) == [BreakerMoved(HERE, "open", "open")]
        await wait(0.7)
        assert (sink.probed, ids(sink)) == ([], [])
        await wait(5)
        assert 0.7 < sink.probed[0] - began <= 1.0
        assert ids(sink)[-1] == "waits"
        assert world.dispatcher.lanes[HERE].gate.breaker.trips == 0
    assert BREAKER not in await outbox.do(LoadFacts(Subject(HERE)))
    async with World(ScriptedSink(), outbox=outbox) as world:
        assert world.emitted(BreakerMoved) == []


@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_no_step_of_the_clock_makes_the_wait_longer(by: timedelta) -> None:
    @virtual
    async def run() -> None:
        outbox = FaultyOutbox()
        await broken(outbox)
        step(by)
        sink = ScriptedSink()
        async with World(sink, outbox=outbox, jitter=lambda: 1.0) as world:
            began = now()
            await wait(10)
            assert sink.probed[0] - began <= 2.0
            assert await world.state("waits") == "delivered"
            steps = [event.seconds for event in world.emitted(ClockStepped)]
            assert steps == ([] if by > timedelta(0) else [pytest.approx(-3600.0, abs=1.0)])

    run()


@virtual
async def test_a_failed_save_of_it_is_repeated() -> None:
    outbox = FaultyOutbox()
    sink = ScriptedSink([DOWN] * 5, probes=[DOWN] * 99)
    async with World(sink, outbox=outbox, jitter=lambda: 1.0) as world:
        for _ in range(9):
            await world.put()
        while not world.emitted(BreakerMoved):
            await wait(0.1)
        saved = await outbox.do(LoadFacts(Subject(HERE)))
        outbox.faults[SaveFacts] = 1
        while not sink.probed:
            await wait(0.1)
        assert await outbox.do(LoadFacts(Subject(HERE))) == saved
        await wait(1)
        later = await outbox.do(LoadFacts(Subject(HERE)))
        assert later[BREAKER] not in (None, saved[BREAKER])


@virtual
async def test_it_is_saved_with_the_verdict_on_the_message_that_opened_it() -> None:
    outbox = FaultyOutbox()
    outbox.faults[SaveFacts] = 99
    async with World(
        ScriptedSink([DOWN] * 5),
        outbox=outbox,
        limits=NOTHING_ASSUMED._replace(messages_a_minute=30),
        jitter=lambda: 1.0,
    ) as world:
        for _ in range(9):
            await world.put()
        while not world.emitted(BreakerMoved):
            await wait(0.1)
        await wait(0)
        saved = await outbox.do(LoadFacts(Subject(HERE)))
        assert saved.keys() == {BREAKER, PACE}

"""The writer thread: it commits in groups, answers everybody, and survives whatever a core does."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from signalpost.delivery.outbox import threaded
from signalpost.delivery.outbox.arrivals import Arrival
from signalpost.delivery.outbox.commands import Command, Damaged, LoadFacts, SaveFacts, Stats
from signalpost.delivery.outbox.threaded import ThreadedOutbox
from signalpost.domain.delivery import Delivery, DeliveryId, DeliveryState
from signalpost.domain.events import Event
from signalpost.domain.priority import NotificationPriority
from signalpost.errors import CommandFailed, StoreClosed, StoreFailed

START = datetime(2026, 1, 5, tzinfo=UTC)


class GatedCore:
    """A core that notes its batches, waits at a gate before each, and fails on demand."""

    def __init__(self) -> None:
        self.batches: list[list[Command[Any]]] = []
        self.entered, self.gate = threading.Semaphore(0), threading.Semaphore(0)
        self.fault: BaseException | None = None
        self.closing_fault: Exception | None = None
        self.is_closed = False

    def apply(self, batch: Sequence[Command[Any]]) -> list[Any]:
        self.batches.append(list(batch))
        self.entered.release()
        assert self.gate.acquire(timeout=30)
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        return [getattr(command, "destination", None) for command in batch]

    def close(self) -> None:
        self.is_closed = True
        if self.closing_fault is not None:
            raise self.closing_fault


@pytest.fixture
def core() -> Iterator[GatedCore]:
    core = GatedCore()
    yield core
    core.gate.release(99)


async def _asked(outbox: ThreadedOutbox, *names: str) -> list["asyncio.Task[Any]"]:
    """Tasks that have asked, one for each name."""
    tasks = [asyncio.create_task(outbox.do(LoadFacts(name))) for name in names]
    await asyncio.sleep(0)
    return tasks


async def _entered(core: GatedCore) -> None:
    assert await asyncio.to_thread(core.entered.acquire, timeout=30)


async def test_what_is_asked_while_a_commit_runs_goes_into_the_next_one_in_order(core: GatedCore) -> None:
    outbox = ThreadedOutbox(core)
    first = await _asked(outbox, "a")
    await _entered(core)
    rest = await _asked(outbox, "b", "c", "d")
    core.gate.release(2)
    assert await asyncio.gather(*first, *rest) == ["a", "b", "c", "d"]
    assert [[command.destination for command in batch] for batch in core.batches] == [["a"], ["b", "c", "d"]]
    await outbox.close()


async def test_a_failing_batch_fails_all_who_wait_for_it_and_the_next_one_is_carried_out(core: GatedCore) -> None:
    outbox = ThreadedOutbox(core)
    core.fault = StoreFailed("o.db: the disk is full: make room")
    first = await _asked(outbox, "a")
    await _entered(core)
    rest = await _asked(outbox, "b", "c")
    core.gate.release()
    with pytest.raises(StoreFailed, match="the disk is full: make room"):
        await first[0]
    await _entered(core)
    core.fault = StoreFailed("again")
    core.gate.release()
    faults = await asyncio.gather(*rest, return_exceptions=True)
    assert [str(fault) for fault in faults] == ["again", "again"]
    assert faults[0] is not faults[1], "each who waits gets a failure of its own"
    core.gate.release()
    assert await outbox.do(LoadFacts("d")) == "d"
    await outbox.close()


async def test_a_core_that_breaks_fails_the_command_and_the_thread_lives_on(core: GatedCore) -> None:
    outbox = ThreadedOutbox(core)
    core.fault = TypeError("secret")
    core.gate.release(2)
    with pytest.raises(CommandFailed, match=r"^Stats failed \(TypeError\)$"):
        await outbox.do(Stats())
    assert await outbox.do(LoadFacts("a")) == "a"
    await outbox.close()


@pytest.mark.parametrize("fault", [None, StoreFailed("full")])
async def test_who_no_longer_waits_cancels_nothing_and_disturbs_nobody(
    core: GatedCore, fault: Exception | None
) -> None:
    outbox = ThreadedOutbox(core)
    (first,) = await _asked(outbox, "a")
    await _entered(core)
    impatient, patient = await _asked(outbox, "b", "c")
    impatient.cancel()
    core.gate.release()
    assert await first == "a"
    await _entered(core)
    core.fault = fault
    core.gate.release()
    (answer,) = await asyncio.gather(patient, return_exceptions=True)
    assert str(answer) == ("full" if fault else "c")
    assert impatient.cancelled()
    assert [[command.destination for command in batch] for batch in core.batches] == [["a"], ["b", "c"]]
    await outbox.close()


async def test_closing_carries_out_what_was_asked_before_and_ends_the_thread(core: GatedCore) -> None:
    outbox = ThreadedOutbox(core)
    first = await _asked(outbox, "a")
    await _entered(core)
    rest = await _asked(outbox, "b", "c")
    closing = [asyncio.create_task(outbox.close()) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(StoreClosed):
        await outbox.do(SaveFacts("d", {}))
    assert not core.is_closed
    core.gate.release(2)
    assert await asyncio.gather(*first, *rest) == ["a", "b", "c"]
    await asyncio.gather(*closing)
    assert core.is_closed
    assert not outbox._thread.is_alive()


async def test_closing_that_is_cancelled_still_closes(core: GatedCore) -> None:
    outbox = ThreadedOutbox(core)
    (first,) = await _asked(outbox, "a")
    await _entered(core)
    closing = asyncio.create_task(outbox.close())
    await asyncio.sleep(0)
    closing.cancel()
    core.gate.release()
    assert await first == "a"
    await outbox.close()
    assert core.is_closed


async def test_a_core_that_fails_to_close_tells_whoever_closes(core: GatedCore) -> None:
    outbox = ThreadedOutbox(core)
    core.closing_fault = OSError("stuck")
    with pytest.raises(OSError, match="stuck"):
        await outbox.close()


async def test_another_loop_is_told_that_this_outbox_is_not_its_own(core: GatedCore) -> None:
    outbox = ThreadedOutbox(core)

    def on_another_loop() -> None:
        with pytest.raises(RuntimeError, match="belongs to the loop on which it was made"):
            asyncio.run(outbox.do(Stats()))

    await asyncio.to_thread(on_another_loop)
    assert core.batches == []
    await outbox.close()


def test_a_loop_that_is_gone_leaves_the_thread_unharmed(core: GatedCore) -> None:
    """A program that forgot to close: its last commands are carried out, and the thread ends quietly."""
    made: list[ThreadedOutbox] = []

    async def forgets() -> None:
        made.append(ThreadedOutbox(core))
        (task,) = await _asked(made[0], "a")
        await _entered(core)
        task.cancel()

    asyncio.run(forgets())
    core.gate.release()
    made[0]._asked.put(None)
    made[0]._thread.join(timeout=30)
    assert not made[0]._thread.is_alive()
    assert core.is_closed


NEWS = (Arrival("signals-free", NotificationPriority.HIGH, 2),)


class SharedCore:
    """A core beside which others write: what they put is found by a look, or met by a batch."""

    def __init__(self) -> None:
        self.put: list[tuple[Arrival, ...]] = []
        self.faults: list[StoreFailed] = []
        self.broken: tuple[Damaged, ...] = ()
        self._met: tuple[Arrival, ...] | None = None

    def apply(self, batch: Sequence[Command[Any]]) -> list[Any]:
        if self.put:
            self._met = self.put.pop()
        return [None for _ in batch]

    def look(self) -> None:
        if self.faults:
            raise self.faults.pop()
        self.apply([])

    def news(self) -> tuple[Arrival, ...] | None:
        met, self._met = self._met, None
        return met

    def damaged(self) -> tuple[Damaged, ...]:
        found, self.broken = self.broken, ()
        return found

    def close(self) -> None:
        pass


def _deaf(_: tuple[Damaged, ...]) -> None:
    """Nothing is damaged."""


class Listener:
    """Hears the news, and can be waited for."""

    def __init__(self) -> None:
        self.heard: list[tuple[Arrival, ...]] = []
        self._came = asyncio.Event()

    def __call__(self, news: tuple[Arrival, ...]) -> None:
        self.heard.append(news)
        self._came.set()

    async def hears(self) -> None:
        async with asyncio.timeout(30):
            await self._came.wait()
        self._came.clear()


async def test_what_others_put_is_found_by_a_look_that_nobody_asked_for() -> None:
    core, listener = SharedCore(), Listener()
    outbox = ThreadedOutbox(core)
    outbox.listen(core, listener, _deaf)
    core.faults.append(StoreFailed("the disk is full"))
    core.put.append(NEWS)
    await listener.hears()
    assert listener.heard == [NEWS]
    await outbox.close()


async def test_a_look_that_is_asked_for_is_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threaded, "LOOK_EVERY", 3_600)
    core, listener = SharedCore(), Listener()
    outbox = ThreadedOutbox(core)
    outbox.listen(core, listener, _deaf)
    await outbox.do(Stats())
    core.put.append(NEWS)
    outbox.look()
    await listener.hears()
    await outbox.close()


async def test_news_that_a_batch_met_is_told_before_its_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a count which was asked for, and which knows of them, is the last word."""
    monkeypatch.setattr(threaded, "LOOK_EVERY", 3_600)
    core, listener = SharedCore(), Listener()
    outbox = ThreadedOutbox(core)
    outbox.listen(core, listener, _deaf)
    await outbox.do(Stats())
    core.put.append(NEWS)
    await outbox.do(Stats())
    assert listener.heard == [NEWS]
    await outbox.close()


async def test_after_a_close_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threaded, "LOOK_EVERY", 3_600)
    core, listener = SharedCore(), Listener()
    outbox = ThreadedOutbox(core)
    outbox.listen(core, listener, _deaf)
    await outbox.do(Stats())
    core.put.append(NEWS)
    last = asyncio.create_task(outbox.do(Stats()))
    await asyncio.sleep(0)
    await outbox.close()
    await last
    assert listener.heard == []


async def test_news_for_which_nobody_listens_is_lost_on_nobody() -> None:
    core = SharedCore()
    core.put.append(NEWS)
    outbox = ThreadedOutbox(core)
    await outbox.do(Stats())
    outbox._hear(outbox._on_news, NEWS)
    await outbox.close()


async def test_what_was_set_aside_is_told_once() -> None:
    core, listener = SharedCore(), Listener()
    damaged = Damaged(
        Delivery(DeliveryId("01", "one"), DeliveryState.DEAD, NotificationPriority.NORMAL, 0, "s", START), was_open=True
    )
    core.broken = (damaged,)
    outbox = ThreadedOutbox(core)
    outbox.listen(core, lambda _: None, listener)
    await listener.hears()
    await outbox.do(Stats())
    assert listener.heard == [(damaged,)]
    await outbox.close()


async def test_that_the_thread_failed_is_reported_until_it_has_run_again(core: GatedCore) -> None:
    events: list[Event] = []
    outbox = ThreadedOutbox(core, events.append)
    core.gate.release(9)
    for _ in range(2):
        core.fault = SystemExit()
        (lost,) = await _asked(outbox, "a")
        with pytest.raises(StoreFailed):
            await lost
        await asyncio.sleep(0)
    assert [event[:2] for event in events] == [("store thread", "SystemExit")] * 2
    await outbox.close()


async def test_a_call_that_exits_ends_nothing(core: GatedCore) -> None:
    outbox = ThreadedOutbox(core)

    def exits() -> None:
        raise SystemExit

    with pytest.raises(StoreFailed):
        await outbox.call(exits)
    await outbox.close()

"""The writer thread commits in groups, answers every caller, and survives any failure of the core."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from signalpost.delivery.outbox import threaded
from signalpost.delivery.outbox.commands import Command, Damaged, LoadFacts, SaveFacts, Stats, Subject
from signalpost.delivery.outbox.threaded import ThreadedOutbox
from signalpost.delivery.outbox.transaction import Arrival
from signalpost.domain.delivery import Delivery, DeliveryId, DeliveryState
from signalpost.domain.events import Event
from signalpost.domain.priority import NotificationPriority
from signalpost.errors import CommandFailed, StoreClosed, StoreFailed

START = datetime(2026, 1, 5, tzinfo=UTC)


class GatedCore:
    """A core that records its batches, waits at a gate before each, and fails on demand."""

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
        return [getattr(command, "subject", [None])[0] for command in batch]

    def close(self) -> None:
        self.is_closed = True
        if self.closing_fault is not None:
            raise self.closing_fault


@pytest.fixture
def core() -> Iterator[GatedCore]:
    core = GatedCore()
    yield core
    core.gate.release(99)


def _threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "signalpost outbox"}


async def _started(outbox: ThreadedOutbox, *names: str) -> list["asyncio.Task[Any]"]:
    """A waiting task for each name."""
    tasks = [asyncio.create_task(outbox.do(LoadFacts(Subject(name)))) for name in names]
    await asyncio.sleep(0)
    return tasks


async def _entered(core: GatedCore) -> None:
    assert await asyncio.to_thread(core.entered.acquire, timeout=30)


async def test_commands_that_arrive_during_a_commit_go_into_the_next_one_in_order(core: GatedCore) -> None:
    outbox = ThreadedOutbox(core)
    first = await _started(outbox, "a")
    await _entered(core)
    rest = await _started(outbox, "b", "c", "d")
    core.gate.release(2)
    assert await asyncio.gather(*first, *rest) == ["a", "b", "c", "d"]
    assert [[command.subject.name for command in batch] for batch in core.batches] == [["a"], ["b", "c", "d"]]
    await outbox.close()


async def test_a_failing_batch_fails_all_its_callers_and_the_next_batch_runs(core: GatedCore) -> None:
    outbox = ThreadedOutbox(core)
    core.fault = core_fault = StoreFailed("o.db is full", code="disk-full", field="path", value="o.db")
    first = await _started(outbox, "a")
    await _entered(core)
    rest = await _started(outbox, "b", "c")
    core.gate.release()
    with pytest.raises(StoreFailed) as failed:
        await first[0]
    assert (failed.value.code, failed.value.errors) == ("disk-full", core_fault.errors)
    await _entered(core)
    core.fault = StoreFailed("again")
    core.gate.release()
    faults = await asyncio.gather(*rest, return_exceptions=True)
    assert [str(fault) for fault in faults] == ["again", "again"]
    assert faults[0] is not faults[1], "each caller gets its own error"
    core.gate.release()
    assert await outbox.do(LoadFacts(Subject("d"))) == "d"
    await outbox.close()


async def test_an_unexpected_error_fails_the_command_and_the_thread_continues(core: GatedCore) -> None:
    outbox = ThreadedOutbox(core)
    core.fault = TypeError("secret")
    core.gate.release(2)
    with pytest.raises(CommandFailed) as failed:
        await outbox.do(Stats())
    assert (failed.value.code, failed.value.errors[0].value) == ("command-failed", "Stats")
    assert "TypeError" in str(failed.value)
    assert "secret" not in str(failed.value)
    assert await outbox.do(LoadFacts(Subject("a"))) == "a"
    await outbox.close()


@pytest.mark.parametrize("fault", [None, StoreFailed("full")])
async def test_a_cancelled_caller_cancels_no_command_and_disturbs_no_other_caller(
    core: GatedCore, fault: Exception | None
) -> None:
    outbox = ThreadedOutbox(core)
    (first,) = await _started(outbox, "a")
    await _entered(core)
    impatient, patient = await _started(outbox, "b", "c")
    impatient.cancel()
    core.gate.release()
    assert await first == "a"
    await _entered(core)
    core.fault = fault
    core.gate.release()
    (answer,) = await asyncio.gather(patient, return_exceptions=True)
    assert str(answer) == ("full" if fault else "c")
    assert impatient.cancelled()
    assert [[command.subject.name for command in batch] for batch in core.batches] == [["a"], ["b", "c"]]
    await outbox.close()


async def test_close_runs_the_commands_before_it_and_ends_the_thread(core: GatedCore) -> None:
    others = _threads()
    outbox = ThreadedOutbox(core)
    (thread,) = _threads() - others
    first = await _started(outbox, "a")
    await _entered(core)
    rest = await _started(outbox, "b", "c")
    closing = [asyncio.create_task(outbox.close()) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(StoreClosed):
        await outbox.do(SaveFacts(Subject("d"), {}))
    assert not core.is_closed
    core.gate.release(2)
    assert await asyncio.gather(*first, *rest) == ["a", "b", "c"]
    await asyncio.gather(*closing)
    assert core.is_closed
    assert not thread.is_alive()


async def test_a_cancelled_close_still_closes(core: GatedCore) -> None:
    outbox = ThreadedOutbox(core)
    (first,) = await _started(outbox, "a")
    await _entered(core)
    closing = asyncio.create_task(outbox.close())
    await asyncio.sleep(0)
    closing.cancel()
    core.gate.release()
    assert await first == "a"
    await outbox.close()
    assert core.is_closed


async def test_close_raises_the_error_of_the_core(core: GatedCore) -> None:
    outbox = ThreadedOutbox(core)
    core.closing_fault = fault = OSError("stuck")
    with pytest.raises(OSError) as raised:  # noqa: PT011  # this exact object
        await outbox.close()
    assert raised.value is fault


async def test_a_call_from_another_loop_is_rejected(core: GatedCore) -> None:
    outbox = ThreadedOutbox(core)

    def on_another_loop() -> None:
        with pytest.raises(RuntimeError):
            asyncio.run(outbox.do(Stats()))

    await asyncio.to_thread(on_another_loop)
    assert core.batches == []
    await outbox.close()


def test_the_thread_ends_quietly_after_its_loop_is_closed(core: GatedCore) -> None:
    """If a program forgets to close, its last commands still run."""
    others, made = _threads(), list[ThreadedOutbox]()

    async def forgets() -> None:
        made.append(ThreadedOutbox(core))
        (task,) = await _started(made[0], "a")
        await _entered(core)
        task.cancel()

    asyncio.run(forgets())
    (thread,) = _threads() - others
    core.gate.release()
    made[0].abandon()
    thread.join(timeout=30)
    assert not thread.is_alive()
    assert core.is_closed


NEWS = (Arrival("signals-free", NotificationPriority.HIGH, 2),)


class SharedCore:
    """A core whose store others write: a look or a batch finds their deliveries."""

    def __init__(self) -> None:
        self.put: list[tuple[Arrival, ...]] = []
        self.broken: tuple[Damaged, ...] = ()
        self._met: tuple[Arrival, ...] | None = None

    def apply(self, batch: Sequence[Command[Any]]) -> list[Any]:
        if self.put:
            self._met = self.put.pop()
        return [None for _ in batch]

    def news(self) -> tuple[Arrival, ...] | None:
        self.apply([])
        met, self._met = self._met, None
        return met

    def damaged(self) -> tuple[Damaged, ...] | None:
        found, self.broken = self.broken, ()
        return found or None

    def close(self) -> None:
        pass


class Listener:
    """Records the news, and can be awaited."""

    def __init__(self) -> None:
        self.received: list[tuple[Arrival, ...]] = []
        self._came = asyncio.Event()

    def __call__(self, news: tuple[Arrival, ...]) -> None:
        self.received.append(news)
        self._came.set()

    async def hears(self) -> None:
        async with asyncio.timeout(30):
            await self._came.wait()
        self._came.clear()


async def test_arrivals_from_others_are_found_without_a_request() -> None:
    core, listener = SharedCore(), Listener()
    outbox = ThreadedOutbox(core)
    outbox.listen(core.news, listener)
    core.put.append(NEWS)
    await listener.hears()
    assert listener.received == [NEWS]
    await outbox.close()


async def test_a_requested_look_happens_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threaded, "LOOK_EVERY", 3_600)
    core, listener = SharedCore(), Listener()
    outbox = ThreadedOutbox(core)
    outbox.listen(core.news, listener)
    await outbox.do(Stats())
    core.put.append(NEWS)
    outbox.look()
    await listener.hears()
    await outbox.close()


async def test_news_found_by_a_batch_is_reported_before_its_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """So a requested count, which includes them, comes last."""
    monkeypatch.setattr(threaded, "LOOK_EVERY", 3_600)
    core, listener = SharedCore(), Listener()
    outbox = ThreadedOutbox(core)
    outbox.listen(core.news, listener)
    await outbox.do(Stats())
    core.put.append(NEWS)
    await outbox.do(Stats())
    assert listener.received == [NEWS]
    await outbox.close()


async def test_nothing_is_reported_after_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threaded, "LOOK_EVERY", 3_600)
    core, listener = SharedCore(), Listener()
    outbox = ThreadedOutbox(core)
    outbox.listen(core.news, listener)
    await outbox.do(Stats())
    core.put.append(NEWS)
    last = asyncio.create_task(outbox.do(Stats()))
    await asyncio.sleep(0)
    await outbox.close()
    await last
    assert listener.received == []


async def test_damaged_rows_are_reported_once() -> None:
    core, listener = SharedCore(), Listener()
    damaged = Damaged(
        Delivery(DeliveryId("01", "one"), DeliveryState.DEAD, NotificationPriority.NORMAL, 0, "s", START), was_open=True
    )
    core.broken = (damaged,)
    outbox = ThreadedOutbox(core)
    outbox.listen(core.damaged, listener)
    await listener.hears()
    await outbox.do(Stats())
    assert listener.received == [(damaged,)]
    await outbox.close()


async def test_each_failure_of_the_thread_is_reported(core: GatedCore) -> None:
    events: list[Event] = []
    outbox = ThreadedOutbox(core, events.append)
    core.gate.release(9)
    for _ in range(2):
        core.fault = SystemExit()
        (lost,) = await _started(outbox, "a")
        with pytest.raises(StoreFailed):
            await lost
        await asyncio.sleep(0)
    assert [event[:2] for event in events] == [("store thread", "SystemExit")] * 2
    await outbox.close()


async def test_a_call_that_raises_system_exit_fails_alone(core: GatedCore) -> None:
    outbox = ThreadedOutbox(core)

    def exits() -> None:
        raise SystemExit

    with pytest.raises(StoreFailed):
        await outbox.call(exits)
    await outbox.close()

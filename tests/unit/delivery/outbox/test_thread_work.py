"""The writer thread's work beside its batches: calls, a repeated chore, and the age of the oldest command."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from signalpost.delivery.outbox import threaded
from signalpost.delivery.outbox.commands import Expire, LoadFacts, Stats, Subject
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.outbox.threaded import ThreadedOutbox
from signalpost.errors import OwnershipLost, StoreClosed
from signalpost.testing.outbox_samples import START
from tests.inline_outbox import InlineOutbox
from tests.unit.delivery.outbox.test_threaded import GatedCore


@pytest.fixture
def core() -> Iterator[GatedCore]:
    core = GatedCore()
    yield core
    core.gate.release(99)


async def test_a_call_runs_in_the_thread_and_returns_its_result_or_raises_its_error(core: GatedCore) -> None:
    outbox = ThreadedOutbox(core)
    assert await outbox.call(threading.get_ident) != threading.get_ident()

    fault = OSError("disk full")

    def fails() -> None:
        raise fault

    with pytest.raises(OSError) as raised:  # noqa: PT011  # this exact object
        await outbox.call(fails)
    assert raised.value is fault
    hurry = asyncio.ensure_future(outbox.call(threading.get_ident))
    await asyncio.sleep(0)
    hurry.cancel()
    await outbox.close()
    with pytest.raises(StoreClosed):
        await outbox.call(threading.get_ident)


async def test_a_chore_runs_with_and_without_batches_and_survives_its_errors(
    core: GatedCore, caplog: pytest.LogCaptureFixture
) -> None:
    outbox, changed = ThreadedOutbox(core), asyncio.Event()
    calls: list[int] = []

    def chore() -> bool:
        calls.append(threading.get_ident())
        if len(calls) == 1:
            raise ZeroDivisionError
        return len(calls) == 3

    outbox.keep_up(chore, changed.set)
    async with asyncio.timeout(30):
        await changed.wait()
    assert threading.get_ident() not in calls
    assert "ZeroDivisionError" in caplog.text
    core.gate.release()
    await outbox.do(LoadFacts(Subject("a")))
    await outbox.close()


async def test_the_age_of_the_oldest_unanswered_command(core: GatedCore, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = ThreadedOutbox(core)
    now = 100.0
    monkeypatch.setattr(threaded, "monotonic", lambda: now)
    assert outbox.oldest_command == 0
    first = asyncio.ensure_future(outbox.do(LoadFacts(Subject("a"))))
    await asyncio.sleep(0)
    assert await asyncio.to_thread(core.entered.acquire, timeout=30)  # else the second would be in the same batch
    now = 103.0
    second = asyncio.ensure_future(outbox.do(LoadFacts(Subject("b"))))
    await asyncio.sleep(0)
    now = 110.0
    assert outbox.oldest_command == 10
    core.gate.release()
    await first
    assert outbox.oldest_command == 7
    core.gate.release()
    await second
    assert outbox.oldest_command == 0
    await outbox.close()


async def test_a_lost_epoch_keeps_its_facts_and_is_not_logged_as_a_failed_command(
    core: GatedCore, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = ThreadedOutbox(core)
    core.fault = OwnershipLost("process 7 delivers now", field="pid", value="7")
    core.gate.release()
    with pytest.raises(OwnershipLost) as raised:
        await outbox.do(Expire(START))
    assert raised.value.errors[0].facts() == {"code": "ownership-lost", "field": "pid", "value": "7", "limit": None}
    assert caplog.messages == []
    await outbox.close()


async def test_an_outbox_without_a_thread_is_closed_as_well(tmp_path: Path) -> None:
    outbox = InlineOutbox(SqliteCore(tmp_path / "outbox.db"))
    await outbox.close()
    await outbox.close()
    with pytest.raises(StoreClosed):
        await outbox.do(Stats())

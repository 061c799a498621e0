"""Deliveries that are leased for a caller that no longer waits go back to their lane."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from signalpost.delivery.outbox.commands import Command, Find, Lease, Put, Settle, SettleAndLease
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.outbox.threaded import ThreadedOutbox
from signalpost.domain.delivery import DeliveryState
from signalpost.errors import StoreFailed
from signalpost.testing.outbox_samples import LANE, START, new, notification


@pytest.mark.parametrize("is_combined", [False, True])
async def test_a_lease_whose_caller_no_longer_waits_is_returned(tmp_path: Path, *, is_combined: bool) -> None:
    """As before it, and without an attempt: nothing was sent. A stop cancels workers whose store is slow."""
    core = SqliteCore(tmp_path / "outbox.db")
    outbox = ThreadedOutbox(core)
    await outbox.do(Put((new(notification("01")),)))
    is_busy, goes_on = threading.Event(), threading.Event()
    waiting = asyncio.create_task(outbox.call(lambda: (is_busy.set(), goes_on.wait(30))))
    assert await asyncio.to_thread(is_busy.wait, 30)
    lease = Lease(LANE, START)
    caller = asyncio.create_task(outbox.do(SettleAndLease(Settle(()), lease) if is_combined else lease))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.sleep(0)
    goes_on.set()
    await waiting
    await outbox.do(Find())  # perhaps in the batch of the lease, which sees it leased
    ((delivery, *_),) = await outbox.do(Find())
    assert (delivery.state, delivery.attempts, delivery.may_repeat) == (DeliveryState.PENDING, 0, False)
    assert len((await outbox.do(lease)).entries) == 1
    await outbox.close()


async def test_a_lease_that_cannot_be_returned_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    core = SqliteCore(tmp_path / "outbox.db")
    outbox = ThreadedOutbox(core)
    await outbox.do(Put((new(notification("01")),)))
    apply = core.apply

    def fail_to_settle(batch: Sequence[Command[Any]]) -> list[Any]:
        if any(isinstance(each, Settle) for each in batch):
            raise StoreFailed("the disk is gone")
        return apply(batch)

    monkeypatch.setattr(core, "apply", fail_to_settle)
    caller = asyncio.create_task(outbox.do(Lease(LANE, START)))
    await asyncio.sleep(0)
    caller.cancel()
    ((delivery, *_),) = await outbox.do(Find())
    assert delivery.state is DeliveryState.LEASED
    assert "StoreFailed" in caplog.text
    await outbox.close()

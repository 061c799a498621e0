"""An owner that does not respond is replaced, reports it, and continues as a producer."""

import asyncio
import logging
import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import msgspec
import pytest

from signalpost import AsyncNotificationService, Config, HealthStatus, Role
from signalpost.config import STORE_FILE
from signalpost.delivery.outbox import ownership
from signalpost.delivery.outbox.commands import Expire, Open
from signalpost.delivery.outbox.heartbeat import Heartbeat
from signalpost.delivery.outbox.ownership import Ownership, Seen
from signalpost.delivery.outbox.threaded import ThreadedOutbox
from signalpost.domain.events import OwnershipLost, TookOver
from signalpost.errors import OwnershipLost as LostError
from signalpost.errors import StoreFailed
from signalpost.sandbox.rules.faults import Fault
from signalpost.sandbox.server import Sandbox
from signalpost.service import owner as owner_module
from signalpost.service.owner import OwnerWatch
from signalpost.service.run import Run
from tests.unit.service.conftest import ConfigFor, StoreThreads, codes, shown, signal
from tests.unit.service.test_producer import Heard, without_webhooks
from tests.until import until

FAST = Heartbeat(every=0.02, doubt_after=0.1, take_over_after=0.3, send_within=60.0, blocked_after=60.0)


@pytest.fixture
def fast(config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Config]:
    monkeypatch.setattr(ownership, "LOOK_AT_FILES_EVERY", 0.02)
    return lambda: msgspec.structs.replace(config_for(), heartbeat=FAST)


async def test_a_thawed_owner_continues_as_a_producer_and_reports_it(
    sandbox: Sandbox, fast: Callable[[], Config], store_threads: StoreThreads, caplog: pytest.LogCaptureFixture
) -> None:
    took_over, lost = Heard(TookOver), Heard(OwnershipLost)
    async with (
        AsyncNotificationService(fast(), listeners=[lost]) as frozen,
        AsyncNotificationService(fast(), listeners=[took_over]) as successor,
        asyncio.timeout(60),
    ):
        go_on = store_threads.freeze(0)
        await until(lambda: not successor.is_healthy())
        assert successor.health().status is HealthStatus.DEGRADED
        await took_over.came.wait()
        go_on()
        await lost.came.wait()
        await until(lambda: frozen.role is Role.PRODUCER)
        status, (reason,) = frozen.health()
        assert (status, codes([reason])) == (HealthStatus.DEGRADED, ["taken-over"])
        assert f" {os.getpid()} " in reason
        assert [each.levelno for each in caplog.records if each.args == (os.getpid(),)] == [logging.ERROR]
        assert (frozen.get_metrics()["ownership_lost"], successor.get_metrics()["takeovers"]) == (1, 1)
        assert await frozen.queue_notification(signal())
        assert await frozen.drain(timeout=30) == []
        assert shown(sandbox, "signals-free") == ["BUY EURUSD"]
        await successor.stop()
        await until(lambda: frozen.role is Role.OWNER)
        assert await frozen.queue_notification(signal(pair="GBPUSD"))
        assert await frozen.drain(timeout=30) == []


async def test_a_replaced_owner_that_does_not_know_yet_stops_without_waiting(
    sandbox: Sandbox, fast: Callable[[], Config], store_threads: StoreThreads
) -> None:
    took_over = Heard(TookOver)
    frozen = AsyncNotificationService(fast())
    await frozen.start()
    async with AsyncNotificationService(fast(), listeners=[took_over]), asyncio.timeout(60):
        store_threads.freeze(0)
        await took_over.came.wait()
        with pytest.raises(LostError) as raised:
            await store_threads.outboxes[0].do(Expire(signal().timestamp))
        assert raised.value.code == "ownership-lost"
        assert raised.value.errors[0].field == "pid"
        assert frozen.role is Role.PRODUCER
        assert await frozen.queue_notification(signal())
        await frozen.stop(30)


async def test_a_service_replaced_while_it_starts_is_a_producer(
    fast: Callable[[], Config], store_threads: StoreThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    successor, lost = AsyncNotificationService(fast()), Heard(OwnershipLost)
    original = OwnerWatch.first_look

    async def frozen(watch: OwnerWatch) -> None:
        monkeypatch.setattr(OwnerWatch, "first_look", original)
        thaw = store_threads.freeze(0)
        await successor.start()
        await until(lambda: successor.role is Role.OWNER)
        thaw()
        await original(watch)

    monkeypatch.setattr(OwnerWatch, "first_look", frozen)
    async with asyncio.timeout(60), AsyncNotificationService(fast(), listeners=[lost]) as late:
        await lost.came.wait()
        assert late.role is Role.PRODUCER
        assert await late.queue_notification(signal())
        assert await late.drain(timeout=30) == []
        await until(lambda: successor.get_metrics()["notifications_sent"] != 0)
        assert late.get_metrics()["notifications_sent"] == 0, "only the owner has lanes"
        await successor.stop()


def _reasons(service: AsyncNotificationService) -> list[str]:
    return list(service.health().reasons)


async def test_causes_that_keep_an_owner_from_delivering_are_reported(
    config_for: ConfigFor, store_threads: StoreThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: list[Ownership] = []

    def noted(*arguments: Any, **options: Any) -> Ownership:
        parts.append(Ownership(*arguments, **options))
        return parts[-1]

    monkeypatch.setattr(owner_module, "Ownership", noted)
    async with (
        AsyncNotificationService(config_for()) as owner,
        AsyncNotificationService(config_for()) as producer,
        AsyncNotificationService(without_webhooks(config_for())) as without,
    ):
        for number, (part, service) in enumerate(zip(parts, (owner, producer, without), strict=True)):
            store_threads.freeze(number)
            await store_threads.outboxes[number].call(lambda: None)  # a look that had begun is over
            assert _reasons(service) == []
            part.loop_ran_at -= 100
            (blocked,) = _reasons(service)
            assert codes([blocked]) == ["loop-blocked"]
            assert re.search(r"\b1\d\d s\b", blocked)
            part.loop_ran_at += 100
        parts[0].beat_at -= 100
        assert codes(_reasons(owner)) == ["no-heartbeat"]
        parts[1].seen = Seen(7, "7 x", is_alive=True, silent_for=20.0)
        (silent,) = _reasons(producer)
        assert codes([silent]) == ["owner-silent"]
        assert all(fact in silent for fact in ("7", "20 s", "30 s")), "it takes over after 30 s"
        parts[2].seen = parts[1].seen
        (silent,) = _reasons(without)
        assert codes([silent]) == ["owner-silent"]
        assert "7" in silent
        assert "30 s" not in silent
        parts[1].seen = Seen(7, "7 x", is_alive=True, idle=20.0)
        (blocked,) = _reasons(producer)
        assert codes([blocked]) == ["owner-blocked"]
        assert all(fact in blocked for fact in ("7", "20 s"))
        parts[1].seen = Seen(7, "7 x", is_alive=False, silent_for=20.0)
        assert _reasons(producer) == []


async def test_a_producer_without_a_webhook_reports_a_silent_owner(
    fast: Callable[[], Config], store_threads: StoreThreads
) -> None:
    async with (
        AsyncNotificationService(fast()),
        AsyncNotificationService(without_webhooks(fast())) as producer,
        asyncio.timeout(60),
    ):
        go_on = store_threads.freeze(0)
        await until(lambda: not producer.is_healthy())
        assert codes(producer.health().reasons) == ["owner-silent"]
        go_on()
        await until(producer.is_healthy)


async def test_a_service_replaced_while_it_takes_over_retries_later(
    fast: Callable[[], Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = asyncio.Event()

    async def replaced(self: Run, holder: str, *, is_first: bool) -> None:
        with closing(sqlite3.connect(successor.config.home / STORE_FILE, isolation_level=None)) as other:
            other.execute("UPDATE owner SET epoch = epoch + 1")
        tried.set()
        await self.outbox.do(Expire(signal().timestamp))

    async with (
        AsyncNotificationService(fast()) as owner,
        AsyncNotificationService(fast()) as successor,
        asyncio.timeout(60),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(Run, "take_over", replaced)
            await owner.stop()
            await tried.wait()
        await until(lambda: successor.role is Role.OWNER)


async def test_a_drain_still_waits_for_deliveries_that_were_open_when_the_owner_was_replaced(
    sandbox: Sandbox, fast: Callable[[], Config], store_threads: StoreThreads
) -> None:
    took_over = Heard(TookOver)
    sandbox.discord.faults.plan(Fault(is_cut=True, is_processed=False, times=1000))
    async with AsyncNotificationService(fast()) as frozen, asyncio.timeout(60):
        ticket = await frozen.queue_notification(signal())
        draining = asyncio.gather(frozen.drain(50), frozen.drain(50, ticket.id))
        async with AsyncNotificationService(fast(), listeners=[took_over]) as successor:
            go_on = store_threads.freeze(0)
            await took_over.came.wait()
            go_on()
            await until(lambda: frozen.get_metrics()["ownership_lost"] != 0)
            left = await frozen.drain(timeout=0.1)
            assert [each.id.destination for each in left] == ["signals-free"]
            assert not draining.done()
            sandbox.discord.faults.clear()
            assert await draining == [[], []]
            assert successor.get_metrics()["notifications_sent"] == 1


async def test_a_stop_before_it_knows_that_it_was_replaced_counts_what_is_open(
    sandbox: Sandbox, fast: Callable[[], Config], store_threads: StoreThreads
) -> None:
    took_over = Heard(TookOver)
    sandbox.discord.faults.plan(Fault(is_cut=True, is_processed=False, times=1000))
    frozen = AsyncNotificationService(fast())
    await frozen.start()
    async with asyncio.timeout(60):
        assert await frozen.queue_notification(signal())
        successor = AsyncNotificationService(fast(), listeners=[took_over])
        await successor.start()
        store_threads.freeze(0)
        await took_over.came.wait()
        left = await frozen.stop(0)
        await successor.stop(0)
        assert [each.id.destination for each in left] == ["signals-free"]


async def test_an_owner_that_cannot_read_its_open_deliveries_still_becomes_a_producer(
    fast: Callable[[], Config], store_threads: StoreThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    took_over = Heard(TookOver)
    async with (
        AsyncNotificationService(fast()) as frozen,
        AsyncNotificationService(fast(), listeners=[took_over]),
        asyncio.timeout(60),
    ):
        go_on = store_threads.freeze(0)
        await took_over.came.wait()
        do = ThreadedOutbox.do

        async def failing(outbox: ThreadedOutbox, command: Any) -> Any:
            if isinstance(command, Open):
                raise StoreFailed("the disk is full")
            return await do(outbox, command)

        with monkeypatch.context() as patch:
            patch.setattr(ThreadedOutbox, "do", failing)
            go_on()
            await until(lambda: frozen.role is Role.PRODUCER and frozen.get_metrics()["ownership_lost"])
        assert await frozen.drain(timeout=30) == []

"""Notifications that are held in memory while the store accepts none."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

import pytest

from signalpost import AsyncNotificationService, HealthStatus, NotificationIntegration, Outcome
from signalpost.delivery.outbox import patience
from signalpost.delivery.outbox.commands import Command, Put, SaveFacts
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.events import StoreMoved
from signalpost.errors import StoreFailed
from signalpost.sandbox.server import Sandbox
from signalpost.service.run import Run
from tests.unit.service.conftest import ConfigFor, codes, emit, shown, signal
from tests.until import until

MUCH = {"much": "x" * 9_000}
Full = Callable[[], AbstractContextManager[Any]]


@pytest.fixture
def full() -> Full:
    """Makes a context in which the store has no room for another notification."""
    apply = SqliteCore.apply

    def fails(core: SqliteCore, batch: Sequence[Command[Any]]) -> list[Any]:
        if any(isinstance(command, Put) for command in batch):
            raise StoreFailed("outbox.db: database or disk is full")
        return apply(core, batch)

    return lambda: patch.object(SqliteCore, "apply", fails)


async def held(service: AsyncNotificationService, pair: str) -> None:
    ticket = await service.queue_notification(signal(pair=pair), additional_context=MUCH)
    assert ticket.outcome is Outcome.HELD


async def test_held_notifications_are_unhealthy_though_the_store_works_again(config_for: ConfigFor, full: Full) -> None:
    async with AsyncNotificationService(config_for()) as service:
        with full():
            await held(service, "EURUSD")
            emit(service, StoreMoved(is_well=True))  # as dispatch emits it after settling a delivery
            status, (reason,) = service.health()
            assert (status, codes([reason])) == (HealthStatus.UNHEALTHY, ["held"])
            assert "1" in reason.split()
        await until(service.is_healthy)


async def test_a_full_disk_is_reported_although_there_is_nothing_to_save(
    config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply, is_full = SqliteCore.apply, True

    def fails(core: SqliteCore, batch: Sequence[Command[Any]]) -> list[Any]:
        if is_full and any(isinstance(each, SaveFacts) and len(each.facts.get("tried", b"")) > 1 for each in batch):
            raise StoreFailed("outbox.db: database or disk is full")
        return apply(core, batch)

    monkeypatch.setattr(patience, "_TRY_EVERY", 0.05)
    monkeypatch.setattr(SqliteCore, "apply", fails)
    async with AsyncNotificationService(config_for()) as service:
        await until(lambda: codes(service.health().reasons) == ["store-failed"])
        assert service.health().status is HealthStatus.UNHEALTHY
        is_full = False
        await until(service.is_healthy)


async def test_a_drain_and_a_stop_wait_for_held_notifications(
    sandbox: Sandbox, config_for: ConfigFor, full: Full
) -> None:
    service = AsyncNotificationService(config_for())
    await service.start()
    with full():
        await held(service, "EURUSD")
        assert await service.drain(timeout=0.01) == []
        assert service.get_metrics()["notifications_held"] == 1
        draining = asyncio.create_task(service.drain(timeout=30))
        await asyncio.sleep(0)
    assert await draining == []
    assert shown(sandbox, "signals-free") == ["BUY EURUSD"]
    with full():
        await held(service, "GBPUSD")
        stopping = asyncio.create_task(service.stop(timeout=30))
        ended, _ = await asyncio.wait([stopping], timeout=0.5)  # far longer than a single try takes
        assert not ended
    assert await stopping == []
    assert shown(sandbox, "signals-free") == ["BUY EURUSD", "BUY GBPUSD"]


async def test_hurrying_an_ended_stop_changes_nothing(config_for: ConfigFor, runs: list[Run], full: Full) -> None:
    service = AsyncNotificationService(config_for())
    await service.start()
    with full():
        await held(service, "EURUSD")
        assert await service.stop(timeout=0) == []
    runs[0].hurry()
    assert service.get_metrics()["notifications_held"] == 1


async def test_notifications_lost_by_a_stop_are_logged_and_counted(
    config_for: ConfigFor, full: Full, caplog: pytest.LogCaptureFixture
) -> None:
    service = AsyncNotificationService(config_for())
    await service.start()
    with full():
        await held(service, "EURUSD")
        assert await service.stop(timeout=0.01) == []
        last = caplog.records[-1]
        assert (last.levelno, last.args) == (logging.ERROR, (1,)), "it names how many are lost"
        assert service.get_metrics()["notifications_held"] == 1
    async with service:
        assert service.get_metrics()["notifications_held"] == 0


def test_a_stop_counts_what_was_lost_as_open(config_for: ConfigFor, full: Full) -> None:
    integration = NotificationIntegration(config_for())
    integration.start()
    with full():
        assert integration.send_signal(signal(), None, None, MUCH).result(10).outcome is Outcome.HELD
        assert integration.flush(0.01) == 1
        assert integration.stop(0.6) == 1

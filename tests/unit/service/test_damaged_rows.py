"""A service on a store with damaged rows: it starts, delivers everything else, and reports what it set aside."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest

from signalpost import clock
from signalpost.config import STORE_FILE, Config
from signalpost.delivery.outbox.commands import Lease
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.service.runtime import Runtime
from signalpost.service.service import AsyncNotificationService
from tests.unit.service.conftest import ConfigFor, signal

DAMAGE = [("priority", 7), ("valid_until", 9 * 10**18), ("state", "pendinf")]


async def _put(config: Config) -> list[str]:
    """Two tickets that wait in the store, written by a producer."""
    producer = Runtime(config, is_producer=True)
    await producer.start()
    intake = producer.started.engine.intake
    tickets = [await intake.accept(signal(pair=pair)) for pair in ("EURUSD", "GBPUSD")]
    await producer.stop(0)
    return [each.id for each in tickets]


def _change(config: Config, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(config.home / STORE_FILE, isolation_level=None)) as db:
        assert db.execute(statement, values).rowcount == 1


async def _until(service: AsyncNotificationService, name: str, count: int) -> int | None:
    """The metric, once it is `count`, or as it is after a while."""
    for _ in range(2_000):
        if (found := service.get_metrics().get(name)) == count:
            break
        await asyncio.sleep(0)
    return found


@pytest.mark.parametrize(("column", "value"), DAMAGE)
async def test_a_damaged_leased_row_does_not_prevent_a_start(config_for: ConfigFor, column: str, value: object) -> None:
    config = config_for("signals-free")
    damaged, sound = await _put(config)
    with closing(SqliteCore(config.home / STORE_FILE)) as core:
        core.apply([Lease("signals-free", clock.now() + timedelta(seconds=1), limit=1)])
    _change(config, f"UPDATE delivery SET {column} = ? WHERE notification_id = ?", value, damaged)
    service = AsyncNotificationService(config)
    fault = (await asyncio.gather(service.start(), return_exceptions=True))[0]
    try:
        assert fault is None
        async with asyncio.timeout(30):
            await service.drain()
            while (states := [each.state.value for each in await service.deliveries(sound)]) != ["delivered"]:
                await asyncio.sleep(0)
        assert states == ["delivered"]
        (shown,) = await asyncio.gather(service.deliveries(damaged), return_exceptions=True)
        assert isinstance(shown, list), shown
        assert [each.state.value for each in shown] == ["dead"]
        assert await _until(service, "rows_damaged", 1) == 1
        assert service.get_metrics()["queue_depth"] == 0
        assert "rows-damaged" in [getattr(reason, "code", "") for reason in service.health().reasons]
    finally:
        await service.stop()


async def test_a_damaged_waiting_row_is_reported_and_the_next_one_is_sent(
    config_for: ConfigFor, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_for("signals-free")
    damaged, sound = await _put(config)
    _change(config, "UPDATE delivery SET rank = 'first' WHERE notification_id = ?", damaged)
    async with AsyncNotificationService(config) as service:
        async with asyncio.timeout(30):
            while await _until(service, "rows_damaged", 1) != 1 and service.get_metrics()["notifications_sent"] < 2:
                await asyncio.sleep(0)
            while [each.state.value for each in await service.deliveries(sound)] != ["delivered"]:
                await asyncio.sleep(0)
        assert service.get_metrics().get("rows_damaged") == 1
        assert service.get_metrics()["deliveries_dead"] == 1
        assert [each.state.value for each in await service.deliveries(damaged)] == ["dead"]
    assert any(damaged in line and "rank" in line and "'first'" in line for line in caplog.messages)

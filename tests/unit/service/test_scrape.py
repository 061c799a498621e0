"""A scrape answers whatever the store does, and its labels are bounded."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from signalpost import AsyncNotificationService, clock
from signalpost.config import FeedConfig
from signalpost.config.feeds import Candles
from signalpost.delivery.outbox.backlog import Backlog
from signalpost.domain.events import HostBanned
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import CommandFailed, StoreFailed
from signalpost.sandbox.rules.faults import Fault
from signalpost.sandbox.server import Sandbox
from signalpost.service import scrape
from signalpost.telemetry.families import OTHER
from signalpost.trading.calendar import ALWAYS
from signalpost.web.service_api import Collect, ServiceApi
from tests.unit.service.conftest import ConfigFor, emit, run_of, signal

BACKLOG = {"open_deliveries", "oldest_delivery_seconds"}


async def found(collect: Collect) -> dict[str, dict[tuple[str, ...], Any]]:
    """The samples of all metrics."""
    return {family.name: dict(family.samples) for family in await collect()}


async def test_a_service_that_does_not_run_has_its_counts_but_no_backlog(config_for: ConfigFor) -> None:
    service = AsyncNotificationService(config_for())
    metrics = await found(ServiceApi(service).metrics)
    assert BACKLOG.isdisjoint(metrics)
    assert metrics["health_status"]["unhealthy",] == 1
    assert metrics["health_reasons"] == {("not-running",): 1}
    assert not any(metrics["role"].values())


async def test_a_store_that_hangs_delays_a_scrape_for_a_bounded_time(
    config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrape, "STORE_WITHIN", 0.01)
    release = threading.Event()
    async with AsyncNotificationService(config_for()) as service:
        outbox, asked = run_of(service).outbox, list[object]()
        do = outbox.do

        async def noted(command: Any) -> Any:
            asked.append(command)
            return await do(command)

        monkeypatch.setattr(outbox, "do", noted)
        hanging = asyncio.create_task(outbox.call(lambda: release.wait(30)))
        await asyncio.sleep(0)
        collecting = ServiceApi(service).metrics
        try:
            for metrics in await asyncio.gather(*(found(collecting) for _ in range(20))):
                assert BACKLOG.isdisjoint(metrics)
                assert metrics["queue_depth"] == {(): 0}
            assert sum(isinstance(each, Backlog) for each in asked) == 1, "one command waits for the store"
        finally:
            release.set()
            await hanging
        monkeypatch.setattr(scrape, "STORE_WITHIN", 10)
        assert set(await found(collecting)) >= BACKLOG


async def test_a_scrape_that_begins_just_as_another_gets_its_backlog_does_not_disturb_it(
    config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncNotificationService(config_for()) as service:
        collecting, later = ServiceApi(service).metrics, list[asyncio.Task[Any]]()
        hangs, do = asyncio.Event(), run_of(service).outbox.do

        async def answered(command: Any) -> object:
            if not isinstance(command, Backlog):
                return await do(command)
            if later:
                await hangs.wait()
            else:
                later.append(asyncio.create_task(found(collecting)))
            return {}

        with monkeypatch.context() as held:
            held.setattr(run_of(service).outbox, "do", answered)
            assert set(await found(collecting)) >= BACKLOG
            hangs.set()
            assert set(await later[0]) >= BACKLOG


@pytest.mark.parametrize(
    "fault", [StoreFailed("locked", code="locked"), CommandFailed("SECRET"), asyncio.CancelledError()]
)
async def test_a_store_that_fails_leaves_the_backlog_out(
    config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    async with AsyncNotificationService(config_for()) as service:

        async def failing(_: object) -> object:
            raise fault

        collecting = ServiceApi(service).metrics
        with monkeypatch.context() as broken:
            broken.setattr(run_of(service).outbox, "do", failing)
            assert BACKLOG.isdisjoint(await found(collecting))
        assert set(await found(collecting)) >= BACKLOG


async def test_an_error_that_comes_too_late_for_its_scrape_is_not_reported_by_asyncio(
    config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrape, "STORE_WITHIN", 0)
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    async with AsyncNotificationService(config_for()) as service:
        fails = asyncio.Event()

        async def failing(_: object) -> object:
            await fails.wait()
            raise StoreFailed("locked", code="locked")

        monkeypatch.setattr(run_of(service).outbox, "do", failing)
        collecting = ServiceApi(service).metrics
        assert BACKLOG.isdisjoint(await found(collecting))
        (reading,) = (each for each in asyncio.all_tasks() if each.get_name() == "signalpost backlog")
        fails.set()
        await asyncio.wait((reading,))
        monkeypatch.undo()
        del reading, collecting
    assert reported == []


async def test_deliveries_of_destinations_that_are_not_configured_share_a_label(
    config_for: ConfigFor, sandbox: Sandbox
) -> None:
    sandbox.discord.faults.plan(Fault(webhook="signals-free", seconds_before=60, is_processed=False))
    first = AsyncNotificationService(config_for("signals-free"))
    await first.start()
    for side in ("BUY", "SELL"):
        await first.queue_notification(signal(signal_type=side))
    assert (await found(ServiceApi(first).metrics))["open_deliveries"] == {("signals-free",): 2}
    await first.stop(0)
    async with AsyncNotificationService(config_for("alerts-critical")) as other:
        metrics = await found(ServiceApi(other).metrics)
        assert metrics["open_deliveries"] == {("alerts-critical",): 0, (OTHER,): 2}
        assert metrics["oldest_delivery_seconds"][OTHER,] > 0
        assert metrics["oldest_delivery_seconds"]["alerts-critical",] == 0
        assert metrics["role"] == {("owner",): 1, ("producer",): 0}


async def test_each_feed_that_is_used_has_a_lag_from_the_start(config_for: ConfigFor, tmp_path: Path) -> None:
    feeds = tuple(FeedConfig(name, "folder", ALWAYS, {"path": tmp_path}) for name in ("used", "unused"))
    config = msgspec.structs.replace(config_for(), feeds=feeds, follow=Candles("used", Timeframe("M1")))
    async with AsyncNotificationService(config) as service:
        assert (await found(ServiceApi(service).metrics))["feed_lag_seconds"] == {("used",): 0}


async def test_health_is_a_metric_by_code_and_never_shows_a_text(config_for: ConfigFor) -> None:
    async with AsyncNotificationService(config_for()) as service:
        emit(service, HostBanned("discord.com", "SECRET", clock.now().replace(year=2999)))
        families = await ServiceApi(service).metrics()
    assert "SECRET" not in repr(families)
    assert next(dict(each.samples) for each in families if each.name == "health_reasons") == {("banned",): 1}

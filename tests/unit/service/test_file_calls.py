"""No file is touched on the caller's event loop, and a store that hangs shows in health."""

import asyncio
import builtins
import fcntl
import os
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from signalpost import AsyncNotificationService, Config, HealthStatus
from signalpost.delivery.outbox import threaded
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.errors import StoreFailed
from signalpost.service import run
from signalpost.service.run import Run
from tests.unit.service.conftest import ConfigFor, StoreThreads, signal

_FILE_CALLS = (
    (os, "stat"),
    (os, "lstat"),
    (os, "open"),
    (os, "unlink"),
    (fcntl, "flock"),
    (fcntl, "fcntl"),
    (builtins, "open"),
)


def _counted_here(patch: pytest.MonkeyPatch, home: Path) -> Counter[str]:
    """Counts the file calls of this thread from now on: of open files, and of paths in `home`."""
    calls: Counter[str] = Counter()
    here = threading.get_ident()

    def noted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:
            is_ours = isinstance(arguments[0], int) or str(arguments[0]).startswith(str(home))
            if is_ours and threading.get_ident() == here:
                calls[name] += 1
            return call(*arguments, **named)

        return called

    for module, name in _FILE_CALLS:
        patch.setattr(module, name, noted(name, getattr(module, name)))
    return calls


async def test_neither_an_owner_nor_a_producer_touches_a_file_on_the_loop(
    config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncNotificationService(config_for()) as owner, AsyncNotificationService(config_for()) as producer:
        with monkeypatch.context() as patch:
            calls = _counted_here(patch, config_for().home)
            for pair in ("EURUSD", "GBPUSD", "USDJPY"):
                for service in (owner, producer):
                    assert await service.queue_notification(signal(pair=pair))
                    assert await service.drain(timeout=30) == []
                    assert service.is_healthy()
        assert calls == {}


async def test_a_start_a_takeover_and_a_stop_touch_no_file_of_the_store_on_the_loop(
    config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncNotificationService(config_for()):  # what is loaded late is loaded now
        pass
    with monkeypatch.context() as patch:
        calls = _counted_here(patch, config_for().home)
        async with AsyncNotificationService(config_for()), AsyncNotificationService(config_for()):
            pass
    assert calls == {}


class Hung:
    """A store that answers nothing until it is let go."""

    def __init__(self) -> None:
        self._goes_on = threading.Event()
        apply = SqliteCore.apply

        def hang(core: SqliteCore, batch: Any) -> Any:
            self._goes_on.wait(60)
            return apply(core, batch)

        self._patch = patch.object(SqliteCore, "apply", hang)
        self._patch.start()

    def let_go(self) -> None:
        self._patch.stop()
        self._goes_on.set()

    def hang_once(self) -> None:
        self._goes_on.wait(60)


async def test_a_store_that_hangs_shows_in_health_until_it_goes_on(
    config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = 0.0
    real = asyncio.get_running_loop().time
    monkeypatch.setattr(threaded, "monotonic", lambda: real() + later, raising=False)
    async with AsyncNotificationService(config_for()) as service:
        disk = Hung()
        try:
            waiting = asyncio.ensure_future(service.queue_notification(signal()))
            await asyncio.sleep(0)
            assert service.is_healthy(), "a commit may take a while"
            later = 30.0
            status, reasons = service.health()
            oldest = service.get_metrics().get("oldest_command_s")
        finally:
            disk.let_go()
        assert (await waiting).outcome == "accepted"
        await service.drain(timeout=30)
        assert (status, service.health()) == (HealthStatus.UNHEALTHY, (HealthStatus.HEALTHY, ()))
        assert reasons
        assert (oldest, service.get_metrics().get("oldest_command_s")) == (30, 0)


@pytest.mark.parametrize("as_producer", [False, True])
async def test_a_file_call_of_the_store_thread_that_hangs_shows_in_health_though_no_command_waits(
    config_for: ConfigFor, store_threads: StoreThreads, monkeypatch: pytest.MonkeyPatch, *, as_producer: bool
) -> None:
    later = 0.0
    real = asyncio.get_running_loop().time
    monkeypatch.setattr(threaded, "monotonic", lambda: real() + later, raising=False)
    async with AsyncNotificationService(config_for()) as owner, AsyncNotificationService(config_for()) as producer:
        service = producer if as_producer else owner
        hangs, goes_on = threading.Event(), threading.Event()

        def hang() -> bool:
            hangs.set()
            return not goes_on.wait(60)

        thaw = store_threads.freeze(int(as_producer), hang)
        try:
            await asyncio.to_thread(hangs.wait, 60)
            later = 11.0
            status, reasons = service.health()
        finally:
            goes_on.set()
            thaw()
        assert (status, [getattr(each, "code", "") for each in reasons]) == (HealthStatus.UNHEALTHY, ["store-hangs"])


@pytest.mark.parametrize("what", ["a commit", "a file call"])
async def test_a_stop_keeps_its_bound_though_the_store_hangs(
    config_for: ConfigFor, runs: list[Run], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(run, "_STORE_CLOSES_WITHIN", 0.05, raising=False)
    service, others = AsyncNotificationService(config_for()), set(threading.enumerate())
    await service.start()
    outbox = runs[0].outbox
    (thread,) = (each for each in set(threading.enumerate()) - others if each.name == "signalpost outbox")
    disk = Hung()
    try:
        work = service.queue_notification(signal()) if what == "a commit" else outbox.call(disk.hang_once)
        waiting = asyncio.ensure_future(work)
        cut_off = asyncio.ensure_future(service.queue_notification(signal(pair="GBPUSD")))
        await asyncio.sleep(0)
        cut_off.cancel()
        await asyncio.sleep(0)
        stopping = asyncio.ensure_future(service.stop(0))
        ended, _ = await asyncio.wait([stopping], timeout=5)
        assert ended, "it waits for the disk"
        assert isinstance(stopping.exception(), StoreFailed)
    finally:
        disk.let_go()
        await asyncio.wait([waiting, stopping], timeout=30)
    await asyncio.to_thread(thread.join, 30)
    outbox.abandon()  # once is enough
    async with AsyncNotificationService(config_for()) as again:
        assert await again.drain(30) == []


async def test_a_drain_keeps_its_bound_though_the_store_hangs(
    config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_STORE_CLOSES_WITHIN", 0.05)
    async with AsyncNotificationService(config_for()) as service:
        disk = Hung()
        waiting = asyncio.ensure_future(service.queue_notification(signal()))
        await asyncio.sleep(0)
        try:
            draining = asyncio.ensure_future(service.drain(0))
            await asyncio.wait([draining], timeout=5)
        finally:
            disk.let_go()
        assert isinstance(draining.exception(), StoreFailed)
        await waiting
        assert await service.drain(30) == []


async def _codes_with(service: AsyncNotificationService, run: Run, code: str) -> list[str]:
    """The codes of health's reasons once this one is among them: the store thread looks after each of its turns."""
    async with asyncio.timeout(30):
        while code not in (codes := [getattr(each, "code", "") for each in service.health().reasons]):
            await run.outbox.call(lambda: None)
    return codes


async def test_a_store_that_was_deleted_shows_in_health_though_nothing_is_sent(
    config_for: ConfigFor, runs: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signalpost.delivery.outbox.ownership.LOOK_AT_FILES_EVERY", 0.0)
    home = config_for().home
    async with AsyncNotificationService(Config(home=home)) as service:  # a producer sends the store no commands
        (home / "outbox.db").rename(home / "elsewhere.db")
        codes = await _codes_with(service, runs[0], "store-missing")
        (home / "elsewhere.db").rename(home / "outbox.db")
    assert codes == ["store-missing"]


async def test_a_store_that_cannot_be_written_shows_in_health_though_nothing_is_sent(
    config_for: ConfigFor, runs: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: SqliteCore) -> None:
        raise StoreFailed("another program keeps the store locked")

    monkeypatch.setattr(SqliteCore, "try_to_write", fail)
    async with AsyncNotificationService(Config(home=config_for().home)) as service:
        codes = await _codes_with(service, runs[0], "store-locked")
        status = service.health().status
    assert (status, codes) == (HealthStatus.UNHEALTHY, ["store-locked"])

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from signalpost import AsyncNotificationService, Config, NotificationIntegration, StoreFailed
from signalpost.config import DestinationConfig
from signalpost.delivery.outbox.commands import Command, Put
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED, Limits
from signalpost.integration import service_thread
from signalpost.integration.loop_thread import LoopThread
from signalpost.sandbox.rules.limits import OFF
from signalpost.sandbox.rules.limits import Limits as SandboxLimits
from signalpost.sandbox.server import Sandbox
from signalpost.secret import Secret

ConfigFor = Callable[..., Config]
SandboxWith = Callable[[SandboxLimits], Sandbox]


@pytest.fixture
def sandbox_with() -> Iterator[SandboxWith]:
    """Starts a local Discord in a thread of its own, because these tests block their thread."""
    thread = LoopThread("sandbox of a test")
    started = []

    def start(limits: SandboxLimits) -> Sandbox:
        sandbox = Sandbox(limits=limits)
        thread.begin(sandbox.__aenter__).result(10)
        started.append(sandbox)
        return sandbox

    yield start
    for sandbox in started:
        thread.begin(lambda sandbox=sandbox: sandbox.__aexit__(None, None, None)).result(10)  # type: ignore[misc]
    thread.end(10)


@pytest.fixture
def sandbox(sandbox_with: SandboxWith) -> Sandbox:
    """A local Discord without limits."""
    return sandbox_with(OFF)


@pytest.fixture
def config_for(sandbox: Sandbox, tmp_path: Path) -> ConfigFor:
    """Makes the configuration of a service with these destinations in a sandbox, by default without limits."""

    def made(*names: str, limits: Limits = NOTHING_ASSUMED, at: Sandbox | None = None) -> Config:
        destinations = tuple(
            DestinationConfig(name, Secret((at or sandbox).webhook(name)), limits)
            for name in names or ("signals-free", "signals-premium", "alerts-critical", "alerts-general")
        )
        return Config(home=tmp_path / "home", destinations=destinations, host_rate=None)

    return made


@pytest.fixture
def running(config_for: ConfigFor) -> Iterator[NotificationIntegration]:
    """An integration that was started, and is stopped after the test."""
    integration = NotificationIntegration(config_for())
    integration.start()
    yield integration
    integration.stop(0)


class Started(NamedTuple):
    """A service that an integration has started, and the thread that it runs in."""

    service: AsyncNotificationService
    thread: LoopThread

    def stop(self) -> None:
        """Stop the service, while its thread goes on."""
        self.thread.begin(self.service.stop).result(10)


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Started]]:
    """The services that are started, in order. Threads that still run after the test are ended."""
    started: list[Started] = []
    make, start = service_thread.LoopThread, AsyncNotificationService.start
    threads: dict[asyncio.AbstractEventLoop, LoopThread] = {}

    def noted_thread(*arguments: Any) -> LoopThread:
        thread = make(*arguments)
        threads[thread.loop] = thread
        return thread

    async def noted_start(service: AsyncNotificationService) -> None:
        started.append(Started(service, threads[asyncio.get_running_loop()]))
        await start(service)

    monkeypatch.setattr(service_thread, "LoopThread", noted_thread)
    monkeypatch.setattr(AsyncNotificationService, "start", noted_start)
    yield started
    for each in started:
        each.thread.end(10)


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk has no space for a notification, but enough for a fact."""
    apply = SqliteCore.apply

    def fails(core: SqliteCore, batch: Sequence[Command[Any]]) -> list[Any]:
        if any(isinstance(command, Put) for command in batch):
            raise StoreFailed("outbox.db: database or disk is full")
        return apply(core, batch)

    monkeypatch.setattr(SqliteCore, "apply", fails)

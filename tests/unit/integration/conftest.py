from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from signalpost import Config, NotificationIntegration
from signalpost.config import DestinationConfig
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED, Limits
from signalpost.integration.loop_thread import LoopThread
from signalpost.sandbox.rules.limits import OFF
from signalpost.sandbox.rules.limits import Limits as SandboxLimits
from signalpost.sandbox.server import Sandbox
from signalpost.secret import Secret

ConfigFor = Callable[..., Config]
SandboxWith = Callable[[SandboxLimits], Sandbox]


@pytest.fixture
def sandbox_with() -> Iterator[SandboxWith]:
    """Starts a Discord on this machine, in a thread of its own, because these tests wait in theirs."""
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
    """One without limits."""
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

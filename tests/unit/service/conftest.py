import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from signalpost import AsyncNotificationService, Config, Signal, clock
from signalpost.config import DestinationConfig
from signalpost.delivery.outbox.threaded import ThreadedOutbox
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED
from signalpost.domain.events import Event
from signalpost.sandbox.rules.limits import OFF
from signalpost.sandbox.server import Sandbox
from signalpost.secret import Secret
from signalpost.service.run import Run
from tests.channel import headline

ConfigFor = Callable[..., Config]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A Discord on this machine, without limits."""
    async with Sandbox(limits=OFF) as running:
        yield running


@pytest.fixture
def config_for(sandbox: Sandbox, tmp_path: Path) -> ConfigFor:
    """Makes the configuration of a service with these destinations, all in the sandbox."""

    def made(*names: str) -> Config:
        destinations = tuple(
            DestinationConfig(name, Secret(sandbox.webhook(name)), NOTHING_ASSUMED)
            for name in names or ("signals-free", "signals-premium", "alerts-critical", "system-status")
        )
        return Config(home=tmp_path / "home", destinations=destinations, host_rate=None)

    return made


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    """The runs of the services, in the order of their starts."""
    begin, begun = Run.begin, list[Run]()

    async def noted(*arguments: Any, **options: Any) -> Run:
        begun.append(await begin(*arguments, **options))
        return begun[-1]

    monkeypatch.setattr(Run, "begin", noted)
    return begun


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[sqlite3.Connection]:
    """The connections to SQLite, in the order in which they were opened."""
    connect, opened = sqlite3.connect, list[sqlite3.Connection]()

    def noted(*arguments: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", noted)
    return opened


class StoreThreads:
    """The threads of the stores, in the order of the services' starts. Each keeps or watches the heartbeat."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.outboxes: list[ThreadedOutbox] = []
        self._chores: list[Callable[[], bool]] = []
        self._on_change: list[Callable[[], None]] = []
        keep_up = self._keep_up = ThreadedOutbox.keep_up

        def noted(outbox: ThreadedOutbox, chore: Callable[[], bool], on_change: Callable[[], None]) -> None:
            self.outboxes.append(outbox)
            self._chores.append(chore)
            self._on_change.append(on_change)
            keep_up(outbox, chore, on_change)

        monkeypatch.setattr(ThreadedOutbox, "keep_up", noted)

    def freeze(self, number: int, instead: Callable[[], bool] = lambda: False) -> Callable[[], None]:
        """Stop a service's heartbeat, as if it were frozen; call the result to let it go on."""
        self._do(number, instead)
        return lambda: self._do(number, self._chores[number])

    def _do(self, number: int, chore: Callable[[], bool]) -> None:
        self._keep_up(self.outboxes[number], chore, self._on_change[number])


@pytest.fixture
def store_threads(monkeypatch: pytest.MonkeyPatch) -> StoreThreads:
    """The threads of the stores of all services that start from now on."""
    return StoreThreads(monkeypatch)


def codes(reasons: Iterable[str]) -> list[str]:
    """The codes of reasons of health; empty where a reason has none."""
    return [getattr(reason, "code", "") for reason in reasons]


def signal(**fields: Any) -> Signal:
    """A BUY of EUR_USD, of a candle that opens now."""
    usual = {"pair": "EURUSD", "timeframe": "H4", "signal_type": "BUY", "entry_price": "1.1634"}
    return Signal(**{**usual, "timestamp": clock.now().replace(microsecond=0), **fields})


def shown(sandbox: Sandbox, channel: str) -> list[str]:
    """The messages that a channel shows, oldest first."""
    return [headline(message) for message in sandbox.discord.guild.messages(channel)]


def run_of(service: AsyncNotificationService) -> Run:
    """The parts of a running service. With the bus, in `emit`, they are all that tests see of its inside."""
    return service._runtime.started


def emit(service: AsyncNotificationService, *events: Event) -> None:
    """Emit events on the bus of a service, as its parts do."""
    for event in events:
        service._runtime.bus.emit(event)

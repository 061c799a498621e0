from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from signalpost import AsyncNotificationService, Config, Signal, clock
from signalpost.config import DestinationConfig
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED
from signalpost.domain.events import Event
from signalpost.sandbox.rules.limits import OFF
from signalpost.sandbox.server import Sandbox
from signalpost.secret import Secret

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


def codes(reasons: Iterable[str]) -> list[str]:
    """The codes of reasons of health; empty where a reason has none."""
    return [getattr(reason, "code", "") for reason in reasons]


def signal(**fields: Any) -> Signal:
    """A BUY of EUR_USD, of a candle that opens now."""
    usual = {"pair": "EURUSD", "timeframe": "H4", "signal_type": "BUY", "entry_price": "1.1634"}
    return Signal(**{**usual, "timestamp": clock.now().replace(microsecond=0), **fields})


def shown(sandbox: Sandbox, channel: str) -> list[str]:
    """The messages that a channel shows, oldest first."""
    return [message["content"] for message in sandbox.discord.guild.messages(channel)]


def emit(service: AsyncNotificationService, *events: Event) -> None:
    """Emit events on the bus of a service, as its parts do."""
    for event in events:
        service._runtime.bus.emit(event)

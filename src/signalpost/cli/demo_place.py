"""Where a demo delivers to: a local Discord and a fresh data folder, or what the environment names."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from signalpost.cli.output import say
from signalpost.config import NO_WEBHOOK_SET, Config, DestinationConfig
from signalpost.delivery.pacing.limits import HOST_RATE, Limits
from signalpost.domain.destinations import USUAL_DESTINATIONS
from signalpost.errors import InvalidConfiguration
from signalpost.sandbox.rules.limits import RAISED
from signalpost.sandbox.server import DEFAULT_PORT, Sandbox
from signalpost.secret import Secret

_MESSAGES_A_MINUTE = 300
"""What a replay is sent at: ten times a channel's own pace. The sandbox takes as many."""


@asynccontextmanager
async def place(port: int | None, *, to_discord: bool) -> AsyncIterator[Config]:
    """A configuration with a fresh data folder, whose replay has an id of its own, and what stands behind it."""
    run = f"replay-{secrets.token_hex(4)}"
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="signalpost-")))
        if to_discord:
            environment = Config.from_environment()
            if not environment.destinations:
                raise InvalidConfiguration(f"--to-discord: {NO_WEBHOOK_SET}", code="missing", field="destinations")
            config = msgspec.structs.replace(environment, home=home, run=run)
            say(f"Sending {run} to {', '.join(each.name for each in config.destinations)}.", err=True)
        else:
            sandbox = await stack.enter_async_context(await _sandbox(port))
            say(f"Messages appear at {sandbox.url}/", err=True)
            config = Config(home=home, destinations=_destinations(sandbox), host_rate=HOST_RATE, run=run)
        yield config


async def _sandbox(port: int | None) -> Sandbox:
    """A sandbox that can be entered: on the usual port where that is free and no other is asked for."""
    if port is not None:
        return Sandbox(port=port, limits=RAISED)
    try:
        async with Sandbox(port=DEFAULT_PORT):
            return Sandbox(port=DEFAULT_PORT, limits=RAISED)
    except InvalidConfiguration:
        return Sandbox(port=0, limits=RAISED)


def _destinations(sandbox: Sandbox) -> tuple[DestinationConfig, ...]:
    limits = Limits(_MESSAGES_A_MINUTE, channel=None)
    return tuple(
        DestinationConfig(usual.name, Secret(sandbox.webhook(usual.name)), limits) for usual in USUAL_DESTINATIONS
    )

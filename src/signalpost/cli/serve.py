"""`signalpost serve`: runs the service and its HTTP API until it is stopped."""

import asyncio
import resource
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from signalpost.cli.logs import write_logs
from signalpost.cli.loop import StopSignal, run
from signalpost.cli.options import Flags, NumberRange, configured
from signalpost.cli.output import say
from signalpost.config import Config
from signalpost.service import AsyncNotificationService
from signalpost.service.health import Role

if TYPE_CHECKING:
    from signalpost.web.server import HttpServer

_SWITCH_EVERY = 0.001
"""Python's switch interval in seconds, by default 0.005: the event loop gets its turn while a thread parses a body."""
_MAX_OPEN_FILES = 65_536
_FILES_OF_THE_SERVICE = 128
"""Descriptors for the store and its files, the log, and files that libraries open briefly."""
_MAX_CONNECTIONS = 1_000
_MIN_CONNECTIONS = 16


@click.command(
    epilog="""
    \b
    Examples:
      export DISCORD_WEBHOOK_SIGNALS_FREE=https://discord.com/api/webhooks/...
      signalpost tokens add my-bot
      signalpost serve

    \b
    To try it without Discord, run `signalpost sandbox` and use the webhook URLs that it prints.
    """,
)
@click.option(
    "--http", help="The address to listen on, HOST:PORT, or off.  [default: as configured, or 127.0.0.1:8750]"
)
@click.option("--workers", help="Senders per destination.  [default: as configured, or 2]")
@click.option(
    "--dry-run", is_flag=True, help="Send everything to the sandbox (signalpost sandbox), and nothing to Discord."
)
@click.option(
    "--stop-within",
    type=NumberRange(0),
    default=10.0,
    show_default=True,
    help="How many seconds, at most, to go on delivering after a stop signal.",
)
@configured
def serve(http: str | None, workers: str | None, dry_run: bool, stop_within: float, flags: Flags) -> None:
    """Run the service: deliver what is waiting in its data folder, and accept notifications over HTTP.

    SIGINT (Ctrl-C) and SIGTERM stop it. It then finishes open requests and delivers for a few more seconds. The exit
    code is 0 if no delivery is left open, else 1. The next run delivers the rest.
    """
    from signalpost.cli.standard_streams import never_block_on_output

    dry = "1" if dry_run else None
    config = flags.config(SIGNALPOST_HTTP=http, SIGNALPOST_WORKERS=workers, SIGNALPOST_DRY_RUN=dry)
    never_block_on_output()
    raise_open_file_limit()
    write_logs()
    left = run(_serve(config, stop_within))
    if left:
        say(f"deliveries still open: {left}; the next run delivers them", err=True)
    if left != 0:
        raise SystemExit(1)


async def _serve(config: Config, stop_within: float) -> int | None:
    """Run until a stop signal. Return how many deliveries are open, or None if the store was never opened."""
    sys.setswitchinterval(_SWITCH_EVERY)
    service = AsyncNotificationService(config)
    server = _server(service)
    async with StopSignal() as stopped:
        if not await _start(service, stopped):
            say("stopped before the store could be opened", err=True)
            return None
        try:
            if server is not None:
                await server.start()
            _print_startup(service, server)
            await stopped.wait()
            say("stopping", err=True)
        finally:
            if server is not None:
                await server.stop()
            left = await service.stop(stop_within)
        return len(left)


async def _start(service: AsyncNotificationService, stopped: asyncio.Event) -> bool:
    """Start the service. False if a stop signal arrives first, which can happen while a large store is opened."""
    starting, stopping = (asyncio.ensure_future(work) for work in (service.start(), stopped.wait()))
    try:
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            return False
        await starting  # raises what the start raised
        return True
    finally:
        starting.cancel()
        stopping.cancel()


def _server(service: AsyncNotificationService) -> "HttpServer | None":
    """The HTTP API of `service`; None if it is off.

    Raises InvalidConfiguration if its tokens cannot be read, and StoreUnusable if they can have no folder.
    """
    if service.config.http is None:
        return None
    from signalpost.service.once import make_home
    from signalpost.web.auth import TokenAuth
    from signalpost.web.server import HttpServer
    from signalpost.web.service_api import ServiceApi
    from signalpost.web.tokens import TokensFile

    make_home(service.config.home)
    file = TokensFile(service.config.home)
    file.read()
    service_api = ServiceApi(service)
    config, address = service.config, service.config.http
    return HttpServer(
        service_api,
        TokenAuth(file, service_api.rank_by_tier),
        host=address.host,
        port=address.port,
        max_connections=max_connections(config.workers * len(config.destinations)),
    )


def _print_startup(service: AsyncNotificationService, server: "HttpServer | None") -> None:
    work = "delivers" if service.role is Role.OWNER else "only queues"
    say(f"data folder: {service.config.home} ({service.role}: this process {work})", err=True)
    for destination in service.config.destinations:
        say(f"  {destination.name} -> {destination.address.host}", err=True)
    for strategy in service.config.strategies if service.role is Role.OWNER else ():
        say(f"  {strategy.key} <- {strategy.feed} (tiers: {', '.join(strategy.tiers)})", err=True)
    if server is not None:
        say(f"listening on {server.url}", err=True)
    say("running; press Ctrl-C to stop", err=True)


def raise_open_file_limit() -> None:
    """Raise this process's soft limit of open files as far as the system permits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # the lower limit works too, with fewer connections
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def max_connections(senders: int) -> int:
    """How many HTTP connections to allow, so that the store and `senders` senders always get a descriptor."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MAX_CONNECTIONS
    return max(_MIN_CONNECTIONS, min(_MAX_CONNECTIONS, soft - _FILES_OF_THE_SERVICE - 2 * senders))

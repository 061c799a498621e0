"""`signalpost sandbox`: runs a local Discord for tests."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from signalpost.cli.loop import StopSignal
from signalpost.cli.output import json_option, say, say_json
from signalpost.domain.destinations import USUAL_DESTINATIONS
from signalpost.sandbox.rules.limits import OFF, RAISED, REAL

if TYPE_CHECKING:
    from signalpost.sandbox.server import Sandbox

_LIMITS = ("real", "raised", "off")


@click.command(
    epilog="""
    \b
    Try it, in another terminal:
      curl -H 'Content-Type: application/json' -d '{"content": "Hello"}' \\
        http://127.0.0.1:8751/api/v10/webhooks/signals-free/any-token
    \b
    Make something go wrong:
      curl -H 'Content-Type: application/json' -d '{"webhook": "signals-free", "status": 503, "times": 3}' \\
        http://127.0.0.1:8751/_faults
    \b
    In a script, on any free port:
      signalpost sandbox --port 0 --json
    """,
)
@click.option("--port", type=click.IntRange(0, 65535), default=8751, show_default=True, help="0 picks a free one.")
@click.option("--journal", type=click.Path(path_type=Path), help="Append each recorded message durably to this file.")
@click.option(
    "--limits",
    type=click.Choice(_LIMITS),
    default="real",
    show_default=True,
    help="Discord's own; ten times those per webhook and channel; or none.",
)
@json_option("Print the addresses as one line of JSON.")
def sandbox(port: int, journal: Path | None, limits: str, as_json: bool) -> None:
    """Run a local Discord on this machine until Ctrl-C.

    It accepts messages as Discord's webhooks do, with the same checks and limits, and shows them on a page. Every
    webhook exists; its channel is named after its id.
    """
    asyncio.run(_run(port, journal, limits, as_json=as_json))


async def _run(port: int, journal: Path | None, limits: str, *, as_json: bool = False) -> None:
    from signalpost.sandbox.server import Sandbox

    limits_by_name = dict(zip(_LIMITS, (REAL, RAISED, OFF), strict=True))
    sandbox = Sandbox(port=port, limits=limits_by_name[limits], open=True, journal=journal)
    async with StopSignal() as stopped, sandbox as running:
        _show(running, as_json=as_json)
        await stopped.wait()


def _show(running: "Sandbox", *, as_json: bool) -> None:
    if as_json:
        webhooks = {each.variable: running.webhook(each.name) for each in USUAL_DESTINATIONS}
        say_json({"page": f"{running.url}/", "log": f"{running.url}/_log", "environment": webhooks})
        return
    say(f"The sandbox is running at {running.url}/ (Ctrl-C stops it). To send to it, run:", "")
    for destination in USUAL_DESTINATIONS:
        say(f"export {destination.variable}={running.webhook(destination.name)}")
    say("", f"What it received, as JSON lines: {running.url}/_log")

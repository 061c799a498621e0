"""`signalpost serve`: the service, until it is told to stop."""

import click


@click.command(
    short_help="Deliver what waits, until stopped.",
    epilog="""
    \b
    Examples:
      export DISCORD_WEBHOOK_SIGNALS_FREE=https://discord.com/api/webhooks/...
      signalpost serve

    \b
    To try it without Discord, run `signalpost sandbox` and use the webhook URLs that it prints.
    """,
)
@click.option(
    "--stop-within", default=10.0, show_default=True, help="Seconds to deliver what waits, once told to stop."
)
def serve(stop_within: float) -> None:
    """Run the service with the environment's configuration, and deliver what waits in its data folder.

    SIGINT (Ctrl-C) and SIGTERM stop it: it delivers for a few seconds more, and what is left is delivered by the next
    run. The exit code is 1 then, and 0 where nothing is left.
    """
    from signalpost.cli.logs import write_logs
    from signalpost.cli.loop import run

    write_logs()
    left = run(_serve(stop_within))
    if left:
        click.echo(f"{left} deliveries are still open, and wait for the next run", err=True)
        raise SystemExit(1)


async def _serve(stop_within: float) -> int:
    from signalpost.cli.loop import StopSignal
    from signalpost.service import AsyncNotificationService

    service = AsyncNotificationService()
    async with StopSignal() as stopped:
        await service.start()
        click.echo(f"data folder: {service.config.home}", err=True)
        for destination in service.config.destinations:
            click.echo(f"  {destination.name} -> {destination.address.host}", err=True)
        click.echo("running; Ctrl-C stops", err=True)
        await stopped.wait()
        click.echo("stopping", err=True)
        return len(await service.stop(stop_within))

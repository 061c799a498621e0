"""`signalpost destinations`: lists destinations, tests their webhooks and enables them again."""

import click

from signalpost.cli.destination_rows import destination_rows, destinations_table, disabled_for
from signalpost.cli.destination_rows import enable as enable_again
from signalpost.cli.loop import run
from signalpost.cli.options import Flags, configured, destinations_of
from signalpost.cli.output import examples, json_option, say, say_json
from signalpost.cli.tables import console
from signalpost.config import STORE_FILE


@examples(
    "signalpost destinations list",
    "signalpost destinations test                      check each webhook; nothing is shown",
    "signalpost destinations test signals-free --send  show a message marked as a test",
)
@click.group()
def destinations() -> None:
    """List destinations, test their webhooks, and enable disabled ones."""


_json_option = json_option("Print one line of JSON for each destination.")


@examples("signalpost destinations list", "signalpost destinations list --json | jq 'select(.disabled != null)'")
@destinations.command("list")
@configured
@_json_option
def list_(flags: Flags, as_json: bool) -> None:
    """List the configured destinations, and others that still have deliveries in the store.

    For each you see the webhook's host (never the webhook), the limit of messages per minute, the open and dead
    deliveries, and whether the destination is disabled or rate limited.
    """
    config = flags.config()
    rows = destination_rows(config)
    if as_json:
        for row in rows:
            say_json(row.plain())
        return
    if rows:
        console().print(destinations_table(rows))
    for row in rows:
        if row.trouble:
            say(f"{row.name}: {row.trouble}")
    for warning in config.warnings:
        say(warning, err=True)


@examples(
    "signalpost destinations test",
    "signalpost destinations test signals-free alerts-critical",
    "signalpost destinations test signals-free --send",
    "signalpost destinations test --all --send --json",
)
@destinations.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--send", is_flag=True, help="Show one silent message, marked as a test.")
@click.option("--all", "every", is_flag=True, help="Test every configured destination, also with --send.")
@configured
@_json_option
def test(names: tuple[str, ...], send: bool, every: bool, flags: Flags, as_json: bool) -> None:
    """Test the webhooks of the named destinations, or of all, with one request each and without the outbox.

    The request reads the webhook's name, kind and channel, and shows nothing in the channel. With --send, a message is
    shown; then you must name destinations or give --all. The exit code is 1 if a webhook fails.
    """
    from signalpost.cli.webhook_trial import look_at_all, say_trial, send_to_all

    if names and every:
        raise click.UsageError("Give names or --all, not both.")
    if send and not names and not every:
        raise click.UsageError("--send posts a message to each channel: name the destinations, or use --all.")
    config = flags.config()
    chosen = destinations_of(config, names)
    trials = run(send_to_all(chosen, config.look) if send else look_at_all(chosen))
    for trial in trials:
        say_trial(trial, as_json=as_json)
    if not all(trial.works for trial in trials):
        raise SystemExit(1)


@examples("signalpost destinations enable signals-free")
@destinations.command()
@click.argument("name")
@configured
@json_option("Print the result as JSON.")
def enable(name: str, flags: Flags, as_json: bool) -> None:
    """Enable destination NAME again after it was disabled because its webhook was gone.

    A running service sends to it again within seconds, including the waiting deliveries. With another webhook,
    this is not necessary.
    """
    config = flags.config()
    path = config.home / STORE_FILE
    (chosen,) = destinations_of(config, (name,))
    reason = disabled_for(path, chosen)
    if reason is not None:
        enable_again(path, chosen)
    if as_json:
        say_json({"destination": name, "was_disabled": reason})
    elif reason is None:
        say(f"{name} is not disabled.")
    else:
        say(f"{name} is enabled again (it was disabled: {reason}). A running service sends to it within seconds.")

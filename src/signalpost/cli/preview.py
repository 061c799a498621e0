"""`signalpost preview`: shows messages before anybody sees them."""

from datetime import datetime
from typing import BinaryIO

import click
import msgspec
from rich.text import Text

from signalpost import clock
from signalpost.cli.configuration import Flags, configured, destinations_of
from signalpost.cli.loop import run
from signalpost.cli.output import json_option, say_json
from signalpost.cli.preview_bodies import OF_A_SIGNAL, Preview, Scene, as_trial, check_known, previews
from signalpost.cli.preview_screen import message_lines
from signalpost.cli.publish_facts import signal_in
from signalpost.cli.tables import console
from signalpost.config import Config
from signalpost.delivery.routing import ranks_of
from signalpost.domain.tier import UserTier


@click.command(
    epilog="""
    \b
    Examples:
      signalpost preview                                   a signal in each of its states
      signalpost preview signal stopped
      signalpost preview companion                         the messages that notify of a change
      signalpost preview alert critical --tier admin       with the role that it would ping
      signalpost preview --signal signal.json --state tp1 --json
      signalpost preview signal new --send signals-free    post it there, marked as a trial
    """,
)
@click.argument("kind", required=False)
@click.argument("state", required=False)
@click.option("--kind", "named_kind", metavar="KIND", help="The same as the first argument.")
@click.option("--state", "named_state", metavar="STATE", help="The same as the second argument.")
@click.option(
    "--signal",
    "file",
    type=click.File("rb"),
    help="A file with your own signal as JSON; - reads it from standard input.",
)
@click.option("--tier", default="free", show_default=True, help="The tier that receives it, whose roles are pinged.")
@click.option("--send", metavar="DESTINATION", help="Post it there instead, silently and marked as a trial.")
@configured
@json_option("Print the exact body of each message as one line of JSON.")
def preview(
    kind: str | None,
    state: str | None,
    named_kind: str | None,
    named_state: str | None,
    file: BinaryIO | None,
    tier: str,
    send: str | None,
    flags: Flags,
    as_json: bool,
) -> None:
    """Show messages as Discord would, with your settings ([cards] in the settings file). Only --send sends anything.

    KIND is signal (the default), companion, alert, analysis, status or announcement. STATE is what has become of it:
    for a signal new, filled, tp1 (tp2 ...), stop-moved, part-closed, closed, closed-by-hand, stopped, reversed,
    cancelled, expired, revised or reopened; for a companion one of these except new, or resolved; for an alert its
    severity, escalated or resolved; for a status operational, degraded or down. Without STATE, all of them are shown.

    The messages are made from a sample, or from your own signal, in the format of `signalpost publish signal`. A signal
    is changed by the same rules as a real one. Its number and the ids in links are samples.

    --send posts one message without the outbox. It begins with TRIAL, pings nobody and has no ticket, so that no
    program trades on it. The exit code is 1 if it could not be sent.
    """
    config = flags.config()
    now = clock.now().replace(microsecond=0)
    chosen = _one_of(kind, named_kind, "KIND") or OF_A_SIGNAL[0]
    found = previews(chosen, _one_of(state, named_state, "STATE"), _scene(config, now, file, tier, send))
    if file is not None and chosen not in OF_A_SIGNAL:
        raise click.UsageError(f"--signal belongs to the kinds {' and '.join(OF_A_SIGNAL)}.")
    if send is not None:
        _send(config, found, send, as_json=as_json)
    elif as_json:
        for each in found:
            say_json(each.body)
    else:
        _show(found, now)


def _one_of(argument: str | None, option: str | None, name: str) -> str | None:
    if argument and option and argument != option:
        raise click.UsageError(f"{name} is given twice: {argument} and {option}.")
    word = argument or option
    return word and word.lower()


def _scene(config: Config, now: datetime, file: BinaryIO | None, tier: str, send: str | None) -> Scene:
    check_known("tier", tier.lower(), ranks_of(config.tiers))
    look = config.look if send is None else msgspec.structs.replace(config.look_of(send), roles={})
    signal = None if file is None else signal_in(file.read(), "--signal")
    return Scene(look, UserTier(tier), now, signal, is_trial=send is not None)


def _show(found: list[Preview], now: datetime) -> None:
    screen = console()
    for each in found:
        facts = [f"{each.kind} {each.state}"]
        if each.body is None:
            facts.append("nothing is sent")
        elif each.is_edit:
            facts.append("an edit, which notifies nobody")
        elif each.body.get("flags"):
            facts.append("silent")
        screen.print(Text(" · ".join(facts), style="dim italic"))
        for line in message_lines(each.body or {}, now):
            screen.print(line, soft_wrap=True)
        screen.print()


def _send(config: Config, found: list[Preview], destination: str, *, as_json: bool) -> None:
    from signalpost.cli.webhook_trial import say_trial, send_body

    (chosen,) = destinations_of(config, (destination,))
    if len(found) > 1:
        raise click.UsageError(f"--send posts one message: add its state, such as {found[0].kind} {found[0].state}.")
    body = found[0].body
    if body is None:
        raise click.UsageError("Nothing is sent in this state.")
    trial = run(send_body(chosen, as_trial(body)))
    say_trial(trial, as_json=as_json)
    if not trial.works:
        raise SystemExit(1)

"""`signalpost preview`: shows messages before anybody sees them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, BinaryIO

import click
import msgspec
from rich.text import Text

from signalpost import clock
from signalpost.cli.loop import run
from signalpost.cli.options import Flags, configured, destinations_of
from signalpost.cli.output import clean, examples, json_option, say_json
from signalpost.cli.preview_bodies import OF_A_SIGNAL, Preview, Scene, as_trial, check_known, previews
from signalpost.cli.publish_facts import signal_in
from signalpost.cli.tables import console
from signalpost.cli.time_format import format_duration
from signalpost.config import Config
from signalpost.delivery.routing import ranks_of
from signalpost.domain.tier import UserTier


@examples(
    "signalpost preview                                   a signal in each of its states",
    "signalpost preview signal stopped",
    "signalpost preview companion                         the messages that notify of a change",
    "signalpost preview alert critical --tier admin       with the role that it would ping",
    "signalpost preview --signal signal.json --state tp1 --json",
    "signalpost preview signal new --send signals-free    post it there, marked as a trial",
)
@click.command()
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

    KIND is signal (the default), companion, alert, analysis, status, announcement, recap or digest. STATE depends on
    the kind. Signal: new, filled, tp1 (tp2 ...), stop-moved, part-closed, closed, closed-by-hand, stopped, reversed,
    cancelled, expired, revised or reopened. Companion: the same without new, but with resolved. Alert: its severity,
    escalated or resolved. Status: operational, degraded or down. Recap: daily, weekly or empty. Without STATE, all of
    them are shown.

    The messages are made from a sample, or from your own signal, in the format of `signalpost publish signal`. A signal
    changes by the same rules as a real one. Its number and the ids in links are made up.

    --send posts one message without the outbox. It begins with TRIAL, pings nobody and has no ticket, so that no
    program trades on it. The exit code is 1 if it could not be sent.
    """
    config = flags.config()
    now = clock.now().replace(microsecond=0)
    chosen = _one_of(kind, named_kind, "KIND") or OF_A_SIGNAL[0]
    found = previews(chosen, _one_of(state, named_state, "STATE"), _scene(config, now, file, tier, send))
    if file is not None and chosen not in OF_A_SIGNAL:
        raise click.UsageError(f"--signal is only for the kinds {' and '.join(OF_A_SIGNAL)}.")
    if send is not None:
        _send(config, found, send, as_json=as_json)
    elif as_json:
        say_json(*(each.body for each in found))
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


_FENCE = "```"
_SMALL = "-# "
_INLINE = re.compile(
    r"\*\*(?P<bold>.+?)\*\*|\[(?P<label>[^\[\]]+)\]\([^)]+\)|<t:(?P<seconds>-?\d+):(?P<style>[a-zA-Z])>"
    r"|<@&(?P<role>\d+)>|\\(?P<literal>[^\w\s])"
)
_FORMATS = {"t": "%H:%M", "d": "%Y-%m-%d"}


def message_lines(body: dict[str, Any], now: datetime) -> Iterator[Text]:
    """The lines of a message's body, as a reader sees them at `now`."""
    if name := body.get("username"):
        yield Text(clean(name), style="bold underline")
    for line in body.get("content", "").splitlines():
        yield _styled(line, now)
    for embed in body.get("embeds", ()):
        bar = Text("┃ ", style=f"#{embed['color']:06x}")
        for line in _embed_lines(embed, now):
            yield Text.assemble(bar, line)


def _embed_lines(embed: dict[str, Any], now: datetime) -> Iterator[Text]:
    if title := embed.get("title"):
        yield Text(clean(title), style="bold")
    is_code = False
    for line in embed.get("description", "").splitlines():
        if line.startswith(_FENCE):
            is_code = not is_code
        elif is_code:
            yield Text(clean(line))
        elif line.startswith(_SMALL):
            yield _styled(line.removeprefix(_SMALL), now, "dim")
        else:
            yield _styled(line, now)
    at = datetime.fromisoformat(embed["timestamp"])
    yield Text(clean(f"{embed['footer']['text']} · {at:%Y-%m-%d %H:%M} UTC"), style="dim")


def _styled(line: str, now: datetime, style: str = "") -> Text:
    """A line with Discord's bold words, links, times and roles."""
    made, end = Text(style=style), 0
    for found in _INLINE.finditer(line):
        made.append(clean(line[end : found.start()]))
        made.append_text(_inline(found, now))
        end = found.end()
    return made.append(clean(line[end:]))


def _inline(found: re.Match[str], now: datetime) -> Text:
    match found.lastgroup:
        case "bold":
            return _styled(found["bold"], now, "bold")
        case "label":
            return Text(clean(found["label"]), style="underline")
        case "style":
            return Text(_time(datetime.fromtimestamp(int(found["seconds"]), UTC), found["style"], now))
        case "role":
            return Text(f"@role {found['role']}", style="reverse")
        case _:
            return Text(clean(found["literal"]))


def _time(at: datetime, style: str, now: datetime) -> str:
    if style == "R":
        distance = format_duration(at - now)
        return f"in {distance}" if at > now else f"{distance} ago"
    return f"{at:{_FORMATS.get(style, '%Y-%m-%d %H:%M')}}" + ("" if style == "d" else " UTC")

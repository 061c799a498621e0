"""`signalpost destinations`: lists destinations, tests their webhooks and enables them again."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich.table import Table
from rich.text import Text

from signalpost import clock
from signalpost.cli.loop import run
from signalpost.cli.options import Flags, configured, destinations_of
from signalpost.cli.output import examples, json_option, say, say_json
from signalpost.cli.tables import console, table
from signalpost.cli.time_format import format_duration
from signalpost.config import STORE_FILE, Config, DestinationConfig, variable_of
from signalpost.delivery.facts import gone_fact, of_webhook, read_gone, read_pace
from signalpost.delivery.outbox.commands import LoadFacts, SaveFacts, Stats, Subject
from signalpost.delivery.outbox.reader import SqliteReader
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.outbox.sqlite_file import is_there
from signalpost.domain.delivery import DeliveryState


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
        say_json(*(row.plain() for row in rows))
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
@click.option("--all", "every", is_flag=True, help="Test every configured destination. --send needs this, or names.")
@configured
@_json_option
def test(names: tuple[str, ...], send: bool, every: bool, flags: Flags, as_json: bool) -> None:
    """Test the webhooks of the named destinations, or of all, with one request each and without the outbox.

    The request reads the webhook's name, kind and channel, and shows nothing in the channel. --send shows a message,
    and needs the names of destinations, or --all. The exit code is 1 if a webhook fails.
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

    A running service sends to it again within seconds, including the waiting deliveries. If you set another webhook,
    you do not need this command.
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


class DestinationRow(NamedTuple):
    """One destination."""

    name: str
    config: DestinationConfig | None
    """None if it is only known from the store."""
    count_by_state: Mapping[str, int]
    disabled: str | None
    """Why its webhook is gone for good; None if it is not."""
    held_for: float
    """Seconds for which its rate limit permits no requests."""

    @property
    def open(self) -> int:
        """The number of deliveries that wait for it or are being sent."""
        return sum(self.count_by_state.get(state, 0) for state in DeliveryState if not state.is_terminal)

    @property
    def trouble(self) -> str | None:
        """The problem and its remedy; None if the destination works."""
        if self.disabled is not None:
            return (
                f"disabled because its webhook is gone for good ({self.disabled}). Set another one in "
                f"{variable_of(self.name)}, or retry this one with `signalpost destinations enable {self.name}`."
            )
        if self.config is None and self.open:
            return f"not configured, but deliveries are waiting for it ({self.open:,}). Set {variable_of(self.name)}."
        if self.held_for > 0:
            return f"accepts no requests for another {format_duration(timedelta(seconds=self.held_for))} (rate limit)."
        return None

    @property
    def state(self) -> str:
        """Its state in a word or two."""
        if self.disabled is not None:
            return "disabled"
        return "not configured" if self.config is None else "waits" if self.held_for > 0 else "ready"

    def plain(self) -> dict[str, Any]:
        """The row as JSON, with a masked webhook."""
        config = self.config
        return {
            "destination": self.name,
            "state": self.state,
            "variable": variable_of(self.name),
            "webhook": None if config is None else f"{config.address.host}/***",
            "messages_a_minute": None if config is None else config.limits.messages_a_minute,
            "disabled": self.disabled,
            "held_for": round(self.held_for, 3),
            "open": self.open,
            "deliveries": dict(self.count_by_state),
        }


def destination_rows(config: Config) -> list[DestinationRow]:
    """One row per destination, configured ones first. Raises StoreUnusable if the store cannot be read."""
    path = config.home / STORE_FILE
    configs = {each.name: each for each in config.destinations}
    if not is_there(path):
        return [DestinationRow(name, each, {}, None, 0.0) for name, each in configs.items()]
    with closing(SqliteReader(path)) as reader:
        (stats,) = reader.apply([Stats()])
        names = [*configs, *sorted({name for name, _ in stats} - configs.keys())]
        facts = dict(zip(names, reader.apply([LoadFacts(Subject(name)) for name in names]), strict=True))
        of_webhook = reader.apply([LoadFacts(_webhook(each)) for each in configs.values()])
        ended = {name: read_gone(each) for name, each in zip(configs, of_webhook, strict=True)}
    return [
        DestinationRow(
            name,
            configs.get(name),
            {state.value: count for (destination, state), count in sorted(stats.items()) if destination == name},
            None if (end := ended.get(name)) is None else end.reason,
            read_pace(facts[name], clock.now()).memory.held_for,
        )
        for name in names
    ]


def destinations_table(rows: Sequence[DestinationRow]) -> Table:
    """One row per destination."""
    numbers = ("per minute", "open", "dead")
    made = table("Destinations", "destination", "host", *numbers, "state", right=numbers)
    for row in rows:
        limit = None if row.config is None else row.config.limits.messages_a_minute
        made.add_row(
            row.name,
            "" if row.config is None else row.config.address.host,
            "" if row.config is None else str(limit or "-"),
            f"{row.open:,}",
            f"{row.count_by_state.get(DeliveryState.DEAD, 0):,}",
            Text(row.state, style="" if row.state == "ready" else "yellow"),
        )
    return made


def disabled_for(path: Path, config: DestinationConfig) -> str | None:
    """Why a destination is disabled; None if it is not. Raises StoreUnusable if there is no store."""
    with closing(SqliteReader(path)) as reader:
        (facts,) = reader.apply([LoadFacts(_webhook(config))])
    return None if (end := read_gone(facts)) is None else end.reason


def enable_again(path: Path, config: DestinationConfig) -> None:
    """Enable a destination again; a running service notices within seconds."""
    with closing(SqliteCore(path, owns=False)) as core:
        core.apply([SaveFacts(_webhook(config), gone_fact(None))])


def _webhook(config: DestinationConfig) -> Subject:
    return of_webhook(config.address.identity)

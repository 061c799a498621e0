"""The state of each destination: its settings, and the facts and deliveries in the store."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table
from rich.text import Text

from signalpost import clock
from signalpost.cli.tables import table
from signalpost.cli.time_format import format_duration
from signalpost.config import STORE_FILE, Config, DestinationConfig, variable_of
from signalpost.delivery.facts import gone_fact, of_webhook, read_gone, read_pace
from signalpost.delivery.outbox.commands import LoadFacts, SaveFacts, Stats, Subject
from signalpost.delivery.outbox.reader import SqliteReader
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.outbox.sqlite_file import is_there
from signalpost.domain.delivery import DeliveryState


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


def enable(path: Path, config: DestinationConfig) -> None:
    """Enable a destination again; a running service notices within seconds."""
    with closing(SqliteCore(path, owns=False)) as core:
        core.apply([SaveFacts(_webhook(config), gone_fact(None))])


def _webhook(config: DestinationConfig) -> Subject:
    return of_webhook(config.address.identity)

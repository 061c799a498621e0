"""The settings that exist: their names in a file and in the environment, what they are left out, what they mean."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from signalpost.config import spelling
from signalpost.config.at_start import ONLY_DESTINATION, ONLY_WEBHOOK
from signalpost.config.destination import HttpAddress
from signalpost.domain.destinations import USUAL_DESTINATIONS

Value = TypeVar("Value")


class Setting(NamedTuple, Generic[Value]):
    """One setting."""

    key: str
    """Its name in a file."""
    variable: str
    default: Value
    parse: Callable[[str], Value]
    """What its text means; raises InvalidConfiguration."""
    kind: type
    """What it is in a file: bool, int or str."""
    wanted: str
    """What a file should say, for whoever said something of another kind."""


_SWITCH = "true or false"

HOME: Setting[Path | None] = Setting("home", "SIGNALPOST_HOME", None, spelling.folder, str, "a path in quotes")
WORKERS = Setting("workers", "SIGNALPOST_WORKERS", 2, spelling.workers, int, "a whole number from 1 to 16")
LIMITS = Setting("limits", "SIGNALPOST_LIMITS", True, spelling.switch, bool, _SWITCH)
RESERVE = Setting("reserve", "SIGNALPOST_RESERVE", True, spelling.switch, bool, _SWITCH)
DRY_RUN = Setting("dry_run", "SIGNALPOST_DRY_RUN", False, spelling.switch, bool, _SWITCH)
RETENTION = Setting(
    "retention", "SIGNALPOST_RETENTION", timedelta(days=30), spelling.retention, str, 'a time in quotes, such as "30d"'
)
AT_MOST_ONCE: Setting[frozenset[str]] = Setting(
    "at_most_once",
    "SIGNALPOST_AT_MOST_ONCE",
    frozenset(),
    spelling.at_most_once,
    str,
    'kinds in quotes, such as "signal, alert", or "none"',
)
HTTP: Setting[HttpAddress | None] = Setting(
    "http", "SIGNALPOST_HTTP", HttpAddress("127.0.0.1", 8750), spelling.http, str, '"HOST:PORT", or "off"'
)

SETTINGS: tuple[Setting[object], ...] = (
    HOME,
    WORKERS,
    LIMITS,
    RESERVE,
    AT_MOST_ONCE,
    RETENTION,
    HTTP,
    DRY_RUN,
)  # type: ignore[assignment]  # each of its own kind

CONFIG_FILE = "SIGNALPOST_CONFIG"
IN_A_FILE = "_FILE"
"""What a webhook's variable ends in where it names a file that holds the webhook."""
OURS = ("SIGNALPOST_", "DISCORD_WEBHOOK_")
"""What our variables begin with."""

_VARIABLE_BY_NAME = {usual.name: usual.variable for usual in USUAL_DESTINATIONS} | {ONLY_DESTINATION: ONLY_WEBHOOK}


def variable_of(destination: str) -> str:
    """The variable that holds a destination's webhook: the usual one, or one made of its name."""
    made = f"DISCORD_WEBHOOK_{destination.upper().replace('-', '_')}"
    return _VARIABLE_BY_NAME.get(destination, made)


def is_meant_for_us(variable: str) -> bool:
    """Whether somebody who wrote this variable meant us: it looks like ours, in letters of any case."""
    return f"{variable.upper()}_".startswith(OURS)


def known_variables(destinations: tuple[str, ...] = ()) -> list[str]:
    """Every variable that is read, where these destinations are configured beside the usual ones."""
    webhooks = [*_VARIABLE_BY_NAME.values(), *map(variable_of, destinations)]
    others = [setting.variable for setting in SETTINGS]
    return [*dict.fromkeys([*others, CONFIG_FILE, *webhooks, *(f"{each}{IN_A_FILE}" for each in webhooks)])]

"""The options `--home` and `--config` of every command, which override the environment."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from signalpost.cli.option_types import NonEmptyPath

if TYPE_CHECKING:
    from signalpost.config import Config, DestinationConfig

Command = TypeVar("Command", bound=Callable[..., object])


_HOME = click.option("--home", type=NonEmptyPath(path_type=Path), help="The data folder.  [default: as configured]")
_CONFIG = click.option(
    "--config",
    "config_file",
    type=NonEmptyPath(path_type=Path),
    help="A TOML file with settings.  [default: SIGNALPOST_CONFIG, if set]",
)


def configured(command: Command) -> Command:
    """Add `--home` and `--config` to a command, which receives them as `home` and `config_file`."""
    return _HOME(_CONFIG(command))


def configuration(home: Path | None = None, config_file: Path | None = None, **flags: str | None) -> "Config":
    """Read the configuration with these flags, named by their variables; None means not given.

    Raises InvalidConfiguration with all faults.
    """
    from signalpost.config import Config

    return Config.from_environment(flags=given(home, config_file, **flags))


def given(home: Path | None, config_file: Path | None, **flags: str | None) -> dict[str, str]:
    """The given flags by their variables."""
    named = {
        "SIGNALPOST_HOME": None if home is None else str(home),
        "SIGNALPOST_CONFIG": None if config_file is None else str(config_file),
        **flags,
    }
    return {variable: value for variable, value in named.items() if value is not None}


def destinations_of(config: "Config", names: tuple[str, ...]) -> "list[DestinationConfig]":
    """The destinations with these names, or all without names. Raises InvalidConfiguration for an unknown one."""
    from signalpost.config import NO_WEBHOOK_SET
    from signalpost.errors import InvalidConfiguration

    by_name = {each.name: each for each in config.destinations}
    if not by_name:
        raise InvalidConfiguration(NO_WEBHOOK_SET, code="missing", field="destinations")
    if unknown := [name for name in names if name not in by_name]:
        raise InvalidConfiguration(
            f"there is no destination {', '.join(map(repr, unknown))}. The destinations are {', '.join(by_name)}",
            code="unknown-word",
            field="destination",
            value=", ".join(unknown),
            limit=", ".join(by_name),
        )
    return [by_name[name] for name in dict.fromkeys(names)] if names else list(by_name.values())

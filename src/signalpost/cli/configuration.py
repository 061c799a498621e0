"""The options `--home` and `--config` of every command, which override the environment."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import NamedTuple

import click

from signalpost.cli.option_types import NonEmptyPath
from signalpost.config import NO_WEBHOOK_SET, Config, DestinationConfig
from signalpost.errors import InvalidConfiguration

_HOME = click.option("--home", type=NonEmptyPath(path_type=Path), help="The data folder.  [default: as configured]")
_CONFIG = click.option(
    "--config",
    "config_file",
    type=NonEmptyPath(path_type=Path),
    help="A TOML file with settings.  [default: SIGNALPOST_CONFIG, if set]",
)


class Flags(NamedTuple):
    """The values of `--home` and `--config`; None if not given."""

    home: Path | None = None
    config_file: Path | None = None

    def config(self, **others: str | None) -> Config:
        """Read the configuration. Raises InvalidConfiguration with all faults; `others` as in `by_variable`."""
        return Config.from_environment(flags=self.by_variable(**others))

    def by_variable(self, **others: str | None) -> dict[str, str]:
        """The given flags, with those in `others`, by the environment variables that they override."""
        named = {
            "SIGNALPOST_HOME": None if self.home is None else str(self.home),
            "SIGNALPOST_CONFIG": None if self.config_file is None else str(self.config_file),
            **others,
        }
        return {variable: value for variable, value in named.items() if value is not None}


def configured(command: Callable[..., object]) -> Callable[..., object]:
    """Add `--home` and `--config` to a command, which receives them as `flags`."""

    @wraps(command)
    def with_flags(home: Path | None, config_file: Path | None, **others: object) -> object:
        return command(flags=Flags(home, config_file), **others)

    return _HOME(_CONFIG(with_flags))


def destinations_of(config: Config, names: tuple[str, ...]) -> list[DestinationConfig]:
    """The destinations with these names, or all without names. Raises InvalidConfiguration for an unknown one."""
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

"""The options `--home` and `--config` of every command, which override the environment."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from signalpost.cli.option_types import NonEmptyPath

if TYPE_CHECKING:
    from signalpost.config import Config

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

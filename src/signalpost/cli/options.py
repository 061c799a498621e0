"""Options and arguments that several commands share, and types that are stricter than click's own."""

import math
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import click

from signalpost.config import NO_WEBHOOK_SET, Config, DestinationConfig
from signalpost.errors import InvalidConfiguration


class NumberRange(click.FloatRange):
    """A range of numbers without NaN, which click would accept because every comparison with it is false."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert `value`; click reports an invalid one."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not a number in the range {self._describe_range()}.", param, ctx)
        return number


class Utf8Text(click.types.StringParamType):
    """UTF-8 text. Other bytes arrive as surrogates, which SQLite can neither find nor store."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert `value`; click reports an invalid one."""
        text = super().convert(value, param, ctx)
        try:
            text.encode()
        except UnicodeEncodeError:
            self.fail(f"{text!r} is not UTF-8. Encode it as UTF-8.", param, ctx)
        return text


class NonEmptyPath(click.Path):
    """A path that is not empty: an unset variable in a script would otherwise name the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert `value`; click reports an invalid one."""
        if value == "":
            self.fail("the path is empty. Give a path, or omit the option.", param, ctx)
        return super().convert(value, param, ctx)


class TargetText(click.types.StringParamType):
    """A target: its price, and optionally after `@` its share in per cent. Its value is a pair of two texts."""

    name = "PRICE[@SHARE%]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Split `value`. The share ends with `%`, so that an empty one or 0 is invalid instead of missing."""
        price, at, share = super().convert(value, param, ctx).partition("@")
        return price, f"{share.strip().removesuffix('%')}%" if at else None


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

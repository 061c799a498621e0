"""Types of options and arguments that are stricter than click's own."""

import math
from typing import Any

import click


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

"""Numbers that a command is given, each within its bounds."""

import math
from typing import Any

import click


class NumberRange(click.FloatRange):
    """A range that NaN is not in. Click compares it with the bounds, and each comparison with NaN is false."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number that is given; click tells what is wrong with any other."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not a number in the range {self._describe_range()}.", param, ctx)
        return number

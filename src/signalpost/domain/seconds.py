"""How long a caller is willing to wait."""

import math

from signalpost.domain.text import shown
from signalpost.errors import InvalidValue

WITHOUT_BOUND = 1e9
"""Seconds, some thirty years: what the interpreter's locks still take, and no wait reaches."""


def seconds(timeout: float | None, name: str = "timeout") -> float:
    """The seconds that `timeout` means: None and infinity are without bound, and what is below 0 is 0.

    Raises InvalidValue for a timeout that is not a number of seconds; `name` is how it calls it.
    """
    if timeout is None:
        return WITHOUT_BOUND
    is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if not is_number or (isinstance(timeout, float) and math.isnan(timeout)):
        raise InvalidValue(
            f"{name} is {shown(timeout)}: give seconds, or None to wait without bound",
            code="not-a-number",
            field=name,
            value=shown(timeout),
        )
    return float(max(0, min(timeout, WITHOUT_BOUND)))

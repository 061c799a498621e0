"""A caller's timeout, as seconds."""

import math

from signalpost.errors import InvalidValue

WITHOUT_BOUND = 1e9
"""Seconds, about thirty years: the interpreter's locks accept it, and no wait reaches it."""


def seconds(timeout: float | None, name: str = "timeout") -> float:
    """`timeout` in seconds: None and infinity become WITHOUT_BOUND, negative values 0.

    Raises InvalidValue if it is not a number of seconds; `name` is the field in errors.
    """
    if timeout is None:
        return WITHOUT_BOUND
    is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if not is_number or (isinstance(timeout, float) and math.isnan(timeout)):
        raise InvalidValue.of(
            name, timeout, "use a number of seconds, or None to wait without a limit", code="not-a-number"
        )
    return float(max(0, min(timeout, WITHOUT_BOUND)))

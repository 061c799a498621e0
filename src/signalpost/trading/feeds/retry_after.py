"""Reads the header `Retry-After`."""

import math

_LONGEST = 3_600.0


def retry_after(text: str | None) -> float | None:
    """The seconds that the header requires, at most an hour; None if it has no number of seconds."""
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return min(max(seconds, 0.0), _LONGEST) if math.isfinite(seconds) else None

"""The time, as an argument: whatever needs to know "now" asks the installed clock.

The domain, the strategies and every other pure room may import this and nothing that reads a real clock;
the system's own is installed when the package is imported. See docs/why/0004-time-is-an-argument.md.
"""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """What tells the time."""

    def now(self) -> datetime:
        """The present instant, aware and in UTC."""
        ...


_installed: Clock | None = None


def install(clock: Clock | None) -> Clock | None:
    """Make `clock` the one that `now` asks, and return the one it replaces."""
    global _installed
    previous, _installed = _installed, clock
    return previous


def now() -> datetime:
    """The present instant by the installed clock, aware and in UTC."""
    if _installed is None:
        raise RuntimeError("no clock is installed: import signalpost, or call signalpost.clock.install")
    return _installed.now()

"""The current time, read from the installed clock.

Pure packages, such as the domain and the strategies, may import only this module to read the time, never a real clock.
Importing signalpost installs the system clock. See docs/why/0004-time-is-an-argument.md.
"""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """A source of the current time."""

    def now(self) -> datetime:
        """The current instant, aware and in UTC."""
        ...


_installed: Clock | None = None


def install(clock: Clock | None) -> Clock | None:
    """Use `clock` for `now`, and return the previously installed one."""
    global _installed
    previous, _installed = _installed, clock
    return previous


def now() -> datetime:
    """The current instant of the installed clock, aware and in UTC."""
    if _installed is None:
        raise RuntimeError("no clock is installed: call signalpost.clock.install with one")
    return _installed.now()

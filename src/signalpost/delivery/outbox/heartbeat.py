"""The owner's heartbeat: a small file next to the store that shows other processes that the owner is alive.

The store thread writes it every 5 seconds, unsynced. So it stops when the process is frozen or the disk hangs. It
continues when only the event loop is blocked; the file then shows for how long. A watcher counts the seconds of its own
monotonic clock in which the file did not change. While it is frozen itself, it counts at most two.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from signalpost.delivery.outbox.files import open_regular, read_regular


class Heartbeat(NamedTuple):
    """How often an owner beats, and when a missing beat counts. All in seconds."""

    every: float = 5.0
    doubt_after: float = 15.0
    """Without a beat for this long, health reports that the owner does not respond."""
    take_over_after: float = 30.0
    """Without a beat for this long, another process takes over."""
    send_within: float = 10.0
    """A send starts only if this process's last beat is younger than this."""
    blocked_after: float = 15.0
    """An event loop that did not run for this long is reported as blocked."""


USUAL = Heartbeat()


class Beat(msgspec.Struct, frozen=True):
    """The content of the file."""

    epoch: int
    process: int
    count: int
    idle: float
    """Seconds since the owner's event loop last ran."""


def write_beat(path: Path, beat: Beat) -> bool:
    """Write a beat over the last one; False if the file cannot be written."""
    text = msgspec.json.encode(beat).ljust(120) + b"\n"
    with suppress(OSError):
        file = open_regular(path, os.O_WRONLY | os.O_CREAT)
        try:
            return os.pwrite(file, text, 0) == len(text)
        finally:
            os.close(file)
    return False


def read_beat(path: Path) -> Beat | None:
    """The last beat; None if there is none, or it cannot be read."""
    with suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(read_regular(path), type=Beat)
    return None


class BeatWatch:
    """Measures how long the owner of a store has been silent while this process was awake.

    `now` is in seconds of a monotonic clock. Call `look` at least once a second.
    """

    _LONGEST_GAP = 2.0

    def __init__(self) -> None:
        self.epoch = -1
        """The epoch of the watched owner."""
        self._looked_at = 0.0
        self.silent_for = 0.0
        """Seconds."""
        self.last: Beat | None = None
        """The owner's last beat; None if the owner of this epoch has not written one yet."""

    def look(self, epoch: int, beat: Beat | None, now: float) -> None:
        """Update from the content of the file and the epoch in the store."""
        of_owner = beat if beat is not None and beat.epoch == epoch else None
        if (epoch, of_owner) == (self.epoch, self.last):
            self.silent_for += min(now - self._looked_at, self._LONGEST_GAP)
        else:
            self.epoch, self.silent_for, self.last = epoch, 0.0, of_owner
        self._looked_at = now

"""Stores for unit tests: a real SQLite file where a sync costs nothing."""

from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from weakref import finalize

from signalpost.delivery.outbox.sqlite import SqliteCore

FAST = shm if (shm := Path("/dev/shm")).is_dir() else None
"""A folder in memory; None if there is none."""
_folder = TemporaryDirectory(prefix="signalpost-tests-", dir=FAST)
_numbers = count()


def new_core() -> SqliteCore:
    """An empty store that its test owns, and may leave open."""
    core = SqliteCore(Path(_folder.name) / f"{next(_numbers)}.db")
    if core._lock is not None:
        finalize(core, core._lock.release)
    return core

"""Stores for unit tests: real SQLite files."""

import sqlite3
from collections.abc import Callable
from functools import cache
from itertools import count
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from unittest.mock import patch
from weakref import finalize

from signalpost.delivery.outbox.migration import opened_to_write
from signalpost.delivery.outbox.sqlite import SqliteCore

_folder = TemporaryDirectory(prefix="signalpost-tests-")
_numbers = count()


Store = TypeVar("Store")


def with_connection(make: Callable[[], Store]) -> tuple[Store, sqlite3.Connection]:
    """Make a store, and return it with the connection that it opened last."""
    connect, opened = sqlite3.connect, list[sqlite3.Connection]()

    def noted(*arguments: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*arguments, **options))
        return opened[-1]

    with patch.object(sqlite3, "connect", noted):
        store = make()
    return store, opened[-1]


def new_core() -> SqliteCore:
    """An empty store that its test owns, and may leave open: it is closed when nothing refers to it any more."""
    path = Path(_folder.name) / f"{next(_numbers)}.db"
    copy(_empty(), path)
    core, db = with_connection(lambda: SqliteCore(path))
    finalize(core, db.close)
    if core._lock is not None:
        finalize(core, core._lock.release)
    return core


@cache
def _empty() -> Path:
    """A file with the tables alone. They take most of the time to make a store."""
    path = Path(_folder.name) / "empty.db"
    path.touch(mode=0o600)
    opened_to_write(path, path.with_suffix(".lock")).close()
    return path

"""Looking into an outbox that another process may be writing: without its lock, and without changing it."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from signalpost.delivery.outbox.commands import Command, Find, History, LoadFacts, LoadState, Stats
from signalpost.delivery.outbox.sqlite_file import SECONDS_FOR_OTHERS, advice, check_made, check_there
from signalpost.delivery.outbox.sqlite_tables import SqliteTables
from signalpost.delivery.outbox.verbs import carry_out
from signalpost.errors import StoreFailed, StoreUnusable

_READING = (Find, History, LoadFacts, LoadState, Stats)


class SqliteReader:
    """A core that only looks. Raises StoreUnusable where there is no outbox at `path`, or it cannot be read."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        check_there(self._path)
        try:
            uri = f"{self._path.resolve().as_uri()}?mode=ro"
            self._db = sqlite3.connect(uri, uri=True, timeout=SECONDS_FOR_OTHERS, isolation_level=None)
            try:
                check_made(self._path, self._db)
                self._tables = SqliteTables(self._db)
            except BaseException:
                self._db.close()
                raise
        except sqlite3.Error as fault:
            raise StoreUnusable(f"{path}: it cannot be read ({fault}): {advice(fault)}") from fault

    def apply(self, batch: Sequence[Command[Any]]) -> list[Any]:
        """Answer the commands, all from one moment. Raises TypeError for one that would change something."""
        for command in batch:
            if not isinstance(command, _READING):
                raise TypeError(f"{type(command).__name__} would change the outbox, which is only looked at")
        try:
            self._db.execute("BEGIN")
            try:
                return carry_out(batch, self._tables)
            finally:
                self._db.execute("ROLLBACK")
        except sqlite3.Error as fault:
            raise StoreFailed(f"{self._path}: it could not be read ({fault}): {advice(fault)}") from fault

    def close(self) -> None:
        """Release the file; once is enough."""
        self._db.close()

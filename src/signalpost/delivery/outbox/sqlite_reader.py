"""Looking into an outbox that another process may be writing: without its lock, and without changing it."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from signalpost.delivery.outbox.commands import READING, Command
from signalpost.delivery.outbox.original import be_the_original
from signalpost.delivery.outbox.sqlite_file import advice, check_there, code_of, opened_to_read
from signalpost.delivery.outbox.sqlite_tables import SqliteTables
from signalpost.delivery.outbox.verbs import carry_out
from signalpost.errors import StoreFailed


class SqliteReader:
    """A core that only looks. Raises StoreUnusable where there is no outbox at `path`, or it cannot be read."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        check_there(self._path)
        be_the_original(self._path, self._path.resolve())
        self._db = opened_to_read(self._path)
        self._tables = SqliteTables(self._db)

    def apply(self, batch: Sequence[Command[Any]]) -> list[Any]:
        """Answer the commands, all from one moment. Raises TypeError for one that would change something."""
        for command in batch:
            if not isinstance(command, READING):
                raise TypeError(f"{type(command).__name__} would change the outbox, which is only looked at")
        try:
            self._db.execute("BEGIN")
            try:
                return carry_out(batch, self._tables)
            finally:
                self._db.execute("ROLLBACK")
        except sqlite3.Error as fault:
            text = f"{self._path}: it could not be read ({fault}): {advice(fault)}"
            raise StoreFailed(text, code=code_of(fault), field="path", value=str(self._path)) from fault

    def close(self) -> None:
        """Release the file; once is enough."""
        self._db.close()

"""An outbox in one SQLite file, durable at each commit.

What SQLite does. In WAL mode a commit appends the changed pages to `outbox.db-wal`, each frame with a checksum that
continues the one before it, and the last one marked as a commit. With synchronous=FULL that file is synced before
COMMIT returns (https://sqlite.org/pragma.html#pragma_synchronous); with NORMAL, WAL's usual companion, it is not, and
a power cut takes the last commits away. After about 4,000 pages a commit also copies the log into `outbox.db` (a
checkpoint): it syncs the log, writes the pages, syncs the database, and only then starts the log anew. After a crash
the next open reads the log up to its last whole commit (https://sqlite.org/wal.html).

What we rely on.
- A commit that was answered is read again after kill -9 and after a power cut: one sync a batch, of a file that grows.
- A batch that was cut off is not there at all: its frames have no commit mark, or a checksum that does not fit. So a
  page torn within the log is harmless; one torn within `outbox.db` is, because the log still holds it whole.
- A sync that fails fails the COMMIT, and the batch is rolled back. The next one writes the same frames anew, so it does
  not matter that Linux forgets dirty pages after a failed sync. A checkpoint that fails is tried again by a later
  commit, from the log, and does not fail the commit that set it off.
- One process writes. `outbox.db.lock` is ours, held while the file is open; the kernel lets it go however we end. So
  whoever holds it knows that the sender of every leased delivery is gone. Readers, such as the sqlite3 tool, are free.

What is unknown.
- Whether a COMMIT that failed in its sync is on the disk all the same. It was answered as failed, and a crash at that
  very moment may bring it back; asking again finds the key known, under the same id.
- Whether the disk tells the truth about syncs. Some do not, and network file systems often do not: those we warn of.
- Damage by the disk itself: the database's pages carry no checksum. A small file is read through when it is opened; in
  a large one damage is met when it is read.

So what. Everything of a batch is one transaction, answered after COMMIT; a failed one is rolled back, and nothing that
was remembered beside the file survives it. A long read holds back checkpoints and makes the log grow, so reads end
within their command. A dead lock file need not be cleaned up, and is never deleted: that would let two hold it.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from signalpost.delivery.outbox.commands import Command
from signalpost.delivery.outbox.lock import FileLock
from signalpost.delivery.outbox.mounts import warn_of_network
from signalpost.delivery.outbox.sqlite_file import advice, claim, opened
from signalpost.delivery.outbox.sqlite_tables import SqliteTables
from signalpost.delivery.outbox.verbs import carry_out
from signalpost.errors import StoreFailed


class SqliteCore:
    """A core in the file at `path`, which is made if there is none, for its owner alone to read.

    Raises StoreUnusable where the file cannot be used, or another process uses it.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        claim(self._path)
        warn_of_network(self._path)
        self._lock = FileLock(self._path.with_name(f"{self._path.name}.lock"))
        try:
            self._db = opened(self._path)
        except BaseException:
            self._lock.release()
            raise
        self._tables = SqliteTables(self._db)

    def apply(self, batch: Sequence[Command[Any]]) -> list[Any]:
        """Carry out the commands, and sync them to the disk.

        Raises StoreFailed where the disk is full, the file is locked by another program or damaged: nothing of the
        batch has happened then, and a later one may succeed.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            answers = carry_out(batch, self._tables)
            self._db.execute("COMMIT")
        except sqlite3.Error as fault:
            self._roll_back()
            raise StoreFailed(f"{self._path}: it could not be written ({fault}): {advice(fault)}") from fault
        except BaseException:
            self._roll_back()
            raise
        return answers

    def close(self) -> None:
        """Release the file; once is enough."""
        self._db.close()
        self._lock.release()

    def _roll_back(self) -> None:
        self._tables.forget()
        with suppress(sqlite3.Error):  # SQLite rolls back by itself after some errors, and then refuses to
            self._db.execute("ROLLBACK")

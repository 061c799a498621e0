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
- Several processes may write: SQLite lets one at a time, and the others wait, for 2 seconds at most. One of them is the
  owner: the one whose epoch is in the table `owner`. Only the owner may lease and settle, and the epoch is checked
  in the same transaction. `outbox.db.lock` is the fast path: the owner holds it while it has the file open, and the
  kernel frees it however the owner ends. An owner that is frozen holds it on; it loses the epoch (`ownership`).
  A batch that changes nothing waits for nobody, as the sqlite3 tool.
- `PRAGMA data_version` changes when another connection has committed, and only then
  (https://sqlite.org/pragma.html#pragma_data_version). Each transaction reads it first, at the moment that the rest of
  the transaction sees. If it has changed, the cache beside the file is dropped.
- A file that was removed or replaced still works for a process that has it open, but its writes are lost in the end.
  So the names are checked before each COMMIT (`files.gone`), and a batch fails if one leads elsewhere.

What is unknown.
- Whether a COMMIT that failed in its sync is on the disk all the same. It was answered as failed, and a crash at that
  very moment may bring it back; asking again finds the key known, under the same id.
- Whether the disk really syncs. Some do not. Network file systems often do not, so we warn about those.
- Damage by the disk itself: the database's pages carry no checksum. A small file is read through when it is opened; in
  a large one damage is met when it is read.

So what. Everything of a batch is one transaction, answered after COMMIT; a failed one is rolled back, and nothing that
was remembered beside the file survives it. A long read holds back checkpoints and makes the log grow, so reads end
within their command. A dead lock file need not be cleaned up, and is never deleted: that would let two hold it.
"""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from signalpost.delivery.outbox import forks
from signalpost.delivery.outbox.book import READING, Amend
from signalpost.delivery.outbox.commands import (
    Cancel,
    Command,
    Damaged,
    Expire,
    Lease,
    PassOn,
    Put,
    Revive,
    SetAside,
    Settle,
    SettleAndLease,
)
from signalpost.delivery.outbox.files import gone, opened_files, warn_of_network
from signalpost.delivery.outbox.lock import FileLock, is_held, lock_of, writer_of
from signalpost.delivery.outbox.migration import opened_to_write
from signalpost.delivery.outbox.sqlite_file import advice, begin, claim, code_of, refuse_hard_link, remember_place
from signalpost.delivery.outbox.transaction import (
    OF_A_COMMAND,
    Arrival,
    Owner,
    Transaction,
    arrived_since,
    owner_in,
    save_owner,
)
from signalpost.delivery.outbox.verbs import execute
from signalpost.errors import CommandFailed, OwnershipLost, StoreFailed, StoreUnusable
from signalpost.telemetry.log_queue import log_failure

_OWNERS = (Lease, Settle, SettleAndLease, PassOn, Expire, SetAside)
"""Commands for the owner only: they concern deliveries that are being sent, or end waiting ones."""
_EVERYBODYS = (*READING, Put, Amend, Cancel, Revive)
"""Commands that a former owner may still use. The rest, such as saving a window, is its successor's now."""


class SqliteCore:
    """A core in the file at `path`, which is made if there is none, for its user alone to read.

    With `owns` it is the owner's: it raises StoreUnusable where another process is that. Without, it goes beside an
    owner, or without one. None is to own the file where nobody else does. Raises StoreUnusable where the file cannot be
    used. All that stands beside the file (log, lock, heartbeat, wake-up socket) is beside its real place, where
    `path` is a link.
    """

    def __init__(self, path: str | Path, *, owns: bool | None = True) -> None:
        forks.close_inherited()
        self._path = Path(path)
        claimed = claim(self._path)
        warn_of_network(self._path)
        real = Path(os.path.realpath(self._path))
        self.lock_path = lock_of(real)
        self.beat_path = real.with_suffix(".beat")
        self.bell_path = real.with_suffix(".bell")
        self._shm = real.with_name(f"{real.name}-shm")
        self._lock: FileLock | None = None
        self.is_deposed = False
        """True if another process has taken over, until `disown`."""
        self._arrivals: tuple[Arrival, ...] | None = None
        self._damaged: tuple[Damaged, ...] = ()
        self._turn = Lock()
        self._is_abandoned = False
        refuse_hard_link(self._path, real)
        self._db = opened_to_write(self._path, self.lock_path)
        try:
            remember_place(self._db, real)
            self._tx = Transaction(self._db)
            self._version = self._data_version()
            self.owner = owner_in(self._tx)
            self._seen = self._tx.last_number
            self._files = opened_files(self._path, claimed)
            if owns is not False:
                self._own_if_free(must=owns is True)
        except BaseException:
            self._db.close()
            self._let_go()
            raise
        forks.register(self)

    @property
    def holder(self) -> str | None:
        """The owner's word in the lock file if this core is the owner, otherwise None."""
        return None if self._lock is None else self._lock.holder

    @property
    def has_live_owner(self) -> bool:
        """True if the process whose epoch stands in the store is alive, this one included; it may be frozen."""
        return is_held(self.lock_path, self.owner.epoch)

    def own(self, *, over_a_live_one: bool = False) -> str | None:
        """Become the owner if there is none, and return `holder`.

        With `over_a_live_one` also where the owner is alive, because it does not respond. Raises StoreUnusable where a
        lock cannot be made, and StoreFailed where the files are not there any more, or cannot be written.
        """
        if self._lock is None:
            self.see_that_it_is_there()
            self.look()
            if over_a_live_one or not self.has_live_owner:
                self._lock = FileLock.acquire(self.lock_path, self.owner.epoch + 1)
                if self._lock is not None and not self._has_begun_epoch(self._lock):
                    self.disown()
        return self.holder

    def disown(self) -> None:
        """Let another process be the owner. Call this only while no leased delivery is being sent."""
        self._let_go()
        self._lock = None
        self.is_deposed = False

    def apply(self, batch: Sequence[Command[Any]]) -> list[Any]:
        """Execute the commands as `_apply` does, and then set aside the damaged rows that they found."""
        answers = self._apply(batch)
        if self._tx.guard.suspects:
            self._set_aside()
        return answers

    def _set_aside(self) -> None:
        """In a transaction of its own, because what is damaged must not fail what is not; the owner does it."""
        try:
            if self._lock is not None:
                (found,) = self._apply([SetAside()])
                self._damaged += found
        except Exception as fault:  # noqa: BLE001  # the next command that reads such a row finds it again
            log_failure("damaged rows could not be set aside", fault)
        self._tx.guard.suspects.clear()

    def _apply(self, batch: Sequence[Command[Any]]) -> list[Any]:
        """Execute the commands, and sync them to the disk.

        Raises StoreFailed where the disk is full, the file is locked by another program, damaged, removed or replaced:
        nothing of the batch has happened then, and a later one may succeed. Raises CommandFailed if one of the commands
        holds a value that SQLite refuses, OwnershipLost for a command of the owner after another process took over, and
        TypeError where this core never was the owner.
        """
        with self._turn:
            self._check(batch)
            try:
                begin(self._db, writes=not all(isinstance(command, READING) for command in batch))
                self._meet_others()
                self._check_epoch(batch)
                answers = execute(self._tx, batch)
                last = self._tx.last_number
                self.see_that_it_is_there()  # as late as can be: what is committed elsewhere would be lost
                self._db.execute("COMMIT")
            except OF_A_COMMAND as fault:
                self._roll_back()
                raise CommandFailed(f"{self._path}: a command could not be carried out ({fault})") from fault
            except sqlite3.Error as fault:
                self._roll_back()
                raise self._failure(fault) from fault
            except (OSError, MemoryError) as fault:
                self._roll_back()
                why = getattr(fault, "strerror", None) or type(fault).__name__
                raise StoreFailed(f"could not write to {self._path} ({why}). Nothing was saved: try again") from fault
            except BaseException:
                self._roll_back()
                raise
            self._seen = last
            return answers

    def look(self) -> None:
        """Find out whether others have written. Raises StoreFailed."""
        try:
            with self._turn:
                is_news = not self._is_abandoned and self._data_version() != self._version
        except sqlite3.Error as fault:
            text = f"{self._path}: cannot read it ({fault}): {advice(fault)}"
            raise StoreFailed(text, code=code_of(fault), field="path", value=str(self._path)) from fault
        if is_news:
            self.apply([])

    def try_to_write(self) -> None:
        """Find out whether this process could write now, and change nothing. Raises StoreFailed."""
        try:
            with self._turn:
                begin(self._db, writes=True)
                self._db.execute("ROLLBACK")
        except sqlite3.Error as fault:
            raise self._failure(fault) from fault

    def see_that_it_is_there(self) -> None:
        """Raises StoreFailed where a file that is open was removed or replaced since, or the owner's lock was."""
        if (path := gone(self._files)) is not None:
            raise StoreFailed(
                f"{path}: the file was removed or replaced while it was open: move it back; or stop this process, put "
                "a copy in its place, and start again",
                code="store-replaced",
                field="path",
                value=path,
            )
        if self._lock is not None and gone({str(self.lock_path): self._lock.identity}):
            raise StoreFailed(
                f"{self.lock_path}: the lock was removed or replaced while it was held, so that another process may "
                "be the owner: stop this process, and start it again",
                code="lock-replaced",
                field="path",
                value=str(self.lock_path),
            )

    def news(self) -> tuple[Arrival, ...] | None:
        """The deliveries that other processes put since the last call; None if they have written nothing."""
        arrivals, self._arrivals = self._arrivals, None
        return arrivals

    def damaged(self) -> tuple[Damaged, ...]:
        """The rows that were set aside, each only once."""
        found, self._damaged = self._damaged, ()
        return found

    def close(self) -> None:
        """Release the file. Repeated calls are fine."""
        self._db.close()
        self._let_go()

    def pause(self) -> None:
        """Wait until no batch is under way, and let none begin, because this process forks."""
        self._turn.acquire()

    def resume(self) -> None:
        """Go on."""
        self._turn.release()

    def abandon(self) -> None:
        """In a child made by `fork`: leave the file to the parent."""
        self._is_abandoned = True
        self._let_go()

    def _check(self, batch: Sequence[Command[Any]]) -> None:
        if self._is_abandoned:
            text = f"{self._path}: it was opened before this process was forked: open it anew"
            raise StoreFailed(text, code="opened-before-fork", field="path", value=str(self._path))
        if self._lock is None:
            for command in batch:
                if isinstance(command, _OWNERS):
                    raise TypeError(f"only the owner of the outbox may run {type(command).__name__}")

    def _meet_others(self) -> None:
        """Drop what is remembered beside the file where others have written, and learn what they put."""
        if (version := self._data_version()) != self._version:
            self._tx.forget()
            last = self._tx.last_number
            since = self._seen if last >= self._seen else 0  # where the last ones were deleted, numbers begin anew
            arrived = arrived_since(self._tx, since)
            self._arrivals = (self._arrivals or ()) + arrived
            self._version, self._seen = version, last
            self.owner = owner_in(self._tx)

    def _check_epoch(self, batch: Sequence[Command[Any]]) -> None:
        """In each transaction, where `owner` is what stands in the store: it is read anew if others have written."""
        if self._lock is None or self.owner.epoch == self._lock.epoch:
            return
        self.is_deposed = True
        if any(not isinstance(command, _EVERYBODYS) for command in batch):
            raise OwnershipLost(
                f"Process {self.owner.process} delivers from {self._path} now, because this process did not respond.",
                field="pid",
                value=str(self.owner.process),
            )

    def _has_begun_epoch(self, lock: FileLock) -> bool:
        """Write this core's epoch into the store; False where another process was first."""
        try:
            with self._turn:
                begin(self._db, writes=True)
                self._meet_others()
                is_next = lock.epoch == self.owner.epoch + 1
                if is_next:
                    owner = Owner(lock.epoch, lock.holder, os.getpid())
                    save_owner(self._tx, owner)
                self._db.execute("COMMIT")
        except BaseException as fault:
            self._roll_back()
            self.disown()
            if isinstance(fault, sqlite3.Error):
                raise self._failure(fault) from fault
            raise
        if is_next:
            self.owner = owner
            lock.sign()
        return is_next

    def _own_if_free(self, *, must: bool) -> None:
        if self.own() is None and must:
            pid = self.owner.process
            raise StoreUnusable(
                f"{self._path}: process {pid} delivers from this store. Stop that process, or give this one a data "
                "folder of its own.",
                code="store-in-use",
                field="pid",
                value=str(pid),
            )

    def _failure(self, fault: sqlite3.Error) -> StoreFailed:
        """What a person reads, with the process that keeps all others from writing, if that is the fault."""
        text = f"{self._path}: it could not be written ({fault}): {advice(fault)}"
        if getattr(fault, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
            return StoreFailed(text, code=code_of(fault), field="path", value=str(self._path))
        pid = writer_of(self._shm)
        if pid is None:
            return StoreFailed(text, code="store-locked")
        text = f"{self._path}: process {pid} blocks all others from writing. Resume it if it is suspended, or end it."
        return StoreFailed(text, code="store-locked", field="pid", value=str(pid))

    def _data_version(self) -> int:
        version: int = self._db.execute("PRAGMA data_version").fetchone()[0]
        return version

    def _roll_back(self) -> None:
        self._tx.forget()
        with suppress(sqlite3.Error):  # after some errors SQLite has rolled back already, and this fails
            self._db.execute("ROLLBACK")

    def _let_go(self) -> None:
        if self._lock is not None:
            self._lock.release()

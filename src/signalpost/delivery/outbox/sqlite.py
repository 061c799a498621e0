"""An outbox in one SQLite file, durable at each commit.

What SQLite does. In WAL mode a commit appends the changed pages to `outbox.db-wal`. Each frame has a checksum that
continues the previous one, and the last frame is marked as a commit. With synchronous=FULL, SQLite syncs that file
before COMMIT returns (https://sqlite.org/pragma.html#pragma_synchronous). With NORMAL, the usual choice for WAL, it
does not, and a power cut loses the last commits. After about 4,000 pages a commit also copies the log into `outbox.db`
(a checkpoint): it syncs the log, writes the pages, syncs the database, and only then restarts the log. After a crash,
the next open reads the log up to its last complete commit (https://sqlite.org/wal.html).

What we rely on.
- A commit that returned survives kill -9 and a power cut. It costs one sync for each batch, of a file that grows.
- A batch that was cut off leaves nothing: its frames have no commit mark, or a wrong checksum. So a page torn within
  the log does no harm. A page torn within `outbox.db` does none either, because the log still has all of it.
- A failed sync fails the COMMIT, and the batch is rolled back. The next batch writes the same frames again, so it does
  not matter that Linux forgets dirty pages after a failed sync. A failed checkpoint does not fail the commit that
  started it: a later commit tries again, from the log.
- Several processes may write. SQLite lets one write at a time; the others wait for at most 2 seconds. One of them is
  the owner: its epoch is in the table `owner`. Only the owner may lease and settle, and each transaction checks the
  epoch. `outbox.db.lock` is the fast path: the owner holds it while it has the file open, and the kernel frees it
  however the owner ends. A frozen owner keeps the lock, but loses the epoch (`ownership`). A batch that only reads
  waits for nobody, like a read with the sqlite3 tool.
- `PRAGMA data_version` changes when another connection has committed, and only then
  (https://sqlite.org/pragma.html#pragma_data_version). Each transaction reads it first, in the same snapshot as the
  rest. If it has changed, the values cached in memory are dropped.
- A file that was removed or replaced still works for a process that has it open, but its writes are lost in the end. So
  the paths are checked before each COMMIT (`files.gone`), and a batch fails if one leads to another file.

What is unknown.
- Whether a COMMIT whose sync failed is on the disk nevertheless. It was reported as failed, but a crash at that very
  moment may restore it. Then a retry finds its key, and gets the same id.
- Whether the disk really syncs. Some do not. Network file systems often do not, so we warn about those.
- Damage by the disk itself: the database's pages have no checksum. A small file is checked completely when it is
  opened. In a large one, damage is found when it is read.

What follows. A batch is one transaction, answered after COMMIT. A failed batch is rolled back, and all cached values
are dropped. A long read delays checkpoints and makes the log grow, so reads end within their command. A lock file that
nobody holds needs no cleaning up. It is never deleted, because then two processes could hold it.
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
from signalpost.delivery.outbox.sqlite_file import begin, claim, failure, refuse_hard_link, remember_place
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

_OWNERS: frozenset[type] = frozenset({Lease, Settle, SettleAndLease, PassOn, Expire, SetAside})
"""Commands for the owner only: they concern deliveries that are being sent, or end waiting ones."""
_EVERYBODYS = READING | {Put, Amend, Cancel, Revive}
"""Commands that a former owner may still use. The rest, such as saving facts, is only for its successor."""


class SqliteCore:
    """A core in the file at `path`. A new file is readable for its user only.

    `owns=True` makes this core the owner, False leaves that to other processes, and None makes it the owner if there is
    no other. Raises StoreUnusable if the file cannot be used, or if another process is the owner and `owns` is True. If
    `path` is a link, the other files (log, lock, heartbeat, wake-up socket) are next to its target.
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
        self._has_met_others = False
        """True if a batch has read what others had written, since the last call of `news`."""
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
        """True if the process whose epoch is in the store is alive, this one included; it may be frozen."""
        return is_held(self.lock_path, self.owner.epoch)

    def own(self, *, over_a_live_one: bool = False) -> str | None:
        """Become the owner if there is none, and return `holder`.

        With `over_a_live_one`, replace an owner that is alive but does not respond. Raises StoreUnusable if a lock
        cannot be created, and StoreFailed if the files are gone or cannot be written.
        """
        if self._lock is None:
            self.check_in_place()
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
        """If this is the owner, set damaged rows aside, in a separate transaction: they must fail no other command."""
        try:
            if self._lock is not None:
                (found,) = self._apply([SetAside()])
                self._damaged += found
        except Exception as fault:  # noqa: BLE001  # the next command that reads such a row finds it again
            log_failure("damaged rows could not be set aside", fault)
        self._tx.guard.suspects.clear()

    def _apply(self, batch: Sequence[Command[Any]]) -> list[Any]:
        """Execute the commands, and sync them to the disk.

        Raises StoreFailed if the disk is full, or if the file is locked by another program, damaged, removed or
        replaced: nothing of the batch has happened then, and a later one may succeed. Raises CommandFailed if a command
        has a value that SQLite refuses. For an owner's command, raises OwnershipLost if another process has taken over,
        and TypeError if this core never was the owner.
        """
        kinds = set(map(type, batch))
        with self._turn:
            self._check(kinds)
            try:
                begin(self._db, writes=not kinds <= READING)
                self._meet_others()
                self._check_epoch(kinds)
                answers = execute(self._tx, batch)
                last = self._tx.last_number
                self.check_in_place()  # as late as possible: a commit to a replaced file would be lost
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
        """Read what other processes have written, if anything. Raises StoreFailed."""
        try:
            with self._turn:
                is_news = not self._is_abandoned and self._data_version() != self._version
        except sqlite3.Error as fault:
            raise failure(StoreFailed, self._path, "cannot read it", fault) from fault
        if is_news:
            self.apply([])

    def try_to_write(self) -> None:
        """Check that this process can write now, without writing. Raises StoreFailed."""
        try:
            with self._turn:
                begin(self._db, writes=True)
                self._db.execute("ROLLBACK")
        except sqlite3.Error as fault:
            raise self._failure(fault) from fault

    def check_in_place(self) -> None:
        """Raise StoreFailed if an open file, or the owner's lock file, was removed or replaced."""
        if (path := gone(self._files)) is not None:
            raise StoreFailed(
                f"{path}: the file was removed or replaced while it was open: move it back; or stop this process, put "
                "a copy in its place, and start again",
                code="store-replaced",
                field="path",
                value=path,
            )
        if self._lock is not None and not self._lock.is_in_place:
            raise StoreFailed(
                f"{self.lock_path}: the lock was removed or replaced while it was held, so another process may be "
                "the owner: stop this process, and start it again",
                code="lock-replaced",
                field="path",
                value=str(self.lock_path),
            )

    def news(self) -> tuple[Arrival, ...] | None:
        """The deliveries that other processes put since the last call; None if they have written nothing."""
        if not self._has_met_others:
            with suppress(StoreFailed):  # the next command reports it
                self.look()
        arrivals, self._arrivals, self._has_met_others = self._arrivals, None, False
        return arrivals

    def damaged(self) -> tuple[Damaged, ...] | None:
        """The rows that were set aside since the last call; None if there are none."""
        found, self._damaged = self._damaged, ()
        return found or None

    def close(self) -> None:
        """Release the file. Repeated calls are fine."""
        self._db.close()
        self._let_go()

    def pause(self) -> None:
        """Wait for the current batch, and start no other until `resume`, because this process forks."""
        self._turn.acquire()

    def resume(self) -> None:
        """Allow batches again, after `pause`."""
        self._turn.release()

    def abandon(self) -> None:
        """In a child made by `fork`: leave the file to the parent."""
        self._is_abandoned = True
        self._let_go()

    def _check(self, kinds: set[type]) -> None:
        if self._is_abandoned:
            text = f"{self._path}: it was opened before this process was forked: open it again"
            raise StoreFailed(text, code="opened-before-fork", field="path", value=str(self._path))
        if self._lock is None and (found := kinds & _OWNERS):
            raise TypeError(f"only the owner of the outbox may run {found.pop().__name__}")

    def _meet_others(self) -> None:
        """If others have written, drop all cached values, and note the deliveries that they added."""
        self._has_met_others = True
        if (version := self._data_version()) != self._version:
            self._tx.forget()
            last = self._tx.last_number
            since = self._seen if last >= self._seen else 0  # numbers restart if the last rows were deleted
            arrived = arrived_since(self._tx, since)
            self._arrivals = (self._arrivals or ()) + arrived
            self._version, self._seen = version, last
            self.owner = owner_in(self._tx)

    def _check_epoch(self, kinds: set[type]) -> None:
        """Check the epoch within a transaction: `owner` is then as in the store, because `_meet_others` has read it."""
        if self._lock is None or self.owner.epoch == self._lock.epoch:
            return
        self.is_deposed = True
        if not kinds <= _EVERYBODYS:
            raise OwnershipLost(
                f"Process {self.owner.process} delivers from {self._path} now, because this process did not respond.",
                field="pid",
                value=str(self.owner.process),
            )

    def _has_begun_epoch(self, lock: FileLock) -> bool:
        """Write this core's epoch into the store; False if another process was first."""
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
        """The error for `fault`. If another process blocks all writing, it names that process."""
        is_locked = getattr(fault, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
        pid = writer_of(self._shm) if is_locked else None
        if pid is None:
            return failure(StoreFailed, self._path, "it could not be written", fault)
        text = f"{self._path}: process {pid} blocks all others from writing. Resume it if it is suspended, or end it."
        return StoreFailed(text, code="store-locked", field="pid", value=str(pid))

    def _data_version(self) -> int:
        version: int = self._db.execute("PRAGMA data_version").fetchone()[0]
        return version

    def _roll_back(self) -> None:
        self._tx.forget()
        with suppress(sqlite3.Error):  # after some errors SQLite has already rolled back, and this fails
            self._db.execute("ROLLBACK")

    def _let_go(self) -> None:
        if self._lock is not None:
            self._lock.release()

"""Opens an outbox's SQLite file, or reports why it cannot be used, and what to do."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

from signalpost.delivery.outbox import sql
from signalpost.delivery.outbox.files import Identity, identity, open_regular
from signalpost.delivery.outbox.schema import APPLICATION_ID, VERSION
from signalpost.errors import StoreFailed, StoreUnusable

Unavailable = TypeVar("Unavailable", StoreFailed, StoreUnusable)

SECONDS_FOR_OTHERS = 2.0
"""How long a command waits for another program, such as the sqlite3 tool, that holds the file locked."""

_TRY_EVERY = 0.001
"""Seconds. SQLite itself waits longer after each try, so the process that has waited longest would come last. Beside a
busy process, a single writer waited 0.5 s with SQLite's waits, and 0.05 s with this one (99th percentiles)."""

CHECKED_UP_TO = 64 * 1024 * 1024
"""Bytes. A file of up to this size is checked when it is opened, which takes some tenths of a second at most."""

PAGES_A_CHECKPOINT = 4_000
"""Pages of the log (16 MB) from one checkpoint to the next: four times SQLite's default, because under load each page
is then copied less often."""

_FULL = 2


def claim(path: Path) -> Identity:
    """Create the file, for its owner only, if it is missing, check that it is writable, and return its identity.

    Raises StoreUnusable, with more detail than SQLite's own error.
    """
    try:
        file = open_regular(path, os.O_RDWR | os.O_CREAT)
    except IsADirectoryError as fault:
        raise _a_folder(path) from fault
    except (FileNotFoundError, NotADirectoryError) as fault:
        raise StoreUnusable(
            f"{path}: there is no folder {path.parent}: create it, or use another path",
            code="no-such-folder",
            field="path",
            value=str(path.parent),
        ) from fault
    except OSError as fault:
        if not fault.errno:
            raise _not_a_file(path) from fault
        advice = "give this process write access to the file and its folder, or use another path"
        raise StoreUnusable(
            f"{path}: cannot open it for writing ({fault.strerror}): {advice}",
            code="not-writable",
            value=str(path),
        ) from fault
    try:
        found = os.fstat(file)
    finally:
        os.close(file)
    return found.st_dev, found.st_ino


def opened(path: Path) -> sqlite3.Connection:
    """Connect to the file at `path`, which exists and may be empty or of an older version.

    Raises StoreUnusable.
    """
    try:
        db = sqlite3.connect(path, timeout=SECONDS_FOR_OTHERS, isolation_level=None, check_same_thread=False)
        try:
            check_owner(path, db)
            _make_durable(path, db)
            _check_pages(path, db)
            db.execute("PRAGMA busy_timeout=0")  # from now on `begin` waits
        except BaseException:
            db.close()
            raise
    except sqlite3.Error as fault:
        raise failure(StoreUnusable, path, "cannot use it as an outbox", fault) from fault
    return db


def opened_to_read(path: Path) -> sqlite3.Connection:
    """Connect to the outbox at `path` for reading only. Raises StoreUnusable if it is missing or unreadable."""
    check_there(path)
    refuse_hard_link(path, path.resolve())
    try:
        db = connected_to_read(path.resolve())
        try:
            check_made(path, db)
        except BaseException:
            db.close()
            raise
    except sqlite3.Error as fault:
        raise failure(StoreUnusable, path, "cannot read it", fault) from fault
    return db


def connected_to_read(path: Path) -> sqlite3.Connection:
    """A connection that cannot change the file at `path`, which is absolute. Raises sqlite3.Error."""
    uri = f"{path.as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=SECONDS_FOR_OTHERS, isolation_level=None)


def begin(db: sqlite3.Connection, *, writes: bool) -> None:
    """Begin a transaction; with `writes` as soon as no other process writes.

    Raises sqlite3.OperationalError if that takes too long.
    """
    if not writes:
        db.execute("BEGIN")
        return
    for _ in range(int(SECONDS_FOR_OTHERS / _TRY_EVERY)):
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as fault:
            if fault.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            _NEVER.wait(_TRY_EVERY)
        else:
            return
    db.execute("BEGIN IMMEDIATE")


_NEVER = Event()


def sync_to_disk(path: Path) -> None:
    """Sync a file, or the names in a folder, to the disk. Raises OSError."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def check_there(path: Path) -> None:
    """Check that the file exists. Raises StoreUnusable."""
    if not is_there(path):
        raise _none_yet(path)


def is_there(path: Path) -> bool:
    """True if the file exists. Raises StoreUnusable if it is not a regular file, or its folder is not accessible."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as fault:  # the folder is another user's, or the name is too long
        advice = "give this process permission to enter the folder, or set SIGNALPOST_HOME to another one"
        raise StoreUnusable(
            f"cannot access {path} ({fault.strerror}): {advice}",
            code="not-readable",
            field="path",
            value=str(path),
        ) from fault
    if stat.S_ISDIR(mode):
        raise _a_folder(path)
    if not stat.S_ISREG(mode):
        raise _not_a_file(path)
    return True


def _a_folder(path: Path) -> StoreUnusable:
    text = f"{path}: this is a folder, not an outbox file: move it away, or set SIGNALPOST_HOME to another place"
    return StoreUnusable(text, code="is-a-folder", field="path", value=str(path))


def _none_yet(path: Path) -> StoreUnusable:
    text = f"{path}: there is no outbox here yet: the first run of the service creates it"
    return StoreUnusable(text, code="no-store-yet", field="path", value=str(path))


def _not_a_file(path: Path) -> StoreUnusable:
    text = f"{path}: this is a pipe, a device or a socket, not a file: move it away, or set SIGNALPOST_HOME"
    return StoreUnusable(text, code="not-a-file", value=str(path))


def check_made(path: Path, db: sqlite3.Connection) -> None:
    """Check that the tables exist (a first start creates them) and are ours. Raises StoreUnusable."""
    if check_owner(path, db):
        raise _none_yet(path)


def check_owner(path: Path, db: sqlite3.Connection) -> bool:
    """Check that the tables are ours and of a known version. Returns True if there are none yet.

    Raises StoreUnusable.
    """
    db.execute("BEGIN")  # a consistent view: another process may be creating the tables
    application, version = _pragma(db, "application_id"), _pragma(db, "user_version")
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    db.execute("COMMIT")
    is_empty = (application, version, tables) == (0, 0, 0)
    if application != APPLICATION_ID and not is_empty:
        text = f"{path}: this is the database of another application: use another file"
        raise StoreUnusable(text, code="foreign-database", field="path", value=str(path))
    if version > VERSION:
        raise StoreUnusable(
            f"{path}: it was written by a newer signalpost (its tables have version {version}, this one "
            f"supports {VERSION}): upgrade signalpost, or use another file",
            code="newer-version",
            field="version",
            value=str(version),
            limit=str(VERSION),
        )
    return is_empty


def _make_durable(path: Path, db: sqlite3.Connection) -> None:
    mode = _pragma(db, "journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute(f"PRAGMA wal_autocheckpoint={PAGES_A_CHECKPOINT}")
    if (mode, synchronous := _pragma(db, "synchronous")) != ("wal", _FULL):
        raise StoreUnusable(
            f"{path}: SQLite does not keep a write-ahead log here, or does not sync it (journal_mode={mode}, "
            f"synchronous={synchronous}): use a path on a local disk",
            code="not-durable",
            field="path",
            value=str(path),
        )


def _check_pages(path: Path, db: sqlite3.Connection) -> None:
    if path.stat().st_size <= CHECKED_UP_TO:
        with closing(db.execute("PRAGMA quick_check(1)")) as report:
            (finding,) = report.fetchone()
        if finding != "ok":
            text = f"{path}: the file is damaged ({finding}): {_RESCUE}"
            raise StoreUnusable(text, code="damaged", field="path", value=str(path))


_RESCUE = "restore a copy, or move it away and rescue the rest with `sqlite3 FILE .recover`"


def advice(fault: sqlite3.Error) -> str:
    """Advice for a person about an error of SQLite."""
    return _ADVICE.get(_kind(fault), "check the disk, its permissions and its free space")


def failure(kind: type[Unavailable], path: Path, what: str, fault: sqlite3.Error) -> Unavailable:
    """The error for a person, with what could not be done with the file at `path`, why, and what to do."""
    text = f"{path}: {what} ({fault}): {advice(fault)}"
    return kind(text, code=_CODES.get(_kind(fault)), field="path", value=str(path))


def _kind(fault: sqlite3.Error) -> int:
    return getattr(fault, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


_ADVICE = {
    sqlite3.SQLITE_FULL: "free space on the disk",
    sqlite3.SQLITE_BUSY: "end the transaction of the other program, such as an open sqlite3 tool",
    sqlite3.SQLITE_CORRUPT: _RESCUE,
    sqlite3.SQLITE_NOTADB: "it is not an SQLite database, or it is damaged: use another file, or restore a copy",
    sqlite3.SQLITE_READONLY: "give this process write access to the file and its folder",
}
_CODES = {
    sqlite3.SQLITE_FULL: "disk-full",
    sqlite3.SQLITE_BUSY: "store-locked",
    sqlite3.SQLITE_CORRUPT: "damaged",
    sqlite3.SQLITE_NOTADB: "not-a-database",
    sqlite3.SQLITE_READONLY: "not-writable",
}


def _pragma(db: sqlite3.Connection, name: str) -> Any:
    return db.execute(f"PRAGMA {name}").fetchone()[0]


_PLACE = "place"


def refuse_hard_link(path: Path, real: Path) -> None:
    """Raise StoreUnusable if the file at `real` is another name of a store that belongs elsewhere.

    SQLite keeps its log next to the path by which it was opened, and signalpost keeps its lock there too. Two names of
    one file would have two logs and two owners, and each would overwrite the other's commits. So the store remembers
    its own path. As long as this file is found there, every other name is a hard link made by `cp -al` or `ln`, and is
    refused. A store that was moved is not found at its old path, and remembers the new one.

    Only reads: the log of the other name could overwrite later commits of the original.
    """
    try:
        names = real.stat().st_nlink
    except OSError as fault:  # such as a parent folder that only the working directory leads through
        raise StoreUnusable(
            f"{path}: cannot access {real} ({fault.strerror}): let this process enter its folders",
            code="not-readable",
            field="path",
            value=str(real),
        ) from fault
    if names == 1:
        return
    place = _remembered(real)
    if place is not None and place != os.fsencode(real) and identity(place) == identity(str(real)):
        original = os.fsdecode(place)
        raise StoreUnusable(
            f"{path}: this file is a hard link to the store at {original}. Two folders must not share a store, or "
            "messages are lost. Use that folder, or copy the store with `signalpost backup`.",
            code="hard-link",
            field="path",
            value=original,
        )


def remember_place(db: sqlite3.Connection, real: Path) -> None:
    """Save the store's path, in the main file too, so that a copy without the log contains it."""
    place = os.fsencode(real)  # not text: a path may be any bytes
    if (place,) != db.execute(sql.META_IN_BYTES, (_PLACE,)).fetchone():
        begin(db, writes=True)
        db.execute(sql.SAVE_META, (_PLACE, place))
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()


def _remembered(real: Path) -> bytes | None:
    try:
        with closing(connected_to_read(real)) as db:
            found = db.execute(sql.META_IN_BYTES, (_PLACE,)).fetchone()
    except sqlite3.Error:  # no tables yet, or not a store: opening it reports which
        return None
    place: bytes | None = None if found is None else found[0]
    return None if place is None or b"\0" in place else place  # a damaged path is ignored

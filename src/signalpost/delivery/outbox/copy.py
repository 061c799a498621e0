"""Copies an outbox's file while a service may be writing it.

SQLite's backup API copies the pages (https://sqlite.org/backup.html). If another connection writes
between two steps, the copy starts again. So a read transaction is kept open: in WAL mode it sees one snapshot while the
writer continues. The copy shows the outbox as it was when the copy began, however long it takes. The cost of the long
read: the writer's log cannot be reset meanwhile, and grows.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from signalpost.delivery.outbox.files import remove_copy
from signalpost.delivery.outbox.sqlite_file import (
    check_made,
    check_there,
    connected_to_read,
    failure,
    refuse_hard_link,
    sync_to_disk,
)
from signalpost.errors import InvalidValue, StoreFailed

PAGES_A_STEP = 2_000
"""8 MB: large enough that steps cost nothing, small enough to show progress."""


class Copied(NamedTuple):
    """The content of a copy."""

    size: int
    """Bytes."""
    notifications: int
    deliveries: int
    open: int
    """Deliveries that are pending or leased: a service that runs on the copy sends them."""


def copy(store: Path, to: Path, *, progress: Callable[[int, int], None], overwrite: bool = False) -> Copied:
    """Copy the outbox at `store` to the file `to`, readable by its owner only, check it, and sync it to the disk.

    `to` is complete or absent. `progress` gets the number of copied pages and of all pages. Raises
    InvalidValue if `to` cannot be written, or exists and `overwrite` is not set; StoreUnusable if there is no outbox;
    and StoreFailed if the copy is damaged or the outbox cannot be read.
    """
    check_there(store)
    refuse_hard_link(store, store.resolve())
    partial = to.with_name(f".signalpost-{os.getpid()}.partial")
    try:
        _check_target(store, to, overwrite=overwrite)
        os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as fault:
        raise _unwritable(to, fault) from fault
    try:
        copied = _filled(store, partial, progress)
        _put_in_place(partial, to, overwrite=overwrite)
    except OSError as fault:
        raise _unwritable(to, fault) from fault
    finally:
        remove_copy(partial)
    return copied


def _check_target(store: Path, to: Path, *, overwrite: bool) -> None:
    if to.is_dir():
        raise _refused(to, "is-a-folder", f"this is a folder: use a file in it, such as {to / 'copy.db'}")
    if to.exists() and not to.is_file():  # a device or a pipe: the copy would replace it for every program
        raise _refused(to, "not-a-file", "this is not a regular file: use another file")
    if to.exists() and to.samefile(store):
        raise _refused(to, "same-file", "this is the outbox itself: use another file")
    if _is_in_use(store, to):
        text = "this is a file of a data folder, and a copy would break it: use a file in another folder"
        raise _refused(to, "in-a-data-folder", text)
    if to.exists() and not overwrite:
        raise _refused(to, "already-there", "already exists: use another file, or --force to replace it")


def _refused(to: Path, code: str, text: str) -> InvalidValue:
    return InvalidValue(f"{to}: {text}", code=code, field="path", value=str(to))


def _is_in_use(store: Path, to: Path) -> bool:
    """True if `to` is, or would become, a file of an outbox or its service: by its name, by a link, or by both."""
    real = store.resolve()
    folders = {store.parent.resolve(), real.parent}
    for each in {to.parent.resolve() / to.name, to.resolve()}:
        name = each.name.casefold()
        if name in _COMPANIONS or name in {f"{real.name}{end}".casefold() for end in _ENDS}:
            return True
        is_data_folder = each.parent in folders or any((each.parent / kept).exists() for kept in _COMPANIONS)
        if is_data_folder and name.startswith((*_BEGINNINGS, real.name.casefold())):
            return True
    return to.exists() and any(
        kept.name.startswith((*_BEGINNINGS, real.name)) and kept.exists() and to.samefile(kept)
        for folder in folders
        for kept in folder.iterdir()
    )


_ENDS = ("-wal", "-shm", "-journal", ".lock")
"""The endings of the files next to an SQLite file, and of our lock file."""
_COMPANIONS = (*(f"outbox.db{end}" for end in _ENDS), "outbox.beat", "outbox.bell", "outbox.health", "tokens.json")
"""The files next to the outbox in a data folder. A folder without any of them may hold a copy named `outbox.db`."""
_BEGINNINGS = ("outbox.", "tokens.json")


def _filled(store: Path, partial: Path, progress: Callable[[int, int], None]) -> Copied:
    try:
        with (
            closing(connected_to_read(store.resolve())) as source,
            closing(sqlite3.connect(partial, isolation_level=None)) as target,
        ):
            check_made(store, source)
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # begins the snapshot
            source.backup(target, pages=PAGES_A_STEP, progress=lambda _, left, pages: progress(pages - left, pages))
            target.execute("PRAGMA journal_mode=DELETE")  # one file, without a log next to it
            (finding,) = target.execute("PRAGMA quick_check(1)").fetchone()
            if finding != "ok":
                found = " ".join(finding.split())
                text = f"{store}: its copy is damaged ({found}), and so is the store: keep your older copies"
                raise StoreFailed(text, code="damaged", field="path", value=str(store))
            return _counted(partial, target)
    except sqlite3.Error as fault:
        raise failure(StoreFailed, store, "cannot copy it", fault) from fault


def _counted(partial: Path, db: sqlite3.Connection) -> Copied:
    (notifications,) = db.execute("SELECT count(*) FROM notification").fetchone()
    deliveries, is_open = db.execute(
        "SELECT count(*), coalesce(sum(state IN ('pending', 'leased')), 0) FROM delivery"
    ).fetchone()
    return Copied(partial.stat().st_size, notifications, deliveries, is_open)


def _put_in_place(partial: Path, to: Path, *, overwrite: bool) -> None:
    sync_to_disk(partial)
    if not overwrite:  # a file created there meanwhile is not replaced
        os.close(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    partial.replace(to)
    sync_to_disk(to.parent)


def _unwritable(to: Path, fault: OSError) -> InvalidValue:
    text = f"cannot write the copy ({fault.strerror}): use a writable folder with enough free space"
    return _refused(to, "not-writable", text)

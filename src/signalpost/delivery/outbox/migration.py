"""Migrates an outbox's file to the current version of the tables, once, when the first process opens it to write.

All of it happens while this process alone may write: it looks again at the version, copies the file to `outbox.db.vN`
(N is the old version), and runs the missing steps in one transaction. A crash at any point leaves the old version, and
the next process migrates it: an unfinished copy is replaced, and so is a whole one, because the old version may have
written since. A file is not migrated while a process of the old version delivers from it, because that process would
not notice. See docs/why/0024-store-migrations.md.
"""

import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any

import msgspec

from signalpost.delivery.outbox import sql
from signalpost.delivery.outbox.files import remove_copy
from signalpost.delivery.outbox.lock import holder_of, is_held_by_older_version
from signalpost.delivery.outbox.schema import (
    ADDED_LATER,
    APPLICATION_ID,
    IS_COMPLETE,
    IS_THERE,
    MIGRATED_FROM,
    STEPS,
    VERSION,
)
from signalpost.delivery.outbox.sqlite_file import advice, begin, connected_to_read, opened, sync_to_disk
from signalpost.domain.identity import short_id
from signalpost.domain.instrument import Instrument
from signalpost.domain.notification import CLOSED, NEW, sequence_of
from signalpost.domain.order import OrderKind
from signalpost.errors import InvalidValue, StoreUnusable

TRIES_TO_WRITE = 30
"""How many times to wait SECONDS_FOR_OTHERS while another process migrates the same file."""
LOOKS_AT_AN_OWNER = 40
"""How many times to look, every 50 ms, whether an owner of the old version has ended."""

_LOOK_EVERY = 0.05
_EARLY = 2
"""A file of this version may lack what a later commit added to it."""
_NEVER = Event()
_ONE = 1
_ENDED = 2
"""The version of a trade that was closed by a notification of its own."""


def opened_to_write(path: Path, lock_path: Path) -> sqlite3.Connection:
    """A connection to the file at `path`, which exists and may be empty or of an older version.

    If it raises StoreUnusable, the file is unchanged.
    """
    db = opened(path)
    try:
        _migrate(path, db, lock_path)
        _complete(db)
        # From now on, what a savepoint may undo stays in memory. Not earlier: a migration may sort a million rows.
        db.execute("PRAGMA temp_store=MEMORY")
    except sqlite3.Error as fault:
        db.close()
        raise StoreUnusable(
            f"{path}: its tables could not be migrated to version {VERSION} ({fault}): "
            f"{advice(fault)}. Nothing was changed.",
            code="store-migration-failed",
        ) from fault
    except BaseException:
        db.close()
        raise
    return db


def _migrate(path: Path, db: sqlite3.Connection, lock: Path) -> None:
    looks = 0
    while _user_version(db) < VERSION:
        with _writing(db):
            version = _user_version(db)  # another process may have been first
            if version == VERSION:
                return
            if not version or not is_held_by_older_version(lock):
                if version:
                    _copy(Path(os.path.realpath(path)), version)
                _step(db, version)
                return
        looks += 1
        if looks > LOOKS_AT_AN_OWNER:
            raise _owner_of_the_old_version(path, lock, version)
        _NEVER.wait(_LOOK_EVERY)


def _complete(db: sqlite3.Connection) -> None:
    """Add what version 3 lacked at first."""
    for name, add in ADDED_LATER.items():
        if db.execute(IS_THERE, {"name": name}).fetchone() is None:
            with _writing(db):
                if db.execute(IS_THERE, {"name": name}).fetchone() is None:  # another process may have been first
                    _execute_all(db, add)


@contextmanager
def _writing(db: sqlite3.Connection) -> Iterator[None]:
    """A transaction in which no other process writes."""
    _begin(db)
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # after some errors SQLite has rolled back already, and this fails
            db.execute("ROLLBACK")
        raise


def _begin(db: sqlite3.Connection) -> None:
    for _ in range(TRIES_TO_WRITE):
        try:
            begin(db, writes=True)
        except sqlite3.OperationalError as fault:
            if fault.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
        else:
            return
    begin(db, writes=True)


def _step(db: sqlite3.Connection, version: int) -> None:
    is_early = version == _EARLY and db.execute(IS_COMPLETE).fetchone() is None
    for step in STEPS[version - is_early :]:
        _execute_all(db, step)
    if version:
        open_book(db)
        db.execute(sql.SAVE_META, (MIGRATED_FROM, version))
    db.execute(f"PRAGMA application_id={APPLICATION_ID}")
    db.execute(f"PRAGMA user_version={VERSION}")


def _execute_all(db: sqlite3.Connection, step: str) -> None:
    for statement in step.split(";\n"):
        db.execute(statement)


def _copy(path: Path, version: int) -> None:
    """Copy the file as it is now, with mode 600. The copy is whole and synced, or does not exist."""
    to = path.with_name(f"{path.name}.v{version}")
    partial = path.with_name(f"{to.name}.partial")
    try:
        remove_copy(partial)  # left by a process that crashed; no other can be copying now
        os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            _fill(path, partial)
            partial.replace(to)
            sync_to_disk(to.parent)
        except BaseException:
            remove_copy(partial)
            raise
    except (OSError, sqlite3.Error) as fault:
        reason = (fault.strerror or type(fault).__name__) if isinstance(fault, OSError) else str(fault)
        size = path.stat().st_size
        raise StoreUnusable(
            f"{path}: cannot upgrade its tables from version {version} to version {VERSION}, because the backup "
            f"{to.name} cannot be written ({reason}). Nothing was changed. Make sure that {path.parent} has {size:,} "
            "bytes free and that this process can write there, and start again.",
            code="store-copy-failed",
            field=str(to),
            limit=str(size),
        ) from fault


def _fill(path: Path, partial: Path) -> None:
    # Read by another connection: SQLite does not copy from one that is in a write transaction.
    with (
        closing(connected_to_read(path)) as source,
        closing(sqlite3.connect(partial, isolation_level=None)) as target,
    ):
        target.execute("PRAGMA synchronous=OFF")  # it is synced once, when it is whole
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")  # one file, without a log next to it
    sync_to_disk(partial)


def _owner_of_the_old_version(path: Path, lock: Path, version: int) -> StoreUnusable:
    pid = holder_of(lock).partition(" ")[0]
    return StoreUnusable(
        f"{path}: its tables have version {version}, and process {pid or 'unknown'} still delivers from it with an "
        f"older signalpost. Stop that process, then start this one: it migrates the tables to version {VERSION}.",
        code="store-in-use-by-older-version",
        field="pid",
        value=pid or None,
    )


def _user_version(db: sqlite3.Connection) -> int:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version


class _Payload(msgspec.Struct):
    kind: str = ""
    signal_id: str = ""
    pair: str = ""
    order: str = OrderKind.MARKET.value


class _Kept(msgspec.Struct):
    payload: _Payload = msgspec.field(default_factory=_Payload)
    event: str = ""
    user_tier: str = ""
    run: str | None = None


def open_book(db: sqlite3.Connection) -> None:
    """Add a trade for each kept new signal, with the cards that show it. Damaged signals are skipped."""
    db.executemany(sql.ADD_TRADE.replace("INSERT", "INSERT OR IGNORE"), _trades(db))
    db.execute(sql.CARDS_OF_BEFORE)


def _trades(db: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    decode = msgspec.json.Decoder(_Kept).decode
    hashes = dict(db.execute("SELECT key, content_hash FROM key WHERE key LIKE '% new'"))
    ended = {key for (key,) in db.execute("SELECT key FROM key WHERE key LIKE '% closed'")}
    counts: Counter[str | None] = Counter()
    for name, accepted_at, body in db.execute("SELECT id, accepted_at, body FROM notification ORDER BY number"):
        try:
            kept = decode(body)
            pair = str(Instrument(kept.payload.pair)) if kept.payload.kind == "signal" and kept.event == NEW else None
        except (msgspec.DecodeError, InvalidValue, TypeError, UnicodeError):
            continue
        if pair is None or type(accepted_at) is not int:
            continue
        signal = kept.payload
        sequence = sequence_of(signal.signal_id, kept.run)
        has_ended = f"{sequence} {CLOSED}" in ended
        state = "closed" if has_ended else "open" if signal.order == OrderKind.MARKET else "pending"
        counts[kept.run] += 1
        yield (
            sequence,
            kept.run,
            counts[kept.run],
            _ENDED if has_ended else _ONE,
            state,
            pair,
            short_id(signal.signal_id, kept.run),
            msgspec.json.encode([kept.user_tier]).decode(),
            name,
            hashes.get(f"{sequence} {NEW}", b""),
            accepted_at,
            *(None, None, None),
        )

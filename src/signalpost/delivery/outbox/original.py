"""Two folders must not share one store: a file with several names (hard links) is used by the first of them only.

SQLite keeps its log beside the name by which it was opened, and so do we with the lock. Two names of one file would
have two logs and two owners, and each would overwrite what the other committed. So the store remembers its own place:
as long as that leads to this file, every other name is a copy made by `cp -al` or `ln`, and is refused. A store that
was moved finds nothing at its old place, and remembers the new one.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from signalpost.delivery.outbox.sqlite_file import begin
from signalpost.delivery.outbox.still_there import identity
from signalpost.errors import StoreUnusable

_PLACE = "place"
_READ = f"SELECT CAST(value AS BLOB) FROM meta WHERE name = '{_PLACE}'"  # noqa: S608  # a constant


def be_the_original(path: Path, real: Path) -> None:
    """Raises StoreUnusable if the file at `real` is another name of a store that has its place elsewhere.

    It only reads: what a copy's own log holds would overwrite what the original has committed since.
    """
    try:
        names = real.stat().st_nlink
    except OSError as fault:  # such as a parent folder that only the working directory leads past
        raise StoreUnusable(
            f"{path}: it cannot be reached as {real} ({fault.strerror}): let this process enter its folders",
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
            f"{path}: this is a hard link to the store at {original}, not a store of its own: two folders on one store "
            "lose messages. Use that folder, or copy the store with `signalpost backup`.",
            code="hard-link",
            field="path",
            value=original,
        )


def remember_place(db: sqlite3.Connection, real: Path) -> None:
    """Have the store know where it is, and write that into the main file, where a copy without the log finds it."""
    place = os.fsencode(real)  # not text, because a name may be any bytes
    if (place,) != db.execute(_READ).fetchone():
        begin(db, writes=True)
        db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_PLACE, place))
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()


def _remembered(real: Path) -> bytes | None:
    try:
        uri = f"{real.as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as db:
            found = db.execute(_READ).fetchone()
    except sqlite3.Error:  # there are no tables yet, or it is no store at all: opening it tells
        return None
    place: bytes | None = None if found is None else found[0]
    return None if place is None or b"\0" in place else place  # a damaged one leads nowhere

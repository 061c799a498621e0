"""The owner that the store names: the fence of docs/why/0027-an-epoch-fences-the-owner.md."""

import sqlite3
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from signalpost import clock

_1970 = datetime(1970, 1, 1, tzinfo=UTC)


class Owner(NamedTuple):
    """The process that delivers."""

    epoch: int
    """One more with each owner; 0 if there was none yet."""
    holder: str
    process: int


def owner_in(db: sqlite3.Connection) -> Owner:
    """The owner that stands in the store."""
    return Owner(*db.execute("SELECT epoch, holder, pid FROM owner").fetchone())


def save_owner(db: sqlite3.Connection, owner: Owner) -> None:
    """Write a new owner, within the caller's transaction."""
    since = (clock.now() - _1970) // timedelta(microseconds=1)
    db.execute("UPDATE owner SET epoch = ?, holder = ?, pid = ?, since = ?", (*owner, since))

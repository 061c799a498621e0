"""The owner that the store names: the fence of docs/why/0027-an-epoch-fences-the-owner.md."""

import sqlite3
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from signalpost import clock

_1970 = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_EPOCHS = 2**53
"""Far below what a file's lock can count to, so that there is always a next one."""


class Owner(NamedTuple):
    """The process that delivers."""

    epoch: int
    """One more with each owner; 0 if there was none yet."""
    holder: str
    process: int


def owner_in(db: sqlite3.Connection) -> Owner:
    """The owner that stands in the store; none if that row is missing or damaged.

    Then the next process to own the store begins with epoch 1, and an owner that is alive finds itself deposed.
    """
    epoch, holder, pid = db.execute("SELECT epoch, CAST(holder AS BLOB), pid FROM owner").fetchone() or (None,) * 3
    if type(epoch) is not int or not 0 <= epoch < _MOST_EPOCHS:
        return Owner(0, "", 0)
    return Owner(epoch, (holder or b"").decode(errors="replace"), pid if type(pid) is int else 0)


def save_owner(db: sqlite3.Connection, owner: Owner) -> None:
    """Write a new owner, within the caller's transaction."""
    since = (clock.now() - _1970) // timedelta(microseconds=1)
    db.execute("INSERT OR REPLACE INTO owner (one, epoch, holder, pid, since) VALUES (1, ?, ?, ?, ?)", (*owner, since))

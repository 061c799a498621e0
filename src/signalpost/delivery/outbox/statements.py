"""The statements with which an outbox's rows are read and written in SQLite. Values are always parameters."""
# ruff: noqa: S608  # what is put together here are the constants of this file

from collections.abc import Sequence
from typing import Any

from signalpost.delivery.outbox.row_checks import LAST, is_text

COLUMNS = (
    "notification_id, destination, turn, number, event, sequence, state, priority, rank, valid_until, not_before,"
    " attempts, unanswered, may_repeat, reason, message_id"
)
LISTED = "(SELECT value FROM json_each(?))"
ONE = "WHERE notification_id = ? AND destination = ? AND turn = ?"
# The planner uses a partial index only where its condition stands in the query word for word; INDEXED BY makes it an
# error, and not a slow scan, should it ever think otherwise.
IN_LANE = "INDEXED BY lane WHERE state IN ('pending', 'leased') AND state ="

LANE = f"SELECT {COLUMNS} FROM delivery {IN_LANE} 'pending' AND destination = ? ORDER BY rank, number"
OVERDUE = (
    f"SELECT {COLUMNS} FROM delivery {IN_LANE} 'pending' AND"
    f" (valid_until <= ? OR valid_until > {LAST} OR typeof(valid_until) <> 'integer')"
    " ORDER BY destination, rank, number LIMIT ?"
)
NEXT_OVERDUE = f"SELECT min(valid_until) FROM delivery {IN_LANE} 'pending' AND typeof(valid_until) = 'integer'"
WAITING_BEYOND = f"SELECT {COLUMNS} FROM delivery {IN_LANE} 'pending' AND not_before > ?"
LENT = f"SELECT {COLUMNS} FROM delivery {IN_LANE} 'leased'"
# The two below go on with one value or with a list: a list costs more to begin, and less for each of many.
WAITING = f"SELECT {COLUMNS} FROM delivery INDEXED BY waiting WHERE state = 'pending' AND sequence"
ROW = f"SELECT {COLUMNS} FROM delivery {ONE}"
ADD = f"INSERT INTO delivery ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
MOVE = (
    "UPDATE delivery SET state = ?, priority = ?, rank = ?, not_before = ?, attempts = ?, unanswered = ?,"
    f" may_repeat = ?, reason = ?, message_id = ? {ONE}"
)
OLD = """
SELECT number, id, accepted_at, EXISTS (
  SELECT 1 FROM delivery WHERE notification_id = id AND state IN ('pending', 'leased')
) FROM notification ORDER BY number"""
# Far below what SQLite can count to: a damaged number must not take all that are left.
LAST_NUMBER = f"SELECT coalesce(max(number), 0) FROM notification WHERE number < {2**53}"
KEYS = "SELECT key, content_hash, notification_id, until FROM key WHERE key"
NEXT_KEYS = "SELECT key, until FROM key WHERE key > ? ORDER BY key LIMIT ?"
DELETE_KEY = "DELETE FROM key WHERE key = ?"
ADD_ATTEMPT = """
INSERT INTO attempt (notification_id, destination, turn, began_at, ended_at, outcome, detail, ordinal)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1 + coalesce(
  (SELECT max(ordinal) FROM attempt WHERE notification_id = ?1 AND destination = ?2 AND turn = ?3), 0))"""
ATTEMPTS = f"SELECT began_at, ended_at, outcome, detail FROM attempt {ONE} ORDER BY ordinal"
ADD_MESSAGE = """
INSERT INTO message (destination, message_id, sent_at, version, shows) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET shows = shows + excluded.shows, version = excluded.version"""
COUNT = "SELECT destination, state, count(*) FROM delivery GROUP BY destination, state"
COUNT_OPEN = (
    "SELECT destination, state, count(*) FROM delivery INDEXED BY lane WHERE state IN ('pending', 'leased')"
    " GROUP BY state, destination"
)

_GONE = f"FROM delivery WHERE notification_id IN {LISTED}"
COUNT_GONE = f"SELECT destination, state, count(*) {_GONE} GROUP BY destination, state"
MESSAGES_OF_GONE = (
    f"SELECT count(*), destination, message_id {_GONE} AND message_id IS NOT NULL GROUP BY destination, message_id"
)
SHOW_LESS = "UPDATE message SET shows = shows - ? WHERE destination = ? AND message_id = ?"
DELETE_MESSAGE = "DELETE FROM message WHERE destination = ? AND message_id = ? AND shows <= 0"
DELETE_ATTEMPTS = f"DELETE FROM attempt WHERE notification_id IN {LISTED}"
DELETE = f"DELETE {_GONE}"
DELETE_NOTIFICATION = "DELETE FROM notification WHERE number = ?"

# A state that is none of ours: only damage leads there, and no other index holds such a row.
LOST_STATE = (
    "state NOT IN ('pending', 'leased', 'delivered', 'unconfirmed', 'expired', 'superseded', 'suppressed',"
    " 'cancelled', 'dead')"
)
LOST = f"SELECT notification_id, destination, turn FROM delivery INDEXED BY lost WHERE {LOST_STATE}"

_LAST_FIRST = "ORDER BY notification_id DESC, destination DESC, turn DESC LIMIT ?"


def find(conditions: Sequence[str], *, only_open: bool, columns: str = COLUMNS) -> str:
    """A query for deliveries: back along the primary key, or over the index that holds only what is open."""
    source = "INDEXED BY lane WHERE state IN ('pending', 'leased')" if only_open else "WHERE true"
    where = "".join(f" AND {condition}" for condition in conditions)
    return f"SELECT {columns} FROM delivery {source}{where} {_LAST_FIRST}"


def same_row(key: Sequence[Any]) -> tuple[str, str, list[Any]]:
    """How to read one delivery, and end it for a reason, by its primary key, whatever is in that; and what to bind."""
    terms: list[str] = []
    bound: list[Any] = []
    for column, value in zip(("notification_id", "destination", "turn"), key, strict=True):
        is_damaged = isinstance(value, str) and not is_text(value)  # bytes that are not UTF-8, read as surrogates
        terms.append(f"{column} IS CAST(? AS TEXT)" if is_damaged else f"{column} IS ?")
        bound.append(value.encode(errors="surrogateescape") if is_damaged else value)
    where = " AND ".join(terms)
    read = f"SELECT {COLUMNS} FROM delivery WHERE {where}"
    return read, f"UPDATE delivery SET state = 'dead', reason = ? WHERE {where}", bound


def open_ones(*, in_a_lane: bool, of_notifications: bool) -> str:
    """A query for what is pending or leased: along the index that holds nothing else, or by the primary key."""
    lane = " AND destination = ?" if in_a_lane else ""
    if of_notifications:  # the + keeps the planner from walking the index instead, and sorting what it finds
        where = f"WHERE +state IN ('pending', 'leased'){lane} AND notification_id IN {LISTED}"
        return f"SELECT {COLUMNS} FROM delivery {where} ORDER BY notification_id, destination, turn LIMIT ?"
    where = f"INDEXED BY lane WHERE state IN ('pending', 'leased'){lane}"
    return f"SELECT {COLUMNS} FROM delivery {where} ORDER BY state, destination, rank, number LIMIT ?"

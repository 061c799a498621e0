"""Every statement with which an outbox's rows are read and written in SQLite. Values are always parameters."""
# ruff: noqa: S608  # what is put together here are the constants of this file

from collections.abc import Sequence

from signalpost.delivery.outbox.schema import DAMAGED_STATE, LAST
from signalpost.domain.notification import CHART, COMPANION

COLUMNS = (
    "notification_id, destination, turn, number, event, sequence, state, priority, rank, valid_until, not_before,"
    " attempts, unanswered, may_repeat, reason, message_id"
)
LISTED = "(SELECT value FROM json_each(?))"
ONE = "WHERE notification_id = ? AND destination = ? AND turn = ?"
# The planner uses a partial index only if the query has its condition word for word. With INDEXED BY, a query that
# does not match is an error instead of a slow scan.
IN_LANE = "INDEXED BY lane WHERE state IN ('pending', 'leased') AND state ="


def _lease(source: str) -> str:
    """The rows that may leave a lane at `:now`, in order, and those that have outlived their validity.

    `k` reads only its index, so rows that are put off are not read. A row whose `not_before` is damaged is found, so
    that it is set aside. `:held_out` are notifications that are known to be damaged or unreadable here: they hold up
    nothing.
    """
    columns = ", ".join(f"d.{column}" for column in COLUMNS.split(", "))
    return f"""
SELECT {columns}
FROM delivery AS k {source} AND k.destination = :lane
  AND (k.valid_until <= :now
    OR k.is_edit IN (:posts, :edits) AND (k.not_before IS NULL OR k.not_before NOT BETWEEN :now + 1 AND {LAST}))
  AND d.notification_id = k.notification_id AND d.destination = k.destination AND d.turn = k.turn
  AND (d.valid_until <= :now OR d.sequence NOT IN (SELECT value FROM json_each(:in_flight))
    AND NOT EXISTS (  -- an earlier one of its sequence waits
      SELECT 1 FROM delivery AS e INDEXED BY waiting
      WHERE e.state = 'pending' AND e.sequence = d.sequence AND e.destination = :lane
        AND e.number < d.number AND e.valid_until > :now
        AND e.notification_id NOT IN (SELECT value FROM json_each(:held_out))))
ORDER BY k.rank, k.number"""


LEASE = _lease(
    "INDEXED BY lane CROSS JOIN delivery AS d WHERE k.state IN ('pending', 'leased') AND k.state = 'pending'"
)
LEASE_EXPRESS = _lease("INDEXED BY express CROSS JOIN delivery AS d WHERE k.state = 'pending' AND k.priority >= 3")
COMPANIONS = (
    f"SELECT {COLUMNS} FROM delivery {IN_LANE} 'pending' AND destination = ?"
    f" AND sequence GLOB '*{COMPANION}' ORDER BY number"
)
NEXT_WAIT = (
    "SELECT min(not_before) FROM delivery INDEXED BY later WHERE state = 'pending' AND not_before IS NOT NULL"
    f" AND destination = :lane AND not_before BETWEEN :now + 1 AND {LAST}"
)
NEXT_EXPRESS_WAIT = f"{NEXT_WAIT} AND priority >= 3"
OVERDUE = (
    f"SELECT {COLUMNS} FROM delivery {IN_LANE} 'pending' AND"
    f" (valid_until <= ? OR valid_until > {LAST} OR typeof(valid_until) <> 'integer')"
    " ORDER BY destination, rank, number LIMIT ?"
)
NEXT_OVERDUE = f"SELECT min(valid_until) FROM delivery {IN_LANE} 'pending' AND typeof(valid_until) = 'integer'"
WAITING_BEYOND = f"SELECT {COLUMNS} FROM delivery {IN_LANE} 'pending' AND not_before > ?"
LEASED = f"SELECT {COLUMNS} FROM delivery {IN_LANE} 'leased'"
# This goes on with one value or with a list. A list costs more to begin with, and less for each value.
WAITING = f"SELECT {COLUMNS} FROM delivery INDEXED BY waiting WHERE state = 'pending' AND sequence"
ROW = f"SELECT {COLUMNS} FROM delivery {ONE}"
STATES_OF = "SELECT destination, state FROM delivery WHERE notification_id = ?"
ADD = f"INSERT INTO delivery ({COLUMNS}, is_edit) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
MARK_EDIT = f"UPDATE delivery SET is_edit = ? {ONE}"
MOVE = (
    "UPDATE delivery SET state = ?, priority = ?, rank = ?, not_before = ?, attempts = ?, unanswered = ?,"
    f" may_repeat = ?, reason = ?, message_id = ? {ONE}"
)
ADD_NOTIFICATION = "INSERT INTO notification (number, id, accepted_at, body) VALUES (?, ?, ?, ?)"
BODY = "SELECT body FROM notification WHERE number = ?"
ACCEPTED_AT = "SELECT accepted_at FROM notification WHERE number = ?"
OLD = """
SELECT number, id, accepted_at, EXISTS (
  SELECT 1 FROM delivery WHERE notification_id = id AND state IN ('pending', 'leased')
) FROM notification ORDER BY number"""
# The limit is far below the largest integer of SQLite, so that a damaged number does not use up the rest.
LAST_NUMBER = f"SELECT coalesce(max(number), 0) FROM notification WHERE number < {2**53}"
KEYS = "SELECT key, content_hash, notification_id, until FROM key WHERE key"
SAVE_KEY = "INSERT OR REPLACE INTO key VALUES (?, ?, ?, ?)"
NEXT_KEYS = "SELECT key, until FROM key WHERE key > ? ORDER BY key LIMIT ?"
DELETE_KEY = "DELETE FROM key WHERE key = ?"
ADD_ATTEMPT = """
INSERT INTO attempt (notification_id, destination, turn, began_at, ended_at, outcome, detail, ordinal)
VALUES (?, ?, ?, ?, ?, ?, ?, 1 + coalesce(
  (SELECT max(ordinal) FROM attempt WHERE notification_id = ? AND destination = ? AND turn = ?), 0))"""
ATTEMPTS = f"SELECT began_at, ended_at, outcome, detail FROM attempt {ONE} ORDER BY ordinal"
ADD_MESSAGE = """
INSERT INTO message (destination, message_id, sent_at, version, shows, channel, guild, webhook, digest, has_chart)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET shows = shows + excluded.shows, version = excluded.version, digest = excluded.digest,
  has_chart = excluded.has_chart,
  channel = coalesce(excluded.channel, channel), guild = coalesce(excluded.guild, guild)"""
STREAM = "SELECT stream, fingerprint, watermark, state FROM stream WHERE stream = ?"
SAVE_STREAM = "INSERT OR REPLACE INTO stream VALUES (?, ?, ?, ?)"
FACTS = "SELECT name, value FROM fact WHERE namespace = ? AND subject = ?"
FACTS_OF_ALL = "SELECT subject, value FROM fact WHERE namespace = ? AND name = ?"
SAVE_FACT = "INSERT OR REPLACE INTO fact VALUES (?, ?, ?, ?)"
FORGET_FACT = "DELETE FROM fact WHERE namespace = ? AND subject = ? AND name = ?"
HAS_NAMESPACES = "SELECT 1 FROM pragma_table_info('fact') WHERE name = 'namespace'"
FACTS_OF_VERSION_1 = "SELECT name, value FROM fact WHERE destination = ?"
COUNT = "SELECT destination, state, count(*) FROM delivery GROUP BY destination, state"
COUNT_OPEN = (
    "SELECT destination, state, count(*) FROM delivery INDEXED BY lane WHERE state IN ('pending', 'leased')"
    " GROUP BY state, destination"
)

# By state too, as in the index: without it, SQLite would sort all rows.
BACKLOG = (
    "SELECT destination, open, (SELECT accepted_at FROM notification AS n WHERE n.number = first) FROM"
    " (SELECT destination, count(*) AS open, min(number) AS first FROM delivery INDEXED BY lane"
    " WHERE state IN ('pending', 'leased') GROUP BY state, destination) ORDER BY first"
)

_GONE = f"FROM delivery WHERE notification_id IN {LISTED}"
MESSAGES_OF_GONE = (
    f"SELECT count(*), destination, message_id {_GONE} AND message_id IS NOT NULL GROUP BY destination, message_id"
)
SHOW_LESS = "UPDATE message SET shows = shows - ? WHERE destination = ? AND message_id = ?"
# A card without a trade is that of an alert. It is deleted with its message.
DELETE_ALERT_CARD = """
DELETE FROM card WHERE destination = ? AND message_id = ?
  AND NOT EXISTS (SELECT 1 FROM trade WHERE trade.sequence = card.sequence) AND EXISTS (SELECT 1 FROM message
    WHERE message.destination = card.destination AND message.message_id = card.message_id AND shows <= 0)"""
DELETE_MESSAGE = """
DELETE FROM message WHERE destination = ? AND message_id = ? AND shows <= 0 AND NOT EXISTS (
  SELECT 1 FROM card WHERE card.destination = message.destination AND card.message_id = message.message_id)"""
DELETE_ATTEMPTS = f"DELETE FROM attempt WHERE notification_id IN {LISTED}"
DELETE = f"DELETE {_GONE}"
DELETE_NOTIFICATION = "DELETE FROM notification WHERE number = ?"

# The signal book. People can only look up trades outside replays.
HAS_BOOK = "SELECT 1 FROM pragma_table_info('card')"
TRADE_COLUMNS = "sequence, run, number, version, state, pair, short_id, tiers, opening, hash, changed_at, body"
TRADES = f"SELECT {TRADE_COLUMNS} FROM trade WHERE sequence"
LIVE = "run IS NULL AND state IN ('pending', 'open')"
TRADE_BY_NUMBER = f"SELECT {TRADE_COLUMNS} FROM trade WHERE run IS NULL AND number = ?"
TRADES_BY_SHORT_ID = f"SELECT {TRADE_COLUMNS} FROM trade WHERE run IS NULL AND short_id = ?"
LIVE_TRADES_OF = f"SELECT {TRADE_COLUMNS} FROM trade WHERE {LIVE} AND pair = ? ORDER BY number"
_SINCE = "number > ? AND (changed_at >= ? OR state IN ('pending', 'open')) ORDER BY number DESC"
ALL_TRADES = f"SELECT {TRADE_COLUMNS} FROM trade WHERE run IS NULL AND {_SINCE}"
TRADES_OF_RUN = f"SELECT {TRADE_COLUMNS} FROM trade WHERE run = ? AND {_SINCE}"
UNHEARD_OF = f"SELECT {TRADE_COLUMNS} FROM trade WHERE {LIVE} AND changed_at < ? ORDER BY number"
LIVE_TRADES = f"SELECT {TRADE_COLUMNS} FROM trade WHERE {LIVE} ORDER BY number DESC"


def _posted(columns: str, index: str, condition: str = "true", condition_before: str = "") -> str:
    """Select the posts between two ids. For rows of earlier commits and versions, their bodies decide."""
    source = f"SELECT {columns} FROM trade INDEXED BY {index} WHERE opening >= :first AND opening < :end"
    return f"""
{source} AND {condition} AND is_posted = 1 UNION ALL
{source} AND {condition_before or condition} AND is_posted IS NULL AND run IS NULL
  AND NOT (state = 'expired' AND coalesce(instr(body, '"unpublished"'), 0))"""


COUNT_POSTED = f"SELECT sum(number) FROM ({_posted('count(*) AS number', 'trade_posted')})"
POSTED_OF = f"{_posted(TRADE_COLUMNS, 'trade_posted', 'pair = :pair')} ORDER BY opening DESC"
POSTED_OF_CANDLE = _posted(TRADE_COLUMNS, "trade_candle", "candle = :candle", "candle IS NULL AND pair = :pair")
ADD_TRADE = f"INSERT INTO trade ({TRADE_COLUMNS}, candle, is_posted) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
SAVE_TRADE = "UPDATE trade SET version = ?, state = ?, tiers = ?, changed_at = ?, body = ? WHERE sequence = ?"
KEEP_TRADE = "UPDATE trade SET body = ? WHERE sequence = ? AND body IS NULL"
ADD_NOTE = "INSERT OR IGNORE INTO price_note (at, sequence) VALUES (?, ?)"
FORGET_NOTES = "DELETE FROM price_note WHERE at <= ?"
COUNT_NOTES = "SELECT count(*) FROM price_note WHERE at > ? AND at < ?"
NOTES_OF = f"""
SELECT at, {TRADE_COLUMNS} FROM price_note JOIN trade USING (sequence) WHERE at > ? AND at < ? AND pair = ?
ORDER BY at DESC"""
OPENED_BY = f"""
SELECT {TRADE_COLUMNS} FROM trade INDEXED BY trade_posted
WHERE is_posted IN (0, 1) AND opening IN (SELECT value FROM json_each(:names)) UNION ALL
SELECT {TRADE_COLUMNS} FROM trade INDEXED BY trade_posted
WHERE is_posted IS NULL AND opening IN (SELECT value FROM json_each(:names))"""
OPENING = "SELECT body FROM notification WHERE number = (SELECT number FROM delivery WHERE notification_id = ? LIMIT 1)"
ENDED_BY = "SELECT notification_id FROM key WHERE key = ? || ' closed'"
DELETE_TRADE = "DELETE FROM trade WHERE sequence = ?"
DELETE_CARDS = "DELETE FROM card WHERE sequence = ?"
CARDS = """
SELECT sequence, destination, tier, open_until, release_at, delay, shows_ended, message_id, card.version,
  posted_version, first_shown_at, is_doubtful, replacements, loss, is_stopped, is_late, channel, guild, webhook, digest,
  has_chart
FROM card LEFT JOIN message USING (destination, message_id) WHERE sequence"""
CARD = f"{CARDS} = ? AND destination = ?"
CARD_OF_NUMBER = f"{CARDS} = (SELECT sequence FROM trade WHERE run IS NULL AND number = ?) AND destination = ?"
OPENINGS_SINCE = """
SELECT number, opening FROM trade WHERE run IS NULL AND number BETWEEN :number + 1 AND :number + 1000
  AND pair = (SELECT pair FROM trade WHERE run IS NULL AND number = :number) ORDER BY number LIMIT 10"""
RECENT_GUILD = """
SELECT guild FROM (SELECT guild FROM message WHERE destination = ? ORDER BY message_id DESC LIMIT 20)
WHERE guild IS NOT NULL LIMIT 1"""
ADD_CARD = """
INSERT OR IGNORE INTO card (sequence, destination, tier, open_until, release_at, delay, shows_ended)
VALUES (?, ?, ?, ?, ?, ?, ?)"""
LANES_OF_WAITING = (
    "SELECT destination FROM delivery INDEXED BY waiting WHERE state = 'pending' AND sequence = ?"
    f" AND event NOT GLOB '*{CHART}'"
)
# A card is late if it has only shown the end of its trade. A post that got no answer may have been shown.
_IS_LATE = "is_late = ? AND (is_late OR (first_shown_at IS NULL AND NOT is_doubtful))"
SHOW_CARD = f"""
UPDATE card SET message_id = coalesce(?, message_id), version = ?, posted_version = coalesce(?, posted_version),
  first_shown_at = coalesce(first_shown_at, ?), is_doubtful = 0, {_IS_LATE}
WHERE sequence = ? AND destination = ?"""
CARDS_OF_BEFORE = """
INSERT OR IGNORE INTO card
  SELECT trade.sequence, d.destination, json_extract(tiers, '$[0]'), d.valid_until, 0, 0, 0, d.message_id, 0,
    CASE WHEN d.message_id IS NULL THEN 0 ELSE 1 END, CASE WHEN d.message_id IS NULL THEN NULL ELSE 1 END, sent_at,
    d.state = 'unconfirmed', 0, NULL, 0, 0
  FROM delivery AS d JOIN trade ON trade.opening = d.notification_id AND is_posted IS NULL AND body IS NULL
    LEFT JOIN message USING (destination, message_id)
  WHERE d.state IN ('pending', 'leased', 'delivered', 'unconfirmed') ORDER BY d.turn DESC"""
IS_LIVE = "SELECT 1 FROM trade WHERE sequence = ? AND state IN ('pending', 'open')"
VERSION_OF = "SELECT version FROM trade WHERE sequence = ?"
REOPEN_CARD = """
UPDATE card SET open_until = max(open_until, ?) WHERE sequence = ? AND destination = ?
  AND EXISTS (SELECT 1 FROM trade WHERE trade.sequence = card.sequence AND trade.version = 1)"""
DOUBT_CARD = f"""
UPDATE card SET is_doubtful = 1, version = max(version, ?), first_shown_at = coalesce(first_shown_at, ?), {_IS_LATE}
WHERE sequence = ? AND destination = ? AND message_id IS NULL"""
FORGET_DIGEST = """
UPDATE message SET digest = NULL WHERE destination = ? AND message_id = (
  SELECT message_id FROM card WHERE sequence = ? AND card.destination = message.destination)"""
DOUBT_CHART = """
UPDATE message SET has_chart = NULL WHERE destination = ? AND message_id = (
  SELECT message_id FROM card WHERE sequence = ? AND card.destination = message.destination)"""
LOSE_CARD = """
UPDATE card SET message_id = NULL, replacements = replacements + 1, loss = ?, is_stopped = ?
WHERE sequence = ? AND destination = ?"""
CARD_AT_FALLBACK = """
INSERT OR IGNORE INTO card (sequence, destination, tier, open_until, release_at, delay, shows_ended, is_doubtful,
  replacements, loss, is_stopped)
  SELECT sequence, ?, tier, open_until, release_at, delay, shows_ended, is_doubtful,
    replacements + (message_id IS NOT NULL), CASE WHEN message_id IS NULL THEN loss ELSE 'unreachable' END, is_stopped
  FROM card WHERE sequence = ? AND destination = ?"""
LEAVE_CARD = "UPDATE card SET is_stopped = 1, loss = ? WHERE sequence = ? AND destination = ?"

# Only damage leads to such a state, and no other index holds such a row.
DAMAGED = f"SELECT notification_id, destination, turn FROM delivery INDEXED BY damaged WHERE {DAMAGED_STATE}"

# What other processes have done: what they put, and which of them delivers.
ARRIVED = """
SELECT destination, max(priority), count(*) FROM notification CROSS JOIN delivery ON notification_id = id
WHERE notification.number > ? AND state = 'pending' GROUP BY destination"""
OWNER = "SELECT epoch, CAST(holder AS BLOB), pid FROM owner"
SAVE_OWNER = "INSERT OR REPLACE INTO owner (one, epoch, holder, pid, since) VALUES (1, ?, ?, ?, ?)"
META = "SELECT value FROM meta WHERE name = ?"
META_IN_BYTES = "SELECT CAST(value AS BLOB) FROM meta WHERE name = ?"
LAST_TRADE = (
    f"SELECT coalesce(max(number), 0) FROM trade INDEXED BY trade_number WHERE run IS NULL AND number < {2**53}"
)
LAST_TRADE_OF_RUN = f"SELECT coalesce(max(number), 0) FROM trade WHERE run = ? AND number < {2**53}"
SAVE_META = "INSERT OR REPLACE INTO meta VALUES (?, ?)"

# What a person looks up. A key is a sequence, a blank and an event. The character after the blank in Unicode is "!".
TICKETS_BY_KEY = """
SELECT notification_id FROM key WHERE key = ? OR (key >= ? || ' ' AND key < ? || '!') ORDER BY notification_id"""
TICKETS_BY_SEQUENCE = """
SELECT DISTINCT notification_id FROM delivery WHERE sequence = ? OR sequence || ' ' || event = ?
ORDER BY notification_id"""
MESSAGE = "SELECT destination, message_id, sent_at, version FROM message WHERE destination = ? AND message_id = ?"
AHEAD = (
    f"SELECT count(*) FROM delivery {IN_LANE} 'pending' AND destination = ?"
    " AND (rank < ? OR (rank = ? AND notification_id < ?))"
)
OUTCOMES = """
SELECT outcome FROM attempt WHERE notification_id >= ? AND destination = ? ORDER BY ended_at DESC LIMIT ?"""
PAST = """
SELECT count(*), coalesce(sum(EXISTS (
  SELECT 1 FROM delivery WHERE notification_id = id AND state IN ('pending', 'leased')
)), 0) FROM notification WHERE accepted_at < ?"""

_LAST_FIRST = "ORDER BY notification_id DESC, destination DESC, turn DESC LIMIT ?"


def find(conditions: Sequence[str], *, only_open: bool) -> str:
    """A query for deliveries: back along the primary key, or over the index that holds only what is open."""
    source = "INDEXED BY lane WHERE state IN ('pending', 'leased')" if only_open else "WHERE true"
    where = "".join(f" AND {condition}" for condition in conditions)
    return f"SELECT {COLUMNS} FROM delivery {source}{where} {_LAST_FIRST}"


def same_row(is_text: Sequence[bool]) -> tuple[str, str]:
    """The statements that read one delivery by its primary key, whatever the key contains, and that end it.

    A value of the key that is text, but not UTF-8, is bound as bytes.
    """
    columns = zip(("notification_id", "destination", "turn"), is_text, strict=True)
    where = " AND ".join(f"{column} IS {'?' if is_fine else 'CAST(? AS TEXT)'}" for column, is_fine in columns)
    return (
        f"SELECT {COLUMNS} FROM delivery WHERE {where}",
        f"UPDATE delivery SET state = 'dead', reason = ? WHERE {where}",
    )


def open_ones(*, in_a_lane: bool, of_notifications: bool, without_edits: bool) -> str:
    """A query for pending and leased deliveries: by the index that has only these, or by the primary key."""
    lane = " AND destination = ?" if in_a_lane else ""
    if without_edits:
        lane += f" AND (state = 'leased' OR NOT is_edit OR destination NOT IN {LISTED})"
    if of_notifications:  # the + keeps the planner from walking the index instead, and sorting what it finds
        where = f"WHERE +state IN ('pending', 'leased'){lane} AND notification_id IN {LISTED}"
        return f"SELECT {COLUMNS} FROM delivery {where} ORDER BY notification_id, destination, turn LIMIT ?"
    where = f"INDEXED BY lane WHERE state IN ('pending', 'leased'){lane}"
    return f"SELECT {COLUMNS} FROM delivery {where} ORDER BY state, destination, rank, number LIMIT ?"

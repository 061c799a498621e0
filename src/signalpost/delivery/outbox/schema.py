"""The tables of an outbox's SQLite file. Times are whole microseconds since 1970, in UTC.

sqlite3 outbox.db "SELECT state, count(*) FROM delivery GROUP BY state"
sqlite3 outbox.db "SELECT body FROM notification ORDER BY number DESC LIMIT 1"
"""

APPLICATION_ID = 0x73_67_70_74
"""Marks a file as ours: `sgpt`, where `file` and SQLite look for it."""

FIRST, LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The first and last time that a row may hold: the years 1 to 9999, because older versions took them."""

# SQLite keeps this text, comments too, in each file that version 1 made. So it must not change.
_VERSION_1 = """
CREATE TABLE IF NOT EXISTS notification (  -- what was accepted
  number      INTEGER PRIMARY KEY,  -- in the order of acceptance
  id          TEXT NOT NULL,
  accepted_at INTEGER NOT NULL,
  body        TEXT NOT NULL         -- JSON
);
CREATE TABLE IF NOT EXISTS delivery (  -- what is owed to a destination, and where it stands
  notification_id TEXT NOT NULL,
  destination     TEXT NOT NULL,
  turn            INTEGER NOT NULL,
  number          INTEGER NOT NULL, -- of its notification
  event           TEXT NOT NULL,
  sequence        TEXT NOT NULL,
  state           TEXT NOT NULL,
  priority        INTEGER NOT NULL, -- 1 LOW, 2 NORMAL, 3 HIGH, 4 URGENT
  rank            INTEGER NOT NULL,
  valid_until     INTEGER NOT NULL,
  not_before      INTEGER,
  attempts        INTEGER NOT NULL,
  unanswered      INTEGER NOT NULL,
  may_repeat      INTEGER NOT NULL,
  reason          TEXT,
  message_id      TEXT,
  PRIMARY KEY (notification_id, destination, turn)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS lane ON delivery (state, destination, rank, number, valid_until)
  WHERE state IN ('pending', 'leased');
CREATE INDEX IF NOT EXISTS waiting ON delivery (sequence) WHERE state = 'pending';
CREATE TABLE IF NOT EXISTS attempt (  -- the tries of a delivery
  notification_id TEXT NOT NULL,
  destination     TEXT NOT NULL,
  turn            INTEGER NOT NULL,
  ordinal         INTEGER NOT NULL,
  began_at        INTEGER NOT NULL,
  ended_at        INTEGER NOT NULL,
  outcome         TEXT NOT NULL,
  detail          TEXT NOT NULL,
  PRIMARY KEY (notification_id, destination, turn, ordinal)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS message (  -- what a far end shows
  destination TEXT NOT NULL,
  message_id  TEXT NOT NULL,
  sent_at     INTEGER NOT NULL,
  version     INTEGER NOT NULL,
  shows       INTEGER NOT NULL,     -- how many deliveries
  PRIMARY KEY (destination, message_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS key (  -- idempotency keys, which outlive their notifications
  key             TEXT PRIMARY KEY,
  content_hash    BLOB NOT NULL,
  notification_id TEXT NOT NULL,
  until           INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stream (  -- what the strategies' streams remember
  stream      TEXT PRIMARY KEY,
  fingerprint TEXT NOT NULL,
  watermark   INTEGER NOT NULL,
  state       BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fact (  -- what is remembered about destinations
  destination TEXT NOT NULL,
  name        TEXT NOT NULL,
  value       BLOB NOT NULL,        -- JSON
  PRIMARY KEY (destination, name)
) WITHOUT ROWID;
"""

# A version may add tables, partial indexes and columns with a default, and rewrites no rows but those of `fact`.
# Commands that only read must work with the versions before it, too. Each statement must succeed again in a file of
# version 2 by an early commit.
_VERSION_2 = """
CREATE TABLE IF NOT EXISTS owner (  -- one row: the process that delivers from this store
  one    INTEGER PRIMARY KEY CHECK (one = 1),
  epoch  INTEGER NOT NULL,          -- one more at each change of owner; each lease and settle checks it
  holder TEXT NOT NULL,             -- as in the lock file; empty if there was no owner yet
  pid    INTEGER NOT NULL,
  since  INTEGER NOT NULL
);
INSERT OR IGNORE INTO owner VALUES (1, 0, '', 0, 0);
CREATE INDEX IF NOT EXISTS lost ON delivery (state)  -- rows whose state is damaged; empty if all is well
  WHERE state NOT IN ('pending', 'leased', 'delivered', 'unconfirmed', 'expired', 'superseded', 'suppressed',
                      'cancelled', 'dead');
DROP INDEX IF EXISTS lane;
CREATE INDEX lane ON delivery (state, destination, rank, number, valid_until, not_before)
  WHERE state IN ('pending', 'leased');
CREATE INDEX IF NOT EXISTS express ON delivery (destination, rank, number, valid_until, not_before)  -- HIGH and URGENT
  WHERE state = 'pending' AND priority >= 3;
CREATE INDEX IF NOT EXISTS later ON delivery (destination, not_before, priority)  -- what is put off
  WHERE state = 'pending' AND not_before IS NOT NULL;
ALTER TABLE fact RENAME TO fact_before;
CREATE TABLE fact (  -- what is known of a destination, webhook, host or delivery, or of the store
  namespace TEXT NOT NULL,
  subject   TEXT NOT NULL,
  name      TEXT NOT NULL,
  value     BLOB NOT NULL,          -- JSON
  PRIMARY KEY (namespace, subject, name)
) WITHOUT ROWID;
INSERT INTO fact
  SELECT 'delivery', name, 'wait', value FROM fact_before WHERE destination = '(waits)' UNION ALL
  SELECT 'webhook', substr(destination, 10, length(destination) - 10), name, value
    FROM fact_before WHERE destination LIKE '(webhook %)' UNION ALL
  SELECT 'host', substr(destination, 7, length(destination) - 7), name, value
    FROM fact_before WHERE destination LIKE '(host %)' UNION ALL
  SELECT 'store', trim(destination, '()'), name, value
    FROM fact_before WHERE destination IN ('(clock)', '(owner)', '(store)') UNION ALL
  SELECT 'destination', destination, name, value FROM fact_before
    WHERE destination NOT IN ('(waits)', '(clock)', '(owner)', '(store)')
      AND destination NOT LIKE '(webhook %)' AND destination NOT LIKE '(host %)';
DROP TABLE fact_before;
CREATE TABLE IF NOT EXISTS meta (  -- what is known about the store itself
  name  TEXT PRIMARY KEY,
  value
) WITHOUT ROWID;
"""

_STATES = ("pending", "leased", "delivered", "unconfirmed", "expired", "superseded", "suppressed", "cancelled", "dead")
DAMAGED_STATE = " AND ".join(f"state <> '{state}'" for state in _STATES)
"""A state that is none of ours. Comparisons, because every write of a delivery evaluates this: for a list, SQLite would
build a table each time."""

ADDED_LATER = {
    "digest": "ALTER TABLE message ADD COLUMN digest TEXT",
    "has_chart": "ALTER TABLE message ADD COLUMN has_chart INTEGER DEFAULT 0",
    "is_late": "ALTER TABLE card ADD COLUMN is_late INTEGER NOT NULL DEFAULT 0",
    "candle": "ALTER TABLE trade ADD COLUMN candle TEXT",
    "is_posted": "ALTER TABLE trade ADD COLUMN is_posted INTEGER",
    "trade_posted": "CREATE INDEX trade_posted ON trade (is_posted, opening, pair)",
    "trade_candle": "CREATE INDEX trade_candle ON trade (is_posted, candle, pair, opening)",
    "price_note": """CREATE TABLE price_note (  -- those of the last days that were not stopped, for the filters
  at       INTEGER NOT NULL,        -- when the candle closed
  sequence TEXT NOT NULL,
  PRIMARY KEY (at, sequence)
) WITHOUT ROWID""",
    "damaged": f"CREATE INDEX damaged ON delivery (state) WHERE {DAMAGED_STATE};\nDROP INDEX IF EXISTS lost",
}
"""Columns, indexes and tables of version 3 that its first files lack.

Of a message: the digest of its content, and whether it shows a chart; NULL if that is not certain. Of a card: whether
it has only shown the end of its trade. Of a trade: the text by which signals of one candle are found, and whether its
signal was posted, not only recorded or part of a replay; NULL if an earlier commit or version wrote it."""

IS_THERE = """
SELECT 1 FROM pragma_table_info('message') WHERE name = :name UNION ALL
SELECT 1 FROM pragma_table_info('card') WHERE name = :name UNION ALL
SELECT 1 FROM pragma_table_info('trade') WHERE name = :name UNION ALL
SELECT 1 FROM sqlite_master WHERE name = :name"""
"""Finds nothing in a file that lacks one of them. Remove it with the release of version 3."""

# Version 3 is not released yet: add to it what you need, as long as files of it by an earlier commit can be completed.
_VERSION_3 = f"""
ALTER TABLE delivery ADD COLUMN is_edit INTEGER NOT NULL DEFAULT 0;
DROP INDEX lane;
CREATE INDEX lane ON delivery (state, destination, rank, number, valid_until, not_before, is_edit)
  WHERE state IN ('pending', 'leased');
DROP INDEX express;
CREATE INDEX express ON delivery (destination, rank, number, valid_until, not_before, is_edit)  -- HIGH and URGENT
  WHERE state = 'pending' AND priority >= 3;
ALTER TABLE message ADD COLUMN channel TEXT;
ALTER TABLE message ADD COLUMN guild TEXT;
ALTER TABLE message ADD COLUMN webhook TEXT;
{ADDED_LATER["digest"]};
{ADDED_LATER["has_chart"]};
{ADDED_LATER["damaged"]};
CREATE TABLE trade (  -- the signal book
  sequence   TEXT PRIMARY KEY,
  run        TEXT,                  -- the replay that it belongs to
  number     INTEGER NOT NULL,      -- counts the trades of a folder, or of a replay, from 1
  version    INTEGER NOT NULL,
  state      TEXT NOT NULL,
  pair       TEXT NOT NULL,
  short_id   TEXT NOT NULL,
  tiers      TEXT NOT NULL,         -- JSON
  opening    TEXT NOT NULL,         -- the id of the notification that opened it
  hash       BLOB NOT NULL,         -- of that notification's content
  changed_at INTEGER NOT NULL,
  body       TEXT                   -- JSON; NULL while it is as it was opened
) WITHOUT ROWID;
CREATE INDEX trade_number ON trade (number) WHERE run IS NULL;
CREATE INDEX trade_short_id ON trade (short_id) WHERE run IS NULL;
CREATE INDEX trade_live ON trade (pair, number) WHERE run IS NULL AND state IN ('pending', 'open');
{ADDED_LATER["candle"]};
{ADDED_LATER["is_posted"]};
{ADDED_LATER["trade_posted"]};
{ADDED_LATER["trade_candle"]};
{ADDED_LATER["price_note"]};
CREATE TABLE card (  -- what a destination shows of a trade: a part of a message
  sequence       TEXT NOT NULL,
  destination    TEXT NOT NULL,
  tier           TEXT NOT NULL,
  open_until     INTEGER NOT NULL,  -- until when it may be posted for the first time
  release_at     INTEGER NOT NULL,  -- from when on it may be posted
  delay          INTEGER NOT NULL,  -- of this tier, in microseconds
  shows_ended    INTEGER NOT NULL,  -- whether it is posted although the trade has ended before its release
  message_id     TEXT,
  position       INTEGER NOT NULL DEFAULT 0,  -- of the embed in the message
  version        INTEGER NOT NULL DEFAULT 0,  -- of the trade that is shown; 0 if it never was
  posted_version INTEGER,           -- with which the message was posted
  first_shown_at INTEGER,
  is_doubtful    INTEGER NOT NULL DEFAULT 0,  -- a post that got no answer may be shown
  replacements   INTEGER NOT NULL DEFAULT 0,  -- how many lost messages were replaced
  loss           TEXT,              -- why the last of them was lost
  is_stopped     INTEGER NOT NULL DEFAULT 0,  -- deleted again: it is left alone
  PRIMARY KEY (sequence, destination)
) WITHOUT ROWID;
{ADDED_LATER["is_late"]};
CREATE INDEX card_message ON card (destination, message_id) WHERE message_id IS NOT NULL;
"""

STEPS = (_VERSION_1, _VERSION_2, _VERSION_3)
"""The statements that lead from each version to the next, beginning with an empty file, which is of version 0."""

VERSION = len(STEPS)
"""Of the tables; kept in the file's user_version."""

MIGRATED_FROM = "migrated_from"
"""In `meta`: the version from which the file was last migrated; missing in a file that was made by its version."""

HAS_META = 2
"""The first version with the table `meta`."""

IS_COMPLETE = "SELECT 1 FROM pragma_table_info('fact') WHERE name = 'namespace'"
"""Finds nothing in a file of version 2 that an early commit made. Remove it with the release of version 3."""

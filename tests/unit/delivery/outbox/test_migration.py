"""A store of an older version is copied and migrated completely or not at all, by the first that opens it to write."""

import fcntl
import os
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from signalpost.delivery.outbox import migration, schema, sqlite_file
from signalpost.delivery.outbox.book import FindTrades
from signalpost.delivery.outbox.commands import LoadFacts, Namespace, Stats, Subject
from signalpost.delivery.outbox.reader import SqliteReader
from signalpost.delivery.outbox.schema import MIGRATED_FROM, VERSION
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.change import Flag
from signalpost.errors import StoreFailed, StoreUnusable

FIXTURE = Path(__file__).resolve().parents[3] / "fixtures" / "store-v1" / "home" / "outbox.db"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of version 1."""
    return Path(shutil.copy(FIXTURE, tmp_path / "outbox.db"))


def _rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


def _version(path: Path) -> int:
    version: int = _rows(path, "PRAGMA user_version")[0][0]
    return version


def _copy(path: Path) -> Path:
    return path.with_name(f"{path.name}.v1")


def test_the_copy_is_the_old_file_whole_and_private(path: Path) -> None:
    before = _rows(path, "SELECT * FROM delivery")
    before_umask = os.umask(0)
    try:
        SqliteCore(path).close()
    finally:
        os.umask(before_umask)
    copy = _copy(path)
    assert copy.stat().st_mode & 0o777 == 0o600
    assert (_version(copy), _version(path)) == (1, VERSION)
    columns = ", ".join(name for _, name, *_ in _rows(copy, "PRAGMA table_info('delivery')"))
    assert _rows(copy, "SELECT * FROM delivery") == before == _rows(path, f"SELECT {columns} FROM delivery")
    assert _rows(path, f"SELECT value FROM meta WHERE name = '{MIGRATED_FROM}'") == [(1,)]
    assert sorted(each.name for each in path.parent.iterdir()) == ["outbox.db", "outbox.db.lock", "outbox.db.v1"]


def test_a_migrated_store_has_the_tables_of_a_new_one(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "new.db"
    for each in (path, other):
        SqliteCore(each).close()
    schema = "SELECT type, name, sql FROM sqlite_schema ORDER BY name"
    assert _rows(path, schema) == _rows(other, schema)
    assert _rows(other, "SELECT name FROM meta") == [("place",)]
    epochs = "SELECT one, epoch, pid FROM owner"
    assert _rows(path, epochs) == _rows(other, epochs) == [(1, 1, os.getpid())]


def test_the_signals_that_were_kept_are_in_the_book(path: Path) -> None:
    """With their messages, and as ended if they were closed."""
    kept = _rows(
        path,
        "SELECT json_extract(body, '$.payload.signal_id'), json_extract(body, '$.run') FROM notification"
        " WHERE json_extract(body, '$.event') = 'new' AND json_extract(body, '$.payload.kind') = 'signal'",
    )
    with closing(SqliteCore(path)) as core:
        (found,) = core.apply([FindTrades(limit=1000)])
    assert sorted(each.trade.signal.signal_id for each in found) == sorted(name for name, run in kept if run is None)
    assert [each.trade.number for each in found] == list(range(len(found), 0, -1))
    delivered = _rows(
        path,
        "SELECT message_id FROM delivery JOIN trade ON opening = notification_id"
        " WHERE event = 'new' AND delivery.state = 'delivered' AND run IS NULL",
    )
    shown = [card.message.message_id for each in found for card in each.cards if card.message is not None]
    assert sorted(shown) == sorted(name for (name,) in delivered)
    assert shown
    closed = {key.removesuffix(" closed") for (key,) in _rows(path, "SELECT key FROM key WHERE key LIKE '% closed'")}
    assert {each.trade.signal.signal_id for each in found if each.trade.end is not None} == closed & {
        each.trade.signal.signal_id for each in found
    }


@pytest.mark.parametrize("body", ["'{'", "x'ff'", "'{}'", "replace(body, 'EUR_USD', 'not a {{symbol}}')"])
def test_a_damaged_signal_is_left_out_of_the_book(path: Path, body: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"UPDATE notification SET body = {body}, accepted_at = 'x'")
        db.commit()
    SqliteCore(path).close()
    assert _rows(path, "SELECT count(*) FROM trade") == [(0,)]


def test_a_signal_whose_end_was_pruned_is_closed_without_a_result(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM notification WHERE json_extract(body, '$.event') = 'closed'")
        db.commit()
    with closing(SqliteCore(path)) as core:
        (found,) = core.apply([FindTrades(limit=1000)])
    (ended,) = [each.trade for each in found if each.trade.end is not None]
    assert (ended.end is not None and ended.end.price, ended.flags) == (None, (Flag.NOT_FOLLOWED,))


def _make_incomplete(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        for name in ("lane", "express", "later", "damaged", "card_message"):
            db.execute(f"DROP INDEX {name}")
        for name in ("trade", "card", "price_note"):
            db.execute(f"DROP TABLE {name}")
        db.execute("ALTER TABLE delivery DROP COLUMN is_edit")
        for name in ("channel", "guild", "webhook", "digest", "has_chart"):
            db.execute(f"ALTER TABLE message DROP COLUMN {name}")
        db.execute("PRAGMA user_version = 2")
        db.execute("CREATE INDEX lane ON delivery (state, destination, rank) WHERE state IN ('pending', 'leased')")
        db.execute("DROP TABLE fact")
        db.execute("CREATE TABLE fact (destination, name, value, PRIMARY KEY (destination, name)) WITHOUT ROWID")
        db.execute("INSERT INTO fact VALUES ('(webhook 1-ab)', 'disabled', x'7b7d')")
        db.execute("UPDATE owner SET epoch = 7")
        db.commit()


@pytest.mark.parametrize("is_first", [True, False])
def test_a_store_of_this_version_gets_what_an_earlier_commit_lacked(
    path: Path, monkeypatch: pytest.MonkeyPatch, *, is_first: bool
) -> None:
    SqliteCore(path).close()
    with closing(sqlite3.connect(path)) as db:
        _make_early(db)
        db.commit()
    begin = migration._begin

    def another_process_is_first(db: sqlite3.Connection) -> None:
        with closing(sqlite3.connect(path)) as other:
            for name, add in schema.ADDED_LATER.items():
                if other.execute(schema.IS_THERE, {"name": name}).fetchone() is None:
                    other.executescript(add)
            other.commit()
        begin(db)

    if not is_first:
        monkeypatch.setattr(migration, "_begin", another_process_is_first)
    SqliteCore(path).close()
    assert all(_rows(path, schema.IS_THERE.replace(":name", f"'{name}'")) for name in schema.ADDED_LATER)


def _make_early(db: sqlite3.Connection) -> None:
    """Remove what version 3 lacked at first."""
    for name, add in reversed(schema.ADDED_LATER.items()):
        verb, kind, table, *_ = add.split()
        db.execute(f"DROP {kind} {name}" if verb == "CREATE" else f"ALTER TABLE {table} DROP COLUMN {name}")


def test_two_processes_may_complete_a_store_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SqliteCore(path).close()
    _make_incomplete(path)
    begin = migration._begin

    def begin_second(db: sqlite3.Connection) -> None:
        """Another process is first, between the look and the transaction."""
        monkeypatch.setattr(migration, "_begin", begin)
        SqliteCore(path).close()
        begin(db)

    monkeypatch.setattr(migration, "_begin", begin_second)
    SqliteCore(path).close()
    assert _rows(path, "SELECT * FROM fact") == [("webhook", "1-ab", "disabled", b"{}")]


def test_an_incomplete_store_of_version_2_is_completed(path: Path, tmp_path: Path) -> None:
    """It has no express index, its lane index lacks `not_before`, and its facts have no namespace."""
    SqliteCore(path).close()
    copied = _copy(path).stat().st_mtime_ns
    _make_incomplete(path)
    SqliteCore(path).close()
    SqliteCore(tmp_path / "new.db").close()
    schema = "SELECT type, name, sql FROM sqlite_schema ORDER BY name"
    assert _rows(path, schema) == _rows(tmp_path / "new.db", schema)
    assert _rows(path, "SELECT epoch FROM owner") == [(8,)]
    assert _rows(path, "SELECT * FROM fact") == [("webhook", "1-ab", "disabled", b"{}")]
    assert _copy(path).stat().st_mtime_ns == copied


FACTS_OF_VERSION_1 = {
    ("(webhook 1-ab)", "disabled"): Subject("1-ab", Namespace.WEBHOOK),
    ("(host discord.com)", "ban"): Subject("discord.com", Namespace.HOST),
    ("(clock)", "seen"): Subject("clock", Namespace.STORE),
    ("(clock)", "agreed"): Subject("clock", Namespace.STORE),
    ("(owner)", "routes"): Subject("owner", Namespace.STORE),
    ("signals-free", "pace"): Subject("signals-free"),
    ("(of ours)", "pace"): Subject("(of ours)"),
}


def _write_facts_of_version_1(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM fact")
        rows = [*FACTS_OF_VERSION_1, ("(waits)", "01@signals-free")]
        db.executemany("INSERT INTO fact VALUES (?, ?, ?)", [(*row, f"{row}".encode()) for row in rows])
        db.commit()


@pytest.mark.parametrize("is_migrated", [False, True])
def test_facts_are_found_by_namespace_before_and_after_the_migration(path: Path, is_migrated: bool) -> None:
    """A webhook known to be gone stays so, and a command that only reads finds it without a migration."""
    _write_facts_of_version_1(path)
    if is_migrated:
        with closing(SqliteCore(path)) as core:
            (wait,) = core.apply([LoadFacts(Subject("01@signals-free", Namespace.DELIVERY))])
            assert list(wait) == ["wait"]
    with closing(SqliteReader(path)) as reader:
        for (former, name), subject in FACTS_OF_VERSION_1.items():
            (facts,) = reader.apply([LoadFacts(subject)])
            assert facts[name] == f"{(former, name)}".encode()
    assert _version(path) == (VERSION if is_migrated else 1)


def test_the_signals_of_an_older_store_cannot_be_listed_before_it_is_migrated(path: Path) -> None:
    """Rather than that there are none."""
    with closing(SqliteReader(path)) as reader, pytest.raises(StoreFailed) as caught:
        reader.apply([FindTrades()])
    assert caught.value.code == "store-not-migrated"
    assert _version(path) == 1


def test_a_store_is_migrated_once(path: Path) -> None:
    SqliteCore(path).close()
    changed = _copy(path).stat().st_mtime_ns
    SqliteCore(path).close()
    assert _copy(path).stat().st_mtime_ns == changed


def test_an_unfinished_copy_of_a_crash_is_replaced(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a crash between the copy and the commit the old version may continue writing: the copy is made again."""
    _copy(path).write_bytes(b"a copy of an earlier moment")
    _copy(path).with_name("outbox.db.v1.partial").write_bytes(b"half a copy")
    SqliteCore(path).close()
    assert _rows(_copy(path), "SELECT count(*) FROM delivery") == _rows(path, "SELECT count(*) FROM delivery")
    assert not list(path.parent.glob("*.partial"))


@pytest.mark.parametrize("step", ["CREATE TABLE half (done)", "CREATE TABLE half (done);\nSELECT nothing FROM nowhere"])
def test_a_step_that_fails_leaves_the_old_version(path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    class Crash(BaseException):
        pass

    def crash(db: sqlite3.Connection, version: int) -> None:
        original(db, version)
        raise Crash

    original = migration._step
    monkeypatch.setattr(migration, "STEPS", ("", step))
    if "nowhere" not in step:
        monkeypatch.setattr(migration, "_step", crash)
    with pytest.raises((StoreUnusable, Crash)) as caught:
        SqliteCore(path)
    assert _version(path) == 1
    assert _rows(path, "SELECT count(*) FROM sqlite_schema WHERE name = 'half'") == [(0,)]
    if isinstance(caught.value, StoreUnusable):
        assert caught.value.code == "store-migration-failed"
    monkeypatch.undo()
    SqliteCore(path).close()
    assert _version(path) == VERSION


def test_a_copy_that_cannot_be_written_is_reported_and_nothing_is_changed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _copy(path).mkdir()
    with pytest.raises(StoreUnusable) as caught:
        SqliteCore(path)
    assert (caught.value.code, caught.value.field) == ("store-copy-failed", str(_copy(path)))
    assert _version(path) == 1
    assert not list(path.parent.glob("*.partial"))


def test_a_disk_that_is_full_at_the_copy_is_reported(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Path, partial: Path) -> None:
        for end in ("-journal", "-wal", "-shm"):
            partial.with_name(f"{partial.name}{end}").write_bytes(b"space that others need")
        raise sqlite3.OperationalError("disk full")

    monkeypatch.setattr(migration, "_fill", full)
    with pytest.raises(StoreUnusable) as caught:
        SqliteCore(path)
    assert (caught.value.code, caught.value.errors[0].limit) == ("store-copy-failed", str(path.stat().st_size))
    assert "disk full" in str(caught.value), "the cause is reported"
    assert _version(path) == 1
    assert [each.name for each in path.parent.iterdir()] == ["outbox.db"]


def test_a_store_owned_by_a_process_of_the_old_version_is_not_migrated(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration, "LOOKS_AT_AN_OWNER", 2)
    with path.with_name("outbox.db.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"{os.getpid()} 1a2b3c4d\n")
        lock.flush()
        with pytest.raises(StoreUnusable) as caught:
            SqliteCore(path, owns=False)
    assert (caught.value.code, caught.value.errors[0].value) == ("store-in-use-by-older-version", str(os.getpid()))
    assert _version(path) == 1
    SqliteCore(path, owns=False).close()
    assert _version(path) == VERSION


def test_a_migration_waits_for_a_writing_process_up_to_a_limit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "SECONDS_FOR_OTHERS", 0.01)
    monkeypatch.setattr(migration, "TRIES_TO_WRITE", 2)
    with closing(sqlite3.connect(path, isolation_level=None)) as tool:
        tool.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnusable) as caught:
            SqliteCore(path)
        tool.execute("ROLLBACK")
    assert caught.value.code == "store-migration-failed"
    SqliteCore(path).close()


def test_processes_that_open_an_old_store_together_migrate_it_once(path: Path) -> None:
    barrier = Barrier(4)

    def count(_: int) -> Any:
        barrier.wait()
        core = SqliteCore(path, owns=False)
        (counts,) = core.apply([Stats()])
        core.close()
        return counts

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(count, range(4)))
    assert counts == [counts[0]] * 4
    assert sum(counts[0].values()) == 18
    assert _version(path) == VERSION


def test_an_error_other_than_a_lock_is_reported_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []

    def broken(db: sqlite3.Connection, *, writes: bool) -> None:
        begun.append(writes)
        db.execute("SELECT nothing FROM nowhere")

    monkeypatch.setattr(migration, "begin", broken)
    with pytest.raises(StoreUnusable) as caught:
        SqliteCore(path)
    assert (begun, caught.value.code) == ([True], "store-migration-failed")

"""A usable store file is durable and private. An unusable one is reported with its path and the cause."""

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from signalpost.delivery.outbox import sqlite_file
from signalpost.delivery.outbox.commands import Find, Put, SaveFacts, Stats, Subject
from signalpost.delivery.outbox.reader import SqliteReader
from signalpost.delivery.outbox.schema import APPLICATION_ID, VERSION
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.errors import Fault, StoreFailed, StoreUnusable
from signalpost.testing.outbox_samples import new, notification
from tests.tmpfs import with_connection


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


def _filled(path: Path, count: int = 200) -> None:
    core = SqliteCore(path)
    core.apply([Put(tuple(new(notification(f"{number:04}")) for number in range(count)))])
    core.close()


def _refusal(path: Path) -> Fault:
    with pytest.raises(StoreUnusable) as refused:
        SqliteCore(path)
    (fault,) = refused.value.errors
    assert str(path) in fault.text
    return fault


def test_a_new_file_and_its_companions_are_private_to_their_owner(path: Path) -> None:
    before = os.umask(0)
    try:
        core = SqliteCore(path)
        core.apply([Put((new(notification("01")),))])
        modes = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
    finally:
        os.umask(before)
    core.close()
    names = ("outbox.db", "outbox.db-shm", "outbox.db-wal", "outbox.db.lock")
    assert modes == dict.fromkeys(names, 0o600)


def test_each_commit_is_synced_through_a_write_ahead_log(path: Path) -> None:
    core, db = with_connection(lambda: SqliteCore(path))
    settings = [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    core.close()
    assert settings == ["wal", 2]


def test_a_file_that_cannot_be_made_durable_is_rejected(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database in memory has no write-ahead log, like one on a file system without shared memory."""
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda _, **options: connect(":memory:", **options))
    fault = _refusal(path)
    assert (fault.code, fault.value) == ("not-durable", str(path))
    assert "journal_mode=memory" in fault.text
    assert "synchronous=2" in fault.text


def test_a_file_is_marked_as_ours_and_keeps_its_content(path: Path) -> None:
    _filled(path)
    with sqlite3.connect(path) as db:
        marks = [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
        assert marks == [APPLICATION_ID, VERSION]
        ((title,),) = db.execute("SELECT json_extract(body, '$.payload.title') FROM notification WHERE id = '0007'")
        assert title == "Disk", "a notification can be read with the sqlite3 tool"
    db.close()
    core = SqliteCore(path)
    assert len(core.apply([Find(limit=999)])[0]) == 200
    core.close()
    core.close()


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.touch()
    SqliteCore(path).close()


def test_a_path_may_be_text(path: Path) -> None:
    SqliteCore(str(path)).close()
    assert path.exists()


def test_a_file_that_is_not_a_database_is_rejected_and_left_unchanged(path: Path) -> None:
    path.write_bytes(b"notes of a trader\n" * 99)
    assert _refusal(path).facts() == {"code": "not-a-database", "field": "path", "value": str(path), "limit": None}
    assert path.read_bytes().startswith(b"notes"), "the file was changed"


def test_a_damaged_file_is_rejected(path: Path) -> None:
    _filled(path)
    data = bytearray(path.read_bytes())
    data[4096 * 8 : 4096 * 12] = os.urandom(4096 * 4)
    path.write_bytes(data)
    assert ((refusal := _refusal(path)).code, refusal.value) == ("damaged", str(path))
    assert ".recover" in refusal.text


def test_a_truncated_file_is_rejected(path: Path) -> None:
    _filled(path)
    path.write_bytes(path.read_bytes()[: 4096 * 3])
    assert (refusal := _refusal(path)).code == "damaged"
    assert ".recover" in refusal.text


def test_a_large_file_is_not_checked_in_full_at_startup(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Damage in a large file fails the command that reads it. It is not found at the start."""
    SqliteCore(path).close()
    empty = path.stat().st_size
    _filled(path)
    data = bytearray(path.read_bytes())
    data[empty : empty + 4096 * 26] = os.urandom(4096 * 26)
    path.write_bytes(data)
    monkeypatch.setattr(sqlite_file, "CHECKED_UP_TO", 4096)
    core = SqliteCore(path)
    with pytest.raises(StoreFailed) as failed:
        core.apply([Find(limit=999)])
    assert (failed.value.code, failed.value.errors[0].value) == ("damaged", str(path))
    assert ".recover" in str(failed.value)
    core.close()


def test_a_folder_is_rejected(path: Path) -> None:
    path.mkdir()
    assert ((refusal := _refusal(path)).code, refusal.value) == ("is-a-folder", str(path))
    assert "SIGNALPOST_HOME" in refusal.text
    with pytest.raises(StoreUnusable) as refused:
        SqliteReader(path)
    assert refused.value.errors == (refusal,)


def test_a_file_name_that_is_too_long_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 300)
    assert ((refusal := _refusal(path)).code, refusal.value) == ("not-writable", str(path))
    assert os.strerror(errno.ENAMETOOLONG) in refusal.text


@pytest.mark.parametrize("parent", ["nowhere", "file"])
def test_a_missing_folder_is_reported(tmp_path: Path, parent: str) -> None:
    (tmp_path / "file").touch()
    refusal = _refusal(tmp_path / parent / "outbox.db")
    assert (refusal.code, refusal.value) == ("no-such-folder", str(tmp_path / parent))


def test_a_database_of_another_application_is_rejected(path: Path) -> None:
    for statement in ("PRAGMA application_id=7", "CREATE TABLE song (name)"):
        path.unlink(missing_ok=True)
        with sqlite3.connect(path) as db:
            db.execute(statement)
        db.close()
        assert ((refusal := _refusal(path)).code, refusal.value) == ("foreign-database", str(path))


def test_a_newer_file_is_rejected_with_both_versions(path: Path) -> None:
    _filled(path)
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version={VERSION + 1}")
    db.close()
    refusal = _refusal(path)
    assert (refusal.code, refusal.value, refusal.limit) == ("newer-version", str(VERSION + 1), str(VERSION))


def test_a_rejected_file_is_released(path: Path) -> None:
    path.write_bytes(b"x" * 999)
    _refusal(path)
    path.unlink()
    SqliteCore(path).close()


def test_a_second_owner_is_rejected_before_it_touches_the_file(path: Path) -> None:
    core = SqliteCore(path)
    with pytest.raises(StoreUnusable) as raised:
        SqliteCore(path)
    assert (raised.value.code, raised.value.errors[0].value) == ("store-in-use", str(os.getpid()))
    assert core.apply([Stats()]) == [{}]
    core.close()


def test_a_command_waits_for_the_lock_of_another_program_and_then_fails(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "SECONDS_FOR_OTHERS", 0.01)
    core = SqliteCore(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreFailed) as raised:
        core.apply([SaveFacts(Subject("a"), {})])
    assert (raised.value.code, raised.value.errors[0].value) == ("store-locked", str(os.getpid()))
    other.execute("ROLLBACK")
    other.close()
    assert core.apply([SaveFacts(Subject("a"), {})]) == [None]
    core.close()


def test_an_inaccessible_folder_makes_the_store_unusable_for_readers_too(tmp_path: Path) -> None:
    """A name that is too long fails like a folder without permission, but also for root."""
    path = tmp_path / ("x" * 300) / "outbox.db"
    with pytest.raises(StoreUnusable) as refused:
        sqlite_file.check_there(path)
    (fault,) = refused.value.errors
    assert (fault.code, fault.value) == ("not-readable", str(path))
    assert os.strerror(errno.ENAMETOOLONG) in fault.text
    assert "SIGNALPOST_HOME" in fault.text


def test_is_there_is_true_for_a_file_and_rejects_a_folder(path: Path) -> None:
    assert not sqlite_file.is_there(path)
    assert not sqlite_file.is_there(path / "below")
    path.touch()
    assert sqlite_file.is_there(path)
    with pytest.raises(StoreUnusable) as refused:
        sqlite_file.is_there(path.parent)
    assert (refused.value.code, refused.value.errors[0].value) == ("is-a-folder", str(path.parent))


def test_a_pipe_in_place_of_the_store_is_rejected(path: Path) -> None:
    os.mkfifo(path)
    for look in (sqlite_file.is_there, sqlite_file.claim):
        with pytest.raises(StoreUnusable) as raised:
            look(path)
        assert (raised.value.code, raised.value.errors[0].value) == ("not-a-file", str(path))

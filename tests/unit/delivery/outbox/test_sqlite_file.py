"""A file that cannot be used says why, where, and what to do; one that can is durable and private."""

import os
import sqlite3
from pathlib import Path

import pytest

from signalpost.delivery.outbox import sqlite_file
from signalpost.delivery.outbox.commands import Find, Put, SaveFacts, Stats
from signalpost.delivery.outbox.schema import APPLICATION_ID, VERSION
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.outbox.sqlite_reader import SqliteReader
from signalpost.errors import StoreFailed, StoreUnusable
from signalpost.testing.outbox_samples import new, notification


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


def _filled(path: Path, count: int = 200) -> None:
    core = SqliteCore(path)
    core.apply([Put(tuple(new(notification(f"{number:04}")) for number in range(count)))])
    core.close()


def _refusal(path: Path) -> str:
    with pytest.raises(StoreUnusable) as caught:
        SqliteCore(path)
    assert str(path) in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


def test_a_new_file_and_its_companions_are_for_their_owner_alone(path: Path) -> None:
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
    core = SqliteCore(path)
    settings = [core._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    core.close()
    assert settings == ["wal", 2]


def test_a_file_that_cannot_be_made_durable_is_refused(path: Path) -> None:
    """As where a file system cannot share memory: a database in memory has no log either."""
    db = sqlite3.connect(":memory:")
    with pytest.raises(StoreUnusable, match=r"\(it says journal_mode=memory, synchronous=2\): name a place on a local"):
        sqlite_file._make_durable(path, db)
    db.close()


def test_a_file_is_marked_as_ours_and_keeps_what_it_holds(path: Path) -> None:
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


def test_an_empty_file_is_a_new_one(path: Path) -> None:
    path.touch()
    SqliteCore(path).close()


def test_a_path_may_be_text(path: Path) -> None:
    SqliteCore(str(path)).close()
    assert path.exists()


def test_what_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"notes of a trader\n" * 99)
    refusal = _refusal(path)
    assert refusal.startswith("it cannot be used as an outbox (file is not a database): it is no SQLite database")
    assert path.read_bytes().startswith(b"notes"), "and left as it is"


def test_a_damaged_file_is_refused(path: Path) -> None:
    _filled(path)
    data = bytearray(path.read_bytes())
    data[4096 * 8 : 4096 * 12] = os.urandom(4096 * 4)
    path.write_bytes(data)
    assert "damaged" in (refusal := _refusal(path)) or "malformed" in refusal
    assert ".recover" in refusal


def test_a_file_that_was_cut_off_is_refused(path: Path) -> None:
    _filled(path)
    path.write_bytes(path.read_bytes()[: 4096 * 3])
    assert ".recover" in _refusal(path)


def test_a_large_file_is_not_read_through(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Damage in it is met when it is read: the command fails, and the file is not used any worse."""
    _filled(path)
    data = bytearray(path.read_bytes())
    data[4096 * 14 : 4096 * 40] = os.urandom(4096 * 26)
    path.write_bytes(data)
    monkeypatch.setattr(sqlite_file, "CHECKED_UP_TO", 4096)
    core = SqliteCore(path)
    with pytest.raises(StoreFailed, match=r"outbox\.db: it could not be written .*\.recover"):
        core.apply([Find(limit=999)])
    core.close()


def test_a_folder_is_refused(path: Path) -> None:
    path.mkdir()
    told = "this is a folder, where the outbox should be: move it away, or set SIGNALPOST_HOME to another place"
    assert _refusal(path) == told
    with pytest.raises(StoreUnusable, match=told):
        SqliteReader(path)


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    refusal = _refusal(tmp_path / ("x" * 300))
    assert refusal.startswith("it cannot be opened for writing (File name too long): let this process write the file")


@pytest.mark.parametrize("parent", ["nowhere", "file"])
def test_a_folder_that_does_not_exist_is_told(tmp_path: Path, parent: str) -> None:
    (tmp_path / "file").touch()
    refusal = _refusal(tmp_path / parent / "outbox.db")
    assert refusal == f"there is no folder {tmp_path / parent}: make it, or name another place"


def test_another_applications_file_is_refused(path: Path) -> None:
    for statement in ("PRAGMA application_id=7", "CREATE TABLE song (name)"):
        path.unlink(missing_ok=True)
        with sqlite3.connect(path) as db:
            db.execute(statement)
        db.close()
        assert _refusal(path) == "this is the database of another application: name another file"


def test_a_newer_file_is_refused_with_both_versions(path: Path) -> None:
    _filled(path)
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version={VERSION + 1}")
    db.close()
    refusal = _refusal(path)
    assert f"its tables are of version {VERSION + 1}, this one knows {VERSION}): upgrade signalpost" in refusal


def test_a_refused_file_is_let_go(path: Path) -> None:
    path.write_bytes(b"x" * 999)
    _refusal(path)
    path.unlink()
    SqliteCore(path).close()


def test_a_second_one_is_refused_before_it_touches_the_file(path: Path) -> None:
    core = SqliteCore(path)
    with pytest.raises(StoreUnusable) as raised:
        SqliteCore(path)
    assert (raised.value.code, raised.value.errors[0].value) == ("store-in-use", str(os.getpid()))
    assert core.apply([Stats()]) == [{}]
    core.close()


def test_another_programs_lock_fails_what_was_asked_and_is_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "SECONDS_FOR_OTHERS", 0.01)
    core = SqliteCore(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreFailed) as raised:
        core.apply([SaveFacts("a", {})])
    assert (raised.value.code, raised.value.errors[0].value) == ("store-locked", str(os.getpid()))
    other.execute("ROLLBACK")
    other.close()
    assert core.apply([SaveFacts("a", {})]) == [None]
    core.close()


def test_where_nobody_may_look_the_outbox_is_unusable_also_to_whoever_only_looks(tmp_path: Path) -> None:
    """A name too long is refused by the system as a folder is that may not be entered, but to root as well."""
    path = tmp_path / ("x" * 300) / "outbox.db"
    with pytest.raises(
        StoreUnusable, match=r"outbox\.db: it cannot be looked at \(File name too long\): let this"
    ) as told:
        sqlite_file.check_there(path)
    assert str(told.value).endswith("let this process enter its folder, or set SIGNALPOST_HOME to another place")


def test_a_file_is_there_or_is_not_and_a_folder_is_in_its_place(path: Path) -> None:
    assert not sqlite_file.is_there(path)
    assert not sqlite_file.is_there(path / "below")
    path.touch()
    assert sqlite_file.is_there(path)
    with pytest.raises(StoreUnusable, match="this is a folder, where the outbox should be"):
        sqlite_file.is_there(path.parent)


def test_a_pipe_in_place_of_the_store_is_reported_as_what_it_is(path: Path) -> None:
    os.mkfifo(path)
    for look in (sqlite_file.is_there, sqlite_file.claim):
        with pytest.raises(StoreUnusable) as raised:
            look(path)
        assert (raised.value.code, raised.value.errors[0].value) == ("not-a-file", str(path))

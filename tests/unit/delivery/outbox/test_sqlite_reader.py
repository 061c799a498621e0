import sqlite3
from pathlib import Path

import pytest

from signalpost import StoreFailed, StoreUnusable
from signalpost.delivery.outbox.commands import Expire, Find, LoadFacts, SaveFacts, Stats, Subject
from signalpost.delivery.outbox.reader import SqliteReader
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.instant import utc


def test_a_reader_sees_what_the_owner_commits_later(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    owner = SqliteCore(path)
    reader = SqliteReader(path)
    assert reader.apply([Stats(), Find()]) == [{}, ()]
    owner.apply([SaveFacts(Subject("signals-free"), {"disabled": b"true"})])
    assert reader.apply([LoadFacts(Subject("signals-free"))]) == [{"disabled": b"true"}]
    reader.close()
    reader.close()
    owner.close()


def test_a_reader_rejects_commands_that_write(tmp_path: Path) -> None:
    SqliteCore(tmp_path / "outbox.db").close()
    reader = SqliteReader(tmp_path / "outbox.db")
    with pytest.raises(TypeError) as refused:
        reader.apply([Stats(), Expire(utc("2026-01-01T00:00:00Z", "now"))])
    assert "Expire" in str(refused.value)
    reader.close()


def test_a_missing_store_is_reported_and_not_created(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with pytest.raises(StoreUnusable) as refused:
        SqliteReader(path)
    assert (refused.value.code, refused.value.errors[0].value) == ("no-store-yet", str(path))
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_not_a_store_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("not a database, and longer than a header of SQLite is" * 9, encoding="utf-8")
    with pytest.raises(StoreUnusable) as refused:
        SqliteReader(tmp_path / "text.db")
    assert (refused.value.code, refused.value.errors[0].value) == ("not-a-database", str(tmp_path / "text.db"))
    foreign = sqlite3.connect(tmp_path / "foreign.db")
    foreign.execute("CREATE TABLE t (x)")
    foreign.commit()
    foreign.close()
    with pytest.raises(StoreUnusable) as refused:
        SqliteReader(tmp_path / "foreign.db")
    assert (refused.value.code, refused.value.errors[0].value) == ("foreign-database", str(tmp_path / "foreign.db"))


def test_a_file_that_is_damaged_after_opening_fails_the_command(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    SqliteCore(path).close()
    reader = SqliteReader(path)
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(StoreFailed) as failed:
        reader.apply([Stats()])
    assert (failed.value.code, failed.value.errors[0].value) == ("damaged", str(path))
    reader.close()


def test_an_empty_file_counts_as_no_store_yet(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    path.touch()
    with pytest.raises(StoreUnusable) as refused:
        SqliteReader(path)
    assert refused.value.code == "no-store-yet"

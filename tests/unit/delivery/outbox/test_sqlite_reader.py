import sqlite3
from pathlib import Path

import pytest

from signalpost import StoreFailed, StoreUnusable
from signalpost.delivery.outbox.commands import Expire, Find, LoadFacts, SaveFacts, Stats
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.outbox.sqlite_reader import SqliteReader
from signalpost.domain.instant import utc


def test_it_reads_while_another_owns_the_outbox_and_sees_what_is_committed_later(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    owner = SqliteCore(path)
    reader = SqliteReader(path)
    assert reader.apply([Stats(), Find()]) == [{}, ()]
    owner.apply([SaveFacts("signals-free", {"disabled": b"true"})])
    assert reader.apply([LoadFacts("signals-free")]) == [{"disabled": b"true"}]
    reader.close()
    reader.close()
    owner.close()


def test_it_changes_nothing(tmp_path: Path) -> None:
    SqliteCore(tmp_path / "outbox.db").close()
    reader = SqliteReader(tmp_path / "outbox.db")
    with pytest.raises(TypeError, match="Expire would change the outbox, which is only looked at"):
        reader.apply([Stats(), Expire(utc("2026-01-01T00:00:00Z", "now"))])
    reader.close()


def test_where_there_is_no_outbox_it_says_so_and_makes_none(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="there is no outbox here yet"):
        SqliteReader(tmp_path / "outbox.db")
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_outbox_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("not a database, and longer than a header of SQLite is" * 9, encoding="utf-8")
    with pytest.raises(StoreUnusable, match="cannot be read"):
        SqliteReader(tmp_path / "text.db")
    foreign = sqlite3.connect(tmp_path / "foreign.db")
    foreign.execute("CREATE TABLE t (x)")
    foreign.commit()
    foreign.close()
    with pytest.raises(StoreUnusable, match="another application"):
        SqliteReader(tmp_path / "foreign.db")


def test_a_file_that_is_damaged_later_is_a_store_that_failed(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    SqliteCore(path).close()
    reader = SqliteReader(path)
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(StoreFailed, match="could not be read"):
        reader.apply([Stats()])
    reader.close()


def test_an_empty_file_is_no_outbox_yet(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    path.touch()
    with pytest.raises(StoreUnusable, match="there is no outbox here yet: the first run of the service makes it"):
        SqliteReader(path)

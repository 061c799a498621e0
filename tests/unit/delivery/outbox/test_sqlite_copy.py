"""A copy of an outbox: whole and of one moment while others write, or not there at all."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from signalpost.delivery.outbox import sqlite_copy
from signalpost.delivery.outbox.commands import Find, Put, Stats
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.outbox.sqlite_copy import Copied, copy
from signalpost.errors import InvalidValue, StoreFailed, StoreUnusable
from signalpost.testing.outbox_samples import new, notification


def put(core: SqliteCore, *names: str) -> None:
    core.apply([Put(tuple(new(notification(name)) for name in names))])


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "outbox.db"
    with closing(SqliteCore(path)) as core:
        put(core, *(f"n{number}" for number in range(300)))
    return path


def silently(_done: int, _pages: int) -> None:
    pass


def test_the_copy_is_an_outbox_with_all_that_was_there_in_one_file_for_its_owner(store: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    before = os.umask(0)
    try:
        copied = copy(store, target, progress=silently)
    finally:
        os.umask(before)
    assert copied == Copied(target.stat().st_size, notifications=300, deliveries=300, open=300)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "copy"))] == ["copy.db"]
    with closing(SqliteCore(target)) as core:
        (parcels,) = core.apply([Find(limit=1_000)])
    assert len(parcels) == 300


def test_what_is_written_while_it_is_copied_is_written_and_is_not_in_the_copy(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_copy, "PAGES_A_STEP", 5)
    steps: list[tuple[int, int]] = []
    with closing(SqliteCore(store)) as core:

        def write_meanwhile(done: int, pages: int) -> None:
            assert len(steps) < 1_000, "it begins anew each time"
            put(core, f"late {len(steps)}")
            steps.append((done, pages))

        copied = copy(store, tmp_path / "copy.db", progress=write_meanwhile)
        (stats,) = core.apply([Stats()])
    assert len(steps) > 10
    assert steps == sorted(steps), "it never begins anew"
    assert steps[-1][0] == steps[-1][1]
    assert copied.notifications == 300
    assert sum(stats.values()) == 300 + len(steps), "the writer was not held up"


def test_nothing_is_overwritten_unless_it_is_meant(store: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("mine", encoding="utf-8")
    with pytest.raises(InvalidValue, match="it is there already: name another file, or give --force"):
        copy(store, target, progress=silently)
    assert target.read_text(encoding="utf-8") == "mine"
    assert copy(store, target, progress=silently, overwrite=True).notifications == 300
    assert target.read_bytes().startswith(b"SQLite format 3")


@pytest.mark.parametrize("name", ["pipe", "link"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_regular_file_is_never_replaced(store: Path, tmp_path: Path, name: str, *, overwrite: bool) -> None:
    """A device is none either: as root, a copy would take its place for the whole machine."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    target = tmp_path / name
    with pytest.raises(InvalidValue, match=f"{name}: this is no regular file, and a copy is one: name another file"):
        copy(store, target, progress=silently, overwrite=overwrite)
    assert target.is_fifo()
    assert target.is_symlink() is (name == "link")


def test_a_file_that_comes_there_meanwhile_is_not_overwritten(store: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    with pytest.raises(InvalidValue, match=r"copy\.db: the copy cannot be written \(File exists\)"):
        copy(store, target, progress=lambda _done, _pages: target.write_text("mine", encoding="utf-8") and None)
    assert target.read_text(encoding="utf-8") == "mine"
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("", "this is a folder: name a file in it, such as .*/copy.db"),
        ("outbox.db", "this is the outbox itself"),
        (
            "none/copy.db",
            r"the copy cannot be written \(No such file or directory\): name a file in a folder with room",
        ),
        ("outbox.db/copy.db", r"the copy cannot be written \(Not a directory\)"),
        (f"{'x' * 300}", r"the copy cannot be written \(File name too long\)"),
    ],
)
def test_a_place_that_cannot_be_is_told_with_what_to_do(store: Path, tmp_path: Path, target: str, told: str) -> None:
    with pytest.raises(InvalidValue, match=told):
        copy(store, tmp_path / target, progress=silently, overwrite=True)
    assert store.stat().st_size > 0


OURS = ("outbox.db-wal", "outbox.db-shm", "outbox.db-journal", "outbox.db.lock", "outbox.bell", "tokens.json")


@pytest.mark.parametrize("name", [*OURS, "OUTBOX.DB-WAL", "tokens.json.partial", "outbox.db.old"])
@pytest.mark.parametrize("is_there", [True, False])
def test_no_file_of_the_data_folder_is_ever_replaced_or_made(
    store: Path, tmp_path: Path, name: str, is_there: bool
) -> None:
    target = tmp_path / name
    target.unlink(missing_ok=True)
    if is_there:
        target.write_text("ours", encoding="utf-8")
    with pytest.raises(InvalidValue, match="this is a file of a data folder, which a copy would break: name another"):
        copy(store, tmp_path / "." / name, progress=silently, overwrite=True)
    assert (target.read_text(encoding="utf-8") if target.exists() else None) == ("ours" if is_there else None)


@pytest.mark.parametrize("link", ["hardlink_to", "symlink_to"])
def test_a_link_to_a_file_of_the_data_folder_is_that_file(store: Path, tmp_path: Path, link: str) -> None:
    (tmp_path / "outbox.bell.gone").symlink_to("nowhere")
    with closing(SqliteCore(store)):
        for name in ("outbox.db-wal", "outbox.db.lock"):
            target = tmp_path / "elsewhere" / f"{name}.copy.db"
            target.parent.mkdir(exist_ok=True)
            getattr(target, link)(tmp_path / name)
            with pytest.raises(InvalidValue, match="this is a file of a data folder"):
                copy(store, target, progress=silently, overwrite=True)
            assert target.samefile(tmp_path / name)


def test_a_folder_by_another_name_is_that_folder(store: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(tmp_path)
    with pytest.raises(InvalidValue, match="this is a file of a data folder"):
        copy(store, tmp_path / "alias" / "outbox.db-wal", progress=silently, overwrite=True)


def test_the_files_beside_a_linked_store_are_those_of_the_file_it_links_to(store: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "outbox.db").rename(tmp_path / "Real.db")
    (home / "outbox.db").symlink_to(tmp_path / "Real.db")
    for target in (tmp_path / "Real.db-wal", tmp_path / "Real.db.old", home / "tokens.json"):
        with pytest.raises(InvalidValue, match="this is a file of a data folder"):
            copy(home / "outbox.db", target, progress=silently, overwrite=True)


def test_another_data_folder_is_left_alone_and_a_folder_of_copies_may_hold_one_by_the_same_name(
    store: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "outbox.db"
    other.parent.mkdir()
    for _ in range(2):
        copy(store, other, progress=silently, overwrite=True)
    SqliteCore(other).close()
    before = other.read_bytes()
    for name in ("outbox.db", *OURS):
        with pytest.raises(InvalidValue, match="this is a file of a data folder"):
            copy(store, other.with_name(name), progress=silently, overwrite=True)
    assert other.read_bytes() == before
    assert copy(store, other.with_name("copy.db"), progress=silently).notifications == 300


def test_a_copy_that_breaks_off_leaves_nothing(store: Path, tmp_path: Path) -> None:
    def broken(_done: int, _pages: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(store, tmp_path / "copy.db", progress=broken)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "copy"))] == []


def test_there_must_be_an_outbox_and_it_must_be_ours(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="there is no outbox here yet"):
        copy(tmp_path / "none.db", tmp_path / "copy.db", progress=silently)
    (tmp_path / "empty.db").touch()
    with pytest.raises(StoreUnusable, match="there is no outbox here yet"):
        copy(tmp_path / "empty.db", tmp_path / "copy.db", progress=silently)
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE mine (number)")
    with pytest.raises(StoreUnusable, match="the database of another application"):
        copy(other, tmp_path / "copy.db", progress=silently)
    (tmp_path / "no.db").write_text("no database " * 400, encoding="utf-8")
    with pytest.raises(StoreFailed, match="it could not be copied"):
        copy(tmp_path / "no.db", tmp_path / "copy.db", progress=silently)
    assert not (tmp_path / "copy.db").exists()


def test_a_damaged_store_makes_no_copy(store: Path, tmp_path: Path) -> None:
    data = bytearray(store.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4096] = b"\xff" * 4096
    store.write_bytes(data)
    with pytest.raises(StoreFailed, match=r"its copy is damaged \(.*\), and so is the store: keep older copies"):
        copy(store, tmp_path / "copy.db", progress=silently)
    assert not (tmp_path / "copy.db").exists()

"""A copy of a store is complete and from one moment, even while others write; otherwise there is no copy."""

import errno
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from signalpost.delivery.outbox import copy as outbox_copy
from signalpost.delivery.outbox.commands import Find, Put, Stats
from signalpost.delivery.outbox.copy import Copied, copy
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.errors import InvalidValue, SignalpostError, StoreFailed, StoreUnusable
from signalpost.testing.outbox_samples import new, notification


def put(core: SqliteCore, *names: str) -> None:
    core.apply([Put(tuple(new(notification(name)) for name in names))])


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "outbox.db"
    with closing(SqliteCore(path)) as core:
        put(core, *(f"n{number}" for number in range(300)))
    return path


def _of(refused: pytest.ExceptionInfo[SignalpostError]) -> tuple[str, str | None]:
    """The error's code and the path that it names."""
    return refused.value.code, refused.value.errors[0].value


def silently(_done: int, _pages: int) -> None:
    pass


def test_a_copy_is_a_complete_store_in_one_private_file(store: Path, tmp_path: Path) -> None:
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
        (entries,) = core.apply([Find(limit=1_000)])
    assert len(entries) == 300


def test_writes_during_a_copy_succeed_and_are_not_in_the_copy(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_copy, "PAGES_A_STEP", 5)
    steps: list[tuple[int, int]] = []
    with closing(SqliteCore(store)) as core:

        def write_meanwhile(done: int, pages: int) -> None:
            assert len(steps) < 1_000, "it starts again each time"
            put(core, f"late {len(steps)}")
            steps.append((done, pages))

        copied = copy(store, tmp_path / "copy.db", progress=write_meanwhile)
        (stats,) = core.apply([Stats()])
    assert len(steps) > 10
    assert steps == sorted(steps), "it never starts again"
    assert steps[-1][0] == steps[-1][1]
    assert copied.notifications == 300
    assert sum(stats.values()) == 300 + len(steps), "the writer was not delayed"


def test_an_existing_file_is_overwritten_only_on_request(store: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("mine", encoding="utf-8")
    with pytest.raises(InvalidValue) as refused:
        copy(store, target, progress=silently)
    assert _of(refused) == ("already-there", str(target))
    assert target.read_text(encoding="utf-8") == "mine"
    assert copy(store, target, progress=silently, overwrite=True).notifications == 300
    assert target.read_bytes().startswith(b"SQLite format 3")


@pytest.mark.parametrize("name", ["pipe", "link"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_pipe_or_a_link_to_one_is_never_replaced(store: Path, tmp_path: Path, name: str, *, overwrite: bool) -> None:
    """Nor a device: as root, a copy would replace it for the whole machine."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    target = tmp_path / name
    with pytest.raises(InvalidValue) as refused:
        copy(store, target, progress=silently, overwrite=overwrite)
    assert _of(refused) == ("not-a-file", str(target))
    assert target.is_fifo()
    assert target.is_symlink() is (name == "link")


def test_a_file_that_appears_during_the_copy_is_not_overwritten(store: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    with pytest.raises(InvalidValue) as refused:
        copy(store, target, progress=lambda _done, _pages: target.write_text("mine", encoding="utf-8") and None)
    assert _of(refused) == ("not-writable", str(target))
    assert os.strerror(errno.EEXIST) in str(refused.value)
    assert target.read_text(encoding="utf-8") == "mine"
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


@pytest.mark.parametrize(
    ("target", "code", "fact"),
    [
        ("", "is-a-folder", "/copy.db"),
        ("outbox.db", "same-file", ""),
        ("none/copy.db", "not-writable", os.strerror(errno.ENOENT)),
        ("outbox.db/copy.db", "not-writable", os.strerror(errno.ENOTDIR)),
        (f"{'x' * 300}", "not-writable", os.strerror(errno.ENAMETOOLONG)),
    ],
)
def test_a_copy_to_an_unusable_path_is_rejected(store: Path, tmp_path: Path, target: str, code: str, fact: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        copy(store, tmp_path / target, progress=silently, overwrite=True)
    assert _of(refused) == (code, str(tmp_path / target))
    assert fact in str(refused.value)
    assert store.stat().st_size > 0


OURS = ("outbox.db-wal", "outbox.db-shm", "outbox.db-journal", "outbox.db.lock", "outbox.bell", "tokens.json")


@pytest.mark.parametrize("name", [*OURS, "OUTBOX.DB-WAL", "tokens.json.partial", "outbox.db.old"])
@pytest.mark.parametrize("is_there", [True, False])
def test_no_file_of_the_data_folder_is_ever_replaced_or_created(
    store: Path, tmp_path: Path, name: str, is_there: bool
) -> None:
    target = tmp_path / name
    target.unlink(missing_ok=True)
    if is_there:
        target.write_text("ours", encoding="utf-8")
    with pytest.raises(InvalidValue) as refused:
        copy(store, tmp_path / "." / name, progress=silently, overwrite=True)
    assert _of(refused) == ("in-a-data-folder", str(target))
    assert (target.read_text(encoding="utf-8") if target.exists() else None) == ("ours" if is_there else None)


@pytest.mark.parametrize("link", ["hardlink_to", "symlink_to"])
def test_a_link_to_a_file_of_the_data_folder_is_rejected_like_the_file(store: Path, tmp_path: Path, link: str) -> None:
    (tmp_path / "outbox.bell.gone").symlink_to("nowhere")
    with closing(SqliteCore(store)):
        for name in ("outbox.db-wal", "outbox.db.lock"):
            target = tmp_path / "elsewhere" / f"{name}.copy.db"
            target.parent.mkdir(exist_ok=True)
            getattr(target, link)(tmp_path / name)
            with pytest.raises(InvalidValue) as refused:
                copy(store, target, progress=silently, overwrite=True)
            assert _of(refused) == ("in-a-data-folder", str(target))
            assert target.samefile(tmp_path / name)


def test_a_link_to_the_data_folder_is_rejected_like_the_folder(store: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(tmp_path)
    target = tmp_path / "alias" / "outbox.db-wal"
    with pytest.raises(InvalidValue) as refused:
        copy(store, target, progress=silently, overwrite=True)
    assert _of(refused) == ("in-a-data-folder", str(target))


def test_the_files_beside_the_target_of_a_linked_store_are_protected(store: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "outbox.db").rename(tmp_path / "Real.db")
    (home / "outbox.db").symlink_to(tmp_path / "Real.db")
    for target in (tmp_path / "Real.db-wal", tmp_path / "Real.db.old", home / "tokens.json"):
        with pytest.raises(InvalidValue) as refused:
            copy(home / "outbox.db", target, progress=silently, overwrite=True)
        assert _of(refused) == ("in-a-data-folder", str(target))


def test_another_data_folder_is_left_unchanged_and_a_folder_of_copies_may_hold_one_of_the_same_name(
    store: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "outbox.db"
    other.parent.mkdir()
    for _ in range(2):
        copy(store, other, progress=silently, overwrite=True)
    SqliteCore(other).close()
    before = other.read_bytes()
    for name in ("outbox.db", *OURS):
        with pytest.raises(InvalidValue) as refused:
            copy(store, other.with_name(name), progress=silently, overwrite=True)
        assert _of(refused) == ("in-a-data-folder", str(other.with_name(name)))
    assert other.read_bytes() == before
    assert copy(store, other.with_name("copy.db"), progress=silently).notifications == 300


def test_an_interrupted_copy_leaves_no_files(store: Path, tmp_path: Path) -> None:
    def broken(_done: int, _pages: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(store, tmp_path / "copy.db", progress=broken)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "copy"))] == []


def test_only_an_existing_signalpost_store_can_be_copied(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    for name in ("none.db", "empty.db"):
        with pytest.raises(StoreUnusable) as missing:
            copy(tmp_path / name, tmp_path / "copy.db", progress=silently)
        assert _of(missing) == ("no-store-yet", str(tmp_path / name))
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE mine (number)")
    with pytest.raises(StoreUnusable) as foreign:
        copy(other, tmp_path / "copy.db", progress=silently)
    assert _of(foreign) == ("foreign-database", str(other))
    (tmp_path / "no.db").write_text("no database " * 400, encoding="utf-8")
    with pytest.raises(StoreFailed) as failed:
        copy(tmp_path / "no.db", tmp_path / "copy.db", progress=silently)
    assert _of(failed) == ("not-a-database", str(tmp_path / "no.db"))
    assert not (tmp_path / "copy.db").exists()


def test_a_damaged_store_is_reported_and_not_copied(store: Path, tmp_path: Path) -> None:
    data = bytearray(store.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4096] = b"\xff" * 4096
    store.write_bytes(data)
    with pytest.raises(StoreFailed) as failed:
        copy(store, tmp_path / "copy.db", progress=silently)
    assert _of(failed) == ("damaged", str(store))
    assert not (tmp_path / "copy.db").exists()

"""If a file of an open store is removed or replaced, commands fail instead of losing data."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from signalpost.delivery.outbox.commands import Find, Put
from signalpost.delivery.outbox.files import gone, identity, opened_files
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.errors import StoreFailed
from signalpost.testing.outbox_samples import new, notification


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def core(home: Path) -> Iterator[SqliteCore]:
    with closing(SqliteCore(home / "outbox.db")) as core:
        _put(core, "01")
        yield core


def _put(core: SqliteCore, name: str) -> None:
    core.apply([Put((new(notification(name)),))])


def _of(failed: pytest.ExceptionInfo[StoreFailed]) -> tuple[str, str | None]:
    """The error's code and the path that it names."""
    return failed.value.code, failed.value.errors[0].value


@pytest.mark.parametrize("name", ["outbox.db", "outbox.db-wal", "outbox.db-shm"])
@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_removed_or_replaced_file_fails_commands_until_it_is_moved_back(
    core: SqliteCore, home: Path, name: str, is_replaced: bool
) -> None:
    (home / name).rename(home / "away")
    if is_replaced:
        shutil.copy(home / "away", home / name)
    with pytest.raises(StoreFailed) as failed:
        _put(core, "02")
    assert _of(failed) == ("store-replaced", str(home / name))
    (home / "away").replace(home / name)
    _put(core, "03")
    (entries,) = core.apply([Find(limit=9)])
    assert sorted(entry.notification.id for entry in entries) == ["01", "03"], "nothing of a failed batch is there"


def test_a_deleted_folder_fails_commands_and_no_new_store_is_made(core: SqliteCore, home: Path) -> None:
    shutil.rmtree(home)
    with pytest.raises(StoreFailed) as failed:
        _put(core, "02")
    assert _of(failed) == ("store-replaced", str(home / "outbox.db"))
    assert not home.exists()


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_removed_or_replaced_lock_fails_the_commands_of_its_holder(
    core: SqliteCore, home: Path, is_replaced: bool
) -> None:
    core.lock_path.unlink()
    if is_replaced:
        SqliteCore(home / "outbox.db").close()
    with pytest.raises(StoreFailed) as failed:
        _put(core, "02")
    assert _of(failed) == ("lock-replaced", str(core.lock_path))


def test_a_producer_does_not_take_over_a_missing_store(core: SqliteCore, home: Path) -> None:
    with closing(SqliteCore(home / "outbox.db", owns=False)) as beside:
        core.close()
        (home / "outbox.db").rename(home / "away")
        (home / "outbox.db.lock").unlink()
        with pytest.raises(StoreFailed) as failed:
            beside.own()
        assert _of(failed) == ("store-replaced", str(home / "outbox.db"))
        assert not (home / "outbox.db.lock").exists()
        (home / "away").rename(home / "outbox.db")
        assert beside.own()


def test_a_linked_store_and_a_relative_path_are_checked_from_any_working_directory(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "real.db").touch()
    (home / "outbox.db").symlink_to("real.db")
    monkeypatch.chdir(home)
    with closing(SqliteCore("outbox.db")) as core:
        monkeypatch.chdir(tmp_path)
        _put(core, "01")
        (home / "real.db-wal").rename(home / "away")
        with pytest.raises(StoreFailed) as failed:
            _put(core, "02")
        assert _of(failed) == ("store-replaced", str(home / "real.db-wal"))


def test_a_path_to_nothing_has_no_identity(tmp_path: Path) -> None:
    assert identity(str(tmp_path / "none")) is None
    assert gone(opened_files(tmp_path / "none", (1, 2))) == str(tmp_path / "none")

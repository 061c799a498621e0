"""A store whose files were removed or replaced while they are open says so, and takes nothing as if it were kept."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from signalpost.delivery.outbox.commands import Find, Put
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.outbox.still_there import gone, identity, opened_files
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


@pytest.mark.parametrize("name", ["outbox.db", "outbox.db-wal", "outbox.db-shm"])
@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_file_that_is_removed_or_replaced_takes_nothing_until_it_is_moved_back(
    core: SqliteCore, home: Path, name: str, is_replaced: bool
) -> None:
    (home / name).rename(home / "away")
    if is_replaced:
        shutil.copy(home / "away", home / name)
    told = rf"{name}: the file was removed or replaced while it was open: move it back; or stop this process, put a"
    with pytest.raises(StoreFailed, match=told):
        _put(core, "02")
    (home / "away").replace(home / name)
    _put(core, "03")
    (parcels,) = core.apply([Find(limit=9)])
    assert sorted(parcel.notification.id for parcel in parcels) == ["01", "03"], "nothing of a failed batch is there"


def test_a_folder_that_is_deleted_takes_nothing_and_no_new_store_is_made(core: SqliteCore, home: Path) -> None:
    shutil.rmtree(home)
    with pytest.raises(StoreFailed, match="removed or replaced while it was open"):
        _put(core, "02")
    assert not home.exists()


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_lock_that_is_removed_or_replaced_makes_its_holder_no_owner(
    core: SqliteCore, home: Path, is_replaced: bool
) -> None:
    core.lock_path.unlink()
    if is_replaced:
        SqliteCore(home / "outbox.db").close()
    told = r"outbox\.db\.lock: the lock was removed or replaced while it was held, so that another process may be the"
    with pytest.raises(StoreFailed, match=told):
        _put(core, "02")


def test_one_that_goes_beside_does_not_take_over_what_is_not_there(core: SqliteCore, home: Path) -> None:
    with closing(SqliteCore(home / "outbox.db", owns=False)) as beside:
        core.close()
        (home / "outbox.db").rename(home / "away")
        (home / "outbox.db.lock").unlink()
        with pytest.raises(StoreFailed, match="removed or replaced"):
            beside.own()
        assert not (home / "outbox.db.lock").exists()
        (home / "away").rename(home / "outbox.db")
        assert beside.own()


def test_a_store_by_a_link_and_one_by_a_relative_path_are_still_there_from_elsewhere(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "real.db").touch()
    (home / "outbox.db").symlink_to("real.db")
    monkeypatch.chdir(home)
    with closing(SqliteCore("outbox.db")) as core:
        monkeypatch.chdir(tmp_path)
        _put(core, "01")
        (home / "real.db-wal").rename(home / "away")
        with pytest.raises(StoreFailed, match=r"real\.db-wal: the file was removed"):
            _put(core, "02")


def test_a_path_that_leads_nowhere_is_no_file(tmp_path: Path) -> None:
    assert identity(str(tmp_path / "none")) is None
    assert gone(opened_files(tmp_path / "none", (1, 2))) == str(tmp_path / "none")

"""One store under two names: a hard link is rejected, a symbolic link leads to the same store."""

import os
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from signalpost.delivery.outbox.commands import Find, Put
from signalpost.delivery.outbox.copy import copy as backup
from signalpost.delivery.outbox.reader import SqliteReader
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.errors import StoreUnusable
from signalpost.testing.outbox_samples import new, notification


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    with closing(SqliteCore(tmp_path / "home" / "outbox.db")) as core:
        _put(core, "01")
    return tmp_path / "home"


def _put(core: SqliteCore, name: str) -> None:
    core.apply([Put((new(notification(name)),))])


def _names(core: SqliteCore) -> list[str]:
    (found,) = core.apply([Find(limit=99)])
    return sorted(entry.notification.id for entry in found)


def _linked(home: Path, to: Path, *, with_all: bool) -> Path:
    """Link the whole folder, as `cp -al` does, or only the store."""
    to.mkdir()
    for file in home.iterdir():
        if with_all or file.name == "outbox.db":
            os.link(file, to / file.name)
    return to / "outbox.db"


def _code_and_value(error: StoreUnusable) -> tuple[str, str | None]:
    """Both empty in the old source, whose errors have no facts."""
    (fault,) = getattr(error, "errors", (None,))
    return getattr(error, "code", ""), getattr(fault, "value", None)


@pytest.mark.parametrize("is_open", [True, False], ids=["while it is open", "while it is closed"])
@pytest.mark.parametrize("with_all", [True, False], ids=["cp -al", "ln"])
def test_a_hard_linked_copy_is_rejected_and_the_original_works(home: Path, is_open: bool, with_all: bool) -> None:
    original = SqliteCore(home / "outbox.db")
    if not is_open:
        original.close()
    copy = _linked(home, home.with_name("copy"), with_all=with_all)
    for owns in (True, False, None):
        with pytest.raises(StoreUnusable) as refused:
            SqliteCore(copy, owns=owns)
        assert _code_and_value(refused.value) == ("hard-link", str(home / "outbox.db"))
    if not is_open:
        original = SqliteCore(home / "outbox.db")
    _put(original, "02")
    original.close()
    with closing(SqliteCore(home / "outbox.db")) as core:
        _put(core, "03")
        assert _names(core) == ["01", "02", "03"]


def test_a_hard_linked_copy_cannot_be_read_or_backed_up(home: Path) -> None:
    copy = _linked(home, home.with_name("copy"), with_all=False)
    with pytest.raises(StoreUnusable) as refused:
        SqliteReader(copy)
    assert _code_and_value(refused.value) == ("hard-link", str(home / "outbox.db"))
    with pytest.raises(StoreUnusable) as refused:
        backup(copy, home.with_name("backup.db"), progress=lambda *_: None)
    assert _code_and_value(refused.value) == ("hard-link", str(home / "outbox.db"))
    SqliteReader(home / "outbox.db").close()


def test_a_symbolic_link_shares_the_lock_beside_the_real_file(home: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "outbox.db").symlink_to(home / "outbox.db")
    with (
        closing(SqliteCore(home / "outbox.db")),
        closing(SqliteCore(tmp_path / "other" / "outbox.db", owns=None)) as by,
    ):
        assert by.holder is None, "the owner opened it by the other name"
        assert [file.name for file in (tmp_path / "other").iterdir()] == ["outbox.db"], (
            "the lock and the logs are beside the real file"
        )
        _put(by, "02")
    with closing(SqliteCore(home / "outbox.db")) as core:
        assert _names(core) == ["01", "02"]


def test_a_moved_store_opens_and_a_hard_link_to_it_is_rejected(home: Path) -> None:
    moved = home.rename(home.with_name("moved"))
    with closing(SqliteCore(moved / "outbox.db")) as core:
        assert _names(core) == ["01"]
    with pytest.raises(StoreUnusable) as refused:
        SqliteCore(_linked(moved, home, with_all=True))
    assert _code_and_value(refused.value) == ("hard-link", str(moved / "outbox.db"))


def test_a_moved_store_with_a_second_name_opens(home: Path) -> None:
    """Moving a store with a hard-linked backup must work: the one that is opened first is the original."""
    copy = _linked(home, home.with_name("copy"), with_all=False)
    shutil.rmtree(home)
    os.link(copy, copy.with_name("backup"))
    SqliteCore(copy).close()
    with pytest.raises(StoreUnusable) as refused:
        SqliteCore(copy.with_name("backup"))
    assert _code_and_value(refused.value) == ("hard-link", str(copy))


def test_a_file_with_two_names_that_is_not_a_database_is_rejected_as_such(tmp_path: Path) -> None:
    (tmp_path / "outbox.db").write_bytes(b"x" * 999)
    os.link(tmp_path / "outbox.db", tmp_path / "other")
    with pytest.raises(StoreUnusable) as refused:
        SqliteCore(tmp_path / "outbox.db")
    assert _code_and_value(refused.value) == ("not-a-database", str(tmp_path / "outbox.db"))


def test_a_new_store_may_have_two_names_and_the_first_one_opened_is_the_original(tmp_path: Path) -> None:
    (tmp_path / "outbox.db").touch()
    os.link(tmp_path / "outbox.db", tmp_path / "other.db")
    SqliteCore(tmp_path / "outbox.db").close()
    with pytest.raises(StoreUnusable) as refused:
        SqliteCore(tmp_path / "other.db")
    assert _code_and_value(refused.value) == ("hard-link", str(tmp_path / "outbox.db"))


def test_a_store_that_cannot_be_reached_by_its_real_path_is_rejected(home: Path) -> None:
    from signalpost.delivery.outbox.sqlite_file import refuse_hard_link  # the old source lacks it

    with pytest.raises(StoreUnusable) as refused:
        refuse_hard_link(home / "outbox.db", home / "away" / "outbox.db")
    assert (refused.value.code, refused.value.field) == ("not-readable", "path")

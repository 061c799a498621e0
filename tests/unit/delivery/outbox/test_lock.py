"""One holder at a time, named in the file."""

import os
from pathlib import Path

import pytest

from signalpost.delivery.outbox.lock import FileLock
from signalpost.errors import StoreUnusable


def test_a_second_holder_is_told_who_the_first_is_until_it_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "o.db.lock"
    path.write_text("9" * 40)  # of a process that died: of a longer text no part must be left
    first = FileLock(path)
    assert path.read_text() == f"{first.holder}\n"
    assert first.holder.split()[0] == str(os.getpid())
    assert path.stat().st_mode & 0o777 == 0o644, "a file that was there keeps its rights"
    with pytest.raises(StoreUnusable, match=rf"process {os.getpid()} uses this outbox: stop that process, or give"):
        FileLock(path)
    first.release()
    FileLock(path).release()
    assert path.exists(), "a lock file that is deleted lets two hold it"


def test_a_lock_is_for_its_owner_alone(tmp_path: Path) -> None:
    FileLock(tmp_path / "lock").release()
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_letting_go_twice_closes_no_file_of_another(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    lock.release()
    with (tmp_path / "other").open("w") as other:
        lock.release()
        other.write("still open")
        other.flush()
    assert (tmp_path / "other").read_text() == "still open"


def test_a_holder_that_has_not_said_its_name_yet_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = FileLock(path)
    path.write_text("")
    with pytest.raises(StoreUnusable, match="process unknown uses this outbox"):
        FileLock(path)
    lock.release()


def test_a_lock_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match=r"lock: the lock cannot be made \(No such file or directory\)"):
        FileLock(tmp_path / "nowhere" / "lock")


def test_a_lock_that_another_holds_is_not_taken_and_one_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    lock = FileLock.taken(tmp_path / "lock")
    assert lock is not None
    assert FileLock.taken(tmp_path / "lock") is None
    lock.release()
    with pytest.raises(StoreUnusable, match="the lock cannot be made"):
        FileLock.taken(tmp_path / "nowhere" / "lock")

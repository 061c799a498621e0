"""One holder for each epoch, named in the file."""

import os
from pathlib import Path

import pytest

from signalpost.delivery.outbox import lock as locks
from signalpost.delivery.outbox.lock import FileLock, holder_of, is_held, is_held_by_older_version, lock_of, writer_of
from signalpost.errors import StoreUnusable


def _acquired(path: Path, epoch: int = 1) -> FileLock:
    lock = FileLock.acquire(path, epoch)
    assert lock is not None
    return lock


def test_an_epoch_has_one_holder_named_in_the_file_until_it_releases_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "o.db.lock"
    path.write_text("9" * 60)  # of a process that died: no part of a longer text may remain
    first = _acquired(path, 7)
    assert FileLock.acquire(path, 7) is None
    first.sign()
    assert path.read_text() == f"{first.holder} 7\n"
    assert holder_of(path).split()[0] == str(os.getpid())
    assert path.stat().st_mode & 0o777 == 0o644, "an existing file keeps its permissions"
    first.release()
    _acquired(path, 7).release()
    assert path.exists()


def test_a_successor_holds_the_next_epoch_while_a_frozen_owner_holds_the_last(tmp_path: Path) -> None:
    frozen, successor = _acquired(tmp_path / "lock", 1), _acquired(tmp_path / "lock", 2)
    successor.release()
    assert (is_held(tmp_path / "lock", 1), is_held(tmp_path / "lock", 2)) == (True, False)
    frozen.release()


def test_checking_the_holder_does_not_lock_anything(tmp_path: Path) -> None:
    lock = _acquired(tmp_path / "lock")
    lock.sign()
    assert is_held(tmp_path / "lock")
    lock.release()
    assert not is_held(tmp_path / "lock")
    (tmp_path / "lock").write_text("another version")
    assert not is_held(tmp_path / "lock")
    assert not is_held(tmp_path / "none")


def test_a_lock_file_is_private_to_its_owner(tmp_path: Path) -> None:
    _acquired(tmp_path / "lock").release()
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_releasing_twice_closes_no_other_file(tmp_path: Path) -> None:
    lock = _acquired(tmp_path / "lock")
    lock.release()
    with (tmp_path / "other").open("w") as other:
        lock.release()
        other.write("still open")
        other.flush()
    assert (tmp_path / "other").read_text() == "still open"


def test_a_lock_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable) as raised:
        FileLock.acquire(tmp_path / "nowhere" / "lock", 1)
    assert raised.value.code == "not-writable"
    assert holder_of(tmp_path / "nowhere" / "lock") == ""
    assert not is_held_by_older_version(tmp_path / "nowhere" / "lock")


def test_a_pipe_in_place_of_a_lock_is_refused_and_never_blocks(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    os.mkfifo(path)
    with pytest.raises(StoreUnusable) as raised:
        FileLock.acquire(path, 1)
    assert (raised.value.code, raised.value.errors[0].value) == ("not-a-file", str(path))
    assert (is_held(path), is_held(path, 1), is_held_by_older_version(path), holder_of(path)) == (False,) * 3 + ("",)


def test_a_lock_on_a_file_system_without_locks_is_not_held(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("1 word -1")
    assert not is_held(tmp_path / "lock")
    assert not is_held(tmp_path / "lock", -1), "the kernel refuses the query"


def test_a_process_of_an_older_version_holds_the_whole_file(tmp_path: Path) -> None:
    import fcntl

    with (tmp_path / "lock").open("w") as old:
        assert not is_held_by_older_version(tmp_path / "lock")
        fcntl.flock(old, fcntl.LOCK_EX)
        assert is_held_by_older_version(tmp_path / "lock")
        assert FileLock.acquire(tmp_path / "lock", 1) is None


def test_a_lock_is_beside_the_real_store(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "real.db")
    assert lock_of(tmp_path / "link.db") == tmp_path.resolve() / "real.db.lock"


def test_the_writing_process_is_found_in_the_list_of_linux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "LOCKS", tmp_path / "locks")
    (tmp_path / "shm").touch()
    number = (tmp_path / "shm").stat().st_ino
    (tmp_path / "locks").write_text(
        "1: FLOCK  ADVISORY  WRITE 11 00:1b:2711 0 EOF\n"
        "2: -> POSIX  ADVISORY  WRITE 12 00:1b:2711 0 EOF\n"
        f"3: POSIX  ADVISORY  READ 13 00:1b:{number} 124 124\n"
        f"4: POSIX  ADVISORY  WRITE 14 00:1b:{number} 120 120\n"
    )
    assert writer_of(tmp_path / "shm") == 14
    assert writer_of(tmp_path / "locks") is None
    monkeypatch.setattr(locks, "LOCKS", tmp_path / "none")
    assert writer_of(tmp_path / "shm") is None

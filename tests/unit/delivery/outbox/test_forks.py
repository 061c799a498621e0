"""The fork hooks of an open outbox. tests/faults/test_forks.py really forks."""

from pathlib import Path
from threading import Thread

import pytest

from signalpost.delivery.outbox import forks
from signalpost.delivery.outbox.commands import Stats
from signalpost.delivery.outbox.lock import is_held
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.errors import StoreFailed


def test_a_fork_waits_for_the_running_batch_and_the_parent_continues(tmp_path: Path) -> None:
    core = SqliteCore(tmp_path / "outbox.db")
    core.pause()  # as a batch would
    fork = Thread(target=forks._before)
    fork.start()
    assert fork.is_alive()
    core.resume()
    fork.join(30)
    batch = Thread(target=core.apply, args=([Stats()],))
    batch.start()
    assert batch.is_alive(), "no batch begins until the fork is over"
    forks._in_parent()
    batch.join(30)
    assert core.apply([Stats()]) == [{}]
    core.close()


def test_a_child_releases_the_lock_and_must_open_the_store_itself(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    core = SqliteCore(path)
    forks._before()
    forks._in_child()
    assert not is_held(core.lock_path)
    with pytest.raises(StoreFailed) as failed:
        core.apply([Stats()])
    assert (failed.value.code, failed.value.errors[0].value) == ("opened-before-fork", str(path))
    core.look()
    assert core.news() is None
    own = SqliteCore(path)
    assert own.apply([Stats()]) == [{}]
    with pytest.raises(StoreFailed):
        core.apply([Stats()])
    own.close()


def test_a_missing_lock_file_is_not_held(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "lock")

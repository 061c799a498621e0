"""Ownership of a store by heartbeat and epoch, on a clock that only these tests move."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from signalpost import clock
from signalpost.delivery.outbox.book import Amend, FindTrades
from signalpost.delivery.outbox.commands import Cancel, Expire, Find, Lease, Put, SaveFacts, Settle, Subject
from signalpost.delivery.outbox.heartbeat import USUAL, read_beat
from signalpost.delivery.outbox.lock import FileLock
from signalpost.delivery.outbox.ownership import Ownership
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.change import Reopen
from signalpost.domain.delivery import DeliveryId
from signalpost.errors import OwnershipLost, StoreFailed
from signalpost.testing.outbox_samples import LANE, new, notification
from tests.tmpfs import with_connection


class Time:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def pass_with(self, seconds: int, *parts: Ownership) -> None:
        """Let time pass, with a tick of each of these every half second."""
        for _ in range(2 * seconds):
            self.now += 0.5
            for part in parts:
                part.loop_ran_at = self.now
                part.tick()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def cores(tmp_path: Path) -> Iterator[Callable[..., SqliteCore]]:
    made: list[SqliteCore] = []

    def core(*, owns: bool | None = None) -> SqliteCore:
        made.append(SqliteCore(tmp_path / "outbox.db", owns=owns))
        return made[-1]

    yield core
    for each in made:
        each.close()


def _part(core: SqliteCore, time: Time, *, wants: bool = True) -> Ownership:
    part = Ownership(core, USUAL, wants=wants, now=time)
    part.tick()
    return part


def _put(core: SqliteCore, name: str) -> None:
    core.apply([Put((new(notification(name)),))])


Cores = Callable[..., SqliteCore]


def test_an_owner_that_beats_stays_the_owner_and_one_that_is_silent_is_replaced(cores: Cores, time: Time) -> None:
    frozen, heir = cores(), cores()
    old, other = _part(frozen, time), _part(heir, time)
    time.pass_with(120, old, other)
    assert (frozen.is_deposed, heir.holder, other.seen.silent_for < USUAL.doubt_after) == (False, None, True)
    time.pass_with(20, other)
    assert (heir.holder, other.seen.silent_for >= USUAL.doubt_after) == (None, True)
    time.pass_with(16, other)
    assert heir.holder is not None
    assert heir.owner.epoch == 2
    assert not old.may_send, "its last beat is too old"
    assert old.tick(), "it continues, and has news"
    assert frozen.is_deposed
    beat = read_beat(frozen.beat_path)
    assert beat is not None
    assert beat.epoch == 2, "it does not overwrite its successor's beat"
    assert not old.tick(), "reported once"


def test_a_deposed_owner_may_put_and_read_but_neither_lease_nor_settle_nor_save_facts(cores: Cores, time: Time) -> None:
    frozen, heir = cores(), cores()
    _put(frozen, "01")
    heir.own(over_a_live_one=True)
    now = clock.now()
    for command in (Lease(LANE, now), Settle(()), Expire(now), SaveFacts(Subject(LANE), {"a": b"1"})):
        with pytest.raises(OwnershipLost) as raised:
            frozen.apply([command])
        assert raised.value.code == "ownership-lost"
    frozen.apply([Find(), FindTrades(), Cancel(DeliveryId("none", LANE), "by hand")])
    frozen.apply([Amend("none", Reopen(), now, ("02", "03"))])
    _put(frozen, "02")
    frozen.disown()
    assert (frozen.holder, frozen.is_deposed) == (None, False)
    with pytest.raises(TypeError):
        frozen.apply([Lease(LANE, now)])


def test_a_successor_that_froze_later_does_not_take_the_store_back(cores: Cores, time: Time) -> None:
    """The silence of its predecessor does not count against its own successor."""
    one, two = cores(), cores()
    first, second = _part(one, time), _part(two, time)
    time.pass_with(31, second)
    assert two.holder is not None
    first.tick()
    one.disown()
    time.pass_with(31, first)
    assert one.holder is not None
    second.tick()
    two.disown()
    time.pass_with(120, first, second)
    assert (one.owner.epoch, two.holder, first.trouble, second.trouble) == (3, None, None, None)


def test_a_third_process_replaces_the_successor_while_the_frozen_one_lives_and_a_restart_takes_nothing(
    cores: Cores, time: Time
) -> None:
    frozen, heir = cores(), cores()
    old, other = _part(frozen, time), _part(heir, time)
    time.pass_with(31, other)
    assert heir.holder is not None
    third = cores()
    watcher = _part(third, time)
    frozen.close()
    again = cores()
    restarted = _part(again, time)
    time.pass_with(60, other, watcher, restarted)
    assert (third.holder, again.holder, watcher.seen.holder) == (None, None, heir.holder)
    heir.close()
    watcher.tick()
    assert third.holder is not None, "a free lock is taken at once"
    assert old.seen.process == 0


def test_a_process_that_does_not_want_the_store_never_takes_it(cores: Cores, time: Time) -> None:
    cores(owns=True)
    beside = cores(owns=False)
    part = _part(beside, time, wants=False)
    time.pass_with(60, part)
    assert (beside.holder, part.seen.silent_for > USUAL.take_over_after) == (None, True)


def test_a_blocked_event_loop_is_in_the_beat_and_the_owner_keeps_the_store(cores: Cores, time: Time) -> None:
    blocked, other = cores(), cores()
    part, watcher = _part(blocked, time), _part(other, time)
    for _ in range(120):
        time.now += 0.5
        part.tick()  # the store thread continues
        watcher.tick()
    assert (blocked.is_deposed, other.holder) == (False, None)
    assert watcher.seen.idle > USUAL.blocked_after
    assert part.idle == 60


def test_a_process_with_a_blocked_event_loop_takes_over_only_once_it_runs_again(cores: Cores, time: Time) -> None:
    gone, blocked = cores(), cores()
    part = _part(blocked, time)
    gone.close()
    time.now += 20
    part.tick()
    assert blocked.holder is None, "it would own the store without delivering"
    part.loop_ran_at = time.now
    part.tick()
    assert blocked.holder is not None


def test_a_failed_takeover_is_reported_and_retried(cores: Cores, time: Time) -> None:
    gone, (heir, db) = cores(), with_connection(cores)
    part = _part(heir, time)
    gone.close()
    db.execute("PRAGMA query_only=1")
    assert part.tick()
    assert isinstance(part.trouble, StoreFailed)
    assert heir.holder is None
    db.execute("PRAGMA query_only=0")
    time.pass_with(2, part)
    assert (part.trouble, heir.holder is not None) == (None, True)
    part.disown()
    part.tick()
    assert heir.holder is None, "not at once"


def test_a_process_takes_nothing_if_another_was_faster(
    cores: Cores, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, late = cores(), cores()
    part = _part(late, time)
    gone.close()
    with monkeypatch.context() as patch:
        patch.setattr(late, "own", lambda **_: None)
        part.tick()
    assert (late.holder, part.trouble) == (None, None)


def test_the_error_is_cleared_once_another_process_delivers(cores: Cores, time: Time) -> None:
    gone, (heir, db) = cores(), with_connection(cores)
    part = _part(heir, time)
    gone.close()
    db.execute("PRAGMA query_only=1")
    part.tick()
    _part(cores(), time)
    part.tick()
    assert part.trouble is None
    db.execute("PRAGMA query_only=0")


def test_an_unwritable_beat_stops_sends_and_an_unreadable_store_does_not_stop_the_beat(
    cores: Cores, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = cores()
    part = _part(core, time)

    def fails() -> None:
        raise StoreFailed("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(core, "look", fails)
        time.pass_with(30, part)
        assert part.may_send
    core.beat_path.unlink()
    core.beat_path.mkdir()
    time.pass_with(30, part)
    assert not part.may_send


def test_a_store_that_was_moved_away_is_reported_and_not_taken(cores: Cores, time: Time, tmp_path: Path) -> None:
    gone, heir = cores(), cores()
    part = _part(heir, time)
    gone.close()
    (tmp_path / "outbox.db").rename(tmp_path / "away")
    part.tick()
    assert (str(tmp_path / "outbox.db") in part.missing, heir.holder) == (True, None)
    (tmp_path / "away").rename(tmp_path / "outbox.db")
    time.pass_with(2, part)
    assert (part.missing, heir.holder is not None) == ("", True)


def test_one_of_two_processes_that_claim_an_epoch_gets_it(cores: Cores, tmp_path: Path) -> None:
    cores().close()
    one, other = cores(owns=False), cores(owns=False)
    claimed = FileLock.acquire(one.lock_path, one.owner.epoch + 1)
    assert claimed is not None
    assert other.own() is None, "the lock of that epoch is taken"
    claimed.release()
    with closing(sqlite3.connect(tmp_path / "outbox.db", isolation_level=None)) as db:
        real = other.look

        def look() -> None:
            real()
            db.execute("UPDATE owner SET epoch = epoch + 5")

        other.look = look  # type: ignore[method-assign]
        assert other.own() is None, "another was faster: its epoch is in the store"
        del other.look  # type: ignore[method-assign]
    assert other.own() is not None


def test_a_failed_claim_leaves_no_lock(cores: Cores, monkeypatch: pytest.MonkeyPatch) -> None:
    core = cores(owns=False)

    def breaks(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr("signalpost.delivery.outbox.sqlite.save_owner", breaks)
        with pytest.raises(ZeroDivisionError):
            core.own()
    assert core.holder is None
    assert core.own() is not None


def test_an_unlisted_writer_is_reported_as_by_sqlite(
    cores: Cores, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    core = cores()
    monkeypatch.setattr("signalpost.delivery.outbox.sqlite_file.SECONDS_FOR_OTHERS", 0)
    monkeypatch.setattr("signalpost.delivery.outbox.sqlite.writer_of", lambda _: None)
    with closing(sqlite3.connect(tmp_path / "outbox.db", isolation_level=None)) as tool:
        tool.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreFailed) as raised:
            _put(core, "01")
    store = str(tmp_path / "outbox.db")
    assert raised.value.errors[0].facts() == {"code": "store-locked", "field": "path", "value": store, "limit": None}


def test_an_idle_process_that_cannot_write_notices_within_a_beat(cores: Cores, time: Time, tmp_path: Path) -> None:
    part = _part(cores(), time)
    assert part.locked == ""
    with closing(sqlite3.connect(tmp_path / "outbox.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        time.pass_with(5, part)
        assert str(os.getpid()) in part.locked  # both are in this process
    time.pass_with(5, part)
    assert part.locked == ""

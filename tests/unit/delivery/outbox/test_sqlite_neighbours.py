"""Several connections to one outbox: one owner, and others that put beside it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from signalpost.delivery.outbox import sqlite_file
from signalpost.delivery.outbox.arrivals import Arrival
from signalpost.delivery.outbox.commands import (
    READING,
    Expire,
    Find,
    History,
    Lease,
    LoadFacts,
    LoadState,
    Open,
    Prune,
    Put,
    Settle,
    Stats,
)
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.outbox.verbs import carry_out
from signalpost.domain.delivery import DeliveryId, DeliveryState
from signalpost.domain.notification import Notification
from signalpost.domain.priority import NotificationPriority
from signalpost.errors import CommandFailed, StoreFailed, StoreUnusable
from signalpost.testing.outbox_samples import LANE, MINUTE, START, new, notification, verdict

LATER = START + timedelta(days=1)


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[SqliteCore]:
    core = SqliteCore(tmp_path / "outbox.db")
    yield core
    core.close()


@pytest.fixture
def beside(owner: SqliteCore, tmp_path: Path) -> Iterator[SqliteCore]:
    core = SqliteCore(tmp_path / "outbox.db", owns=False)
    yield core
    core.close()


def _put(core: SqliteCore, *told: Notification, lane: str = LANE) -> None:
    core.apply([Put(tuple(new(each, rank, lane) for rank, each in enumerate(told)))])


@pytest.mark.parametrize("command", [Lease(LANE, START), Settle(()), Expire(START)])
def test_only_the_owner_lends_and_settles(beside: SqliteCore, command: Lease | Settle | Expire) -> None:
    with pytest.raises(TypeError, match=f"{type(command).__name__} is for the owner of the outbox, and this is not"):
        beside.apply([command])
    _put(beside, notification("01"))
    assert len(beside.apply([Find()])[0]) == 1


def test_what_another_puts_is_lent_in_its_order(owner: SqliteCore, beside: SqliteCore) -> None:
    _put(owner, notification("01"))
    _put(beside, notification("02"))
    _put(owner, notification("03"))
    (leased,) = owner.apply([Lease(LANE, START, limit=9)])
    assert [parcel.notification.id for parcel in leased.parcels] == ["01", "02", "03"]
    numbers = owner._db.execute("SELECT number FROM notification ORDER BY id").fetchall()
    assert numbers == [(1,), (2,), (3,)]


def test_a_count_is_taken_anew_where_another_has_written(owner: SqliteCore, beside: SqliteCore) -> None:
    _put(owner, notification("01"))
    assert owner.apply([Stats()]) == [{(LANE, DeliveryState.PENDING): 1}]
    _put(beside, notification("02"))
    assert owner.apply([Stats()]) == [{(LANE, DeliveryState.PENDING): 2}]


def test_who_reads_waits_for_nobody_and_sees_what_was_written_before(
    owner: SqliteCore, beside: SqliteCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "SECONDS_FOR_OTHERS", 0)
    told = notification("01")
    _put(owner, told)
    owner._db.execute("BEGIN IMMEDIATE")
    carry_out([Put((new(notification("02")),))], owner._tables)
    reading = [Find(), Open(), History(DeliveryId("01", LANE)), Stats(), LoadState("s"), LoadFacts(LANE)]
    assert {type(command) for command in reading} == set(READING)
    beside.look()
    assert beside.news() == (Arrival(LANE, NotificationPriority.NORMAL, 1),)
    found, _, *rest = beside.apply(reading)
    assert [parcel.notification for parcel in found] == [told]
    assert rest == [(), {(LANE, DeliveryState.PENDING): 1}, None, {}]
    assert beside._db.total_changes == 0
    with pytest.raises(StoreFailed) as raised:
        beside.apply([Stats(), Put(())])
    assert raised.value.code == "store-locked"
    owner._db.execute("ROLLBACK")


def test_what_another_puts_can_be_overdue(owner: SqliteCore, beside: SqliteCore) -> None:
    _put(owner, notification("01"))
    assert owner.apply([Expire(START + 30 * MINUTE)]) == [[]]
    _put(beside, notification("02", valid_for=MINUTE))
    assert [each.id.notification_id for each in owner.apply([Expire(START + 30 * MINUTE)])[0]] == ["02"]


def test_a_number_that_another_used_again_lends_no_older_notification(owner: SqliteCore, beside: SqliteCore) -> None:
    """The owner remembers by number what it put; where that was deleted, the number may mean another one."""
    suppressed = new(notification("01"))
    off = tuple(each._replace(state=DeliveryState.SUPPRESSED) for each in suppressed.deliveries)
    owner.apply([Put((suppressed._replace(deliveries=off),))])
    beside.apply([Prune(LATER)])
    _put(beside, notification("02"))
    (leased,) = owner.apply([Lease(LANE, START)])
    assert [parcel.notification.id for parcel in leased.parcels] == ["02"]
    assert owner.news() == (Arrival(LANE, NotificationPriority.NORMAL, 1),)


def test_where_the_last_ones_were_deleted_and_numbers_begin_anew_nothing_is_missed(
    owner: SqliteCore, tmp_path: Path
) -> None:
    for name in ("01", "02", "03"):
        told = new(notification(name))
        off = tuple(each._replace(state=DeliveryState.SUPPRESSED) for each in told.deliveries)
        owner.apply([Put((told._replace(deliveries=off),))])
    for commands in ([Prune(LATER)], [Put((new(notification("04")),))]):
        other = SqliteCore(tmp_path / "outbox.db", owns=False)
        other.apply(commands)
        other.close()
    owner.look()
    assert owner.news() == (Arrival(LANE, NotificationPriority.NORMAL, 1),)


def test_a_number_that_a_batch_took_back_lends_no_other_notification(owner: SqliteCore, beside: SqliteCore) -> None:
    with pytest.raises(CommandFailed):
        owner.apply([Put((new(notification("01")), new(notification("02"), 0, LANE, LANE)))])
    _put(beside, notification("03"))
    (leased,) = owner.apply([Lease(LANE, START)])
    assert [parcel.notification.id for parcel in leased.parcels] == ["03"]


def test_what_others_put_is_told_once_by_destination_and_never_what_one_put_oneself(
    owner: SqliteCore, beside: SqliteCore
) -> None:
    _put(owner, notification("01"))
    owner.look()
    assert owner.news() is None
    _put(beside, notification("02"), notification("03", priority=NotificationPriority.URGENT))
    _put(beside, notification("04"), lane="other")
    _put(owner, notification("05"))
    assert owner.news() == (
        Arrival("other", NotificationPriority.NORMAL, 1),
        Arrival(LANE, NotificationPriority.URGENT, 2),
    )
    assert owner.news() is None
    _put(beside, notification("06"))
    owner.look()
    assert owner.news() == (Arrival(LANE, NotificationPriority.NORMAL, 1),)
    assert beside.news() == (Arrival(LANE, NotificationPriority.NORMAL, 1),) * 2, "of 01, and later of 05"


def test_that_another_wrote_is_news_also_where_it_put_nothing(owner: SqliteCore, beside: SqliteCore) -> None:
    _put(owner, notification("01"))
    owner.apply([Lease(LANE, START)])
    beside.look()
    assert beside.news() == ()


def test_one_that_goes_beside_takes_over_once_the_owner_is_gone(
    owner: SqliteCore, beside: SqliteCore, tmp_path: Path
) -> None:
    _put(owner, notification("01"))
    owner.apply([Lease(LANE, START)])
    assert (beside.own(), beside.holder) == (None, None)
    owner.close()
    holder = beside.own()
    assert holder is not None
    assert (beside.own(), beside.holder) == (holder, holder)
    (left,) = beside.apply([Find(states=frozenset({DeliveryState.LEASED}))])
    beside.apply([Settle((verdict(left[0].delivery, DeliveryState.DELIVERED),))])
    with pytest.raises(StoreUnusable, match="delivers from this store"):
        SqliteCore(tmp_path / "outbox.db")
    third = SqliteCore(tmp_path / "outbox.db", owns=None)
    assert third.holder is None
    third.close()


def test_who_may_own_does_so_where_nobody_else_does(tmp_path: Path) -> None:
    core = SqliteCore(tmp_path / "outbox.db", owns=None)
    assert core.holder is not None
    core.close()


def test_a_look_into_a_damaged_file_is_a_store_that_failed(owner: SqliteCore, tmp_path: Path) -> None:
    for name in ("outbox.db", "outbox.db-wal", "outbox.db-shm"):
        (tmp_path / name).write_bytes(b"x" * 40_000)
    with pytest.raises(StoreFailed, match="it could not be read"):
        owner.look()

"""Several connections to one store: one owner, and producers beside it."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from signalpost.delivery.outbox import sqlite_file
from signalpost.delivery.outbox.backlog import Backlog, LaneBacklog
from signalpost.delivery.outbox.book import READING, FindTrades
from signalpost.delivery.outbox.commands import (
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
    Subject,
)
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.outbox.transaction import Arrival, Transaction
from signalpost.delivery.outbox.verbs import execute
from signalpost.domain.delivery import DeliveryId, DeliveryState
from signalpost.domain.notification import Notification
from signalpost.domain.priority import NotificationPriority
from signalpost.errors import CommandFailed, StoreFailed, StoreUnusable
from signalpost.testing.outbox_samples import LANE, MINUTE, START, new, notification, verdict
from tests.tmpfs import with_connection

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


def _put(core: SqliteCore, *made: Notification, lane: str = LANE) -> None:
    core.apply([Put(tuple(new(each, rank, lane) for rank, each in enumerate(made)))])


@pytest.mark.parametrize("command", [Lease(LANE, START), Settle(()), Expire(START)])
def test_only_the_owner_leases_and_settles(beside: SqliteCore, command: Lease | Settle | Expire) -> None:
    with pytest.raises(TypeError) as refused:
        beside.apply([command])
    assert type(command).__name__ in str(refused.value)
    _put(beside, notification("01"))
    assert len(beside.apply([Find()])[0]) == 1


def test_notifications_of_other_processes_are_leased_in_order(
    owner: SqliteCore, beside: SqliteCore, tmp_path: Path
) -> None:
    _put(owner, notification("01"))
    _put(beside, notification("02"))
    _put(owner, notification("03"))
    (leased,) = owner.apply([Lease(LANE, START, limit=9)])
    assert [entry.notification.id for entry in leased.entries] == ["01", "02", "03"]
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as db:
        numbers = db.execute("SELECT number FROM notification ORDER BY id").fetchall()
    assert numbers == [(1,), (2,), (3,)]


def test_counts_are_refreshed_after_another_process_has_written(owner: SqliteCore, beside: SqliteCore) -> None:
    _put(owner, notification("01"))
    assert owner.apply([Stats()]) == [{(LANE, DeliveryState.PENDING): 1}]
    _put(beside, notification("02"))
    assert owner.apply([Stats()]) == [{(LANE, DeliveryState.PENDING): 2}]


def test_a_reader_does_not_wait_for_a_writer_and_sees_what_was_committed_before(
    owner: SqliteCore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "SECONDS_FOR_OTHERS", 0)
    beside, reader = with_connection(lambda: SqliteCore(tmp_path / "outbox.db", owns=False))
    other, writer = with_connection(lambda: SqliteCore(tmp_path / "outbox.db", owns=False))
    made = notification("01")
    _put(owner, made)
    writer.execute("BEGIN IMMEDIATE")
    execute(Transaction(writer), [Put((new(notification("02")),))])
    reading = [Find(), Open(), History(DeliveryId("01", LANE)), Stats(), LoadState("s"), LoadFacts(Subject(LANE))]
    reading += [FindTrades(), Backlog()]
    assert {type(command) for command in reading} == set(READING)
    beside.look()
    assert beside.news() == (Arrival(LANE, NotificationPriority.NORMAL, 1),)
    found, _, *rest = beside.apply(reading)
    assert [entry.notification for entry in found] == [made]
    backlog = {LANE: LaneBacklog(1, made.accepted_at)}
    assert rest == [(), {(LANE, DeliveryState.PENDING): 1}, None, {}, (), backlog]
    assert reader.total_changes == 0
    with pytest.raises(StoreFailed) as raised:
        beside.apply([Stats(), Put(())])
    assert raised.value.code == "store-locked"
    writer.execute("ROLLBACK")
    other.close()
    beside.close()


def test_a_notification_of_another_process_can_expire(owner: SqliteCore, beside: SqliteCore) -> None:
    _put(owner, notification("01"))
    assert owner.apply([Expire(START + 30 * MINUTE)]) == [[]]
    _put(beside, notification("02", valid_for=MINUTE))
    assert [each.id.notification_id for each in owner.apply([Expire(START + 30 * MINUTE)])[0]] == ["02"]


def test_a_number_reused_by_another_process_leases_the_new_notification(owner: SqliteCore, beside: SqliteCore) -> None:
    """The owner caches its notifications by number. After a deletion the number may belong to another one."""
    suppressed = new(notification("01"))
    off = tuple(each._replace(state=DeliveryState.SUPPRESSED) for each in suppressed.deliveries)
    owner.apply([Put((suppressed._replace(deliveries=off),))])
    beside.apply([Prune(LATER)])
    _put(beside, notification("02"))
    (leased,) = owner.apply([Lease(LANE, START)])
    assert [entry.notification.id for entry in leased.entries] == ["02"]
    assert owner.news() == (Arrival(LANE, NotificationPriority.NORMAL, 1),)


def test_nothing_is_missed_if_numbers_restart_after_the_last_rows_were_deleted(
    owner: SqliteCore, tmp_path: Path
) -> None:
    for name in ("01", "02", "03"):
        item = new(notification(name))
        off = tuple(each._replace(state=DeliveryState.SUPPRESSED) for each in item.deliveries)
        owner.apply([Put((item._replace(deliveries=off),))])
    for commands in ([Prune(LATER)], [Put((new(notification("04")),))]):
        other = SqliteCore(tmp_path / "outbox.db", owns=False)
        other.apply(commands)
        other.close()
    owner.look()
    assert owner.news() == (Arrival(LANE, NotificationPriority.NORMAL, 1),)


def test_a_number_from_a_rolled_back_batch_leases_no_other_notification(owner: SqliteCore, beside: SqliteCore) -> None:
    with pytest.raises(CommandFailed):
        owner.apply([Put((new(notification("01")), new(notification("02"), 0, LANE, LANE)))])
    _put(beside, notification("03"))
    (leased,) = owner.apply([Lease(LANE, START)])
    assert [entry.notification.id for entry in leased.entries] == ["03"]


def test_arrivals_from_others_are_reported_once_for_each_destination_and_own_ones_never(
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


def test_what_another_process_puts_is_news_without_a_batch_of_our_own(owner: SqliteCore, beside: SqliteCore) -> None:
    _put(owner, notification("01"))
    assert owner.news() is None
    _put(beside, notification("02"))
    assert owner.news() == (Arrival(LANE, NotificationPriority.NORMAL, 1),)


def test_a_lease_finds_the_next_wait_in_what_another_process_put(owner: SqliteCore, beside: SqliteCore) -> None:
    (leased,) = owner.apply([Lease(LANE, START)])
    assert leased.next_at is None
    item = new(notification("01"))
    later = tuple(each._replace(not_before=START + MINUTE) for each in item.deliveries)
    beside.apply([Put((item._replace(deliveries=later),))])
    (leased,) = owner.apply([Lease(LANE, START)])
    assert leased.next_at == START + MINUTE


def test_a_write_without_new_notifications_is_reported_as_empty_news(owner: SqliteCore, beside: SqliteCore) -> None:
    _put(owner, notification("01"))
    owner.apply([Lease(LANE, START)])
    beside.look()
    assert beside.news() == ()


def test_a_producer_takes_over_once_the_owner_is_gone(owner: SqliteCore, beside: SqliteCore, tmp_path: Path) -> None:
    _put(owner, notification("01"))
    owner.apply([Lease(LANE, START)])
    assert (beside.own(), beside.holder) == (None, None)
    owner.close()
    holder = beside.own()
    assert holder is not None
    assert (beside.own(), beside.holder) == (holder, holder)
    (left,) = beside.apply([Find(states=frozenset({DeliveryState.LEASED}))])
    beside.apply([Settle((verdict(left[0].delivery, DeliveryState.DELIVERED),))])
    with pytest.raises(StoreUnusable) as refused:
        SqliteCore(tmp_path / "outbox.db")
    assert (refused.value.code, refused.value.errors[0].value) == ("store-in-use", str(os.getpid()))
    third = SqliteCore(tmp_path / "outbox.db", owns=None)
    assert third.holder is None
    third.close()


def test_a_process_that_may_own_a_free_store_owns_it(tmp_path: Path) -> None:
    core = SqliteCore(tmp_path / "outbox.db", owns=None)
    assert core.holder is not None
    core.close()


def test_a_look_into_a_damaged_file_fails(owner: SqliteCore, tmp_path: Path) -> None:
    for name in ("outbox.db", "outbox.db-wal", "outbox.db-shm"):
        (tmp_path / name).write_bytes(b"x" * 40_000)
    with pytest.raises(StoreFailed) as failed:
        owner.look()
    assert str(tmp_path / "outbox.db") in str(failed.value)
    assert owner.news() is None, "the next command reports it"

"""Rows in SQLite: indices, the cache beside the file, and damage."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from signalpost.delivery.outbox import transaction
from signalpost.delivery.outbox.commands import (
    Cancel,
    Expire,
    Find,
    ForgetKeys,
    Lease,
    Message,
    Prune,
    Put,
    Revive,
    Settle,
    Stats,
)
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.delivery import DeliveryId, DeliveryState
from signalpost.errors import CommandFailed
from signalpost.testing.outbox_samples import LANE, MINUTE, START, new, notification, verdict
from tests.tmpfs import with_connection

DAY = timedelta(days=1)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[SqliteCore, sqlite3.Connection]]:
    core, db = with_connection(lambda: SqliteCore(tmp_path / "outbox.db"))
    db.execute("PRAGMA synchronous=OFF")
    yield core, db
    core.close()


@pytest.fixture
def core(opened: tuple[SqliteCore, sqlite3.Connection]) -> SqliteCore:
    return opened[0]


@pytest.fixture
def db(opened: tuple[SqliteCore, sqlite3.Connection]) -> sqlite3.Connection:
    """The connection of `core`."""
    return opened[1]


def _put(core: SqliteCore, *names: str) -> None:
    core.apply([Put(tuple(new(notification(name), rank) for rank, name in enumerate(names)))])


def test_final_deliveries_are_in_no_index_but_the_primary_key(core: SqliteCore, db: sqlite3.Connection) -> None:
    _put(core, *(f"{number:03}" for number in range(300)))
    for entry in core.apply([Lease(LANE, START, limit=300)])[0].entries:
        core.apply([Settle((verdict(entry.delivery, DeliveryState.DELIVERED),))])
    for index in ("INDEXED BY lane WHERE state IN ('pending', 'leased')", "INDEXED BY waiting WHERE state = 'pending'"):
        assert db.execute(f"SELECT count(*) FROM delivery {index}").fetchone() == (0,)


def test_a_query_that_ends_early_leaves_no_statement_open(
    core: SqliteCore, db: sqlite3.Connection, tmp_path: Path
) -> None:
    """An open statement would hold back every checkpoint, and the log would grow without limit."""
    _put(core, "01", "02", "03")
    core.apply([Lease(LANE, START), Prune(START + DAY, limit=1)])
    _put(core, "04")
    busy, log, copied = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert (busy, log, copied) == (0, 0, 0)
    assert (tmp_path / "outbox.db-wal").stat().st_size == 0


def test_overdue_deliveries_are_searched_for_only_when_there_may_be_some(
    core: SqliteCore, db: sqlite3.Connection
) -> None:
    searches: list[str] = []
    _put(core, "01")
    db.set_trace_callback(lambda statement: searches.append(statement) if "valid_until <=" in statement else None)
    until = START + 60 * MINUTE
    assert core.apply([Expire(START), Expire(START), Expire(until - MINUTE)]) == [[], [], []]
    assert len(searches) == 1
    early = notification("02", valid_for=MINUTE)
    core.apply([Put((new(early),))])
    assert [each.id.notification_id for each in core.apply([Expire(START + MINUTE)])[0]] == ["02"]
    assert [each.id.notification_id for each in core.apply([Expire(until)])[0]] == ["01"]
    assert core.apply([Revive(DeliveryId("01", LANE), 0, START), Expire(START)])[1] != []
    assert core.apply([Expire(until), Expire(until, limit=0)]) == [[], []]


def test_facts_cached_in_a_failed_batch_are_dropped(core: SqliteCore) -> None:
    """Within the batch nothing is overdue any more, and after it something is again."""
    _put(core, "01")
    core.apply([Put((new(notification("03", valid_for=DAY), 0, "other"),)), Stats()])
    twice = new(notification("02"), 0, LANE, LANE)
    late = START + 60 * MINUTE
    with pytest.raises(CommandFailed):
        core.apply([Cancel(DeliveryId("01", LANE), "by hand"), Expire(late), Put((twice,))])
    stats, expired = core.apply([Stats(), Expire(late)])
    assert stats == {(LANE, DeliveryState.PENDING): 1, ("other", DeliveryState.PENDING): 1}
    assert [each.id.notification_id for each in expired] == ["01"]


def test_a_lease_is_one_query_and_reads_no_new_notification_again(core: SqliteCore, db: sqlite3.Connection) -> None:
    """Nor does a settle look up a delivery that this process leased."""
    core.apply([Lease(LANE, START)])
    _put(core, *(f"{number:02}" for number in range(16)))
    looks: list[str] = []
    db.set_trace_callback(lambda text: looks.append(text) if text.lstrip().startswith("SELECT") else None)
    entries = core.apply([Lease(LANE, START, limit=16)])[0].entries
    assert len(entries) == 16
    assert ["FROM delivery AS k" in text for text in looks] == [True]
    looks.clear()
    assert core.apply([Settle((verdict(entries[0].delivery, DeliveryState.DELIVERED),))])[0]
    assert looks == []


def test_a_rolled_back_lease_blocks_nothing(core: SqliteCore, tmp_path: Path) -> None:
    """A delivery that another program set back by hand is not cached as leased."""
    _put(core, "01")
    twice = new(notification("02"), 0, LANE, LANE)
    with pytest.raises(CommandFailed):
        core.apply([Lease(LANE, START), Put((twice,))])
    (leased,) = core.apply([Lease(LANE, START)])[0].entries
    assert leased.notification.id == "01"
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as tool, tool:
        tool.execute("UPDATE delivery SET state = 'pending'")
    assert core.apply([Lease(LANE, START)])[0].entries == (leased,)


def test_expired_keys_are_deleted_page_by_page(core: SqliteCore, db: sqlite3.Connection) -> None:
    core.apply([Put(tuple(new(notification(f"{number:02}")) for number in range(25)))])
    core.apply([Put((new(notification("99", at=START + 9 * DAY)),))])
    left, last = [], ""
    for _ in range(3):
        (last,) = core.apply([ForgetKeys(START + DAY, last, limit=10)])
        left.append((last, db.execute("SELECT count(*) FROM key").fetchone()[0]))
    assert left == [("09 new", 16), ("19 new", 6), ("", 1)]


def test_a_message_is_one_row_for_all_its_deliveries_and_goes_with_the_last(
    core: SqliteCore, db: sqlite3.Connection
) -> None:
    names = ("01", "02", "03")
    core.apply([Put(tuple(new(notification(name, at=START + int(name) * MINUTE)) for name in names))])
    leased = core.apply([Lease(LANE, START, limit=3)])[0].entries
    message = Message(LANE, "m1", START)
    core.apply([Settle(tuple(verdict(each.delivery, DeliveryState.DELIVERED, message=message) for each in leased))])
    shows = []
    for name in names:
        shows.append(db.execute("SELECT message_id, sent_at, version, shows FROM message").fetchall())
        assert core.apply([Prune(START + (int(name) + 1) * MINUTE)]) == [1]
    sent_at = int(START.timestamp()) * 1_000_000 + START.microsecond
    assert shows == [[("m1", sent_at, 1, left)] for left in (3, 2, 1)]
    assert db.execute("SELECT count(*) FROM message").fetchone() == (0,)


def test_a_delivery_shown_by_another_message_leaves_the_first(core: SqliteCore, db: sqlite3.Connection) -> None:
    _put(core, "01", "02")
    shown = []
    for first, second in (("m1", "m1"), ("m2", "m1"), ("m2", "m2")):
        leased = core.apply([Lease(LANE, START, limit=2)])[0].entries
        messages = (Message(LANE, first, START, version=2), Message(LANE, second, START))
        verdicts = zip(leased, messages, strict=True)
        core.apply([Settle(tuple(verdict(each.delivery, DeliveryState.PENDING, message=m) for each, m in verdicts))])
        shown.append(db.execute("SELECT message_id, shows FROM message ORDER BY message_id").fetchall())
    assert shown == [[("m1", 2)], [("m1", 1), ("m2", 1)], [("m2", 2)]]


def test_counts_are_right_after_leases_verdicts_and_pruning(core: SqliteCore) -> None:
    assert core.apply([Stats()]) == [{}]
    _put(core, "01", "02", "03")
    (first, second) = core.apply([Lease(LANE, START, limit=2)])[0].entries
    core.apply(
        [Settle((verdict(first.delivery, DeliveryState.DELIVERED), verdict(second.delivery, DeliveryState.DEAD)))]
    )
    states = (DeliveryState.DELIVERED, DeliveryState.DEAD, DeliveryState.PENDING)
    assert core.apply([Stats()]) == [{(LANE, state): 1 for state in states}]
    assert core.apply([Prune(START + DAY), Stats()]) == [2, {(LANE, DeliveryState.PENDING): 1}]


def test_only_the_newest_notifications_are_cached(
    core: SqliteCore, db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "MOST_RECENT", 2)
    made = [notification(f"{number:02}") for number in range(4)]
    core.apply([Put(tuple(new(each, rank) for rank, each in enumerate(made)))])
    read: list[str] = []
    db.set_trace_callback(lambda statement: read.append(statement) if "SELECT body" in statement else None)
    entries = core.apply([Lease(LANE, START, limit=4)])[0].entries
    assert [entry.notification for entry in entries] == made
    assert len(read) == 2
    core.apply([Find()])
    assert len(read) == 6, "leased ones are no longer cached"


@pytest.mark.parametrize("damage", ["UPDATE notification SET body = '{'", "DELETE FROM notification"])
def test_only_the_delivery_of_a_damaged_notification_is_dead(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "damaged.db"
    core = SqliteCore(path)
    _put(core, "01", "02", "03")
    core.close()
    with sqlite3.connect(path) as db:
        db.execute(f"{damage} WHERE id = '01'")
    db.close()
    core, opened = with_connection(lambda: SqliteCore(path))
    shown = {each.delivery.id.notification_id: each.delivery.state.value for each in core.apply([Find()])[0]}
    assert shown == {"01": "dead", "02": "pending", "03": "pending"}
    (lease,) = core.apply([Lease(LANE, START)])
    assert [entry.notification.id for entry in lease.entries] == ["02"], "the lane continues with the next one"
    assert core.apply([Stats()]) == [
        {(LANE, DeliveryState.DEAD): 1, (LANE, DeliveryState.LEASED): 1, (LANE, DeliveryState.PENDING): 1}
    ]
    reasons = opened.execute("SELECT reason FROM delivery WHERE state = 'dead'").fetchall()
    (damaged,) = core.damaged()
    assert damaged.delivery.id.notification_id == "01"
    assert reasons == [(damaged.delivery.reason,)]
    assert damaged.delivery.reason
    core.close()


def test_a_batch_with_a_repeated_id_fails_as_a_whole(core: SqliteCore) -> None:
    with pytest.raises(CommandFailed) as failed:
        core.apply([Put((new(notification("01")), new(notification("01", event="closed"))))])
    assert failed.value.errors[0].facts() == {"code": "conflict", "field": "id", "value": "01", "limit": None}
    assert core.apply([Find()]) == [()]

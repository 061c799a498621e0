"""Leases of one batch: each sees the changes of those before it, although all changes are written together."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from signalpost.delivery.outbox.commands import Lease, PassOn, Put, Settle, SettleAndLease, Stats
from signalpost.delivery.outbox.port import Core
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.delivery import DeliveryState
from signalpost.errors import StoreFailed
from signalpost.testing.outbox_samples import LANE, MINUTE, START, new, notification, verdict
from tests.size import size
from tests.tmpfs import new_core, with_connection

OTHER = "signals-premium"
MANY = size(2_000, 10_000)
COUNTS = {DeliveryState.DELIVERED: 1, DeliveryState.PENDING: 2}


@pytest.fixture
def core() -> Iterator[Core]:
    core = new_core()
    yield core
    core.close()


def test_two_leases_of_one_lane_never_return_the_same_delivery(core: Core) -> None:
    """Even if the lane is longer than its cached head."""
    names = [f"{number:02}" for number in range(20)]
    core.apply([Put(tuple(new(notification(name), rank, LANE, OTHER) for rank, name in enumerate(names)))])
    batch = [Lease(lane, START, limit) for lane, limit in ((LANE, 1), (OTHER, 1), (LANE, 3), (LANE, 20))]
    leased_ids = [[entry.delivery.id.notification_id for entry in leased.entries] for leased in core.apply(batch)]
    assert leased_ids == [names[:1], names[:1], names[1:4], names[4:]]


def test_an_expired_delivery_is_reported_by_one_lease_only(core: Core) -> None:
    expiring = [notification(name, valid_for=valid_for * MINUTE) for name, valid_for in (("01", 1), ("02", 9))]
    core.apply([Put(tuple(map(new, expiring)))])
    first, second = core.apply([Lease(LANE, START + 2 * MINUTE), Lease(LANE, START + 2 * MINUTE)])
    assert [delivery.id.notification_id for delivery in first.expired] == ["01"]
    assert [entry.delivery.id.notification_id for entry in first.entries] == ["02"]
    assert not second.expired
    assert not second.entries


def test_a_lease_does_not_read_the_many_deliveries_that_wait(tmp_path: Path) -> None:
    """Whether it finds a delivery behind thousands of them, or none."""
    core, db = with_connection(lambda: SqliteCore(tmp_path / "outbox.db"))
    with closing(core):
        db.execute("PRAGMA synchronous=OFF")
        names = [f"{number:05}" for number in range(MANY)]
        core.apply([Put(tuple(new(notification(name), rank) for rank, name in enumerate(names)))])
        db.execute("UPDATE delivery SET not_before = valid_until - 1")
        core.apply([Put((new(notification("last"), MANY),))])
        texts: list[bytes] = []
        db.text_factory = lambda text: texts.append(text) or text.decode()
        steps = count()
        db.set_progress_handler(lambda: next(steps) and None, 1)
        found, none = core.apply([Lease(LANE, START), Lease(LANE, START)])
        db.set_progress_handler(None, 1)
        assert [entry.delivery.id.notification_id for entry in found.entries] == ["last"]
        assert none.entries == ()
        assert none.next_at == found.next_at == START + 60 * MINUTE - timedelta(microseconds=1)
        assert len(texts) < 200, "text values read; a row has at least four"
        assert next(steps) < 2 * 20 * MANY, "SQLite steps; reading a row takes 40 or more"


def test_verdicts_are_saved_if_the_lease_that_follows_them_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The changes of the failed lease are undone, also in memory, and the next lease works."""
    core, db = with_connection(lambda: SqliteCore(tmp_path / "outbox.db"))
    with closing(core):
        core.apply([Put(tuple(new(notification(name), 0, LANE, OTHER) for name in ("01", "02", "03")))])
        first, other = core.apply([Lease(LANE, START), Lease(OTHER, START)])
        db.execute(
            "CREATE TEMP TRIGGER fails BEFORE UPDATE ON delivery WHEN new.state = 'leased'"
            f" AND new.destination = '{OTHER}' BEGIN SELECT raise(ABORT, 'not this one'); END"
        )
        settles = [
            SettleAndLease(Settle((verdict(lease.entries[0].delivery, DeliveryState.DELIVERED),)), Lease(lane, START))
            for lane, lease in ((LANE, first), (OTHER, other))
        ]
        answers = core.apply(settles)
        assert [(each.settled[0].state, each.leased) for each in answers] == [(DeliveryState.DELIVERED, None)] * 2
        assert any("IntegrityError" in line for line in caplog.messages)
        db.execute("DROP TRIGGER fails")
        (stats,) = core.apply([Stats()])
        assert stats == {(lane, state): count for lane in (LANE, OTHER) for state, count in COUNTS.items()}
        leases = core.apply([Lease(LANE, START), Lease(OTHER, START, limit=9)])
        assert [[entry.notification.id for entry in each.entries] for each in leases] == [["02"], ["02", "03"]]


def test_a_lease_that_fails_because_of_the_disk_fails_its_batch(tmp_path: Path) -> None:
    core, db = with_connection(lambda: SqliteCore(tmp_path / "outbox.db"))
    with closing(core):
        core.apply([Put((new(notification("01")), new(notification("02"))))])
        (first,) = core.apply([Lease(LANE, START)])
        db.execute(
            "CREATE TEMP TRIGGER fails BEFORE UPDATE ON delivery WHEN new.state = 'leased'"
            " BEGIN SELECT raise(ROLLBACK, 'all of it'); END"
        )
        done = Settle((verdict(first.entries[0].delivery, DeliveryState.DELIVERED),))
        with pytest.raises(StoreFailed):
            core.apply([SettleAndLease(done, Lease(LANE, START))])
        db.execute("DROP TRIGGER fails")
        (stats,) = core.apply([Stats()])
        assert stats == {(LANE, DeliveryState.LEASED): 1, (LANE, DeliveryState.PENDING): 1}
        (answer,) = core.apply([SettleAndLease(done, Lease(LANE, START))])
        assert [entry.notification.id for entry in answer.leased.entries] == ["02"]


def test_a_hundred_deliveries_are_passed_on_at_a_time(core: Core) -> None:
    core.apply([Put(tuple(new(notification(f"{number:03}"), 0) for number in range(101)))])
    passing = PassOn(LANE, START, "gone", {}, {"alert": OTHER})
    answers = core.apply([passing] * 3)
    assert [len(each.ended) for each in answers] == [len(each.added) for each in answers] == [100, 1, 0]

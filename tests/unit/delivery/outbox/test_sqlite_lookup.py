"""Queries for people, on a store that another process may own."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from signalpost.delivery.outbox.commands import Find, ForgetKeys, Lease, Message, Prune, Put, Settle
from signalpost.delivery.outbox.reader import Past, SqliteReader
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.ticket_ids import first_of
from signalpost.domain.delivery import Attempt, Delivery, DeliveryId, DeliveryState
from signalpost.domain.priority import NotificationPriority
from signalpost.errors import StoreFailed, StoreUnusable
from signalpost.testing.outbox_samples import LANE, MINUTE, START, new, notification, verdict


@pytest.fixture
def core(tmp_path: Path) -> Iterator[SqliteCore]:
    with closing(SqliteCore(tmp_path / "outbox.db")) as made:
        yield made


@pytest.fixture
def lookup(core: SqliteCore, tmp_path: Path) -> Iterator[SqliteReader]:
    with closing(SqliteReader(tmp_path / "outbox.db")) as made:
        yield made


def of(core: SqliteCore, ticket: str) -> Delivery:
    ((entry,),) = core.apply([Find(notification_id=ticket)])
    delivery: Delivery = entry.delivery
    return delivery


def test_a_name_is_a_sequence_or_a_key_and_has_its_tickets_oldest_first(core: SqliteCore, lookup: SqliteReader) -> None:
    made = [
        notification("t1", "eur"),
        notification("t2", "eur", "update 1"),
        notification("t3", "eur 2"),
        notification("t4", "eur!"),
    ]
    core.apply([Put(tuple(map(new, made)))])
    assert lookup.tickets("eur") == ["t1", "t2", "t3"], "a space separates a sequence from its event"
    assert lookup.tickets("eur update 1") == ["t2"]
    assert lookup.tickets("eur!") == ["t4"]
    assert lookup.tickets("eu") == lookup.tickets("") == lookup.tickets("eur new more") == []


def test_a_name_is_found_after_its_key_was_deleted(core: SqliteCore, lookup: SqliteReader) -> None:
    core.apply([Put((new(notification("t1", "eur")), new(notification("t2", "eur", "update 1"))))])
    core.apply([Prune(START), ForgetKeys(START + timedelta(days=2))])
    assert lookup.tickets("eur") == ["t1", "t2"]
    assert lookup.tickets("eur update 1") == ["t2"]


def test_deliveries_are_filtered_and_listed_newest_first(core: SqliteCore, lookup: SqliteReader) -> None:
    high = NotificationPriority.HIGH
    early, late = first_of(START), first_of(START + MINUTE)
    core.apply([Put((new(notification(early), 0, "a", "b"), new(notification(late, priority=high), 0, "b")))])
    core.apply([Lease("a", START)])
    a, b, last = DeliveryId(early, "a"), DeliveryId(early, "b"), DeliveryId(late, "b")

    def listed(**wanted: Any) -> list[DeliveryId]:
        return [each.delivery.id for each in lookup.apply([Find(**wanted)])[0]]

    assert listed(limit=9) == [last, b, a]
    assert listed(limit=2) == [last, b]
    assert listed(states=frozenset({DeliveryState.LEASED, DeliveryState.DEAD})) == [a]
    assert listed(destination="b") == [last, b]
    assert listed(priority=high) == [last]
    assert listed(since=START + MINUTE) == [last]
    assert listed(since=START) == [last, b, a]
    assert listed(destination="b", states=frozenset({DeliveryState.PENDING}), priority=high, since=START) == [last]


def test_a_message_is_found_by_the_delivery_that_it_shows(core: SqliteCore, lookup: SqliteReader) -> None:
    core.apply([Put((new(notification("t1")),)), Lease(LANE, START)])
    assert lookup.message(of(core, "t1")) is None
    message = Message(LANE, "77", START + MINUTE, 3)
    core.apply([Settle((verdict(of(core, "t1"), DeliveryState.DELIVERED, message=message),))])
    assert lookup.message(of(core, "t1")) == message


def test_deliveries_ahead_are_the_earlier_pending_ones_of_the_lane(core: SqliteCore, lookup: SqliteReader) -> None:
    places = {"t1": 1, "t2": 1, "t3": 0, "t4": 2}
    core.apply([Put(tuple(new(notification(name), rank) for name, rank in places.items()))])
    core.apply([Put((new(notification("t0"), 0, "another"),))])
    assert {name: lookup.ahead(of(core, name)) for name in places} == {"t1": 1, "t2": 2, "t3": 0, "t4": 3}
    core.apply([Lease(LANE, START)])
    assert lookup.ahead(of(core, "t4")) == 2, "a leased delivery is no longer ahead"


def test_failures_are_counted_back_to_the_last_answer(core: SqliteCore, lookup: SqliteReader) -> None:
    outcomes = ("unavailable", "delivered", "unconfirmed", "unavailable")
    for number, outcome in enumerate(outcomes):
        ticket = first_of(START + number * MINUTE)
        core.apply([Put((new(notification(ticket)),)), Lease(LANE, START)])
        attempt = Attempt(START, START + number * MINUTE, outcome)
        core.apply([Settle((verdict(of(core, ticket), DeliveryState.DEAD, attempt=attempt),))])
    assert lookup.failures(LANE, START) == 2
    assert lookup.failures("another", START) == 0
    assert lookup.failures(LANE, START + timedelta(hours=24, minutes=3)) == 1, "of a day's notifications"
    assert lookup.failures(LANE, START + timedelta(days=2)) == 0


def test_the_past_counts_ended_and_open_deliveries(core: SqliteCore, lookup: SqliteReader) -> None:
    core.apply([Put((new(notification("t1")), new(notification("t2")), new(notification("t3", at=START + MINUTE))))])
    core.apply([Lease(LANE, START)])
    core.apply([Settle((verdict(of(core, "t1"), DeliveryState.DEAD),))])
    past = lookup.past(START + MINUTE)
    assert past == Past(ended=1, open=1, size=past.size, free=0)
    assert past.size % 4096 == 0
    assert past.size > 0
    assert lookup.past(START)[:2] == (0, 0)


def test_a_file_that_is_not_a_store_is_unusable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable) as refused:
        SqliteReader(tmp_path / "none.db")
    assert (refused.value.code, refused.value.errors[0].value) == ("no-store-yet", str(tmp_path / "none.db"))
    with closing(sqlite3.connect(tmp_path / "other.db")) as db:
        db.execute("CREATE TABLE mine (number)")
    with pytest.raises(StoreUnusable) as refused:
        SqliteReader(tmp_path / "other.db")
    assert (refused.value.code, refused.value.errors[0].value) == ("foreign-database", str(tmp_path / "other.db"))
    (tmp_path / "no.db").write_text("no database " * 400, encoding="utf-8")
    with pytest.raises(StoreUnusable) as refused:
        SqliteReader(tmp_path / "no.db")
    assert (refused.value.code, refused.value.errors[0].value) == ("not-a-database", str(tmp_path / "no.db"))


def test_a_store_damaged_after_opening_fails_the_query(core: SqliteCore, lookup: SqliteReader, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as db:
        db.execute("DROP TABLE message")
    core.apply([Put((new(notification("t1")),))])
    with pytest.raises(StoreFailed) as failed:
        lookup.message(of(core, "t1"))
    assert str(tmp_path / "outbox.db") in str(failed.value)


def test_a_message_with_a_damaged_row_is_unknown(core: SqliteCore, lookup: SqliteReader, tmp_path: Path) -> None:
    core.apply([Put((new(notification("t1")),)), Lease(LANE, START)])
    core.apply([Settle((verdict(of(core, "t1"), DeliveryState.DELIVERED, message=Message(LANE, "77", START)),))])
    with closing(sqlite3.connect(tmp_path / "outbox.db", isolation_level=None)) as db:
        db.execute("UPDATE message SET version = 'three'")
    assert lookup.message(of(core, "t1")) is None


def test_a_list_from_a_store_without_its_notifications_fails(
    core: SqliteCore, lookup: SqliteReader, tmp_path: Path
) -> None:
    core.apply([Put((new(notification("t1")),))])
    with closing(sqlite3.connect(tmp_path / "outbox.db", isolation_level=None)) as db:
        db.execute("DROP TABLE notification")
    with pytest.raises(StoreFailed):
        lookup.apply([Find(limit=9)])

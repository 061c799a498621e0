"""A damaged row is set aside alone, by its primary key. Everything else is delivered."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from signalpost.delivery.outbox import transaction, verbs
from signalpost.delivery.outbox.commands import (
    Cancel,
    Command,
    Expire,
    Find,
    History,
    Lease,
    LoadFacts,
    LoadState,
    Prune,
    Put,
    Revive,
    Settle,
    ShortenWaits,
    Stats,
    StreamState,
    Subject,
)
from signalpost.delivery.outbox.reader import SqliteReader
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.delivery import DeliveryId, DeliveryState
from signalpost.domain.notification import Notification
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.reports import Announcement
from signalpost.errors import InvalidValue
from signalpost.testing.outbox_samples import LANE, MINUTE, START, new, notification, verdict
from tests.tmpfs import with_connection

BYTES = sqlite3.Binary(b"\xff\x00")
Opened = tuple[SqliteCore, sqlite3.Connection]
NOT_UTF8 = "CAST(x'ff41' AS TEXT)"
"""Values that SQLite stores as text, but that are not UTF-8."""
DAMAGE: list[tuple[str, object]] = [
    ("priority", 7),
    ("priority", "high"),
    ("valid_until", 9 * 10**18),
    ("valid_until", -(2**63)),
    ("valid_until", "tomorrow"),
    ("valid_until", 1.5),
    ("not_before", 2**62),
    ("not_before", BYTES),
    ("rank", "first"),
    ("number", 99),
    ("number", "one"),
    ("turn", -1),
    ("event", BYTES),
    ("sequence", BYTES),
    ("attempts", -1),
    ("attempts", 2**62),
    ("unanswered", "none"),
    ("may_repeat", 2),
    ("reason", BYTES),
    ("message_id", BYTES),
    ("notification_id", BYTES),
]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    core, db = with_connection(lambda: SqliteCore(tmp_path / "outbox.db"))
    db.execute("PRAGMA synchronous=OFF")
    yield core, db
    core.close()


@pytest.fixture
def core(opened: Opened) -> SqliteCore:
    return opened[0]


def _put(core: SqliteCore, *names: str) -> None:
    core.apply([Put(tuple(new(notification(name), rank) for rank, name in enumerate(names)))])


def _change(path: Path, statement: str, *values: object) -> None:
    """Change the file while others have it open, as a person, a bug or a disk may."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        changed = db.execute(statement, values).rowcount
    assert changed == 1


def _damage(path: Path, name: str, column: str, value: object) -> None:
    _change(path, f"UPDATE delivery SET {column} = ? WHERE notification_id = ?", value, name)


def _answer(core: Any, command: Command[Any]) -> Any:
    """The answer or the error, so that a test fails by its assertion."""
    try:
        return core.apply([command])[0]
    except Exception as fault:  # noqa: BLE001
        return fault


def _states(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return [state for (state,) in db.execute("SELECT state FROM delivery ORDER BY number, notification_id")]


@pytest.mark.parametrize(("column", "value"), DAMAGE)
def test_a_damaged_row_becomes_dead_and_blocks_no_lane(
    core: SqliteCore, tmp_path: Path, column: str, value: object
) -> None:
    _put(core, "01", "02")
    _damage(tmp_path / "outbox.db", "01", column, value)
    leased = _answer(core, Lease(LANE, START, limit=9))
    assert [each.delivery.id.notification_id for each in getattr(leased, "entries", ())] == ["02"], leased
    assert sorted(_states(tmp_path / "outbox.db")) == ["dead", "leased"]
    again = _answer(core, Find())
    assert {each.delivery.state.value for each in again} == {"dead", "leased"}


@pytest.mark.parametrize(("column", "value"), DAMAGE)
def test_a_damaged_leased_row_does_not_prevent_a_start(tmp_path: Path, column: str, value: object) -> None:
    path = tmp_path / "outbox.db"
    with closing(SqliteCore(path)) as before:
        _put(before, "01", "02")
        before.apply([Lease(LANE, START, limit=1)])
    _damage(path, "01", column, value)
    with closing(SqliteCore(path)) as core:
        found = _answer(core, Find(states=frozenset({DeliveryState.LEASED})))
        assert found == ()
        assert sorted(_states(path)) == ["dead", "pending"]
        assert len(_answer(core, Lease(LANE, START)).entries) == 1
        reasons = [each.delivery.reason for each in core.apply([Find()])[0] if each.delivery.state.value == "dead"]
        assert [bool(reason) for reason in reasons] == [True]


def test_the_reason_of_a_damaged_row_shows_if_it_was_being_sent(core: SqliteCore, tmp_path: Path) -> None:
    _put(core, "01", "02")
    core.apply([Lease(LANE, START, limit=1)])
    for name in ("01", "02"):
        _damage(tmp_path / "outbox.db", name, "priority", 7)
    core.apply([Find()])
    sent, waiting = (damaged.delivery.reason or "" for damaged in core.damaged())
    assert sent != waiting
    assert all("priority" in reason and "7" in reason for reason in (sent, waiting))


@pytest.mark.parametrize("value", ["pendinf", BYTES, 3])
def test_a_delivery_with_a_damaged_state_becomes_dead(core: SqliteCore, tmp_path: Path, value: object) -> None:
    """No index of open deliveries contains it, so it must be searched."""
    _put(core, "01", "02")
    _damage(tmp_path / "outbox.db", "01", "state", value)
    _answer(core, Expire(START))
    assert _states(tmp_path / "outbox.db") == ["dead", "pending"]
    assert _answer(core, Stats()) == {(LANE, DeliveryState.DEAD): 1, (LANE, DeliveryState.PENDING): 1}


@pytest.mark.parametrize("value", [9 * 10**18, "tomorrow", BYTES])
def test_a_damaged_valid_until_does_not_keep_other_rows_from_expiring(
    core: SqliteCore, tmp_path: Path, value: object
) -> None:
    _put(core, "01", "02")
    _damage(tmp_path / "outbox.db", "01", "valid_until", value)
    for _ in range(2):
        _answer(core, Expire(START + timedelta(days=3_000)))
    assert _states(tmp_path / "outbox.db") == ["dead", "expired"]


@pytest.mark.parametrize(("column", "value"), [*DAMAGE, ("state", "pendinf"), ("destination", BYTES)])
def test_readers_show_a_damaged_row_as_dead_and_change_nothing(
    core: SqliteCore, tmp_path: Path, column: str, value: object
) -> None:
    path = tmp_path / "outbox.db"
    _put(core, "01", "02")
    _damage(path, "01", column, value)
    before = _states(path)
    with closing(SqliteReader(path)) as reader:
        found, counts = _answer(reader, Find()), _answer(reader, Stats())
        assert isinstance(found, tuple), found
        assert isinstance(counts, dict), counts
        assert sorted(each.delivery.state.value for each in found) == ["dead", "pending"]
        assert sum(counts.values()) == 2
    assert _states(path) == before


def test_lists_by_state_agree_with_the_states_they_show(core: SqliteCore, tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    _put(core, "01", "02", "03")
    _damage(path, "01", "state", "pendinf")
    _damage(path, "02", "priority", 7)
    with closing(SqliteReader(path)) as reader:
        shown = {
            state: [each.delivery.id.notification_id for each in reader.apply([Find(states=frozenset({state}))])[0]]
            for state in (DeliveryState.PENDING, DeliveryState.DEAD)
        }
    assert shown == {DeliveryState.PENDING: ["03"], DeliveryState.DEAD: ["01"]}


@pytest.mark.parametrize("state", ["delivered", "dead", "cancelled"])
def test_a_damaged_row_in_a_final_state_keeps_that_state(core: SqliteCore, tmp_path: Path, state: str) -> None:
    _put(core, "01")
    _damage(tmp_path / "outbox.db", "01", "state", state)
    _damage(tmp_path / "outbox.db", "01", "priority", 7)
    (entry,) = core.apply([Find()])[0]
    assert (entry.delivery.state.value, entry.delivery.priority) == (state, NotificationPriority.NORMAL)
    assert core.damaged() is None
    assert core.apply([Revive(entry.delivery.id, 0, START + MINUTE), Cancel(entry.delivery.id, "why")]) == [
        None,
        None,
    ]


def test_a_damaged_row_is_set_aside_and_reported_once(core: SqliteCore, tmp_path: Path) -> None:
    _put(core, "01", "02")
    _damage(tmp_path / "outbox.db", "01", "priority", 7)
    for _ in range(3):
        core.apply([Find(), Lease(LANE, START, limit=1)])
    (damaged,) = core.damaged()
    assert (damaged.delivery.id, damaged.was_open) == (DeliveryId("01", LANE), True)
    assert damaged.delivery.reason is not None
    assert "priority" in damaged.delivery.reason
    assert "7" in damaged.delivery.reason
    assert core.damaged() is None


def test_a_row_with_an_id_that_is_not_utf8_is_set_aside(core: SqliteCore, tmp_path: Path) -> None:
    _put(core, "01", "02")
    _change(tmp_path / "outbox.db", f"UPDATE delivery SET notification_id = {NOT_UTF8} WHERE notification_id = '01'")
    assert [each.delivery.id.notification_id for each in core.apply([Lease(LANE, START, limit=9)])[0].entries] == ["02"]
    (damaged,) = core.damaged()
    assert damaged.delivery.id.notification_id == "'\\udcffA'"
    assert sorted(_states(tmp_path / "outbox.db")) == ["dead", "leased"]


def test_a_row_repaired_before_it_is_set_aside_is_sent(opened: Opened, tmp_path: Path) -> None:
    """And a row that was deleted before is not set aside."""
    (core, db), path, began = opened, tmp_path / "outbox.db", list[str]()

    def repair(statement: str) -> None:
        began.extend([statement] if statement.startswith("BEGIN") else [])
        if len(began) == 2:
            db.set_trace_callback(None)
            _damage(path, "01", "priority", NotificationPriority.NORMAL.value)
            _change(path, "DELETE FROM delivery WHERE notification_id = '99'")

    _put(core, "01", "99")
    for name in ("01", "99"):
        _damage(path, name, "priority", 7)
    db.set_trace_callback(repair)
    assert core.apply([Lease(LANE, START)])[0].entries == ()
    assert len(began) == 2
    assert len(core.apply([Lease(LANE, START)])[0].entries) == 1
    assert core.damaged() is None


def test_a_producer_leaves_a_damaged_row_to_the_owner(core: SqliteCore, tmp_path: Path) -> None:
    _put(core, "01", "02")
    _damage(tmp_path / "outbox.db", "01", "priority", 7)
    with closing(SqliteCore(tmp_path / "outbox.db", owns=False)) as beside:
        assert len(beside.apply([Find()])[0]) == 2
        assert beside.damaged() is None
    assert _states(tmp_path / "outbox.db") == ["pending", "pending"]


def test_a_failure_to_set_a_row_aside_fails_nothing_else_and_is_retried(
    core: SqliteCore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LookupError("a fault of ours")

    _put(core, "01", "02")
    _damage(tmp_path / "outbox.db", "01", "priority", 7)
    with monkeypatch.context() as patch:
        patch.setattr(verbs, "as_shown", fail)
        assert len(core.apply([Lease(LANE, START)])[0].entries) == 1
    assert _states(tmp_path / "outbox.db") == ["pending", "leased"]
    core.apply([Find()])
    assert _states(tmp_path / "outbox.db") == ["dead", "leased"]


BODIES = ["nonsense", "{}", "[1]", BYTES, 7, '{"kind":"notification"}']


@pytest.mark.parametrize("body", BODIES)
def test_a_delivery_with_a_damaged_notification_is_dead_and_still_listed(
    core: SqliteCore, tmp_path: Path, body: object
) -> None:
    path = tmp_path / "outbox.db"
    _put(core, "01", "02")
    _change(path, "UPDATE notification SET body = ? WHERE id = '01'", body)
    shown = _answer(core, Find(notification_id="01"))
    assert [each.delivery.state.value for each in shown] == ["dead"]
    assert _states(path) == ["dead", "pending"]
    assert [each.delivery.id.notification_id for each in _answer(core, Lease(LANE, START, limit=9)).entries] == ["02"]


def test_a_row_whose_number_points_to_another_notification_is_not_sent(core: SqliteCore, tmp_path: Path) -> None:
    _put(core, "01", "02")
    _damage(tmp_path / "outbox.db", "01", "number", 2)
    leased = _answer(core, Lease(LANE, START, limit=9))
    assert [each.delivery.id.notification_id for each in leased.entries] == ["02"]
    assert sorted(_states(tmp_path / "outbox.db")) == ["dead", "leased"]


def _refused_because_of_a_bug() -> InvalidValue:
    refusal = InvalidValue("no Notification could be read")
    refusal.__cause__ = TypeError("a fault of ours")
    return refusal


@pytest.mark.parametrize(
    "fault",
    [
        TypeError("a fault of ours"),
        AttributeError("another"),
        ValueError("a third"),
        _refused_because_of_a_bug(),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_a_programming_error_makes_no_delivery_dead(
    core: SqliteCore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """The affected row stays as it is."""

    def fails(self: Announcement) -> None:
        raise fault

    path = tmp_path / "outbox.db"
    _put(core, "01", "02", "03")
    _change(path, "UPDATE delivery SET attempts = 1 WHERE notification_id = '03'")  # so nothing is remembered
    with monkeypatch.context() as patch:
        patch.setattr(Notification, "__post_init__", fails, raising=False)
        patch.setattr(Notification, "from_json", classmethod(lambda cls, data: fails(cls)))
        assert core.apply([Lease(LANE, START, limit=1)])[0].entries == ()
        assert [each.delivery.state.value for each in core.apply([Find()])[0]] == ["pending"] * 3
    assert _states(path) == ["pending"] * 3
    with monkeypatch.context() as patch:
        patch.setattr(transaction, "notification_in", fails)
        _answer(core, Find())
    assert _states(path) == ["pending"] * 3


def test_a_programming_error_behind_invalid_json_is_recognised() -> None:
    from signalpost.delivery.outbox.rows import _of_the_program

    refusal, checked = InvalidValue("no Notification could be read"), InvalidValue("a price below zero")
    refusal.__cause__ = checked
    assert _of_the_program(refusal) is None
    checked.__cause__ = fault = TypeError("ours")
    assert _of_the_program(refusal) is fault


def test_damage_in_other_tables_stops_nothing(core: SqliteCore, tmp_path: Path) -> None:
    """Damaged attempts, keys, streams, facts and notifications are skipped."""
    path = tmp_path / "outbox.db"
    state = StreamState("EUR_USD H4", "f", START, b"{}")
    core.apply([Put((new(notification("01")), new(notification("02"))), state)])
    (leased,) = core.apply([Lease(LANE, START)])
    core.apply([Settle((verdict(leased.entries[0].delivery, DeliveryState.DELIVERED),))])
    changes = (
        "INSERT INTO attempt VALUES ('01', ?, 1, 5, 9000000000000000000, 'x', 'y', 'z')",
        "UPDATE key SET until = 9000000000000000000 WHERE notification_id = '01' AND ? <> ''",
        "UPDATE stream SET watermark = 9000000000000000000 WHERE ? <> ''",
        "INSERT INTO fact VALUES ('destination', ?, 'a fact', 7)",
        "UPDATE notification SET accepted_at = 'then' WHERE id = '01' AND ? <> ''",
        "UPDATE notification SET number = 9223372036854775807 WHERE id = '02' AND ? <> ''",
    )
    for change in changes:
        _change(path, change, LANE)
    core.apply([])
    history = _answer(core, History(DeliveryId("01", LANE)))
    assert isinstance(history, tuple), history
    assert [each.detail for each in history] == ["200"]
    assert _answer(core, LoadState("EUR_USD H4")) is None
    assert _answer(core, LoadFacts(Subject(LANE))) == {}
    again = _answer(core, Put((new(notification("03")),)))
    assert isinstance(again, list), again
    assert [each.outcome.value for each in again] == ["accepted"]
    assert not isinstance(_answer(core, ShortenWaits(START)), Exception)


def test_a_notification_with_a_damaged_time_does_not_delay_pruning(core: SqliteCore, tmp_path: Path) -> None:
    _put(core, "01", "02")
    core.apply([Cancel(DeliveryId(name, LANE), "why") for name in ("01", "02")])
    _change(tmp_path / "outbox.db", "UPDATE notification SET accepted_at = 'then' WHERE id = '01'")
    assert core.apply([Prune(before=START + 10 * MINUTE)]) == [1]

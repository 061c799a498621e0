"""Damage in the store's own records, or in a name, stops neither a start nor the pruning of the rest."""

import os
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from signalpost.delivery.outbox.commands import Cancel, Command, ForgetKeys, Lease, Prune, Put
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.delivery import DeliveryId
from signalpost.errors import OwnershipLost
from signalpost.testing.outbox_samples import LANE, MINUTE, START, new, notification

NOT_UTF8 = "CAST(x'ff41' AS TEXT)"
LATER = START + timedelta(days=400)


def _change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(statement)


def _opened(path: Path) -> Any:
    """The store's owner or the error, so that a test fails by its assertion."""
    try:
        return SqliteCore(path)
    except Exception as fault:  # noqa: BLE001
        return fault


def _answer(core: Any, command: Command[Any]) -> Any:
    try:
        return core.apply([command])[0]
    except Exception as fault:  # noqa: BLE001
        return fault


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE owner SET epoch = 1.5",
        "UPDATE owner SET epoch = 'one'",
        "UPDATE owner SET epoch = -1",
        "UPDATE owner SET epoch = 9223372036854775807",
        f"UPDATE owner SET epoch = {NOT_UTF8}",
        f"UPDATE owner SET holder = {NOT_UTF8}, pid = 'none'",
        "DELETE FROM owner",
    ],
)
def test_a_store_with_a_damaged_owner_row_starts_and_the_next_owner_repairs_it(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "outbox.db"
    SqliteCore(path).close()
    _change(path, damage)
    core = _opened(path)
    assert isinstance(core, SqliteCore), core
    with closing(core):
        assert core.holder is not None
        assert len(core.apply([Put((new(notification("01")),)), Lease(LANE, START)])[1].entries) == 1
        with closing(sqlite3.connect(path)) as db:
            (row,) = db.execute("SELECT epoch, holder, pid FROM owner")
        assert row == (core.owner.epoch, core.holder, os.getpid())


def test_an_owner_whose_row_becomes_damaged_stops_sending(tmp_path: Path) -> None:
    """It cannot know if another process has taken over."""
    path = tmp_path / "outbox.db"
    with closing(SqliteCore(path)) as core:
        _change(path, "UPDATE owner SET epoch = 'one'")
        assert isinstance(_answer(core, Lease(LANE, START)), OwnershipLost)
        assert core.is_deposed
        core.disown()
        assert core.own() is not None
        assert not isinstance(_answer(core, Lease(LANE, START)), Exception)


@pytest.mark.parametrize("value", [NOT_UTF8, "7", "NULL", "x'2f0061'", "zeroblob(9)"])
def test_a_store_with_a_damaged_place_starts(tmp_path: Path, value: str) -> None:
    path = tmp_path / "outbox.db"
    SqliteCore(path).close()
    os.link(path, tmp_path / "second")  # with two names, the place is checked before the store is opened too
    _change(path, f"UPDATE meta SET value = {value} WHERE name = 'place'")
    core = _opened(path)
    assert isinstance(core, SqliteCore), core
    core.close()


@pytest.mark.parametrize(
    "damage",
    [
        f"UPDATE notification SET id = {NOT_UTF8} WHERE id = '01'",
        f"UPDATE delivery SET destination = {NOT_UTF8}, message_id = 'm' WHERE notification_id = '01'",
        f"UPDATE delivery SET message_id = {NOT_UTF8} WHERE notification_id = '01'",
        f"UPDATE key SET key = {NOT_UTF8} WHERE notification_id = '01'",
        "UPDATE key SET key = x'ff41' WHERE notification_id = '01'",
    ],
)
def test_a_name_that_is_not_utf8_does_not_stop_pruning(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "outbox.db"
    with closing(SqliteCore(path)) as core:
        core.apply([Put((new(notification("01")), new(notification("02"))))])
        core.apply([Cancel(DeliveryId(name, LANE), "why") for name in ("01", "02")])
        _change(path, damage)
        assert not isinstance(gone := _answer(core, Prune(before=START + 10 * MINUTE)), Exception), gone
        assert not isinstance(last := _answer(core, ForgetKeys(LATER)), Exception), last
        assert last == ""
        with closing(sqlite3.connect(path)) as db:
            db.text_factory = bytes
            assert db.execute("SELECT id FROM notification WHERE id = '02'").fetchall() == []
            assert db.execute("SELECT key FROM key WHERE notification_id = '02'").fetchall() == []


def test_forgetting_keys_skips_damaged_ones_and_ends(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with closing(SqliteCore(path)) as core:
        core.apply([Put(tuple(new(notification(f"0{number}")) for number in range(1, 5)))])
        _change(path, f"UPDATE key SET key = {NOT_UTF8} WHERE notification_id = '04'")
        looks, last = 0, "-"
        while last and looks < 9:
            looks, last = looks + 1, core.apply([ForgetKeys(START, "" if last == "-" else last, limit=1)])[0]
        assert (looks, last) == (4, "")

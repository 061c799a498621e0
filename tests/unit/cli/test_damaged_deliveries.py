"""`signalpost deliveries` on a store with a damaged row: it is listed and explained, and nothing is changed."""

import json
import sqlite3
from contextlib import closing

import pytest

from signalpost.config import STORE_FILE
from tests.unit.cli.folder import Folder, alert

DAMAGE = [
    ("priority", 7),
    ("valid_until", 9 * 10**18),
    ("state", "pendinf"),
    ("rank", "first"),
    ("sequence", b"\xff"),
]


def _damage(folder: Folder, ticket: str, column: str, value: object) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder.home / STORE_FILE, isolation_level=None)) as db:
        db.execute(f"UPDATE delivery SET {column} = ? WHERE notification_id = ?", (value, ticket))
        return db.execute("SELECT * FROM delivery ORDER BY number").fetchall()


@pytest.mark.parametrize(("column", "value"), DAMAGE)
def test_a_damaged_row_is_listed_as_dead_and_explained(folder: Folder, column: str, value: object) -> None:
    damaged, sound = folder.put(alert("a1")), folder.put(alert("a2"))
    before = _damage(folder, damaged, column, value)
    listed = folder.run("deliveries", "list", "--json")
    assert listed.exit_code == 0
    states = {each["ticket"]: each["state"] for each in map(json.loads, listed.stdout.splitlines())}
    assert states == {damaged: "dead", sound: "pending"}
    assert folder.run("deliveries", "list").exit_code == 0
    for command in ("why", "show"):
        output = folder.run("deliveries", command, damaged, "--json")
        assert output.exit_code == 0
        (line,) = map(json.loads, output.stdout.splitlines())
        assert (line["state"], column in line["reason"]) == ("dead", True)
        assert folder.run("deliveries", command, damaged).exit_code == 0
    with closing(sqlite3.connect(folder.home / STORE_FILE)) as db:
        assert db.execute("SELECT * FROM delivery ORDER BY number").fetchall() == before


def test_a_delivery_with_a_damaged_notification_is_listed_and_explained(folder: Folder) -> None:
    ticket = folder.put(alert("a1"))
    with closing(sqlite3.connect(folder.home / STORE_FILE, isolation_level=None)) as db:
        db.execute("UPDATE notification SET body = 'nonsense'")
    (line,) = map(json.loads, folder.run("deliveries", "list", "--json").stdout.splitlines() or ["{}"])
    assert (line.get("ticket"), line.get("state")) == (ticket, "dead")
    assert folder.run("deliveries", "why", ticket).exit_code == 0

"""A change is saved with its deliveries or not at all, wherever the process is killed; its repeat is a duplicate."""

import json
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from signalpost.delivery.outbox.book import FindTrades
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.delivery import PASSED_ON
from tests import forked
from tests.contracts.book_driver import A, B
from tests.faults.change_child import FALLBACK, LANES, LIFE
from tests.size import size

ROOT = Path(__file__).parents[2]
STEP, FIRST = size(9, 3), range(1, 1 + size(1, 3))
"""Every commit of the life is a write point; in a short run, every ninth is tried."""


def _run(folder: Path, *fate: str) -> int:
    command = [
        sys.executable,
        "-m",
        "tests.faults.change_child",
        str(folder / "outbox.db"),
        str(folder / "journal"),
        *fate,
    ]
    done = forked.run(command, cwd=ROOT)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


def _rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "outbox.db")) as db:
        return db.execute(query).fetchall()


def _demand_whole(folder: Path) -> None:
    """Each version has its notification, its key and a card's delivery for each destination; nothing else is there."""
    versions = _rows(folder, "SELECT version FROM trade")
    count = versions[0][0] if versions else 0
    expected = {f"v{each}" for each in range(2, count + 1)} | ({"new"} if count else set())
    events = {event for (event,) in _rows(folder, "SELECT event FROM delivery") if "companion" not in event}
    assert events == expected
    keys = {key.removeprefix("s1 ") for (key,) in _rows(folder, "SELECT key FROM key")}
    assert keys == expected
    companions = {event for (event,) in _rows(folder, "SELECT event FROM delivery WHERE event LIKE '% companion'")}
    for event in (*expected, *companions):
        _demand_one_of_each(folder, event)
    cards = {
        destination: (version, bool(is_stopped))
        for destination, version, is_stopped in _rows(folder, "SELECT destination, version, is_stopped FROM card")
    }
    assert cards.keys() - {FALLBACK} == (set(LANES) if count else set())
    assert all(version <= count for version, _ in cards.values())
    stopped = {destination for destination, (_, is_stopped) in cards.items() if is_stopped}
    assert stopped == ({A} if FALLBACK in cards else set()), "each destination or its fallback shows the trade"


def _demand_one_of_each(folder: Path, event: str) -> None:
    """It is owed to each destination, or to its fallback instead: both have it only if the first one passed it on."""
    owed = dict(_rows(folder, f"SELECT destination, coalesce(reason, '') FROM delivery WHERE event = '{event}'"))
    assert B in owed
    assert owed.keys() & {A, FALLBACK}
    is_passed_on = owed.get(A, PASSED_ON).startswith(PASSED_ON)
    assert is_passed_on is (FALLBACK in owed)


def _book(folder: Path) -> Any:
    core = SqliteCore(folder / "outbox.db")
    try:
        ((entry,),) = core.apply([FindTrades()])
    finally:
        core.close()
    plain = json.loads(entry.trade.to_json())
    for name in ("created_at", "updated_at"):  # of the object, not of the signal
        plain["signal"].pop(name, None)
    return plain, [(card.destination, card.version) for card in entry.cards]


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_change_is_whole_wherever_it_is_cut_off(tmp_path: Path, when: str, first: int) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    assert _run(whole) == 0
    expected = _book(whole)
    assert expected[0]["version"] == len(LIFE) + 1
    assert (FALLBACK, len(LIFE) + 1) in expected[1]
    killed = 0
    for commits in range(first, 1000, STEP):
        folder = tmp_path / str(commits)
        folder.mkdir()
        if _run(folder, when, str(commits)) == 0:
            break
        killed += 1
        _demand_whole(folder)
        assert _run(folder) == 0
        _demand_whole(folder)
        assert _book(folder) == expected, (when, commits)
    assert killed > 1

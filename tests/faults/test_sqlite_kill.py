"""P1: confirmed commits survive kill -9 at any point, and nothing is saved by half."""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from signalpost.delivery.outbox.commands import Find, History, LoadState, NewDelivery, NewNotification, Put, Stats
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.delivery import DeliveryId, DeliveryState
from signalpost.domain.ticket import Outcome
from signalpost.testing.outbox_samples import MINUTE, START, notification
from tests import forked
from tests.faults.sqlite_child import LANES
from tests.size import size

CHILD = Path(__file__).with_name("sqlite_child.py")
KILLS = size(20, 100)
TIMEOUT = 60.0
SEED = 20_260_302


class Run:
    """One outbox, its journal, and the processes that use it, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.path, self.journal = folder / "outbox.db", folder / "journal"
        self.journal.touch()

    def child(self, seed: int, *fate: str) -> "subprocess.Popen[bytes]":
        arguments = [str(self.path), str(self.journal), str(seed), *fate]
        return forked.Popen([sys.executable, str(CHILD), *arguments], stderr=subprocess.PIPE)

    def lines(self) -> list[dict[str, Any]]:
        """The lines of the journal. The last one may be cut off."""
        whole = self.journal.read_bytes().rpartition(b"\n")[0]
        return [json.loads(line) for line in whole.splitlines()]


def _ended(child: "subprocess.Popen[bytes]") -> str:
    _, said = child.communicate(timeout=TIMEOUT)
    assert child.returncode == -signal.SIGKILL, said.decode()
    return said.decode()


def _kill_after(run: Run, child: "subprocess.Popen[bytes]", lines: int) -> None:
    deadline = time.monotonic() + TIMEOUT
    while run.journal.read_bytes().count(b"\n") < lines and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    child.kill()
    _ended(child)


def _demand_all(run: Run) -> dict[str, int]:
    """Reopen the store, compare it with the journal, and return the counts."""
    lines = run.lines()
    core = SqliteCore(run.path)
    try:
        found, stats = core.apply([Find(limit=1_000_000), Stats()])
        states = {entry.delivery.id: entry.delivery for entry in found}
        _demand_whole(run.path, core, states, stats)
        _demand_answered(states, lines)
        return {str(state): sum(each.state is state for each in states.values()) for state in DeliveryState}
    finally:
        core.close()


def _column(path: Path, query: str) -> set[str]:
    with closing(sqlite3.connect(path)) as db:
        return {value for (value,) in db.execute(query)}


def _demand_whole(path: Path, core: SqliteCore, states: dict[DeliveryId, Any], stats: dict[Any, int]) -> None:
    names = {name.notification_id for name in states}
    assert states.keys() == {DeliveryId(name, lane) for name in names for lane in LANES}, "a notification by half"
    for stream in {name[:2] for name in names}:
        (state,) = core.apply([LoadState(stream)])
        counts = {int(name.split("-")[1]) for name in names if name.startswith(stream)}
        assert counts == set(range(1, int(state.state) + 1)), "a stream's state without its signals, or the reverse"
        assert {name for name in names if name.startswith(stream)} == {
            f"{stream}-{n:06}-{p}" for n in counts for p in "ab"
        }
    assert sum(stats.values()) == len(states)
    keys = _column(path, "SELECT notification_id FROM key")
    assert keys == names, "a key without its notification, or the reverse"
    messages = _column(path, "SELECT message_id FROM message")
    delivered = {each for each, delivery in states.items() if delivery.state is DeliveryState.DELIVERED}
    assert messages == {f"m-{each}" for each in delivered}, "a message without its delivery, or the reverse"
    settled = [each for each, delivery in states.items() if delivery.state.is_terminal]
    for history in core.apply([History(each) for each in settled]):
        assert history, "a verdict without its attempt"


def _demand_answered(states: dict[DeliveryId, Any], lines: list[dict[str, Any]]) -> None:
    requested: dict[DeliveryId, str] = {}
    stood: dict[DeliveryId, str] = {}
    for line in lines:
        name = DeliveryId(*line["name"]) if "name" in line else DeliveryId("", "")
        if line.get("done") == "put":
            for each in line["names"]:
                assert {DeliveryId(each, lane) for lane in LANES} <= states.keys(), f"{each} was accepted, and is gone"
        elif line.get("requests") == "settle":
            requested[name] = line["state"]
        elif line.get("done") == "settle":
            stood[name] = line["state"]
            del requested[name]
        elif line.get("done") == "lease":
            stood[name] = "leased"
            requested.pop(name, None)
    for name, state in stood.items():
        allowed = {state, requested[name]} if name in requested else {state}
        if state == "pending":
            allowed.add("leased")  # it was leased again, and the answer was lost
        assert str(states[name].state) in allowed, f"{name} was answered to be {state}"


def test_confirmed_commits_survive_kill_9_at_any_point(tmp_path: Path) -> None:
    random, run = Random(SEED), Run(tmp_path)
    sys.stdout.write(f"seed {SEED}\n")
    for kill in range(KILLS):
        before = len(run.lines())
        child = run.child(SEED + kill)
        _kill_after(run, child, before + random.randint(1, 120))
        numbers = _demand_all(run)
    sys.stdout.write(f"{numbers}, {len(run.lines())} lines\n")
    for state in ("pending", "leased", "delivered", "dead"):
        assert numbers[state] > 0, f"nothing is {state}, so this proves little: {numbers}"


@pytest.mark.parametrize("commits", [1, 2, 3, 7])
def test_an_unconfirmed_commit_is_complete_and_a_repeat_is_a_duplicate(tmp_path: Path, commits: int) -> None:
    run = Run(tmp_path)
    _ended(run.child(commits, "after", str(commits)))
    _demand_all(run)
    begun = _begun(run)
    assert len(begun) == commits
    again = {name: _ask_again(run, name) for names in begun for name in names if name.endswith("a")}
    assert set(again.values()) <= {Outcome.DUPLICATE}
    assert commits == 1 or again, "nothing was put, so this proves little"


@pytest.mark.parametrize("commits", [1, 2, 3, 7])
def test_a_batch_killed_before_its_commit_leaves_nothing(tmp_path: Path, commits: int) -> None:
    run = Run(tmp_path)
    _ended(run.child(commits, "before", str(commits)))
    _demand_all(run)
    assert _column(run.path, "SELECT id FROM notification") == {name for names in _begun(run)[:-1] for name in names}


def _begun(run: Run) -> list[list[str]]:
    return [line["begins"] for line in run.lines() if "begins" in line]


def _ask_again(run: Run, name: str) -> Outcome:
    core = SqliteCore(run.path)
    item = NewNotification(notification(name), (NewDelivery("one", 0),), START + MINUTE)
    ((result,),) = core.apply([Put((item,))])
    core.close()
    assert result.notification_id == name
    return Outcome(result.outcome)

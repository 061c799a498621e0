"""What candles do to signals is saved and shown once, wherever the process is killed between candle and card."""

import signal
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from signalpost.delivery.outbox.book import FindTrades
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.trade import result_of
from tests import forked
from tests.faults.follow_child import LANE, SIGNALS
from tests.size import size

ROOT = Path(__file__).parents[2]
STEP, FIRST = size(13, 3), range(1, 1 + size(1, 3))
"""Every commit is a write point; in a short run, every thirteenth is tried."""


def _run(folder: Path, *fate: str) -> int:
    command = [sys.executable, "-m", "tests.faults.follow_child", f"{folder / 'outbox.db'}", f"{folder / 'journal'}"]
    done = forked.run([*command, *fate], cwd=ROOT)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


def _book(folder: Path) -> list[object]:
    """What became of each signal, and which version its card shows."""
    core = SqliteCore(folder / "outbox.db")
    (entries,) = core.apply([FindTrades()])
    core.close()
    found: list[object] = []
    for entry in entries:
        trade, result = entry.trade, result_of(entry.trade)
        name, end = trade.signal.signal_id, trade.end
        found.append((name, trade.version, trade.state, trade.fill, trade.hits, trade.parts, trade.flags, trade.stop))
        found.append((end and (end.at, end.reason, end.price), result and result.exact_r))
        found.append({card.destination: card.version == trade.version for card in entry.cards}[LANE])
    return found


def _messages(folder: Path) -> Counter[tuple[str, str]]:
    """The deliveries of each signal to the channel: one of each version, and one of each companion."""
    with closing(sqlite3.connect(folder / "outbox.db")) as db:
        return Counter(db.execute("SELECT sequence, event FROM delivery WHERE destination = ?", (LANE,)).fetchall())


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("when", ["before", "after"])
def test_cards_end_right_wherever_the_follower_is_killed(tmp_path: Path, when: str, first: int) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    assert _run(whole) == 0
    expected, messages = _book(whole), _messages(whole)
    assert len(expected) == 3 * len(SIGNALS)
    assert {event.endswith("companion") for _, event in messages} == {True, False}
    killed = 0
    for commits in range(first, 1000, STEP):
        folder = tmp_path / str(commits)
        folder.mkdir()
        if _run(folder, when, str(commits)) == 0:
            break
        killed += 1
        assert set(_messages(folder).values()) <= {1}
        assert _run(folder) == 0
        assert _book(folder) == expected, (when, commits)
        assert _messages(folder) == messages, (when, commits)
    assert killed > 2

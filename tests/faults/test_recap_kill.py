"""A recap is saved with the end of its period, or not at all: a process that is killed repeats and skips none."""

import signal
import sys
from collections import Counter
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from signalpost.delivery.outbox.commands import Find
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.recap import Recap
from tests import forked
from tests.faults.recap_child import DAYS
from tests.size import size
from tests.unit.service.test_recaps import FREE, PREMIUM

ROOT = Path(__file__).parents[2]
STEP = size(8, 1)
"""Every commit is a write point; in a short run, every eighth is tried."""


def _run(path: Path, *fate: str) -> int:
    command = [sys.executable, "-m", "tests.faults.recap_child", str(path), *fate]
    done = forked.run(command, cwd=ROOT)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


def _recaps(path: Path) -> Counter[tuple[str, str, int]]:
    """The destination, day and wins of each recap that waits or left."""
    with closing(SqliteCore(path)) as core:
        (entries,) = core.apply([Find(limit=1_000)])
    found = [(each.delivery.id.destination, each.notification.payload) for each in entries]
    return Counter((lane, f"{one.period.last_day}", one.wins) for lane, one in found if isinstance(one, Recap))


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_process_that_is_killed_at_commits_sends_each_recap_once(tmp_path: Path, when: str) -> None:
    whole = tmp_path / "whole.db"
    assert _run(whole) == 0
    expected = _recaps(whole)
    assert {*expected.values()} == {1}
    assert {lane for lane, _, _ in expected} == {FREE, PREMIUM}
    assert len(expected) == 2 * DAYS
    assert {wins for *_, wins in expected} == {1}
    deaths = 0
    for commits in count(min(STEP, 3 if when == "before" else 5), STEP):
        path = tmp_path / f"{commits}.db"
        if _run(path, when, str(commits)) == 0:
            break
        deaths += 1
        assert _run(path) == 0
        assert _recaps(path) == expected, commits
    assert deaths >= size(2, 15)

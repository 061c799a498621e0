"""State, watermark and signals are saved together: a process that is killed anywhere repeats and skips no signal."""

import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from signalpost.delivery.outbox.book import FindTrades
from signalpost.delivery.outbox.commands import Find
from signalpost.delivery.outbox.sqlite import SqliteCore
from tests import forked
from tests.contracts import exact_batch
from tests.faults.processor_child import CANDLES, CONFIG, HISTORY, LENGTH, seen_at
from tests.size import size

ROOT = Path(__file__).parents[2]
EVERY = size(9, 1)
"""After how many commits each process dies."""


def _run(path: Path, *fate: str) -> int:
    command = [sys.executable, "-m", "tests.faults.processor_child", str(path), *fate]
    done = forked.run(command, cwd=ROOT)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_process_that_is_killed_at_commits_repeats_and_skips_no_signal(tmp_path: Path, when: str) -> None:
    path = tmp_path / "outbox.db"
    deaths = 0
    while _run(path, when, str(EVERY + (when == "before"))) != 0:
        deaths += 1
    assert deaths >= (LENGTH - HISTORY) // (EVERY + 1) - 1
    core = SqliteCore(path)
    trades, entries = core.apply([FindTrades(limit=1_000), Find(limit=1_000)])
    core.close()
    as_seen = {
        CANDLES[last].time: cross.side
        for last in range(HISTORY, LENGTH)
        for cross in exact_batch.crosses(seen_at(last), CONFIG)
        if cross.index == last and not cross.filters
    }
    final = {CANDLES[each.index].time: each for each in exact_batch.crosses(seen_at(LENGTH), CONFIG)}
    posted = {each.trade.signal.timestamp: each.trade for each in trades if "unpublished" not in each.trade.flags}
    assert {at: trade.signal.signal_type for at, trade in posted.items()} == as_seen
    gone = {at for at, side in as_seen.items() if at not in final or final[at].side != side}
    assert gone
    assert gone <= {at for at, trade in posted.items() if "revised" in trade.flags}
    shown = Counter(each.delivery.sequence for each in entries if each.notification.event == "new")
    assert set(shown.values()) == {1}
    assert len(shown) == len(trades)

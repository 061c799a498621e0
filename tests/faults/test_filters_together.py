"""Filters hold together for all processes that put signals into one data folder at the same time."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

from signalpost.delivery.outbox.sqlite import SqliteCore
from tests import forked
from tests.faults import filtered_producer
from tests.faults.filtered_producer import FILTERS, SIGNALS


def test_three_processes_together_post_no_more_than_the_limit_and_each_candle_once(tmp_path: Path) -> None:
    store = tmp_path / "outbox.db"
    SqliteCore(store).close()
    command = [sys.executable, "-m", filtered_producer.__name__, str(store)]
    pipe = subprocess.PIPE
    children = [forked.Popen([*command, str(seed)], stdin=pipe, stdout=pipe, text=True) for seed in range(3)]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    codes = Counter(line for child in children for line in child.communicate()[0].split())
    assert [child.returncode for child in children] == [0, 0, 0]
    assert codes["None"] == FILTERS.max_per_day
    assert codes.keys() == {"None", "duplicate", "max-per-day"}
    assert codes.total() == 3 * SIGNALS

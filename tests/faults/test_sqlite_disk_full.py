"""A full disk fails whole batches, and the store works again once there is room."""

import subprocess
import sys
from pathlib import Path

import pytest

from signalpost.delivery.outbox.commands import Find, Stats
from signalpost.delivery.outbox.sqlite import SqliteCore

FILLS_ITS_DISK = """
import resource, sys
from signalpost.delivery.outbox.commands import Find, LoadState, Put, Stats
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.ledger import StreamState
from signalpost.errors import StoreFailed
from signalpost.testing.outbox_samples import START, new, notification

core = SqliteCore(sys.argv[1])
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

def make_room(is_there):
    if sys.argv[2] == "disk":  # no file of this process may grow larger
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft if is_there else 512 * 1024, hard))
    else:  # SQLite itself reports that it is full
        core._db.execute(f"PRAGMA max_page_count={100_000 if is_there else 60}")

def put(number):
    items = tuple(new(notification(f"{number:05}-{part}")) for part in range(20))
    core.apply([Put(items, StreamState("stream", "f", START, str(number).encode()))])

make_room(False)
number = 0
try:
    while number < 10_000:
        put(number + 1)
        number += 1
except StoreFailed as fault:
    print(fault.code, fault)
for _ in range(3):  # it stays full and undamaged
    try:
        put(number + 1)
    except StoreFailed:
        continue
    raise SystemExit("a full disk took more")
found, state, stats = core.apply([Find(limit=10**6), LoadState("stream"), Stats()])
assert len(found) == 20 * number == sum(stats.values()) > 0, (len(found), number, stats)
assert state.state == str(number).encode(), state
make_room(True)
put(number + 1)
core.close()
print(number + 1)
"""


@pytest.mark.parametrize(("what", "code"), [("disk", "store-failed"), ("pages", "disk-full")])
def test_a_full_disk_fails_whole_batches_and_the_store_recovers(tmp_path: Path, what: str, code: str) -> None:
    path = tmp_path / "outbox.db"
    command = [sys.executable, "-c", FILLS_ITS_DISK, str(path), what]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    fault, puts = ran.stdout.splitlines()
    assert fault.split()[0] == code
    assert str(path) in fault
    core = SqliteCore(path)
    found, stats = core.apply([Find(limit=10**6), Stats()])
    core.close()
    assert len(found) == 20 * int(puts) == sum(stats.values())

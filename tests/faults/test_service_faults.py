"""P1, P2, P4: the far end dies, a stop comes in the middle, the disk is full, an answer is cut: nothing is lost."""

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import pytest

from tests.faults.stage import Client, Process, Stage, demand, drain, kill, stage, terminate, trouble, until
from tests.faults.test_kill_service import SEED

HEALTH = b'{"ask": "health"}\n'


def test_a_far_end_that_is_killed_and_comes_back_gets_all_that_it_is_owed(tmp_path: Path) -> None:
    random = Random(SEED)
    with stage(tmp_path, SEED) as at:
        sandbox = at.sandbox()
        service = at.service()
        producers = [at.producer(name, SEED) for name in "ab"]
        for _ in range(3):
            at.plan(trouble(random, 400))
            time.sleep(random.uniform(0.3, 1.2))
            until(lambda: at.open()[0] >= 50 and at.open()[1] >= 1, service)
            kill(sandbox)
            time.sleep(random.uniform(0, 0.5))  # in which connections are refused
            sandbox = at.sandbox()
        at.plan()
        assert terminate(*producers) == [0, 0]
        drain(at, service)
        found = at.evidence()
        demand(found)
    refused = found.numbers.get("attempts unavailable", 0)
    assert refused > 0, f"no connection was refused, so this proves little: {found.numbers}"


def _submit(client: Client, signals: int, outcome: str) -> None:
    """All that happens to some signals, each to be answered with the same outcome."""
    for _ in range(signals):
        for line in client.author.signal():
            answer = client.submit(line)
            assert answer["outcome"] == outcome, answer


def test_a_stop_in_the_middle_of_sending_keeps_its_time_and_the_next_run_delivers_what_is_left(tmp_path: Path) -> None:
    with stage(tmp_path, SEED) as at:
        at.sandbox()
        at.plan([{"method": "POST", "times": 10}, {"method": "POST", "after": 30.0, "times": 1000}])
        service, client = at.service(stop_within=1.0), at.client("d", SEED)
        _submit(client, 12, "accepted")
        until(lambda: at.open()[1] >= 2 and at.shown() > 10, service)
        began = time.monotonic()
        assert terminate(service) == [1], "it says that something is left"
        assert time.monotonic() - began < 1.0 + 2.0 + 1.0, "its own second, two to settle, one for a busy machine"
        pending, leased = at.open()
        assert pending > 0
        assert leased == 0, "what was cut off is settled: the next run need not guess"
        at.plan()
        drain(at, at.service())
        found = at.evidence()
        demand(found)
    assert found.numbers["repeats"] > 0, f"nothing was cut off, so this proves little: {found.numbers}"


@contextmanager
def _no_room_on_a_small_disk(at: Stage, service: Process) -> Iterator[None]:
    filler = at.home / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    assert shutil.disk_usage(at.home).free == 0
    yield
    filler.unlink()


@contextmanager
def _no_room_in_any_file(at: Stage, service: Process) -> Iterator[None]:
    """No file of the service may grow beyond the size that the store's log has now."""
    size = at.store.with_name("outbox.db-wal").stat().st_size
    before = resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    yield
    resource.prlimit(service.pid, resource.RLIMIT_FSIZE, before)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "home"
    home.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", str(home)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may mount a small disk, so a disk that is really full was not tried here")
    yield home
    shutil.copytree(home, tmp_path / "home-as-it-was")  # what is on the disk goes with it
    subprocess.run(["umount", str(home)], check=True)


def test_a_disk_that_is_really_full_loses_nothing(tmp_path: Path, small_disk: Path) -> None:
    _demand_patience_with_a_full_disk(tmp_path, small_disk, _no_room_on_a_small_disk)


def test_a_store_that_cannot_grow_loses_nothing(tmp_path: Path) -> None:
    _demand_patience_with_a_full_disk(tmp_path, tmp_path / "home", _no_room_in_any_file)


def _demand_patience_with_a_full_disk(folder: Path, home: Path, no_room: Callable[..., object]) -> None:
    """P2: while there is no room, tickets say `held` and health says so; then all of it is delivered."""
    with stage(folder, SEED, home) as at:
        at.sandbox()
        service, client = at.service(), at.client("d", SEED)
        _submit(client, 3, "accepted")
        at.plan([{"method": "POST", "after": 0.5, "times": 1}])
        client.submit(client.author.alert())
        with no_room(at, service):
            _submit(client, 5, "held")
            deadline = time.monotonic() + 3.0
            while time.monotonic() < deadline:
                health = client.ask(HEALTH)
                assert health["status"] == "unhealthy", health
                assert health["held"] > 0
                time.sleep(0.05)
        until(lambda: client.ask(HEALTH)["status"] == "healthy", service)
        _submit(client, 2, "accepted")
        drain(at, service)
        demand(at.evidence())


def test_an_answer_that_is_cut_after_its_message_was_shown_makes_one_copy_more_at_most_and_it_says_so(
    tmp_path: Path,
) -> None:
    with stage(tmp_path, SEED) as at:
        at.sandbox()
        cut, whole = {"method": "POST", "cut": "after"}, {"method": "POST"}
        at.plan([fault for _ in range(8) for fault in (cut, cut, whole)])
        service, client = at.service(), at.client("d", SEED)
        _submit(client, 4, "accepted")
        for _ in range(6):
            client.submit(client.author.alert())
        drain(at, service)
        found = at.evidence()
        demand(found)
    shown = [copy.name for copy in found.copies]
    assert max(map(shown.count, shown)) == 2
    repeated = {copy.name for copy in found.copies if shown.count(copy.name) == 2}
    assert {copy.name for copy in found.copies if copy.is_marked} == repeated
    assert {each.name for each in found.kept if each.may_repeat} >= repeated
    sys.stdout.write(f"{len(repeated)} of {len(found.kept)} were shown twice\n")

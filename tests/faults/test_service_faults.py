"""P1, P2, P4: nothing is lost if Discord dies, a stop comes during sends, the disk is full, or an answer is lost."""

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

from tests.faults.processes import Client, Process, Processes, bad_day, check, drain, kill, processes, terminate, until
from tests.faults.test_kill_service import SEED

HEALTH = b'{"ask": "health"}\n'


def test_a_discord_that_is_killed_and_restarted_gets_every_message(tmp_path: Path) -> None:
    random = Random(SEED)
    with processes(tmp_path, SEED) as run:
        sandbox = run.sandbox()
        service = run.service()
        producers = [run.producer(name, SEED) for name in "ab"]
        for _ in range(3):
            run.plan(bad_day(random, 400))
            time.sleep(random.uniform(0.3, 1.2))
            until(lambda: run.open()[0] >= 50 and run.open()[1] >= 1, service)
            kill(sandbox)
            time.sleep(random.uniform(0, 0.5))  # connections are refused meanwhile
            sandbox = run.sandbox()
        run.plan()
        assert terminate(*producers) == [0, 0]
        drain(run, service)
        found = run.evidence()
        check(found)
    refused = found.numbers.get("attempts unavailable", 0)
    assert refused > 0, f"no connection was refused, so this proves little: {found.numbers}"


def _submit(client: Client, signals: int, outcome: str) -> None:
    """Submit all events of some signals. Each must get the same outcome."""
    for _ in range(signals):
        for line in client.author.signal():
            answer = client.submit(line)
            assert answer["outcome"] == outcome, answer


def test_a_stop_during_sends_ends_in_time_and_the_next_run_delivers_the_rest(tmp_path: Path) -> None:
    with processes(tmp_path, SEED) as run:
        run.sandbox()
        run.plan([{"method": "POST", "times": 10}, {"method": "POST", "after": 30.0, "times": 1000}])
        service, client = run.service(stop_within=1.0), run.client("d", SEED)
        _submit(client, 12, "accepted")
        until(lambda: run.open()[1] >= 2 and run.shown() > 10, service)
        began = time.monotonic()
        assert terminate(service) == [1], "the exit code shows that something is left"
        assert time.monotonic() - began < 1.0 + 2.0 + 10.0, "its own second, two to settle, ten for a busy machine"
        pending, leased = run.open()
        assert pending > 0
        assert leased == 0, "cut off sends are settled, so the next run knows them"
        run.plan()
        drain(run, run.service())
        found = run.evidence()
        check(found)
    assert found.numbers["repeats"] > 0, f"nothing was cut off, so this proves little: {found.numbers}"


@contextmanager
def no_room_on_a_small_disk(home: Path) -> Iterator[None]:
    """Fill the disk of a folder until the block ends."""
    filler = home / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    assert shutil.disk_usage(home).free == 0
    yield
    filler.unlink()


@contextmanager
def _no_room_in_any_file(run: Processes, service: Process) -> Iterator[None]:
    """No file of the service may grow beyond the current size of the store's log."""
    size = run.store.with_name("outbox.db-wal").stat().st_size
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
    shutil.copytree(home, tmp_path / "home-as-it-was")  # the disk is deleted at the end
    subprocess.run(["umount", str(home)], check=True)


def test_a_full_disk_loses_nothing(tmp_path: Path, small_disk: Path) -> None:
    _demand_patience_with_a_full_disk(tmp_path, small_disk, lambda run, _: no_room_on_a_small_disk(run.home))


def test_a_store_that_cannot_grow_loses_nothing(tmp_path: Path) -> None:
    _demand_patience_with_a_full_disk(tmp_path, tmp_path / "home", _no_room_in_any_file)


def _demand_patience_with_a_full_disk(folder: Path, home: Path, no_room: Callable[..., object]) -> None:
    """P2: while the disk is full, tickets are `held` and health reports it. Later everything is delivered."""
    with processes(folder, SEED, home) as run:
        run.sandbox()
        service, client = run.service(), run.client("d", SEED)
        _submit(client, 3, "accepted")
        run.plan([{"method": "POST", "after": 0.5, "times": 1}])
        client.submit(client.author.alert())
        with no_room(run, service):
            _submit(client, 5, "held")
            deadline = time.monotonic() + 3.0
            while time.monotonic() < deadline:
                health = client.ask(HEALTH)
                assert health["status"] == "unhealthy", health
                assert health["held"] > 0
                time.sleep(0.05)
        until(lambda: client.ask(HEALTH)["status"] == "healthy", service)
        _submit(client, 2, "accepted")
        drain(run, service)
        check(run.evidence())


def test_an_answer_lost_after_its_message_was_shown_causes_one_marked_repeat_at_most(
    tmp_path: Path,
) -> None:
    with processes(tmp_path, SEED) as run:
        run.sandbox()
        cut, whole = {"method": "POST", "cut": "after"}, {"method": "POST"}
        run.plan([fault for _ in range(8) for fault in (cut, cut, whole)])
        service, client = run.service(), run.client("d", SEED)
        _submit(client, 4, "accepted")
        for _ in range(6):
            client.submit(client.author.alert())
        drain(run, service)
        found = run.evidence()
        check(found)
    shown = [copy.name for copy in found.copies]
    assert max(map(shown.count, shown)) == 2
    repeated = {copy.name for copy in found.copies if shown.count(copy.name) == 2}
    assert {copy.name for copy in found.copies if copy.is_marked} == repeated
    assert {each.name for each in found.kept if each.may_repeat} >= repeated
    sys.stdout.write(f"{len(repeated)} of {len(found.kept)} were shown twice\n")

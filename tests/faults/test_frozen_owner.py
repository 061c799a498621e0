"""The process that delivers is frozen (SIGSTOP): another takes over, and nothing repeats unmarked."""

import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.faults.oracle import late_originals
from tests.faults.processes import TIMEOUT, Client, Process, bad_day, check, processes, terminate, until
from tests.faults.test_kill_service import SEED

FASTER = 10.0
"""The heartbeat comes every 0.5 s, and a takeover after 3 s."""
WITHIN = 15.0
"""Seconds for a takeover, with time for a busy machine."""
ASKS = b'{"ask": "health"}\n'
KEEPS_THE_LOCK = """
import ctypes, os, sys, time
from signalpost.delivery.outbox.sqlite import SqliteCore
core = SqliteCore(sys.argv[1])
child = ctypes.CDLL(None).fork()  # as C code does, without the knowledge of Python
if child == 0:
    time.sleep(300)
    os._exit(0)
print(child, flush=True)
sys.stdin.read()
"""
WRITES_FOREVER = """
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("writes", flush=True)
time.sleep(300)
"""
HANGS = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
static void hang(void) { while (access(getenv("HANGS_WHILE"), F_OK) == 0) usleep(10000); }
int fdatasync(int file) { hang(); return ((int (*)(int)) dlsym(RTLD_NEXT, "fdatasync"))(file); }
int fsync(int file) { hang(); return ((int (*)(int)) dlsym(RTLD_NEXT, "fsync"))(file); }
"""
COMPILER = shutil.which("cc") or shutil.which("gcc")


def _line(process: Process) -> str:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], TIMEOUT)
    assert ready, "no output"
    return process.stdout.readline().decode().strip()


def _within(seconds: float, is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _health(client: Client) -> dict[str, Any]:
    try:
        return client.ask(ASKS)
    except OSError:
        return {}


@pytest.mark.parametrize("is_busy", [False, True], ids=["idle", "busy"])
def test_another_process_takes_over_from_a_frozen_owner_which_does_no_harm_when_it_continues(
    tmp_path: Path, is_busy: bool
) -> None:
    random = Random(SEED)
    with processes(tmp_path, SEED) as run:
        run.sandbox()
        frozen = run.service(intake="one", faster=FASTER)
        heir = run.service(intake="two", faster=FASTER)
        third = run.service(intake="three", faster=FASTER)
        clients = {name: run.client(name, SEED, name) for name in ("one", "two", "three")}
        assert _health(clients["one"])["role"] == "owner"
        submitters = []
        if is_busy:
            run.plan(bad_day(random, 400))
            submitters = [run.producer("b", SEED, "two"), run.producer("c", SEED, "three")]
            until(lambda: run.open()[1] >= 1, frozen)
        run.freeze(frozen, random)
        heirs = ("two", "three")
        is_reported = _within(WITHIN, lambda: any(_health(clients[name]).get("status") == "degraded" for name in heirs))
        assert is_reported, "a producer reports that the owner does not respond"
        assert _within(WITHIN, lambda: any(_health(clients[name])["role"] == "owner" for name in heirs)), (
            "nobody took over"
        )
        for name in heirs:
            clients[name].submit(clients[name].author.alert())
        shown = run.shown()
        assert _within(WITHIN, lambda: run.shown() > shown or run.open() == (0, 0)), "the heir delivers"
        frozen.send_signal(signal.SIGCONT)
        clients["one"].hang_up()
        assert _within(WITHIN, lambda: _health(clients["one"]).get("role") == "producer"), "it is no longer the owner"
        health: dict[str, Any] = {}

        def has_reported() -> bool:
            health.update(_health(clients["one"]))
            return bool(health["metrics"]["ownership_lost"] == 1 and health["reasons"])

        assert _within(WITHIN, has_reported), f"it reports the loss, and health shows it for a while: {health}"
        takeovers = [_health(clients[name])["metrics"]["takeovers"] for name in heirs]
        assert sorted(takeovers) == [0, 1]
        assert (tmp_path / "home" / "outbox.bell").exists(), "the heir's wake-up socket is left alone"
        clients["one"].submit(clients["one"].author.alert())
        run.plan()
        assert terminate(*submitters) == [0] * len(submitters)
        until(lambda: run.open() == (0, 0), frozen, heir, third)
        assert [_health(clients[name])["role"] for name in ("one", *heirs)].count("owner") == 1
        assert terminate(frozen, heir, third) == [0, 0, 0]
        found, _ = late_originals(run.evidence())
        check(found)
    if is_busy:
        assert found.numbers.get("attempts lapsed", 0) > 0, f"nothing was being sent: {found.numbers}"


def test_a_c_child_that_keeps_the_lock_of_a_dead_owner_does_not_stop_deliveries(tmp_path: Path) -> None:
    with processes(tmp_path, SEED) as run:
        run.sandbox()
        run.home.mkdir()
        keeper = run.start("keeper", "-c", KEEPS_THE_LOCK, str(run.store))
        child = int(_line(keeper))
        try:
            keeper.kill()
            keeper.wait()
            service = run.service(intake="one", faster=FASTER)
            client = run.client("one", SEED, "one")
            assert _within(WITHIN, lambda: _health(client).get("role") == "owner"), _health(client)
            client.submit(client.author.alert())
            until(lambda: run.open() == (0, 0), service)
            assert terminate(service) == [0]
        finally:
            os.kill(child, signal.SIGKILL)


def test_health_names_a_process_that_is_frozen_while_it_writes(tmp_path: Path) -> None:
    """No other process can write then. Notifications are held, and saved when that process continues."""
    with processes(tmp_path, SEED) as run:
        run.sandbox()
        service = run.service(intake="one")
        client = run.client("one", SEED, "one")
        frozen = run.start("frozen", "-c", WRITES_FOREVER, str(run.store))
        assert _line(frozen) == "writes"
        frozen.send_signal(signal.SIGSTOP)
        assert client.submit(client.author.alert())["outcome"] == "held"
        health = _health(client)
        assert health["status"] == "unhealthy"
        assert f" {frozen.pid} " in " ".join(health["reasons"])
        frozen.kill()
        frozen.wait()
        assert _within(WITHIN, lambda: _health(client)["held"] == 0), "it is saved once the store is available"
        until(lambda: run.open() == (0, 0), service)
        assert terminate(service) == [0]


@pytest.mark.skipif(COMPILER is None, reason="there is no C compiler")
def test_a_hanging_disk_shows_in_health_until_it_works_again(tmp_path: Path) -> None:
    with processes(tmp_path, SEED) as run:
        run.sandbox()
        library, hangs = tmp_path / "hang.so", tmp_path / "hangs"
        (tmp_path / "hang.c").write_text(HANGS)
        subprocess.run(
            [str(COMPILER), "-shared", "-fPIC", "-o", str(library), str(tmp_path / "hang.c"), "-ldl"], check=True
        )
        run.environment |= {"LD_PRELOAD": str(library), "HANGS_WHILE": str(hangs)}
        service = run.service(intake="one")
        client, waits = run.client("one", SEED, "one"), run.client("two", SEED, "one")
        hangs.touch()
        line = waits.author.alert()
        with ThreadPoolExecutor(1) as pool:
            ticket = pool.submit(waits.submit, line)
            is_reported = _within(30, lambda: _health(client).get("status") == "unhealthy")
            was_answered = ticket.done()
            hangs.unlink()
            assert ticket.result(30)["outcome"] == "accepted"
        assert not was_answered, "the disk hangs"
        assert is_reported, "health reports it within 30 seconds"
        assert _within(WITHIN, lambda: _health(client).get("status") == "healthy")
        until(lambda: run.open() == (0, 0), service)
        assert terminate(service) == [0]

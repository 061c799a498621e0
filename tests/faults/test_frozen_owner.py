"""The process that delivers is frozen (SIGSTOP): another takes over, nothing repeats unmarked, and it harms nothing."""

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
from tests.faults.stage import PATIENCE, Client, Process, demand, stage, terminate, trouble, until
from tests.faults.test_kill_service import SEED

FASTER = 10.0
"""The heartbeat comes every 0.5 s, and a takeover after 3 s."""
WITHIN = 15.0
"""Seconds for a takeover, generously: this machine has much to do."""
ASKS = b'{"ask": "health"}\n'
KEEPS_THE_LOCK = """
import ctypes, os, sys, time
from signalpost.delivery.outbox.sqlite import SqliteCore
core = SqliteCore(sys.argv[1])
child = ctypes.CDLL(None).fork()  # as C code does, of which Python is not told
if child == 0:
    time.sleep(300)
    os._exit(0)
print(child, flush=True)
sys.stdin.read()
"""
WRITES_FOR_EVER = """
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
    ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
    assert ready, "it said nothing"
    return process.stdout.readline().decode().strip()


def _within(seconds: float, is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _tells(hand: Client) -> dict[str, Any]:
    try:
        return hand.ask(ASKS)
    except OSError:
        return {}


@pytest.mark.line("6.2.2")
@pytest.mark.parametrize("is_busy", [False, True], ids=["idle", "busy"])
def test_another_takes_over_from_a_frozen_owner_which_harms_nothing_when_it_goes_on(
    tmp_path: Path, is_busy: bool
) -> None:
    random = Random(SEED)
    with stage(tmp_path, SEED) as at:
        at.sandbox()
        frozen = at.service(intake="one", faster=FASTER)
        heir = at.service(intake="two", faster=FASTER)
        third = at.service(intake="three", faster=FASTER)
        hands = {name: at.client(name, SEED, name) for name in ("one", "two", "three")}
        assert _tells(hands["one"])["role"] == "owner"
        submitters = []
        if is_busy:
            at.plan(trouble(random, 400))
            submitters = [at.producer("b", SEED, "two"), at.producer("c", SEED, "three")]
            until(lambda: at.open()[1] >= 1, frozen)
        at.freeze(frozen, random)
        heirs = ("two", "three")
        is_reported = _within(WITHIN, lambda: any(_tells(hands[name]).get("status") == "degraded" for name in heirs))
        assert is_reported, "a producer says that the owner does not respond"
        assert _within(WITHIN, lambda: any(_tells(hands[name])["role"] == "owner" for name in heirs)), (
            "nobody took over"
        )
        for name in heirs:
            hands[name].submit(hands[name].author.alert())
        shown = at.shown()
        assert _within(WITHIN, lambda: at.shown() > shown or at.open() == (0, 0)), "the heir delivers"
        frozen.send_signal(signal.SIGCONT)
        hands["one"].hang_up()
        assert _within(WITHIN, lambda: _tells(hands["one"]).get("role") == "producer"), "it does not own any more"
        told: dict[str, Any] = {}

        def has_reported() -> bool:
            told.update(_tells(hands["one"]))
            return bool(told["metrics"]["ownership_lost"] == 1 and told["reasons"])

        assert _within(WITHIN, has_reported), f"it reports the loss, and health says so for a while: {told}"
        takeovers = [_tells(hands[name])["metrics"]["takeovers"] for name in heirs]
        assert sorted(takeovers) == [0, 1]
        assert (tmp_path / "home" / "outbox.bell").exists(), "the heir's wake-up socket is left alone"
        hands["one"].submit(hands["one"].author.alert())
        at.plan()
        assert terminate(*submitters) == [0] * len(submitters)
        until(lambda: at.open() == (0, 0), frozen, heir, third)
        assert [_tells(hands[name])["role"] for name in ("one", *heirs)].count("owner") == 1
        assert terminate(frozen, heir, third) == [0, 0, 0]
        found, _ = late_originals(at.evidence())
        demand(found)
    if is_busy:
        assert found.numbers.get("attempts lapsed", 0) > 0, f"nothing was being sent: {found.numbers}"


@pytest.mark.line("6.2.2")
def test_a_c_child_that_keeps_the_lock_of_a_dead_owner_keeps_nobody_from_delivering(tmp_path: Path) -> None:
    with stage(tmp_path, SEED) as at:
        at.sandbox()
        at.home.mkdir()
        keeper = at.start("keeper", "-c", KEEPS_THE_LOCK, str(at.store))
        child = int(_line(keeper))
        try:
            keeper.kill()
            keeper.wait()
            service = at.service(intake="one", faster=FASTER)
            hand = at.client("one", SEED, "one")
            assert _within(WITHIN, lambda: _tells(hand).get("role") == "owner"), _tells(hand)
            hand.submit(hand.author.alert())
            until(lambda: at.open() == (0, 0), service)
            assert terminate(service) == [0]
        finally:
            os.kill(child, signal.SIGKILL)


@pytest.mark.line("6.2.2")
def test_health_names_the_process_that_is_frozen_while_it_writes(tmp_path: Path) -> None:
    """Nobody else can write then: what comes in is held, and is written when that process goes on."""
    with stage(tmp_path, SEED) as at:
        at.sandbox()
        service = at.service(intake="one")
        hand = at.client("one", SEED, "one")
        frozen = at.start("frozen", "-c", WRITES_FOR_EVER, str(at.store))
        assert _line(frozen) == "writes"
        frozen.send_signal(signal.SIGSTOP)
        assert hand.submit(hand.author.alert())["outcome"] == "held"
        told = _tells(hand)
        assert told["status"] == "unhealthy"
        assert f" {frozen.pid} " in " ".join(told["reasons"])
        frozen.kill()
        frozen.wait()
        assert _within(WITHIN, lambda: _tells(hand)["held"] == 0), "it is written once the store can be"
        until(lambda: at.open() == (0, 0), service)
        assert terminate(service) == [0]


@pytest.mark.line("6.2.3")
@pytest.mark.skipif(COMPILER is None, reason="there is no C compiler")
def test_a_hung_disk_shows_in_health_and_ends_there_when_the_disk_goes_on(tmp_path: Path) -> None:
    with stage(tmp_path, SEED) as at:
        at.sandbox()
        library, hangs = tmp_path / "hang.so", tmp_path / "hangs"
        (tmp_path / "hang.c").write_text(HANGS)
        subprocess.run(
            [str(COMPILER), "-shared", "-fPIC", "-o", str(library), str(tmp_path / "hang.c"), "-ldl"], check=True
        )
        at.environment |= {"LD_PRELOAD": str(library), "HANGS_WHILE": str(hangs)}
        service = at.service(intake="one")
        hand, waits = at.client("one", SEED, "one"), at.client("two", SEED, "one")
        hangs.touch()
        line = waits.author.alert()
        with ThreadPoolExecutor(1) as pool:
            ticket = pool.submit(waits.submit, line)
            is_reported = _within(30, lambda: _tells(hand).get("status") == "unhealthy")
            was_answered = ticket.done()
            hangs.unlink()
            assert ticket.result(30)["outcome"] == "accepted"
        assert not was_answered, "the disk hung"
        assert is_reported, "health reports it within 30 seconds"
        assert _within(WITHIN, lambda: _tells(hand).get("status") == "healthy")
        until(lambda: at.open() == (0, 0), service)
        assert terminate(service) == [0]

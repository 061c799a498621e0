"""A process forks, or starts another program: its folder stays its own, and is free after its death."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from signalpost.delivery.outbox.sqlite import SqliteCore
from tests.channel import headline
from tests.faults.processes import TIMEOUT, Processes

_HERE = Path(__file__).parent
STARTS_A_PROGRAM = """
import subprocess, sys
from signalpost.delivery.outbox.sqlite import SqliteCore
core = SqliteCore(sys.argv[1])
program = subprocess.Popen(["sleep", "300"], close_fds=False)
print(program.pid, flush=True)
sys.stdin.read()
"""
HAS_A_CHILD = """
import os, sys, time
from signalpost.delivery.outbox.sqlite import SqliteCore
core = SqliteCore(sys.argv[1])
if os.fork() == 0:
    print(os.getpid(), flush=True)  # the child prints it: before it runs, it cannot have released the lock
    time.sleep(300)
sys.stdin.read()
"""
CONNECTS_AND_FORKS = """
import asyncio, os, socket, sys, threading
from signalpost.integration.loop_thread import new_loop
server = socket.create_server(("127.0.0.1", 0))
loop = new_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()
async def connect():
    await loop.getaddrinfo("localhost", 80)
    client = socket.socket()
    client.setblocking(False)
    await loop.sock_connect(client, server.getsockname())
asyncio.run_coroutine_threadsafe(connect(), loop).result()
if (child := os.fork()) == 0:
    sys.exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(tmp_path)
    processes.sandbox()
    yield processes
    processes.clear()


def _line(process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    assert process.stdout is not None
    line: dict[str, Any] = json.loads(process.stdout.readline())
    return line


def test_a_forked_child_is_refused_starts_its_own_service_and_takes_over(run: Processes) -> None:
    parent = run.start("forking", str(_HERE / "forking_process.py"))
    assert _line(parent)["role"] == "owner"
    line = _line(parent)
    outcome, name, reason, cause = line["inherited"][:4]
    assert (outcome, name, cause, line["status"], line["left"]) == ("refused", "", "not-running", "unhealthy", [])
    assert str(parent.pid) in reason
    line = _line(parent)
    child = line["process"]
    try:
        assert (line["role"], line["child"][0], line["open"]) == ("producer", "accepted", []), "its parent delivers it"
        parent.kill()
        line = _line(parent)
        assert (line["role"], line["heir"][0], line["open"]) == ("owner", "accepted", [])
        assert parent.wait(TIMEOUT) == -signal.SIGKILL
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    shown = {headline(json.loads(line)["body"]) for line in run.journal.read_bytes().splitlines()}
    assert shown == {f"HIGH · of the {who}" for who in ("parent", "child", "heir")}


def test_children_of_a_busy_process_can_all_queue_and_harm_nothing(tmp_path: Path) -> None:
    """The parent commits all the time: a fork during a batch would leave a locked mutex to the child."""
    store = tmp_path / "outbox.db"
    command = [sys.executable, str(_HERE / "crowd_process.py"), str(store), "30"]
    assert subprocess.run(command, timeout=TIMEOUT, check=False).returncode == 0
    with closing(sqlite3.connect(store)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("SELECT count(*) FROM notification WHERE id LIKE 'child-%'").fetchone() == (30,)
        ((last, count),) = db.execute("SELECT max(number), count(*) FROM notification")
    assert last == count, "each number is used once"


@pytest.mark.parametrize("program", [STARTS_A_PROGRAM, HAS_A_CHILD], ids=["a program", "a child"])
def test_a_started_program_or_child_does_not_keep_the_folder_locked(tmp_path: Path, program: str) -> None:
    store = tmp_path / "outbox.db"
    command = [sys.executable, "-c", program, str(store)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        started = int(process.stdout.readline())
        process.kill()
        process.wait(TIMEOUT)
        try:
            SqliteCore(store).close()
        finally:
            os.kill(started, signal.SIGKILL)


def test_a_child_ends_normally_after_its_parents_loop_has_connected() -> None:
    """The threads of libuv, which uvloop uses for lookups, would be missing in the child, and crash it at its end."""
    command = [sys.executable, "-c", CONNECTS_AND_FORKS]
    assert subprocess.run(command, timeout=TIMEOUT, check=True, capture_output=True, text=True).stdout == "7\n"

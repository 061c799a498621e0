"""The processes of a run in its folder: the sandbox, the services and the producers."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from tests import forked
from tests.faults import oracle
from tests.faults.evidence import evidence, open_in
from tests.faults.oracle import Evidence
from tests.faults.producer_process import Answers, Author, Line
from tests.faults.service_process import SOCKET

TIMEOUT = 60.0
"""Seconds after which a missing result is a failure."""
_HERE = Path(__file__).parent

Process = subprocess.Popen[bytes]


class Processes:
    """All processes of a run. They work in `folder`; the store is in `home`, by default in it. `clear` ends them."""

    def __init__(self, folder: Path, home: Path | None = None) -> None:
        self.folder = folder
        self.home = folder / "home" if home is None else home
        self.store = self.home / "outbox.db"
        self.journal = folder / "journal.jsonl"
        self.url = ""
        """The sandbox's address."""
        self._started: list[Process] = []
        self._clients: list[Client] = []
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("SIGNALPOST_", "DISCORD_"))
        } | {"SIGNALPOST_HOME": str(self.home), "SIGNALPOST_LIMITS": "off"}

    def sandbox(self) -> Process:
        """Start the sandbox, on its earlier port if it had one."""
        port = self.url.rpartition(":")[2] or "0"
        words = ["-m", "signalpost", "sandbox", "--port", port, "--limits", "off", "--journal", str(self.journal)]
        process = self.start("sandbox", *words)
        while "COMMUNITY" not in (line := _line_of(process)):
            before, _, after = line.partition("http://")
            if before.startswith("The sandbox"):
                self.url = "http://" + after.partition("/")[0]
            elif before.startswith("export "):
                self.environment[before.removeprefix("export ").rstrip("=")] = f"http://{after.strip()}"
        return process

    def plan(self, faults: Sequence[dict[str, Any]] = ()) -> None:
        """Let the sandbox respond to the next requests with exactly these faults."""
        for method, body in (("DELETE", None), ("POST", json.dumps(faults).encode())):
            headers = {"Content-Type": "application/json"}
            request = urllib.request.Request(f"{self.url}/_faults", body, headers, method=method)
            urllib.request.urlopen(request, timeout=TIMEOUT).close()

    def service(
        self, *, stop_within: float = TIMEOUT, is_awaited: bool = True, intake: str = SOCKET, faster: float = 1
    ) -> Process:
        """Start a service, and wait until it runs. Its heartbeat is `faster` times as fast as usual."""
        words = (str(_HERE / "service_process.py"), str(stop_within), intake, str(faster))
        process = self.start("service", *words)
        if is_awaited:
            assert _line_of(process) == "running\n"
        return process

    def producer(self, name: str, seed: str, intake: str = SOCKET) -> Process:
        """Start a producer."""
        return self.start(f"producer-{name}", str(_HERE / "producer_process.py"), name, seed, intake)

    def client(self, name: str, seed: str, intake: str = SOCKET) -> "Client":
        """A producer in this process, which submits on demand."""
        client = Client(self.folder, name, Random(seed), intake)
        self._clients.append(client)
        return client

    def open(self) -> tuple[int, int]:
        """The number of pending and of leased deliveries in the store."""
        return open_in(self.store)

    def shown(self) -> int:
        """How many messages the sandbox has shown."""
        return self.journal.read_bytes().count(b"\n")

    def freeze(self, process: Process, random: Random) -> int:
        """Stop a process while it does not block other writers. Returns how many tries failed."""
        log = f":{os.stat(f'{self.store}-shm').st_ino} 120 120"  # noqa: PTH116  # the lock of SQLite's log on writing
        for tries in range(1000):
            process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
            held = [line.split() for line in Path("/proc/locks").read_text().splitlines() if line.endswith(log)]
            if not any("->" not in words and int(words[4]) == process.pid for words in held):
                return tries
            process.send_signal(signal.SIGCONT)
            time.sleep(random.uniform(0, 0.02))
        raise AssertionError("it writes all the time")

    def evidence(self) -> Evidence:
        """The evidence of the run."""
        return evidence(self.folder, self.store)

    def clear(self) -> None:
        """Kill every process that still runs, and close all connections."""
        for client in self._clients:
            client.close()
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def start(self, log: str, *words: str) -> Process:
        """Start a Python program, with its standard error in a file of that name."""
        with (self.folder / f"{log}.log").open("ab") as file:
            process = forked.Popen(
                [sys.executable, *words],
                bufsize=0,  # otherwise `select` would miss a line that was read together with another
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=file,
            )
        self._started.append(process)
        return process


class Client:
    """A producer that submits a line, records the answer and returns it."""

    def __init__(self, folder: Path, name: str, random: Random, intake: str = SOCKET) -> None:
        self._intake = intake
        self.author = Author(name, random)
        self._folder = os.open(folder, os.O_RDONLY)  # gives the socket a path short enough for its address
        self._answers = Answers(str(folder / f"answers-{name}.jsonl"))
        self._connection: tuple[socket.socket, Any] | None = None

    def submit(self, line: Line, on_answer: Callable[[], object] = lambda: None) -> dict[str, Any]:
        """Submit a line until it is answered, and return the answer. Calls `on_answer` first."""
        tries = 0
        while True:
            try:
                tries += 1
                answer = self.ask(line.body)
            except OSError:
                time.sleep(0.02)
            else:
                on_answer()
                self._answers.add(line, answer, tries)
                return answer

    def ask(self, body: bytes) -> dict[str, Any]:
        """The service's answer to a line. Raises OSError without an answer."""
        try:
            if self._connection is None:
                connection = socket.socket(socket.AF_UNIX)
                self._connection = connection, connection.makefile("rb")
                connection.settimeout(TIMEOUT)
                connection.connect(f"/proc/self/fd/{self._folder}/{self._intake}")
            self._connection[0].sendall(body)
            answer = self._connection[1].readline()
            if not answer.endswith(b"\n"):
                raise ConnectionResetError("the service closed the connection")
        except OSError:
            self.hang_up()
            raise
        decoded: dict[str, Any] = json.loads(answer)
        return decoded

    def close(self) -> None:
        """Close everything."""
        self.hang_up()
        self._answers.close()
        os.close(self._folder)

    def hang_up(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection[1].close()
            self._connection[0].close()
            self._connection = None


@contextmanager
def processes(folder: Path, seed: str, home: Path | None = None) -> Iterator[Processes]:
    """Processes that are ended at the end. An error names the seed and the folder."""
    sys.stdout.write(f"seed {seed}\n")
    run = Processes(folder, home)
    try:
        yield run
    except BaseException as error:
        error.add_note(f"seed {seed}; the journal, the store, the lists and the logs are kept in {folder}")
        raise
    finally:
        run.clear()


def until(is_so: Callable[[], bool], *alive: Process, seconds: float = TIMEOUT) -> None:
    """Wait until it is true. Fails after too long, or if one of the processes ends."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"it took more than {seconds:g} s"
        for process in alive:
            assert process.poll() is None, f"a process ended with {process.returncode}"
        time.sleep(0.01)


def drain(run: Processes, service: Process) -> None:
    """Wait until nothing is open, and stop the service, which must have nothing left."""
    try:
        until(lambda: run.open() == (0, 0), service)
    except AssertionError as error:
        error.add_note("still pending and leased: {}, {}".format(*run.open()))
        raise
    assert terminate(service) == [0]


def kill(process: Process) -> None:
    """Kill a process, like a power cut."""
    process.kill()
    assert process.wait(TIMEOUT) == -signal.SIGKILL, f"it had ended before, with {process.returncode}"


def terminate(*processes: Process) -> list[int]:
    """Terminate processes, and return their exit codes."""
    for process in processes:
        process.terminate()
    return [process.wait(2 * TIMEOUT) for process in processes]


def check(found: Evidence) -> None:
    """Fail if a promise is broken, with the first findings."""
    wrong = oracle.findings(found)
    sys.stdout.write(f"{found.numbers}\n")
    assert not wrong, f"{len(wrong)} findings:\n" + "\n".join(wrong[:20])


def bad_day(random: Random, requests: int) -> list[dict[str, Any]]:
    """Faults of a bad day: slow answers, and some 503, with and without showing the message."""
    faults = []
    for _ in range(requests):
        fault = {"method": "POST", "after": random.uniform(0.02, 0.12)}
        roll = random.random()
        faults.append(fault if roll > 0.12 else fault | {"status": 503, "recorded": roll < 0.04})
    return faults


def _line_of(process: Process) -> str:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], TIMEOUT)
    line = process.stdout.readline() if ready else b""
    assert line, f"no output from a process, which ended with {process.poll()}"
    return line.decode()

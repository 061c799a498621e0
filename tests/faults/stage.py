"""A run's processes and its folder: the sandbox, the service and the producers, started, killed and looked at."""

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

from tests.faults import oracle
from tests.faults.oracle import Evidence
from tests.faults.producer_process import Answers, Author, Line
from tests.faults.service_process import SOCKET
from tests.faults.witnesses import evidence, open_in

PATIENCE = 60.0
"""Seconds after which what does not come is a failure."""
_HERE = Path(__file__).parent

Process = subprocess.Popen[bytes]


class Stage:
    """All processes of a run work in `folder`; the store is in `home`, by default within it. Ended by `clear`."""

    def __init__(self, folder: Path, home: Path | None = None) -> None:
        self.folder = folder
        self.home = folder / "home" if home is None else home
        self.store = self.home / "outbox.db"
        self.journal = folder / "journal.jsonl"
        self.url = ""
        """Of the sandbox."""
        self._started: list[Process] = []
        self._clients: list[Client] = []
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("SIGNALPOST_", "DISCORD_"))
        } | {"SIGNALPOST_HOME": str(self.home), "SIGNALPOST_LIMITS": "off"}

    def sandbox(self) -> Process:
        """Start the sandbox, on the port that it had before if there was one."""
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
        """Have the sandbox meet the next requests with these faults, and with no others."""
        for method, body in (("DELETE", None), ("POST", json.dumps(faults).encode())):
            headers = {"Content-Type": "application/json"}
            request = urllib.request.Request(f"{self.url}/_faults", body, headers, method=method)
            urllib.request.urlopen(request, timeout=PATIENCE).close()

    def service(
        self, *, stop_within: float = PATIENCE, is_awaited: bool = True, intake: str = SOCKET, faster: float = 1
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
        """A producer in this process, which submits when it is told to."""
        client = Client(self.folder, name, Random(seed), intake)
        self._clients.append(client)
        return client

    def open(self) -> tuple[int, int]:
        """How many deliveries are pending, and how many leased, by the store."""
        return open_in(self.store)

    def shown(self) -> int:
        """How many messages the sandbox has shown."""
        return self.journal.read_bytes().count(b"\n")

    def freeze(self, process: Process, random: Random) -> int:
        """Stop a process at a moment at which it does not keep others from writing; how often it was another."""
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
        """What the witnesses wrote down."""
        return evidence(self.folder, self.store)

    def clear(self) -> None:
        """End every process that still runs, and let go of what is open."""
        for client in self._clients:
            client.close()
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def start(self, log: str, *words: str) -> Process:
        """Start a Python program, with its standard error in a file of that name."""
        with (self.folder / f"{log}.log").open("ab") as file:
            process = subprocess.Popen(
                [sys.executable, *words],
                bufsize=0,  # else a line that was read with another could not be waited for
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=file,
            )
        self._started.append(process)
        return process


class Client:
    """One producer's hand: submits a line, and returns once it is answered; what it was answered is written down."""

    def __init__(self, folder: Path, name: str, random: Random, intake: str = SOCKET) -> None:
        self._intake = intake
        self.author = Author(name, random)
        self._folder = os.open(folder, os.O_RDONLY)  # by it the socket has a short path, which is all that it may have
        self._answers = Answers(str(folder / f"answers-{name}.jsonl"))
        self._talk: tuple[socket.socket, Any] | None = None

    def submit(self, line: Line, on_answer: Callable[[], object] = lambda: None) -> dict[str, Any]:
        """Submit a line until it is answered, and return the answer; `on_answer` is called before anything else."""
        asked = 0
        while True:
            try:
                asked += 1
                answer = self.ask(line.body)
            except OSError:
                time.sleep(0.02)
            else:
                on_answer()
                self._answers.add(line, answer, asked)
                return answer

    def ask(self, body: bytes) -> dict[str, Any]:
        """What the service answers to a line. Raises OSError where it does not."""
        try:
            if self._talk is None:
                talk = socket.socket(socket.AF_UNIX)
                self._talk = talk, talk.makefile("rb")
                talk.settimeout(PATIENCE)
                talk.connect(f"/proc/self/fd/{self._folder}/{self._intake}")
            self._talk[0].sendall(body)
            answer = self._talk[1].readline()
            if not answer.endswith(b"\n"):
                raise ConnectionResetError("the service went away")
        except OSError:
            self.hang_up()
            raise
        told: dict[str, Any] = json.loads(answer)
        return told

    def close(self) -> None:
        """Let go of everything."""
        self.hang_up()
        self._answers.close()
        os.close(self._folder)

    def hang_up(self) -> None:
        """Close the connection."""
        if self._talk is not None:
            self._talk[1].close()
            self._talk[0].close()
            self._talk = None


@contextmanager
def stage(folder: Path, seed: str, home: Path | None = None) -> Iterator[Stage]:
    """A stage that is cleared in the end. Where something failed, the error tells the seed, and where the files are."""
    sys.stdout.write(f"seed {seed}\n")
    made = Stage(folder, home)
    try:
        yield made
    except BaseException as error:
        error.add_note(f"seed {seed}; the journal, the store, the lists and the logs are kept in {folder}")
        raise
    finally:
        made.clear()


def until(is_so: Callable[[], bool], *alive: Process, seconds: float = PATIENCE) -> None:
    """Wait until something is so. Fails when that takes too long, or one of the processes ends."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"it took more than {seconds:g} s"
        for process in alive:
            assert process.poll() is None, f"a process ended with {process.returncode}"
        time.sleep(0.01)


def drain(at: Stage, service: Process) -> None:
    """Wait until nothing is open any more, and stop the service, which has nothing to tell then."""
    try:
        until(lambda: at.open() == (0, 0), service)
    except AssertionError as error:
        error.add_note("still pending and leased: {}, {}".format(*at.open()))
        raise
    assert terminate(service) == [0]


def kill(process: Process) -> None:
    """End a process as a power cut would: it cannot do anything about it."""
    process.kill()
    assert process.wait(PATIENCE) == -signal.SIGKILL, f"it had ended before, with {process.returncode}"


def terminate(*processes: Process) -> list[int]:
    """Ask processes to stop, and return their exit codes."""
    for process in processes:
        process.terminate()
    return [process.wait(2 * PATIENCE) for process in processes]


def demand(found: Evidence) -> None:
    """Fails with all that contradicts a promise, the first few in words."""
    wrong = oracle.findings(found)
    sys.stdout.write(f"{found.numbers}\n")
    assert not wrong, f"{len(wrong)} findings:\n" + "\n".join(wrong[:20])


def trouble(random: Random, requests: int) -> list[dict[str, Any]]:
    """A far end on a bad day: slow, and now and then a 503, be the message shown or not."""
    faults = []
    for _ in range(requests):
        fault = {"method": "POST", "after": random.uniform(0.02, 0.12)}
        roll = random.random()
        faults.append(fault if roll > 0.12 else fault | {"status": 503, "recorded": roll < 0.04})
    return faults


def _line_of(process: Process) -> str:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
    line = process.stdout.readline() if ready else b""
    assert line, f"a process said nothing, and ended with {process.poll()}"
    return line.decode()

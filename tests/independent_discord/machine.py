"""The product's processes, configured by the environment alone."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import forked

TIMEOUT = 60.0
"""Seconds after which a missing result is a failure."""
STRATEGY = str(Path(__file__).with_name("strategy.py"))


class Program:
    """A process that reads commands as lines of JSON, and answers each with one line."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def write(self, **command: Any) -> None:
        """Write a command."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")

    def read(self, within: float = TIMEOUT) -> dict[str, Any]:
        """Read its next answer."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], within)
        line = self.process.stdout.readline() if ready else b""
        assert line, f"no answer; it ended with {self.process.poll()}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def send(self, names: Sequence[str], **more: Any) -> dict[str, float]:
        """Send signals, which must all be accepted. Returns the time of each."""
        self.write(send=names, **more)
        return self.accepted(len(names))

    def accepted(self, number: int) -> dict[str, float]:
        """Check that so many were sent and accepted. Returns the time of each."""
        answer = self.read(2 * TIMEOUT)
        assert answer["outcomes"] == {"accepted": number}, answer["outcomes"]
        sent: dict[str, float] = answer["sent"]
        return sent

    def end(self) -> None:
        """Let it deliver the rest and end, with nothing left."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.read(2 * TIMEOUT) == {"left": 0}
        assert self.process.wait(TIMEOUT) == 0

    def kill(self) -> None:
        """Kill it, like a power cut."""
        self.process.kill()
        self.process.wait(TIMEOUT)


class Machine:
    """One user's machine: a data folder, an environment, and its processes."""

    def __init__(self, folder: Path, **environment: str) -> None:
        folder.mkdir()
        self.log = folder / "log"
        """The standard error of all processes."""
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []
        own = {name: value for name, value in os.environ.items() if not name.startswith(("SIGNALPOST_", "DISCORD_"))}
        self._environment = own | {"SIGNALPOST_HOME": str(folder / "home"), "SIGNALPOST_HTTP": "off"} | environment

    def strategy(self, *words: str) -> Program:
        """Start a strategy, and wait until it runs."""
        program = Program(self._start(STRATEGY, *words))
        assert program.read() == {"running": True}
        return program

    def serve(self) -> subprocess.Popen[bytes]:
        """Start `signalpost serve`."""
        return self._start("-m", "signalpost", "serve")

    def publish(self, *words: str) -> None:
        """Run `signalpost publish --no-wait`, which must succeed."""
        assert self.published(*words, "--no-wait") == 0, self.log.read_text()

    def published(self, *words: str) -> int:
        """Run `signalpost publish` to its end, and return its exit code."""
        return self._start("-m", "signalpost", "publish", *words).wait(TIMEOUT)

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = forked.Popen(
                [sys.executable, *words],
                bufsize=0,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self._started.append(process)
        return process

    def clear(self) -> None:
        """Kill every process that still runs."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


@contextmanager
def user_machine(folder: Path, **environment: str) -> Iterator[Machine]:
    """A machine whose processes are killed at the end."""
    machine = Machine(folder, **environment)
    try:
        yield machine
    finally:
        machine.clear()


def terminate(process: subprocess.Popen[bytes]) -> int:
    """Terminate a process, and return its exit code."""
    process.terminate()
    return process.wait(TIMEOUT)

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

PATIENCE = 60.0
"""Seconds after which what does not come is a failure."""
STRATEGY = str(Path(__file__).with_name("strategy.py"))


class Program:
    """A process that is told what to do by lines of JSON, and answers each with one."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def tell(self, **order: Any) -> None:
        """Say what to do."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")

    def told(self, within: float = PATIENCE) -> dict[str, Any]:
        """The next thing that it says."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], within)
        line = self.process.stdout.readline() if ready else b""
        assert line, f"it said nothing, and ended with {self.process.poll()}"
        told: dict[str, Any] = json.loads(line)
        return told

    def offer(self, names: Sequence[str], **more: Any) -> dict[str, float]:
        """Offer signals, all of which are accepted; when each was."""
        self.tell(offer=names, **more)
        return self.accepted(len(names))

    def accepted(self, number: int) -> dict[str, float]:
        """When each of so many was offered, which are all accepted."""
        told = self.told(2 * PATIENCE)
        assert told["outcomes"] == {"accepted": number}, told["outcomes"]
        offered: dict[str, float] = told["offered"]
        return offered

    def end(self) -> None:
        """Have it deliver what is left and end, with nothing left."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.told(2 * PATIENCE) == {"left": 0}
        assert self.process.wait(PATIENCE) == 0

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait(PATIENCE)


class Stage:
    """One user's machine: a data folder, an environment, and the processes that were started in it."""

    def __init__(self, folder: Path, **environment: str) -> None:
        folder.mkdir()
        self.log = folder / "log"
        """What the processes wrote to standard error."""
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []
        own = {name: value for name, value in os.environ.items() if not name.startswith(("SIGNALPOST_", "DISCORD_"))}
        self._environment = own | {"SIGNALPOST_HOME": str(folder / "home"), "SIGNALPOST_HTTP": "off"} | environment

    def strategy(self, *words: str) -> Program:
        """Start a strategy, and wait until it runs."""
        program = Program(self._start(STRATEGY, *words))
        assert program.told() == {"running": True}
        return program

    def serve(self) -> subprocess.Popen[bytes]:
        """Start `signalpost serve`."""
        return self._start("-m", "signalpost", "serve")

    def publish(self, *words: str) -> None:
        """Run `signalpost publish`, content with what is accepted."""
        assert self.published(*words, "--no-wait") == 0, self.log.read_text()

    def published(self, *words: str) -> int:
        """Run `signalpost publish` to its end, and return its exit code."""
        return self._start("-m", "signalpost", "publish", *words).wait(PATIENCE)

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
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
        """End every process that still runs."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


@contextmanager
def stage(folder: Path, **environment: str) -> Iterator[Stage]:
    """A stage that is cleared in the end."""
    made = Stage(folder, **environment)
    try:
        yield made
    finally:
        made.clear()


def terminate(process: subprocess.Popen[bytes]) -> int:
    """Ask a process to stop, and return its exit code."""
    process.terminate()
    return process.wait(PATIENCE)

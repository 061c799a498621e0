"""Runs the simulation in other processes, without coverage, which would take four times as long."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.repository.sources import ROOT


def simulation(*arguments: str, hash_seed: str = "random") -> subprocess.CompletedProcess[str]:
    """Run `python -m simulation` with these arguments."""
    command = [sys.executable, "-m", "simulation", *arguments]
    environment = _environment(hash_seed)
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@contextmanager
def simulating(module: str) -> "Iterator[subprocess.Popen[str]]":
    """Run a module that reads commands from standard input, and end it with the block."""
    with subprocess.Popen(
        [sys.executable, "-m", module],
        cwd=ROOT,
        env=_environment("random"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def _environment(hash_seed: str) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    return environment | {"PYTHONHASHSEED": hash_seed}

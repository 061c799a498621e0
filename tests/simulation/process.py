"""Runs the simulation in another process, without coverage, which would take four times as long."""

import os
import subprocess
import sys

from tests.repository.sources import ROOT


def simulation(*arguments: str, hash_seed: str = "random") -> subprocess.CompletedProcess[str]:
    """Run `python -m simulation` with these arguments."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    environment["PYTHONHASHSEED"] = hash_seed
    command = [sys.executable, "-m", "simulation", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

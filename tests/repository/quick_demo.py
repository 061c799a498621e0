"""One run of the demo for all pages and tests that show its results, also if several processes run the tests."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

SHARED_FOLDER = "TESTS_SHARED_FOLDER"
"""The environment variable with the folder that all processes of a test run share. `conftest.py` sets it."""
COMMAND = [sys.executable, "-m", "signalpost", "demo", "--exit", "--speed", "1000", "--port", "0"]
SECONDS_AT_MOST = 400


def quick_demo() -> "subprocess.CompletedProcess[str]":
    """The output of a quick demo that ended by itself. The first caller runs it; others wait for that."""
    folder = Path(os.environ[SHARED_FOLDER])
    with (folder / "demo.json").open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        if not (text := file.read()):
            text = json.dumps(_run())
            file.write(text)
        code, output, errors = json.loads(text)
    return subprocess.CompletedProcess(COMMAND, code, output, errors)


def _run() -> tuple[int, str, str]:
    """Run it in an empty folder, in which it must leave no file. Smaller demos measure coverage of the same lines."""
    unwanted = ("COLUMNS", "FORCE_COLOR")
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in unwanted and not name.startswith(("SIGNALPOST_", "DISCORD_", "COVERAGE_"))
    }
    with TemporaryDirectory(prefix="signalpost-demo-") as folder:
        ended = subprocess.run(
            COMMAND,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS_AT_MOST,
            check=False,
        )
        assert not list(Path(folder).iterdir()), "it leaves no file behind"
    return ended.returncode, ended.stdout, ended.stderr

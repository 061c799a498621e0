"""The command line as a person runs it: a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

SETTINGS = ("--pair", "EURUSD", "--timeframe", "H4", "--fast", "1", "--slow", "2")


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "FORCE_COLOR"}}
    command = [sys.executable, "-m", "signalpost", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_bad_input_ends_with_exit_code_2_and_one_clear_line(tmp_path: Path) -> None:
    result = run("replay", "none.csv", *SETTINGS, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr == (
        "error: none.csv: it cannot be read (No such file or directory): give a whole CSV file, plain or gzipped\n"
    )


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    command = f"{sys.executable} -m signalpost --help 2>{tmp_path}/stderr | head -1"
    subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, timeout=60, check=False)
    assert "Traceback" not in (tmp_path / "stderr").read_text(encoding="utf-8")

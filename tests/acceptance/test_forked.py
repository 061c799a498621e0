"""A forked program does and says what a new Python would."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import forked

PROGRAM = """
import atexit, os, sys, threading
from pathlib import Path
import beside

def late():
    threading.main_thread().join()
    print("a thread outlives the main thread", __name__, flush=True)

if __name__ == "__main__":
    atexit.register(print, "at exit")
    threading.Thread(target=late).start()
    print(sys.argv, Path.cwd(), os.environ["WORD"], sys.path[0], sys.modules["__main__"].late is late, beside.NAME)
    print("é", sys.stdin.read(), sys.stdout.encoding, file=sys.stderr)
    sys.exit(3)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("NAME = __name__", encoding="utf-8")
    file = tmp_path / "program.py"
    file.write_text(PROGRAM, encoding="utf-8")
    return file


@pytest.mark.parametrize("is_module", [False, True])
def test_it_has_its_own_arguments_folder_environment_and_streams(program: Path, is_module: bool) -> None:
    words = [sys.executable, *(["-m", "program"] if is_module else [str(program)]), "one", "two"]
    how: dict[str, Any] = {"cwd": program.parent, "env": {**os.environ, "WORD": "w"}, "input": "given"}
    fresh = subprocess.run(words, capture_output=True, text=True, check=False, **how)
    assert fresh.returncode == 3
    assert [vars(forked.run(words, **how)) for _ in range(2)] == [vars(fresh)] * 2


def test_it_is_a_child_that_can_be_killed_and_measured(program: Path) -> None:
    with forked.Popen([sys.executable, str(program)], stdin=subprocess.PIPE, env={"WORD": "", **os.environ}) as child:
        assert Path(f"/proc/{child.pid}/stat").read_text(encoding="utf-8").split()[3] == str(os.getpid())
        child.kill()
    assert child.returncode == -signal.SIGKILL

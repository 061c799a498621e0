"""What a process may not write it cannot use, and it says so; one that another process uses is left alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.errors import StoreUnusable

OPENS_AS_NOBODY = """
import os, sys
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.errors import StoreUnusable
import signalpost.delivery.outbox.verbs

os.chdir(sys.argv[1])  # while it may still walk there
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    SqliteCore("outbox.db")
except StoreUnusable as fault:
    print(fault)
"""

HOLDS_IT = """
import sys
from signalpost.delivery.outbox.sqlite import SqliteCore
core = SqliteCore(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An outbox that was closed well."""
    path = tmp_path / "box" / "outbox.db"
    path.parent.mkdir()
    SqliteCore(path).close()
    return path


def _opened_as_nobody(folder: Path) -> str:
    command = [sys.executable, "-c", OPENS_AS_NOBODY, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _give(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)


def test_a_file_that_may_not_be_written_is_unusable(path: Path) -> None:
    _give(path.parent)
    _give(path.with_name("outbox.db.lock"))
    path.chmod(0o400)
    _give(path)
    assert _opened_as_nobody(path.parent).startswith("outbox.db: it cannot be opened for writing (Permission denied): ")


def test_a_folder_that_may_not_be_written_is_unusable(path: Path) -> None:
    _give(path)
    path.with_name("outbox.db.lock").unlink()
    path.parent.chmod(0o555)
    said = _opened_as_nobody(path.parent)
    path.parent.chmod(0o755)
    assert said.startswith("outbox.db: ")
    assert "(Permission denied): " in said


def test_an_outbox_that_another_process_uses_is_left_alone_until_that_ends(path: Path) -> None:
    command = [sys.executable, "-c", HOLDS_IT, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(StoreUnusable, match=rf"process {other.pid} "):
            SqliteCore(path)
        other.kill()
    SqliteCore(path).close()

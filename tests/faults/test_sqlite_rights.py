"""A store that may not be written, or that another process uses, is unusable and left unchanged."""

import errno
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

os.chdir(sys.argv[1])  # while it still has the right to
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    SqliteCore("outbox.db")
except StoreUnusable as fault:
    print(fault.code, fault.errors[0].value, fault)
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
    """A closed outbox."""
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
    said = _opened_as_nobody(path.parent)
    assert said.split()[:2] == ["not-writable", "outbox.db"]
    assert os.strerror(errno.EACCES) in said


def test_a_folder_that_may_not_be_written_is_unusable(path: Path) -> None:
    _give(path)
    path.with_name("outbox.db.lock").unlink()
    path.parent.chmod(0o555)
    said = _opened_as_nobody(path.parent)
    path.parent.chmod(0o755)
    assert said.split()[0] in {"not-writable", "not-readable"}  # the second if the folders above belong to another user
    assert "outbox.db" in said.split()[1]
    assert os.strerror(errno.EACCES) in said


def test_an_outbox_of_another_process_is_unusable_until_that_ends(path: Path) -> None:
    command = [sys.executable, "-c", HOLDS_IT, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(StoreUnusable) as refused:
            SqliteCore(path)
        assert (refused.value.code, refused.value.errors[0].value) == ("store-in-use", str(other.pid))
        other.kill()
    SqliteCore(path).close()

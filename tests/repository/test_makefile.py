import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.repository.sources import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
VERBS = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)[0].split()

Fake = Callable[[str, str], None]
MakeVenv = Callable[..., subprocess.CompletedProcess[str]]

PYTHON_WITHOUT_ENSUREPIP = f"""
[ "$1" = -m ] && {{ echo "python3 $*"; exit; }}
exec {sys.executable} -I -c 'import sys; sys.modules["ensurepip"] = None; exec(sys.argv[2])' "$@"
"""
PYTHON_3_9 = f"""
[ "$1" = --version ] && {{ echo Python 3.9.18; exit; }}
exec {sys.executable} -I -c 'import sys; sys.version_info = (3, 9, 18); exec(sys.argv[2])' "$@"
"""
APT_PACKAGE = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    """Puts a small shell script on an otherwise empty PATH."""

    def put(name: str, script: str) -> None:
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)

    put("id", "echo 1000")
    return put


@pytest.fixture
def make_venv(tmp_path: Path, fake: Fake) -> MakeVenv:
    """Runs tools/make-venv on that PATH, as a user who is not root."""

    def run(python: str = "python3") -> subprocess.CompletedProcess[str]:
        command: list[str | Path] = ["/bin/sh", ROOT / "tools" / "make-venv", tmp_path / "venv", python]
        return subprocess.run(
            command, env={"PATH": str(tmp_path / "bin")}, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    return run


def test_make_help_lists_each_verb_with_what_it_does() -> None:
    command: list[str | Path] = ["make", "--silent", "--no-print-directory", "-C", ROOT, "help"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"^ +make ([a-z-]+) +\S.*$", printed, re.MULTILINE) == VERBS


def test_make_alone_is_make_help() -> None:
    assert re.search(r"^\.DEFAULT_GOAL := help$", MAKEFILE, re.MULTILINE)


def test_make_run_runs_the_demo() -> None:
    """conftest.py runs `$ make run` in a page as `signalpost demo`."""
    assert re.search(r"^run:.*\n\t@\$\(BIN\)/signalpost demo \$\(ARGS\)$", MAKEFILE, re.MULTILINE)


def test_without_ensurepip_the_one_line_for_apt_is_printed(fake: Fake, make_venv: MakeVenv) -> None:
    fake("python3", PYTHON_WITHOUT_ENSUREPIP)
    fake("apt-get", "echo apt-get must not run unless requested; exit 1")
    made = make_venv()
    assert made.returncode == 2
    assert made.stdout == ""
    assert made.stderr.splitlines()[-1].strip() == f"sudo apt-get install -y {APT_PACKAGE}"


def test_root_without_ensurepip_gets_it_installed(fake: Fake, make_venv: MakeVenv) -> None:
    fake("id", "echo 0")
    fake("python3", PYTHON_WITHOUT_ENSUREPIP)
    fake("apt-get", 'echo "apt-get $*"')
    made = make_venv()
    assert made.returncode == 0, made.stderr
    assert f"apt-get install -y -qq {APT_PACKAGE}\n" in made.stderr
    assert made.stdout.splitlines()[-1].startswith("python3 -m venv ")


def test_a_python_that_is_too_old_is_reported(fake: Fake, make_venv: MakeVenv) -> None:
    fake("python3", PYTHON_3_9)
    made = make_venv()
    assert made.returncode == 2
    assert all(fact in made.stderr for fact in ("3.9.18", "3.11", "make PYTHON="))


@pytest.mark.parametrize("python", ["python3", "python3.11", "/nowhere/python3"])
def test_a_missing_python_is_reported(python: str, make_venv: MakeVenv) -> None:
    made = make_venv(python)
    assert made.returncode == 2
    assert all(fact in made.stderr for fact in (python, "3.11", "make PYTHON="))


def test_a_whole_python_makes_the_environment_without_a_word(fake: Fake, make_venv: MakeVenv, tmp_path: Path) -> None:
    fake("python3", f'[ "$1" = -m ] && set -- -m venv --without-pip "$3"\nexec {sys.executable} "$@"')
    made = make_venv()
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")
    assert (tmp_path / "venv" / "bin" / "python").exists()

"""Shell completion: the printed script, run by a real bash."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete
from click.testing import CliRunner

from signalpost.cli import main

BASH = shutil.which("bash")
needs_bash = pytest.mark.skipif(BASH is None, reason="bash is not on the PATH: completion is NOT tested")


@pytest.fixture(scope="module")
def bash_script() -> str:
    """The script for bash, printed by a process."""
    command = [sys.executable, "-m", "signalpost", "completion", "bash"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def test_the_script_of_a_process_is_the_one_from_click(bash_script: str) -> None:
    assert bash_script == BashComplete(main, {}, "signalpost", "_SIGNALPOST_COMPLETE").source() + "\n"


@pytest.mark.parametrize(("shell", "kind"), [("bash", BashComplete), ("zsh", ZshComplete), ("fish", FishComplete)])
def test_the_script_is_the_one_from_click(shell: str, kind: type[ShellComplete]) -> None:
    printed = CliRunner().invoke(main, ["completion", shell], prog_name="signalpost").stdout
    assert printed == kind(main, {}, "signalpost", "_SIGNALPOST_COMPLETE").source() + "\n"


@needs_bash
@pytest.mark.unmeasured
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("del", {"deliveries"}),
        ("deliveries ", {"cancel", "list", "revive", "show", "why"}),
        ("deliveries list --st", {"--state"}),
        ("completion ", {"bash", "zsh", "fish"}),
        ("publish s", {"signal", "status"}),
        ("nothing-begins-like-this", set()),
        ("no-command --", {"--debug", "--help", "--version"}),
    ],
)
def test_bash_completes_commands_options_and_words(
    tmp_path: Path, bash_script: str, typed: str, completed: set[str]
) -> None:
    (tmp_path / "script").write_text(bash_script, encoding="utf-8")
    program = tmp_path / "signalpost"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m signalpost "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    words = " ".join(f"'{word}'" for word in f"signalpost {typed}".split(" "))
    here = f"""
        set -eu
        PATH={tmp_path}:$PATH
        . {tmp_path}/script
        complete -p signalpost | grep -q _signalpost_completion
        COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMPREPLY=()
        _signalpost_completion signalpost
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    assert BASH is not None
    run = subprocess.run([BASH, "--norc", "-c", here], capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert set(run.stdout.split()) == completed


def test_an_unknown_shell_is_bad_input_and_the_usage_lists_the_known_ones() -> None:
    for given in ([], ["csh"], ["bash", "zsh"], ["BASH"], ["--json"]):
        run = CliRunner().invoke(main, ["completion", *given], prog_name="signalpost")
        assert run.exit_code == 2, given
        assert "complete" not in run.stdout, given
        assert all(fact in run.stderr.splitlines()[0] for fact in ("signalpost completion", "bash|zsh|fish")), given

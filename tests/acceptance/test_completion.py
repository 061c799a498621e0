"""Shell completion: the printed script, run by a real bash."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from signalpost.cli import main

BASH = shutil.which("bash")
needs_bash = pytest.mark.skipif(BASH is None, reason="bash is not on the PATH: completion is NOT tested")


def script(shell: str) -> str:
    command = [sys.executable, "-m", "signalpost", "completion", shell]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.parametrize(("shell", "kind"), [("bash", BashComplete), ("zsh", ZshComplete), ("fish", FishComplete)])
def test_the_script_is_the_one_from_click(shell: str, kind: type[ShellComplete]) -> None:
    assert script(shell) == kind(main, {}, "signalpost", "_SIGNALPOST_COMPLETE").source() + "\n"


@needs_bash
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
def test_bash_completes_commands_options_and_words(tmp_path: Path, typed: str, completed: set[str]) -> None:
    (tmp_path / "script").write_text(script("bash"), encoding="utf-8")
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
        command = [sys.executable, "-m", "signalpost", "completion", *given]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert run.returncode == 2, given
        assert "complete" not in run.stdout, given
        assert all(fact in run.stderr.splitlines()[0] for fact in ("signalpost completion", "bash|zsh|fish")), given

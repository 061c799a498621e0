"""The command line in real processes, with pipes, terminals and Ctrl-C."""

import errno
import fcntl
import json
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from signalpost.cli import main
from tests import forked
from tests.acceptance.conftest import Environment, environment_of
from tests.acceptance.serving import in_process

SETTINGS = ("--pair", "EURUSD", "--timeframe", "H4", "--fast", "1", "--slow", "2")
SIGNAL = ("--pair", "EURUSD", "--timeframe", "H4", "--side", "buy", "--entry", "1.1634")


def run(*arguments: str, cwd: Path, env: Environment | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "FORCE_COLOR"}}
    command = [sys.executable, "-m", "signalpost", *arguments]
    return forked.run(command, cwd=cwd, env=env or environment)


def in_a_terminal(
    environment: Environment, *arguments: str, keys: str = "", ctrl_c_at: str = "", columns: int = 80
) -> tuple[int, str]:
    """Run a command in a terminal, and return its exit code and output."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "signalpost", *arguments],
        env={**environment, "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    shown = b""
    if keys:
        os.write(ours, keys.encode())
    try:
        while data := os.read(ours, 65_536):
            shown += data
            if ctrl_c_at and ctrl_c_at.encode() in shown:
                threading.Thread(target=_interrupt, args=[process], daemon=True).start()
                ctrl_c_at = ""
    except OSError:  # the other side is closed
        pass
    finally:
        watchdog.cancel()
        os.close(ours)
    return process.wait(60), shown.decode().replace("\r\n", "\n")


def _interrupt(process: "subprocess.Popen[bytes]") -> None:
    """Press Ctrl-C, and repeat it after 5 seconds: readline may miss one that comes as it begins to listen."""
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)


def fill(environment: Environment) -> Environment:
    """Save three pending signals."""
    for entry in ("1.1", "1.2", "1.3"):
        command = ("publish", "signal", *SIGNAL[:-1], entry, "--id", f"id of {entry}", "--no-wait")
        assert in_process(environment, *command).returncode == 0
    return environment


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A data folder with three pending signals, which no test changes. No sandbox answers."""
    return fill(environment_of("http://127.0.0.1:9", tmp_path_factory.mktemp("filled")))


def test_bad_input_is_exit_code_2_and_one_line_that_starts_with_the_file(tmp_path: Path) -> None:
    result = run("replay", "none.csv", *SETTINGS, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: none.csv: ")
    assert os.strerror(errno.ENOENT) in result.stderr
    assert result.stderr.count("\n") == 1
    as_json = run("replay", "none.csv", *SETTINGS, "--json", cwd=tmp_path)
    assert [each["code"] for each in json.loads(as_json.stdout)["errors"]] == ["not-readable"]


@pytest.mark.parametrize("command", ["--help", "deliveries list", "deliveries list --json", "completion bash"])
def test_a_reader_that_goes_away_causes_no_traceback(tmp_path: Path, filled: Environment, command: str) -> None:
    piped = f"{{ {sys.executable} -m signalpost {command} 2>{tmp_path}/stderr; echo $? >{tmp_path}/code; }} | :"
    subprocess.run(["bash", "-c", piped], env=filled, capture_output=True, timeout=60, check=False)
    assert (tmp_path / "stderr").read_text(encoding="utf-8") == ""
    assert (tmp_path / "code").read_text(encoding="utf-8").strip() in {"0", "1"}


def test_neither_a_pipe_nor_no_color_gets_colours(tmp_path: Path, filled: Environment) -> None:
    for arguments in (("deliveries", "list"), ("replay", "none.csv", *SETTINGS)):
        assert "\x1b[" not in "".join(run(*arguments, cwd=tmp_path, env=filled).stdout)
        _, coloured = in_a_terminal(filled, *arguments)
        assert "\x1b[" in coloured
        _, plain = in_a_terminal(filled | {"NO_COLOR": "1"}, *arguments)
        assert "\x1b[3" not in plain, "styles such as bold are allowed"


def test_no_row_wraps_in_a_terminal_of_80_columns(filled: Environment) -> None:
    for arguments in (("deliveries", "list"), ("destinations", "list")):
        _, shown = in_a_terminal(filled | {"NO_COLOR": "1", "TERM": "dumb"}, *arguments)
        rows = [line for line in shown.splitlines() if "signals-free" in line]
        assert len(rows) == (3 if arguments[0] == "deliveries" else 1)
        assert all(len(row) <= 80 for row in rows)


def test_ctrl_c_ends_with_130_and_without_a_traceback(environment: Environment) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        webhook = f"http://127.0.0.1:{silent.getsockname()[1]}/api/v10/webhooks/signals-free/t"
        process = subprocess.Popen(
            [sys.executable, "-m", "signalpost", "publish", "signal", *SIGNAL],
            env={**environment, "DISCORD_WEBHOOK_SIGNALS_FREE": webhook},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        connection, _ = silent.accept()
        with connection:
            connection.recv(1)  # the request has begun
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate()
        watchdog.cancel()
    assert (process.returncode, output, errors) == (130, "", "\n")


def test_purge_deletes_only_after_a_person_confirmed_it(environment: Environment) -> None:
    filled = fill(environment)
    assert in_process(filled, "publish", "signal", *SIGNAL).returncode == 0, "it delivers the others too"
    purge = ("purge", "--before", "0s")
    code, shown = in_a_terminal(filled, *purge, keys="n\n")
    assert code == 1
    assert " 4 " in shown.partition("[y/N]")[0]
    assert len(_listed(filled)) == 4
    assert in_a_terminal(filled, *purge, ctrl_c_at="[y/N]")[0] == 130
    assert len(_listed(filled)) == 4
    code, shown = in_a_terminal(filled, *purge, keys="y\n")
    assert code == 0
    assert re.search(r"\b4\b", shown.partition("[y/N]")[2])
    assert _listed(filled) == []


def _listed(environment: Environment) -> list[str]:
    return in_process(environment, "deliveries", "list", "--json").stdout.splitlines()


@pytest.mark.parametrize("command", [[], *([name] for name in main.list_commands(None))])  # type: ignore[arg-type]
def test_every_help_text_fits_120_columns_and_has_an_example(
    command: list[str], tmp_path: Path, environment: Environment
) -> None:
    """One in a process of its own, at its usual width."""
    shown = run("--help", cwd=tmp_path) if not command else in_process(environment, *command, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "signalpost " in shown.stdout.partition("\n\n")[2]
    assert max(map(len, shown.stdout.splitlines())) <= 120

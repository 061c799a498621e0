"""The command line as a person runs it: a process of its own, a pipe, a terminal, Ctrl-C."""

import fcntl
import os
import pty
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
from tests.acceptance.conftest import Environment

SETTINGS = ("--pair", "EURUSD", "--timeframe", "H4", "--fast", "1", "--slow", "2")
SIGNAL = ("--pair", "EURUSD", "--timeframe", "H4", "--side", "buy", "--entry", "1.1634")


def run(*arguments: str, cwd: Path, env: Environment | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "FORCE_COLOR"}}
    command = [sys.executable, "-m", "signalpost", *arguments]
    return subprocess.run(
        command, cwd=cwd, env=env or environment, capture_output=True, text=True, timeout=60, check=False
    )


def in_a_terminal(
    environment: Environment, *arguments: str, keys: str = "", ctrl_c_at: str = "", columns: int = 80
) -> tuple[int, str]:
    """The exit code of a command in a terminal, and what it shows there."""
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
    """Press Ctrl-C, and again after a while: readline may miss one that comes just as it begins to listen."""
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)


@pytest.fixture
def filled(environment: Environment) -> Environment:
    """A data folder with three signals that wait."""
    for entry in ("1.1", "1.2", "1.3"):
        command = ("publish", "signal", *SIGNAL[:-1], entry, "--id", f"id of {entry}", "--no-wait")
        assert run(*command, cwd=Path.cwd(), env=environment).returncode == 0
    return environment


def test_bad_input_ends_with_exit_code_2_and_one_clear_line(tmp_path: Path) -> None:
    result = run("replay", "none.csv", *SETTINGS, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: none.csv: it cannot be read (No such file or directory): ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["--help", "deliveries list", "deliveries list --json", "completion bash"])
def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path, filled: Environment, command: str) -> None:
    piped = f"{{ {sys.executable} -m signalpost {command} 2>{tmp_path}/stderr; echo $? >{tmp_path}/code; }} | :"
    subprocess.run(["bash", "-c", piped], env=filled, capture_output=True, timeout=60, check=False)
    assert (tmp_path / "stderr").read_text(encoding="utf-8") == ""
    assert (tmp_path / "code").read_text(encoding="utf-8").strip() in {"0", "1"}


def test_a_full_disk_for_its_output_is_one_line(tmp_path: Path, filled: Environment) -> None:
    command = f"{sys.executable} -m signalpost deliveries list --json >/dev/full"
    result = subprocess.run(
        ["bash", "-c", command], env=filled, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    assert result.stderr.count("\n") == 1


def test_nothing_is_coloured_in_a_pipe_nor_in_a_terminal_that_wants_none(tmp_path: Path, filled: Environment) -> None:
    for arguments in (("deliveries", "list"), ("replay", "none.csv", *SETTINGS)):
        assert "\x1b[" not in "".join(run(*arguments, cwd=tmp_path, env=filled).stdout)
        _, coloured = in_a_terminal(filled, *arguments)
        assert "\x1b[" in coloured
        _, plain = in_a_terminal(filled | {"NO_COLOR": "1"}, *arguments)
        assert "\x1b[3" not in plain, "styles such as bold are no colours"


def test_a_terminal_of_80_columns_has_no_row_that_is_wrapped(filled: Environment) -> None:
    for arguments in (("deliveries", "list"), ("destinations", "list")):
        _, shown = in_a_terminal(filled | {"NO_COLOR": "1", "TERM": "dumb"}, *arguments)
        rows = [line for line in shown.splitlines() if "signals-free" in line and "is not set" not in line]
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
            connection.recv(1)  # the request is on its way
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate()
        watchdog.cancel()
    assert (process.returncode, output, errors) == (130, "", "\n")


def test_a_person_is_asked_before_anything_is_deleted(filled: Environment) -> None:
    assert run("publish", "signal", *SIGNAL, cwd=Path.cwd(), env=filled).returncode == 0, "it delivers all that waits"
    purge = ("purge", "--before", "0s")
    code, shown = in_a_terminal(filled, *purge, keys="n\n")
    assert code == 1
    assert "Delete 4 notifications accepted before " in shown
    assert "nothing was deleted" in shown
    assert in_a_terminal(filled, *purge, ctrl_c_at="[y/N]")[0] == 130
    code, shown = in_a_terminal(filled, *purge, keys="y\n")
    assert code == 0
    assert "notifications deleted: 4; " in shown


@pytest.mark.parametrize("command", [[], *([name] for name in main.list_commands(None))])  # type: ignore[arg-type]
def test_every_help_fits_and_teaches_by_example(command: list[str], tmp_path: Path) -> None:
    told = run(*command, "--help", cwd=tmp_path)
    assert (told.returncode, told.stderr) == (0, "")
    assert "signalpost " in told.stdout.partition("\n\n")[2]
    assert max(map(len, told.stdout.splitlines())) <= 120

"""Commands whose standard input, output or error is closed, full, or cannot encode every character."""

import errno
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests import forked
from tests.acceptance.conftest import Environment, environment_of
from tests.acceptance.serving import READY, errors, in_process, shown
from tests.acceptance.test_command_line import in_a_terminal

ALERT = ("publish", "alert", "--type", "feed", "--severity", "high", "--title", "Żółty… 黃")
FULL = os.strerror(errno.ENOSPC)


def run(environment: Environment, redirected: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell, with `redirected` after it."""
    script = ["sh", "-c", f'exec "$@" {redirected}', "sh", sys.executable, "-m", "signalpost", *arguments]
    return subprocess.run(
        script, env=environment, capture_output=True, encoding="utf-8", errors="replace", timeout=60, check=False
    )


def run_into_a_full_device(environment: Environment, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command whose standard output is full."""
    usual = {name: value for name, value in environment.items() if not name.startswith("PYTHON")}
    usual.update({name: value for name, value in os.environ.items() if name.startswith("PYTHON")})
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        command = [sys.executable, "-m", "signalpost", *arguments]
        return forked.run(command, env=usual, stdout=full, encoding="utf-8")


def with_usual_streams(environment: Environment) -> Environment:
    """The usual encoding and buffers."""
    others = {name: value for name, value in environment.items() if name != "PYTHONUNBUFFERED"}
    return {**others, "PYTHONIOENCODING": "utf-8"}


@pytest.fixture
def usual(environment: Environment) -> Environment:
    """An empty data folder."""
    return with_usual_streams(environment)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A data folder with one pending alert, which no test changes. No sandbox answers."""
    mine = with_usual_streams(environment_of("http://127.0.0.1:9", tmp_path_factory.mktemp("filled")))
    assert in_process(mine, *ALERT, "--no-wait").returncode == 0
    return mine


@pytest.mark.parametrize("redirected", [">&-", "<&-", "2>&-", "<&- >&- 2>&-"])
def test_publish_delivers_also_where_standard_streams_are_closed(
    usual: Environment, sandbox: str, redirected: str
) -> None:
    assert run(usual, redirected, *ALERT).returncode == 0
    listed = in_process(usual, "deliveries", "list", "--json").stdout.splitlines()
    assert [json.loads(line)["state"] for line in listed] == ["delivered"]
    assert len(shown(sandbox)) == 1


@pytest.mark.parametrize("closed", [">&-", "<&-"])
def test_serve_answers_also_where_standard_streams_are_closed(usual: Environment, closed: str) -> None:
    script = f'exec "$@" {closed}'
    command = ["sh", "-c", script, "sh", sys.executable, "-m", "signalpost", "serve"]
    with subprocess.Popen(command, env=usual, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        shown = next(line for line in process.stderr if READY in line or "Assertion" in line)
        process.terminate()
        process.stderr.read()
    assert (READY in shown, process.returncode) == (True, 0)


def test_purge_deletes_nothing_without_a_confirmation_if_standard_input_is_closed(usual: Environment) -> None:
    assert in_process(usual, *ALERT).returncode == 0
    purged = run(usual, "<&-", "purge", "--before", datetime.now(UTC).isoformat(), "--json")
    assert (purged.returncode, errors(purged)) == (2, [("usage", None, None)])
    assert all(option in purged.stderr for option in ("--yes", "--dry-run"))
    assert len(in_process(usual, "deliveries", "list", "--json").stdout.splitlines()) == 1


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_publish_reports_to_standard_error_if_standard_output_is_full(
    usual: Environment, as_json: tuple[str, ...]
) -> None:
    published = run_into_a_full_device(usual, *ALERT, *as_json)
    accepted, fault = published.stderr.splitlines()
    assert accepted.startswith("accepted ")
    assert (published.returncode, fault.startswith("error: "), FULL in fault) == (1, True, True)


@pytest.mark.parametrize(
    "command",
    [("--help",), ("--version",), ("publish", "--help"), ("deliveries", "list"), ("deliveries", "list", "--json")],
)
def test_a_full_standard_output_is_reported_as_the_systems_error(filled: Environment, command: tuple[str, ...]) -> None:
    full = run_into_a_full_device(filled, *command)
    (line,) = full.stderr.splitlines()
    assert (full.returncode, line.startswith("error: "), FULL in line) == (1, True, True)


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_a_token_that_could_not_be_shown_is_revoked(usual: Environment, as_json: tuple[str, ...]) -> None:
    full = run_into_a_full_device(usual, "tokens", "add", "bot", *as_json)
    assert full.returncode == 1
    revoked, fault = full.stderr.splitlines()[-2:]
    assert "bot" in revoked
    assert FULL in fault
    assert in_process(usual, "tokens", "list", "--json").stdout == ""
    closed = run(usual, ">&-", "tokens", "add", "bot", *as_json)
    assert closed.returncode == 2
    assert "signalpost tokens add" in closed.stderr
    assert in_process(usual, "tokens", "list", "--json").stdout == ""


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_character_that_an_encoding_lacks_is_written_as_its_escape(filled: Environment, encoding: str) -> None:
    listed = run({**filled, "PYTHONIOENCODING": encoding}, "", "deliveries", "list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "\\u2026" in listed.stdout


def test_a_narrow_terminal_shows_whole_tickets(filled: Environment) -> None:
    (listed,) = in_process(filled, "deliveries", "list", "--json").stdout.splitlines()
    _, table = in_a_terminal(filled, "deliveries", "list", columns=40)
    assert json.loads(listed)["ticket"] in table

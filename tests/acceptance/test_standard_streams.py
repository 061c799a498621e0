"""Commands whose standard input, output or error is closed, full, or not made for every character."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from tests.acceptance.conftest import Environment
from tests.acceptance.test_command_line import in_a_terminal

ALERT = ("publish", "alert", "--type", "feed", "--severity", "high", "--title", "Żółty… 黃")
FULL = "error: standard output cannot be written (No space left on device)\n"


def run(environment: Environment, redirected: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command as a shell runs it with `redirected` behind it."""
    script = ["sh", "-c", f'exec "$@" {redirected}', "sh", sys.executable, "-m", "signalpost", *arguments]
    return subprocess.run(
        script, env=environment, capture_output=True, encoding="utf-8", errors="replace", timeout=60, check=False
    )


@pytest.fixture
def usual(environment: Environment) -> Environment:
    """The usual encoding and buffers."""
    others = {name: value for name, value in environment.items() if name != "PYTHONUNBUFFERED"}
    return {**others, "PYTHONIOENCODING": "utf-8"}


@pytest.mark.parametrize("redirected", [">&-", "<&-", "2>&-", "<&- >&- 2>&-"])
def test_publish_delivers_also_where_standard_streams_are_closed(usual: Environment, redirected: str) -> None:
    assert run(usual, redirected, *ALERT).returncode == 0
    listed = run(usual, "", "deliveries", "list", "--json").stdout.splitlines()
    assert [json.loads(line)["state"] for line in listed] == ["delivered"]


@pytest.mark.parametrize("closed", [">&-", "<&-"])
def test_serve_answers_also_where_standard_streams_are_closed(usual: Environment, closed: str) -> None:
    script = f'exec "$@" {closed}'
    command = ["sh", "-c", script, "sh", sys.executable, "-m", "signalpost", "serve"]
    with subprocess.Popen(command, env=usual, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        told = next(line for line in process.stderr if line.startswith(("running", "Assertion")))
        process.terminate()
        process.stderr.read()
    assert (told, process.returncode) == ("running; Ctrl-C stops\n", 0)


def test_purge_asks_nobody_where_standard_input_is_closed(usual: Environment) -> None:
    assert run(usual, "", *ALERT).returncode == 0
    purged = run(usual, "<&-", "purge", "--before", datetime.now(UTC).isoformat())
    assert purged.returncode == 2
    assert "give --yes, or --dry-run to count only" in purged.stderr


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_publish_tells_on_standard_error_what_it_did_where_standard_output_is_full(
    usual: Environment, as_json: tuple[str, ...]
) -> None:
    published = run(usual, ">/dev/full", *ALERT, *as_json)
    accepted, fault = published.stderr.splitlines(keepends=True)
    assert accepted.startswith("accepted ")
    assert (published.returncode, fault) == (1, FULL)


@pytest.mark.parametrize("command", [("--help",), ("--version",), ("publish", "--help"), ("deliveries", "list")])
def test_a_full_standard_output_is_no_fault_of_signalpost(usual: Environment, command: tuple[str, ...]) -> None:
    assert run(usual, "", *ALERT).returncode == 0
    full = run(usual, ">/dev/full", *command)
    assert (full.returncode, full.stderr[-len(FULL) :]) == (1, FULL)


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_no_token_is_left_that_nobody_has_seen(usual: Environment, as_json: tuple[str, ...]) -> None:
    full = run(usual, ">/dev/full", "tokens", "add", "bot", *as_json)
    assert full.returncode == 1
    assert full.stderr.endswith(f"token bot is taken back\n{FULL}")
    closed = run(usual, ">&-", "tokens", "add", "bot", *as_json)
    assert closed.returncode == 2
    assert "standard output is closed" in closed.stderr
    assert "no tokens yet" in run(usual, "", "tokens", "list").stdout


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_what_an_encoding_lacks_is_written_by_its_number(usual: Environment, encoding: str) -> None:
    assert run(usual, "", *ALERT).returncode == 0
    listed = run({**usual, "PYTHONIOENCODING": encoding}, "", "deliveries", "list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "\\u2026" in listed.stdout


def test_a_narrow_terminal_shows_whole_tickets(usual: Environment) -> None:
    ticket = json.loads(run(usual, "", *ALERT, "--json").stdout)["id"]
    _, shown = in_a_terminal(usual, "deliveries", "list", columns=40)
    assert ticket in shown

"""Strategies in processes of every kind: all their signals are shown.

The webhook has a host *name*, so it must be looked up even if the interpreter is about to end.
"""

import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import forked
from tests.acceptance.conftest import Environment
from tests.channel import fact

LOGGED_AT_EACH_START = re.compile(r"^.*\bDISCORD_WEBHOOK_URL\b.*\n", re.MULTILINE)
"""The warning that a single webhook gets everything."""
STRATEGY = Path(__file__).parent / "strategy_process.py"
IN_THEIR_OWN_PYTHON = (
    "forked",
    "by_multiprocessing",
    "forks_in_a_daemon_thread",
    "deletes_a_global_at_the_end",
    "deletes_a_global_without_a_start",
)
"""Strategies that fork, or that see how the interpreter ends. They run as users start them."""


@pytest.fixture
def environment_by_name(environment: Environment) -> Environment:
    """One webhook for everything: the sandbox's, by host name and without limits."""
    webhook = environment["DISCORD_WEBHOOK_SIGNALS_FREE"].replace("127.0.0.1", "localhost")
    kept = {name: value for name, value in environment.items() if not name.startswith("DISCORD_")}
    return kept | {"DISCORD_WEBHOOK_URL": webhook, "SIGNALPOST_LIMITS": "off"}


@contextmanager
def begin(kind: str, environment: Environment) -> "Iterator[subprocess.Popen[str]]":
    """Run a strategy, and kill it at the end of the block if it still runs."""
    start = subprocess.Popen if kind in IN_THEIR_OWN_PYTHON else forked.Popen
    with start(
        [sys.executable, str(STRATEGY), kind],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run(kind: str, environment: Environment) -> tuple[int, str, str]:
    """Run a strategy to its end: its exit code, output, and errors without the usual warning."""
    with begin(kind, environment) as process:
        output, errors = process.communicate(timeout=60)
    return process.returncode, output.strip(), LOGGED_AT_EACH_START.sub("", errors)


def names_shown(sandbox: str) -> list[str]:
    """The names of the signals in the channel, in order."""
    with urllib.request.urlopen(f"{sandbox}/_log") as log:
        entries = [json.loads(line) for line in log.read().decode().splitlines()]
    embeds = [embed for entry in entries if entry["recorded"] for embed in entry["body"]["embeds"]]
    return [fact(embed, "Name") or "" for embed in embeds]


def test_a_synchronous_strategy_delivers_in_order(sandbox: str, environment_by_name: Environment) -> None:
    assert run("plain", environment_by_name) == (0, "True 0 0", "")
    assert names_shown(sandbox) == [f"plain {number}" for number in range(10)]


def test_an_asyncio_strategy_delivers(sandbox: str, environment_by_name: Environment) -> None:
    assert run("on_asyncio", environment_by_name) == (0, "True 0", "")
    assert sorted(names_shown(sandbox)) == [f"async {number}" for number in range(10)]


def test_a_series_of_event_loops_as_in_a_notebook_delivers(sandbox: str, environment_by_name: Environment) -> None:
    assert run("notebook", environment_by_name) == (0, "True", "")
    assert names_shown(sandbox) == [f"cell {number}" for number in range(4)]


def test_sixteen_threads_each_deliver_in_order(sandbox: str, environment_by_name: Environment) -> None:
    assert run("pool", environment_by_name) == (0, "True 0", "")
    shown = names_shown(sandbox)
    for thread in range(16):
        mine = [name for name in shown if name.startswith(f"thread {thread} ")]
        assert mine == [f"thread {thread} {number}" for number in range(20)]
    assert len(shown) == 320


@pytest.mark.parametrize("kind", ["forked", "by_multiprocessing"])
def test_parent_and_child_of_a_fork_deliver_and_neither_repeats_the_other(
    kind: str, sandbox: str, environment_by_name: Environment
) -> None:
    assert run(kind, environment_by_name) == (0, "True {'accepted'}", "")
    of_parent, of_child = ([f"{who} {number}" for number in range(20)] for who in ("parent", "child"))
    assert sorted(names_shown(sandbox)) == sorted([*of_parent, *of_child, "parent at last"])


@pytest.mark.parametrize(
    ("kind", "code", "logged"),
    [
        ("ends", 0, ""),
        ("ends_without_uvloop", 0, ""),
        ("exits", 7, ""),
        ("raises", 1, "LookupError"),
        ("starts_in_a_daemon_thread", 0, ""),
        ("waits_for_all_threads", 0, ""),
        ("forks_in_a_daemon_thread", 0, ""),
    ],
)
def test_a_signal_sent_just_before_a_script_ends_is_delivered(
    kind: str, code: int, logged: str, sandbox: str, environment_by_name: Environment
) -> None:
    returned, _, errors = run(kind, environment_by_name)
    assert (returned, logged in errors) == (code, True)
    assert names_shown(sandbox) == ["last"]


def test_a_direct_send_in_atexit_is_delivered_before_the_process_ends(
    sandbox: str, environment_by_name: Environment
) -> None:
    assert run("hands_over_at_the_very_end", environment_by_name) == (0, "1", "")
    assert names_shown(sandbox) == ["last"]


@pytest.mark.parametrize(
    ("kind", "shown"), [("deletes_a_global_at_the_end", ["last"]), ("deletes_a_global_without_a_start", [])]
)
def test_a_signal_sent_when_the_interpreter_deletes_globals_is_refused_at_once(
    kind: str, shown: list[str], sandbox: str, environment_by_name: Environment
) -> None:
    returned, output, errors = run(kind, environment_by_name)
    assert (returned, output, "Traceback" in errors) == (0, "refused", False)
    assert [name for name in names_shown(sandbox) if name] == shown  # alerts have no name


def test_sigterm_during_a_stop_waits_until_the_stop_ended(sandbox: str, environment_by_name: Environment) -> None:
    assert run("terminated_while_it_stops", environment_by_name)[:2] == (-signal.SIGTERM, "")
    assert sorted(names_shown(sandbox)) == sorted(f"late {number}" for number in range(20))


def test_threads_and_pools_that_outlive_the_main_thread_deliver(sandbox: str, environment_by_name: Environment) -> None:
    assert run("ends_before_its_thread", environment_by_name) == (0, "", "")
    assert sorted(names_shown(sandbox)) == ["pool", "thread"]


@pytest.mark.parametrize(
    ("kind", "number", "code", "printed"),
    [
        ("terminated", signal.SIGTERM, 9, ""),
        ("killed_by_default", signal.SIGTERM, -signal.SIGTERM, ""),
        ("interrupted", signal.SIGINT, 0, "interrupted"),
    ],
)
def test_a_handled_signal_flushes_and_then_calls_the_handler_from_before(
    kind: str, number: int, code: int, printed: str, sandbox: str, environment_by_name: Environment
) -> None:
    with begin(kind, environment_by_name) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output.strip(), LOGGED_AT_EACH_START.sub("", errors)) == (code, printed, "")
    assert names_shown(sandbox) == ["last"]


def test_direct_sends_need_no_service_and_no_store(
    sandbox: str, environment_by_name: Environment, tmp_path: Path
) -> None:
    code, output, errors = run("direct", environment_by_name)
    assert (code, errors) == (0, "")
    outcome, *reason = output.split()
    assert (outcome, "default" in reason) == ("direct", True)
    assert reason[-1].isdigit(), "the id of the message"
    assert names_shown(sandbox) == ["direct", "direct and last"]
    assert not (tmp_path / "home").exists()


def test_a_script_without_logging_still_prints_that_no_webhook_is_set(tmp_path: Path) -> None:
    alert = "Alert(alert_type='a', severity='high', title='t')"
    program = f"from signalpost import *; on_strategy_start(); send_alert({alert})"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={"SIGNALPOST_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    at_start, at_send = ran.stderr.splitlines()
    assert "refused" in at_start
    assert all(fact in at_send for fact in ("refused", "alerts-critical"))

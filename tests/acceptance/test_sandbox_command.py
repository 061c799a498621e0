"""`signalpost sandbox` in a real process, until Ctrl-C."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from signalpost.domain.destinations import USUAL_DESTINATIONS
from tests.acceptance.serving import in_process

SECONDS_AT_MOST = 60


@contextmanager
def running(*arguments: str, ready: str = "/_log\n") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and its output until it was ready."""
    command = [sys.executable, "-m", "signalpost", "sandbox", *arguments]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout
        printed = ""
        while ready not in printed:
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            printed += line
        yield process, printed
    finally:
        process.kill()
        process.communicate()


AGENT = {"User-Agent": "tests"}
"""Discord rejects the User-Agent `Python-urllib`."""


def _url(printed: str, variable: str) -> str:
    found = re.search(rf"^export {variable}=(\S+)$", printed, re.MULTILINE)
    assert found
    return found[1]


def _post(url: str, content: str) -> int:
    headers = {"Content-Type": "application/json", **AGENT}
    request = urllib.request.Request(url, json.dumps({"content": content}).encode(), headers)
    with urllib.request.urlopen(request, timeout=SECONDS_AT_MOST) as answer:
        status: int = answer.status
    return status


def test_it_prints_its_webhooks_accepts_messages_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    with running("--port", "0", "--journal", str(journal)) as (process, printed):
        assert all(re.search(fact, printed.splitlines()[0]) for fact in (r" http://127\.0\.0\.1:\d+/ ", "Ctrl-C"))
        for destination in USUAL_DESTINATIONS:
            url = _url(printed, destination.variable)
            assert f"/api/v10/webhooks/{destination.name}/" in url
            assert _post(url, f"hello {destination.name}") == 204
        assert _post(url.replace("community", "12345"), "any id and token will do") == 204
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=SECONDS_AT_MOST)
    assert (process.returncode, rest, errors) == (0, "", "")
    contents = [json.loads(line)["body"]["content"] for line in journal.read_text().splitlines()]
    assert contents == [f"hello {each.name}" for each in USUAL_DESTINATIONS] + ["any id and token will do"]


def test_a_program_gets_its_addresses_as_json() -> None:
    with running("--port", "0", "--json", "--limits", "real", ready="_log") as (process, printed):
        addresses = json.loads(printed)
        assert list(addresses) == ["page", "log", "environment"]
        assert list(addresses["environment"]) == [each.variable for each in USUAL_DESTINATIONS]
        assert _post(addresses["environment"]["DISCORD_WEBHOOK_COMMUNITY"], "hello") == 204
        with urllib.request.urlopen(addresses["log"], timeout=SECONDS_AT_MOST) as answer:
            assert json.loads(answer.read())["body"]["content"] == "hello"
        assert _bucket(addresses["environment"]["DISCORD_WEBHOOK_SIGNALS_FREE"]) == "5"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=SECONDS_AT_MOST) == ("", "")


def test_a_killed_sandbox_leaves_every_answered_message_in_its_journal(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    with running("--port", "0", "--limits", "off", "--journal", str(journal)) as (process, printed):
        assert _bucket(_url(printed, "DISCORD_WEBHOOK_SIGNALS_FREE")) is None
        for n in range(20):
            _post(_url(printed, "DISCORD_WEBHOOK_COMMUNITY"), str(n))
        process.kill()
        process.wait(SECONDS_AT_MOST)
    contents = [json.loads(line)["body"]["content"] for line in journal.read_text().splitlines()]
    assert contents == [str(n) for n in range(20)]


def _bucket(url: str) -> str | None:
    request = urllib.request.Request(url, headers=AGENT)
    with urllib.request.urlopen(request, timeout=SECONDS_AT_MOST) as answer:
        limit: str | None = answer.headers.get("X-RateLimit-Limit")
    return limit


def test_the_limits_option_sets_the_rate_limit_and_a_port_in_use_is_bad_input() -> None:
    with running("--port", "0", "--limits", "raised") as (_, printed):
        assert _bucket(_url(printed, "DISCORD_WEBHOOK_SIGNALS_FREE")) == "50"
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", printed)
        assert found
        command = [sys.executable, "-m", "signalpost", "sandbox", "--port", found[1]]
        second = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_AT_MOST, check=False)
    assert (second.returncode, second.stdout) == (2, "")
    assert all(fact in second.stderr for fact in ("error: ", found[1], "127.0.0.1"))
    assert second.stderr.count("\n") == 1


def test_a_journal_that_is_not_writable_is_bad_input(tmp_path: Path) -> None:
    run = in_process(dict(os.environ), "sandbox", "--port", "0", "--journal", str(tmp_path / "no" / "j"))
    assert (run.returncode, run.stdout) == (2, "")
    assert str(tmp_path / "no" / "j") in run.stderr

"""Runs `signalpost serve` and other commands as processes, with a plain HTTP client."""

import json
import logging
import os
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.error import HTTPError

from click.testing import CliRunner

from signalpost.cli import main
from signalpost.testing.log_lines import flush_log
from tests import forked
from tests.acceptance.conftest import Environment
from tests.channel import headline

PATIENCE = 60
READY = "Ctrl-C"
"""Part of the line that `serve` prints once it runs: the key that stops it."""


class Served(NamedTuple):
    """A running `serve`."""

    process: subprocess.Popen[str]
    url: str
    lines: list[str]
    """The lines printed so far; all of them after the process ended."""

    def post(self, path: str, body: bytes | object, **headers: str) -> tuple[int, dict[str, Any], Mapping[str, str]]:
        """Post bytes as text/plain, or anything else as JSON. Returns the status, the JSON answer and the headers."""
        is_raw = isinstance(body, bytes)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        usual = {"Content-Type": "text/plain; charset=utf-8" if is_raw else "application/json"}
        return _answer(urllib.request.Request(self.url + path, data, {**usual, **headers}, method="POST"))

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, Any], Mapping[str, str]]:
        """Get a path. Returns the status, the JSON answer and the headers."""
        return _answer(urllib.request.Request(self.url + path, headers=headers))

    def causes(self) -> list[str]:
        """The codes of the reasons that `/health` gives."""
        return [each["code"] for each in self.get("/health")[1]["causes"]]

    def text(self) -> str:
        """All printed lines."""
        return "".join(self.lines)


@contextmanager
def serving(
    environment: Environment, *options: str, patience: float = PATIENCE, before: tuple[str, ...] = ()
) -> Iterator[Served]:
    """Run `serve` on a free port until the block ends, and stop it then. `before` is a command that runs it."""
    command = [*before, sys.executable, "-m", "signalpost", "serve", *options]
    with forked.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        watchdog = threading.Timer(patience, process.kill)
        watchdog.start()
        assert process.stderr is not None
        lines: list[str] = []
        for line in process.stderr:
            lines.append(line)
            if READY in line:
                break
        found = re.search(r"http://\S+", "".join(lines))
        reading = threading.Thread(target=lambda: lines.extend(process.stderr or ()))
        reading.start()
        try:
            yield Served(process, found[0] if found else "", lines)
        finally:
            process.terminate()
            process.wait()
            reading.join()
            watchdog.cancel()


def token(environment: Environment, name: str, *options: str) -> str:
    """Create a token, and return its text."""
    return in_process(environment, "tokens", "add", name, *options).stdout.strip()


def run(environment: Environment, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command, with `stdin` or nothing on standard input."""
    command = [sys.executable, "-m", "signalpost", *arguments]
    return forked.run(command, env=environment, input=stdin, timeout=PATIENCE)


def in_process(environment: Environment, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command in this process: to prepare a test, to look something up, or if only the answer is of interest.

    A Python of its own would take ten times the CPU time. Exit codes and texts are made by the same code; signals,
    terminals, standard streams and the end of the interpreter need `run`.
    """
    unset = dict.fromkeys(os.environ.keys() - environment.keys())
    log = logging.getLogger("signalpost")
    before = list(log.handlers), log.level
    try:
        ended = CliRunner().invoke(main, arguments, input=stdin, env={**unset, **environment}, prog_name="signalpost")
    finally:
        flush_log()
        log.handlers, level = before
        log.setLevel(level)
    return subprocess.CompletedProcess(arguments, ended.exit_code, ended.stdout, ended.stderr)


def errors(ended: subprocess.CompletedProcess[str]) -> list[tuple[str, str | None, str | None]]:
    """The code, field and value of each error that a command with `--json` printed."""
    return [(each["code"], each["field"], each["value"]) for each in json.loads(ended.stdout)["errors"]]


def shown(sandbox: str) -> list[str]:
    """The contents of the messages that a sandbox recorded, oldest first."""
    with urllib.request.urlopen(f"{sandbox}/_log", timeout=PATIENCE) as log:
        entries = [json.loads(line) for line in log.read().decode().splitlines()]
    return [headline(entry["body"]) for entry in entries if entry["recorded"]]


def _answer(request: urllib.request.Request) -> tuple[int, dict[str, Any], Mapping[str, str]]:
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, json.loads(answer.read()), dict(answer.headers)
    except HTTPError as answer:
        with answer:  # since Python 3.14, it warns if it is not closed
            return answer.code, json.loads(answer.read()), dict(answer.headers)

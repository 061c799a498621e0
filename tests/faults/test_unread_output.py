"""`signalpost serve` and a program whose standard output and error are full pipes that are not read."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.acceptance.conftest import environment, sandbox
from tests.acceptance.serving import token

__all__ = ["environment", "sandbox"]

F_SETPIPE_SZ = 1031


@contextmanager
def full_pipe() -> Iterator[int]:
    """The writing end of a full pipe."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, False)
    try:
        while os.write(writer, b"x" * 512):
            pass
    except BlockingIOError:
        os.set_blocking(writer, True)
    try:
        yield writer
    finally:
        os.close(writer)
        os.close(reader)


def _free_port() -> int:
    import socket

    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        return int(there.getsockname()[1])


def _request(url: str, body: bytes | None = None, **headers: str) -> dict[str, object]:
    """The answer; empty if there is none within 20 s."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=20) as response:
            answer: dict[str, object] = json.loads(response.read())
            return answer
    except OSError:
        return {}


def _eventually(url: str, body: bytes | None = None, within: float = 60.0, **headers: str) -> dict[str, object]:
    until = time.monotonic() + within
    while not (answer := _request(url, body, **headers)) and time.monotonic() < until:
        time.sleep(0.1)
    return answer


def test_serve_answers_delivers_and_ends_while_its_output_is_not_read(environment: dict[str, str]) -> None:
    secret = token(environment, "bot")
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "signalpost", "serve", "--http", f"127.0.0.1:{port}", "--stop-within", "3"]
    body = json.dumps({"alert_type": "feed", "severity": "critical", "title": "nobody reads"}).encode()
    with full_pipe() as out, subprocess.Popen(command, env=environment, stdout=out, stderr=out) as process:
        try:
            health = _eventually(f"{url}/health")
            headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
            taken = _request(f"{url}/api/v1/alerts", body, **headers) if health else {}
            process.send_signal(signal.SIGTERM)
            try:
                exit_code: int | None = process.wait(3 + 30)
            except subprocess.TimeoutExpired:
                exit_code = None
        finally:
            process.kill()
    assert (health.get("status"), taken.get("outcome"), exit_code) == ("healthy", "accepted", 0)


def test_the_last_output_of_serve_is_written_before_it_ends(environment: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-m", "signalpost", "serve", "--http", "off", "--stop-within", "3"]
    with log.open("wb") as err, subprocess.Popen(command, env=environment, stdout=err, stderr=err) as process:
        until = time.monotonic() + 60
        while b"running" not in log.read_bytes() and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert log.read_bytes().endswith(b"stopping\n")

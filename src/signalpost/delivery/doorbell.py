"""A bell at the data folder: who puts something in rings it, and the owner looks at once.

It is a datagram socket in the folder. What a datagram says does not matter, only that one came: the owner looks into
the store, which is the truth. So one that is lost is made up for by the next look, and a foreign one costs a look.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from signalpost.telemetry.log_queue import logger

BELL = "outbox.bell"
"""The socket's name in the folder."""

_LONGEST_PATH = 100
"""Bytes. A socket's address holds 108 on Linux and 104 elsewhere, its end included (unix(7))."""


class Doorbell:
    """The owner's side: calls `on_ring`, on the running loop, when somebody rang.

    Only the holder of the folder's lock may hang it: a socket that is there was left by one that is gone. Where it
    cannot be hung, which is logged, the owner learns of what is put by its looks alone.
    """

    def __init__(self, folder: Path, on_ring: Callable[[], None]) -> None:
        self._on_ring = on_ring
        self._loop = asyncio.get_running_loop()
        self._path = folder / BELL
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            os.fchmod(self._socket.fileno(), 0o600)  # which the file is made with, whatever the umask allows
            self._path.unlink(missing_ok=True)
            with _Address(folder) as address:
                self._socket.bind(address)
            self._loop.add_reader(self._socket, self._heard)
        except OSError as fault:
            logger.warning("%s cannot be made (%s): what others put in is found a little later", self._path, fault)
            self._socket.close()

    def close(self) -> None:
        """Take it down; once is enough."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _heard(self) -> None:
        with suppress(OSError):
            self._socket.recv(1)  # what is left comes with the loop's next round
        self._on_ring()


def ring(folder: Path) -> None:
    """Ring at a folder, once and without waiting; where nobody hears it, nothing happens."""
    own = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    own.setblocking(False)
    with own, suppress(OSError), _Address(folder) as address:
        own.sendto(b"!", address)


class Ringer:
    """The other side: rings at a folder without waiting, once for all that is put within one round of the loop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._is_due = False

    def ring(self) -> None:
        """Ring soon; where nobody hears it, or too much rang already, nothing happens."""
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._send)

    def close(self) -> None:
        """Give the socket back; once is enough."""
        self._socket.close()

    def _send(self) -> None:
        self._is_due = False
        with suppress(OSError), _Address(self._folder) as address:
            self._socket.sendto(b"!", address)


class _Address:
    """A folder's bell as an address: its path, or where that is too long a path by way of an open folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor = -1

    def __enter__(self) -> str:
        path = str(self._folder / BELL)
        if len(os.fsencode(path)) <= _LONGEST_PATH:
            return path
        self._descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._descriptor}/{BELL}"

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

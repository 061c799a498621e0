"""A bell at the data folder: who puts something in rings it, and the owner looks at once.

It is a datagram socket in the folder. What a datagram says does not matter, only that one came: the owner looks into
the store, which is the truth. So one that is lost is made up for by the next look, and a foreign one costs a look.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from signalpost.delivery.outbox.files import Identity, identity
from signalpost.telemetry.log_queue import logger

_LONGEST_PATH = 100
"""Bytes. A socket's address holds 108 on Linux and 104 elsewhere, its end included (unix(7))."""


Run = Callable[[Callable[[], None]], Awaitable[None]]
"""Calls a function that touches files, without making the event loop wait."""


class Doorbell:
    """The owner's side: calls `on_ring`, on the running loop, when somebody rang. Made by `hung`.

    Only the owner may hang it: a socket that is there was left by one that is gone, or frozen. Where it cannot be hung,
    which is logged, the owner learns of what is put by its looks alone.
    """

    def __init__(self, path: Path, on_ring: Callable[[], None], run: Run) -> None:
        self._path = path
        self._on_ring = on_ring
        self._run = run
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._made: Identity | None = None

    @classmethod
    async def hung(cls, path: Path, on_ring: Callable[[], None], run: Run) -> Self:
        """Hang it at `path`; `run` calls what touches files."""
        bell = cls(path, on_ring, run)
        try:
            await run(bell._bind)
            bell._loop.add_reader(bell._socket, bell._heard)
        except OSError as fault:
            logger.warning("%s cannot be made (%s): what others put in is found a little later", path, fault)
            bell._socket.close()
        except BaseException:
            bell._socket.close()
            raise
        return bell

    async def close(self) -> None:
        """Take it down; once is enough."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            await self._run(self._unlink)

    def _bind(self) -> None:
        os.fchmod(self._socket.fileno(), 0o600)  # which the file is made with, whatever the umask allows
        self._path.unlink(missing_ok=True)
        with _Address(self._path) as address:
            self._socket.bind(address)
        self._made = identity(str(self._path))

    def _unlink(self) -> None:
        if identity(str(self._path)) == self._made:  # else a successor has hung its own
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _heard(self) -> None:
        with suppress(OSError):
            self._socket.recv(1)  # what is left comes with the loop's next round
        self._on_ring()


def ring(path: Path) -> None:
    """Ring once and without waiting; where nobody hears it, nothing happens."""
    own = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    own.setblocking(False)
    with own, suppress(OSError), _Address(path) as address:
        own.sendto(b"!", address)


class Ringer:
    """The other side: rings at `path` without waiting, once for all that is put within one round of the loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
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
        with suppress(OSError), _Address(self._path) as address:
            self._socket.sendto(b"!", address)


class _Address:
    """A bell as an address: its path, or where that is too long a path by way of its open folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> str:
        path = str(self._path)
        if len(os.fsencode(path)) <= _LONGEST_PATH:
            return path
        self._descriptor = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._descriptor}/{self._path.name}"

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

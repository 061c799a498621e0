"""Wakes the owner of a data folder as soon as another process has queued something.

A datagram socket in the folder wakes it. A datagram carries no data: the owner then reads the store. So a lost datagram
only delays a delivery until the next regular look, and a stray one only costs a look.
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
"""Bytes. A socket's address holds 108 on Linux and 104 elsewhere, including the final null byte (unix(7))."""


Run = Callable[[Callable[[], None]], Awaitable[None]]
"""Calls a function that touches files, without blocking the event loop."""


class WakeSocket:
    """The owner's side: calls `on_wake`, on the running loop, for each datagram. Use `open` to make one.

    Only the owner may open it: it replaces a socket that an earlier owner left behind. If the socket cannot be made,
    this is logged, and the owner relies on its regular looks.
    """

    def __init__(self, path: Path, on_wake: Callable[[], None], run: Run) -> None:
        self._path = path
        self._on_wake = on_wake
        self._run = run
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._made: Identity | None = None

    @classmethod
    async def open(cls, path: Path, on_wake: Callable[[], None], run: Run) -> Self:
        """Open it at `path`; `run` makes all calls that touch files."""
        wake_socket = cls(path, on_wake, run)
        try:
            await run(wake_socket._bind)
            wake_socket._loop.add_reader(wake_socket._socket, wake_socket._receive)
        except OSError as fault:
            logger.warning(
                "%s cannot be created (%s): messages queued by other processes are found a little later", path, fault
            )
            wake_socket._socket.close()
        except BaseException:
            wake_socket._socket.close()
            raise
        return wake_socket

    async def close(self) -> None:
        """Close it and remove the file. A second call does nothing."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            await self._run(self._unlink)

    def _bind(self) -> None:
        os.fchmod(self._socket.fileno(), 0o600)  # the file gets this mode, whatever the umask is
        self._path.unlink(missing_ok=True)
        with _Address(self._path) as address:
            self._socket.bind(address)
        self._made = identity(str(self._path))

    def _unlink(self) -> None:
        if identity(str(self._path)) == self._made:  # otherwise a later owner has replaced it
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _receive(self) -> None:
        with suppress(OSError):
            self._socket.recv(1)  # the loop calls again if there are more
        self._on_wake()


def wake(path: Path) -> None:
    """Wake the owner now, without waiting. Does nothing if no owner listens."""
    own = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    own.setblocking(False)
    with own, suppress(OSError), _Address(path) as address:
        own.sendto(b"!", address)


class Waker:
    """The other processes' side: wakes the owner without waiting, once for each round of the loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._is_due = False

    def wake(self) -> None:
        """Wake the owner soon. Does nothing if no owner listens, or if its socket is full."""
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._send)

    def close(self) -> None:
        """Close the socket. A second call does nothing."""
        self._socket.close()

    def _send(self) -> None:
        self._is_due = False
        with suppress(OSError), _Address(self._path) as address:
            self._socket.sendto(b"!", address)


class _Address:
    """The socket's address: its path, or if that is too long, a path through an open descriptor of its folder."""

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

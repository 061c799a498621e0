"""Blocks real hosts in pytest tests. Load it with `pytest_plugins = ["signalpost.testing.pytest_plugin"]`.

It patches Python's `socket`, which asyncio's loops, aiohttp and requests use. uvloop has its own sockets, so run the
tests on asyncio's loop, the default in pytest.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

import pytest


@pytest.fixture
def no_real_hosts() -> Iterator[None]:
    """Fail the test with an AssertionError that names the host if it connects to anything but this machine."""
    with loopback_only():
        yield


@contextmanager
def loopback_only() -> Iterator[None]:
    """Within `with`, allow connections and name lookups only for loopback addresses and socket files.

    Names that end in `.invalid` may be looked up, because they never exist (RFC 2606).
    """
    look_up, connect, connect_ex = socket.getaddrinfo, socket.socket.connect, socket.socket.connect_ex

    def guarded(method: Callable[..., Any]) -> Callable[..., Any]:
        def connecting(self: socket.socket, address: Any) -> Any:
            if isinstance(address, tuple):
                _check(address[0])
            return method(self, address)

        return connecting

    def looking_up(host: Any, *arguments: Any, **options: Any) -> Any:
        _check(host)
        return look_up(host, *arguments, **options)

    patched: Any = socket.socket
    try:
        socket.getaddrinfo = looking_up
        patched.connect, patched.connect_ex = guarded(connect), guarded(connect_ex)
        yield
    finally:
        socket.getaddrinfo = look_up
        patched.connect, patched.connect_ex = connect, connect_ex


def _check(host: Any) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if not (name in {None, "", "localhost"} or name.endswith(".invalid") or _is_loopback(name)):
        raise AssertionError(f"a test tried to reach {name}: use the sandbox or a local server on 127.0.0.1")


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False

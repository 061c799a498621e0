"""For pytest: tests that cannot reach a real host. Load it by `pytest_plugins = ["signalpost.testing.pytest_plugin"]`.

What is blocked is Python's own `socket`, and with it asyncio's loops, aiohttp and requests. uvloop has sockets of its
own: run tests on asyncio's loop, as pytest does by itself.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

import pytest


@pytest.fixture
def no_real_hosts() -> Iterator[None]:
    """Within the test, connections to anything but this machine fail with an AssertionError that names the host."""
    with loopback_only():
        yield


@contextmanager
def loopback_only() -> Iterator[None]:
    """Within `with`, only loopback addresses and files can be connected to, and only their names be looked up.

    Names that end in `.invalid` may be looked up, because no host has one (RFC 2606).
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
        raise AssertionError(f"a test reached for {name}: let it use the sandbox, or a server of its own on 127.0.0.1")


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False

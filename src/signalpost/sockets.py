"""Sockets for connections of aiohttp, whose descriptors only the event loop closes."""

from socket import socket
from typing import Any


class _Adopted(socket):
    """A socket whose descriptor is not closed when the object is collected.

    If a connection is cancelled while it is made, uvloop closes the descriptor and leaves the object open. Python would
    close the same number again, which may belong to another file or connection by then.
    """

    def __del__(self) -> None:
        self.detach()


def new_socket(address: tuple[Any, ...]) -> socket:
    """A new socket for an address in the form of `socket.getaddrinfo`: the `socket_factory` of aiohttp's connectors."""
    family, kind, protocol = address[:3]
    return _Adopted(family, kind, protocol)

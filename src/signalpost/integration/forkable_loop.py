"""uvloop's loop, without the threads of libuv: its process can fork."""

import socket
from typing import Any

import uvloop


class ForkableLoop(uvloop.Loop):
    """A loop whose name lookups run in the threads of its executor.

    uvloop looks names up in threads of libuv, and even addresses, for each connection of aiohttp. libuv waits for these
    threads when a process ends. A child made by `fork` does not have them, and crashes when it ends.
    """

    async def getaddrinfo(
        self, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> Any:
        """As `socket.getaddrinfo`. Raises OSError."""
        try:
            return socket.getaddrinfo(host, port, family, type, proto, flags | socket.AI_NUMERICHOST)
        except socket.gaierror:  # it is a name, so it must be looked up
            return await self.run_in_executor(None, socket.getaddrinfo, host, port, family, type, proto, flags)

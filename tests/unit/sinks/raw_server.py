"""A test server with full control of each connection, byte by byte."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

Conversation = Callable[["Connection"], Awaitable[None]]


class Request(NamedTuple):
    head: str
    body: bytes

    @property
    def line(self) -> str:
        return self.head.partition("\r\n")[0]


class Connection:
    """One accepted connection."""

    def __init__(self, server: "RawServer", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self._reader, self._writer = server, reader, writer
        self.number = len(server.connections)

    async def request(self) -> Request | None:
        """The next request; None if the client has disconnected."""
        try:
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        length = next(
            (line.split(":")[1] for line in head.lower().split("\r\n") if line.startswith("content-length")), 0
        )
        request = Request(head, await self._reader.readexactly(int(length)))
        self.server.requests.append(request)
        return request

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def client_left(self) -> None:
        """Wait until the client has closed its side."""
        while await self._reader.read(1 << 16):
            pass

    def end(self) -> None:
        """Close the write side."""
        self._writer.write_eof()

    def reset(self) -> None:
        """Reset the connection."""
        raw: socket.socket = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def hang(self) -> None:
        """Send nothing until the server stops."""
        await self.server.stopped.wait()


class RawServer:
    """The requests received so far."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.connections: list[Connection] = []
        self.stopped = asyncio.Event()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/webhooks/123456789012345678/the-secret-token"


@asynccontextmanager
async def raw_server(converse: Conversation) -> AsyncIterator[RawServer]:
    """A server on 127.0.0.1 that runs `converse` for each connection."""
    made = RawServer()
    talks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        talks.add(talk)
        connection = Connection(made, reader, writer)
        made.connections.append(connection)
        try:
            await converse(connection)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the client or the test may disconnect at any time
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        made.stopped.set()
        server.close()
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


def answer(status: int, body: bytes = b"", *headers: str, reason: str = "Told") -> bytes:
    """The bytes of a complete answer."""
    length = () if status in {204, 304} else (f"Content-Length: {len(body)}",)
    head = "\r\n".join((f"HTTP/1.1 {status} {reason}", *headers, *length))
    return f"{head}\r\n\r\n".encode() + (b"" if status in {204, 304} else body)

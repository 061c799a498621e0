"""Discord's place in a benchmark, in a process of its own: the least server that answers a POST, or one that hangs.

`python -m benchmarks.far_end [hang]` prints its port, and serves until it is ended.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

MESSAGE = b'{"id":"1400000000000000000"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(MESSAGE), MESSAGE)
HEAD_ENDS, LENGTH = b"\r\n\r\n", b"\r\ncontent-length: "


@contextmanager
def far_end(*arguments: str) -> Iterator[int]:
    """The port at which such a server listens."""
    command = [sys.executable, "-m", "benchmarks.far_end", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield int(server.stdout.readline())
        finally:
            server.terminate()


class Answering(asyncio.Protocol):
    """Answers each whole request with one and the same message."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        self.transport, self.received = transport, b""

    def data_received(self, data: bytes) -> None:
        """Some of a request, or several of them, came."""
        self.received += data
        while (request := length_of_first(self.received)) and len(self.received) >= request:
            self.received = self.received[request:]
            self.transport.write(ANSWER)  # type: ignore[attr-defined]


def length_of_first(received: bytes) -> int:
    """The bytes of the first request, 0 where its head is not there yet."""
    head, found, _ = received.partition(HEAD_ENDS)
    if not found:
        return 0
    length = (head.lower() + b"\r\n").partition(LENGTH)[2].partition(b"\r\n")[0]
    return len(head) + len(HEAD_ENDS) + int(length or 0)


async def serve(protocol: type[asyncio.Protocol]) -> None:
    """Print the port, and serve."""
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(asyncio.Protocol if "hang" in sys.argv else Answering))

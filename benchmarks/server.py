"""A minimal server in Discord's place, in its own process: it answers each POST, or hangs.

`python -m benchmarks.server [hang]` prints its port and serves until it is terminated.
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
def server_port(*arguments: str) -> Iterator[int]:
    """Run the server; gives its port."""
    command = [sys.executable, "-m", "benchmarks.server", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield int(server.stdout.readline())
        finally:
            server.terminate()


class Answering(asyncio.Protocol):
    """Answers each complete request with the same message."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept a client."""
        self.transport, self.received = transport, b""

    def data_received(self, data: bytes) -> None:
        """Answer every complete request in the received data."""
        self.received += data
        while (request := length_of_first(self.received)) and len(self.received) >= request:
            self.received = self.received[request:]
            self.transport.write(ANSWER)  # type: ignore[attr-defined]


def length_of_first(received: bytes) -> int:
    """The length of the first request in bytes; 0 if its head is incomplete."""
    head, found, _ = received.partition(HEAD_ENDS)
    if not found:
        return 0
    length = (head.lower() + b"\r\n").partition(LENGTH)[2].partition(b"\r\n")[0]
    return len(head) + len(HEAD_ENDS) + int(length or 0)


async def serve(protocol: type[asyncio.Protocol]) -> None:
    """Print the port and serve."""
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(asyncio.Protocol if "hang" in sys.argv else Answering))

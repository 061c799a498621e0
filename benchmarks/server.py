"""A minimal server in Discord's place, in its own process: it answers each POST, or hangs.

`python -m benchmarks.server [hang|message]` prints its port and serves until it is terminated. With `message`, it
answers with a whole message instead of an id alone.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

ID = b'{"id":"1400000000000000000"}'
MESSAGE = json.dumps(
    {
        "id": "1400000000000000000",
        "type": 0,
        "content": "",
        "channel_id": "1400000000000000001",
        "author": {
            "bot": True,
            "id": "1400000000000000002",
            "username": "signalpost",
            "avatar": None,
            "discriminator": "0000",
        },
        "attachments": [],
        "embeds": [],
        "mentions": [],
        "mention_roles": [],
        "pinned": False,
        "mention_everyone": False,
        "tts": False,
        "timestamp": "2026-01-05T12:00:00.000000+00:00",
        "edited_timestamp": None,
        "flags": 0,
        "components": [],
        "webhook_id": "1400000000000000002",
    }
).encode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
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
    """Answers each complete request with the same body."""

    body = ID

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept a client."""
        self.transport, self.received = transport, b""

    def data_received(self, data: bytes) -> None:
        """Answer every complete request in the received data."""
        self.received += data
        while (request := length_of_first(self.received)) and len(self.received) >= request:
            self.received = self.received[request:]
            self.transport.write(ANSWER % (len(self.body), self.body))  # type: ignore[attr-defined]


class AnsweringWithMessage(Answering):
    """Answers each complete request with a whole message."""

    body = MESSAGE


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
    protocols = {"hang": asyncio.Protocol, "message": AnsweringWithMessage}
    asyncio.run(serve(protocols.get(sys.argv[-1], Answering)))

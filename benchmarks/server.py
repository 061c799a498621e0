"""A minimal server in Discord's place, in its own process: it answers each POST, or hangs.

`python -m benchmarks.server [hang|message|candles]` prints its port and serves until it is terminated. With
`message`, it answers with a whole message instead of an id alone. With `candles`, it answers each GET as OANDA does.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from time import time
from urllib.parse import parse_qs

from signalpost.domain.candle import PRICES
from signalpost.domain.instrument import Instrument
from signalpost.trading.feeds.bundled import bundled_candles

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
STEP = 15
"""Seconds of a candle."""
ROW = b'{"complete":%b,"volume":57,"time":"%b","mid":{"o":"%b","h":"%b","l":"%b","c":"%b"}}'
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
            body = self.answer(self.received[:request])
            self.received = self.received[request:]
            self.transport.write(ANSWER % (len(body), body))  # type: ignore[attr-defined]

    def answer(self, _: bytes) -> bytes:
        """The body of the answer to a request."""
        return self.body


class AnsweringWithMessage(Answering):
    """Answers each complete request with a whole message."""

    body = MESSAGE


class AnsweringWithCandles(Answering):
    """Answers each complete request with 15-second candles, from its `from` on until now, as OANDA does."""

    def answer(self, request: bytes) -> bytes:
        """The body of the answer to a request."""
        query = parse_qs(request.partition(b" HTTP/")[0].partition(b"?")[2].decode())
        newest, most = int(time()) // STEP, int(query["count"][0])
        since = newest - most + 1
        if "from" in query:
            since = int(datetime.fromisoformat(query["from"][0]).timestamp()) // STEP
        slots = range(since, min(newest + 1, since + most))
        shift = sum(request.partition(b"?")[0])  # another one for each pair
        return b'{"candles":[%b]}' % b",".join(self.row(slot, shift, is_complete=slot < newest) for slot in slots)

    @staticmethod
    def row(slot: int, shift: int, *, is_complete: bool) -> bytes:
        """A candle as OANDA writes it, with real prices."""
        opened = f"{datetime.fromtimestamp(slot * STEP, UTC):%FT%T}.000000000Z"
        return ROW % (b"true" if is_complete else b"false", opened.encode(), *prices()[(slot + shift) % len(prices())])


@cache
def prices() -> list[tuple[bytes, ...]]:
    """Open, high, low and close of the bundled candles."""
    candles = bundled_candles(Instrument("EUR_USD"))
    return [tuple(str(getattr(each, name)).encode() for name in PRICES) for each in candles]


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
    protocols = {"hang": asyncio.Protocol, "message": AnsweringWithMessage, "candles": AnsweringWithCandles}
    asyncio.run(serve(protocols.get(sys.argv[-1], Answering)))

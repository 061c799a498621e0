"""A server that shows messages as Discord's webhooks do, written from Discord's documentation alone.

It shares no code with signalpost. It runs in its own thread and event loop, counts its limits in real time, records
every request with its time, and can fail on demand.
"""

import asyncio
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from typing import Any, Self

from tests.independent_discord.behaviour import Behaviour, Fault, as_usual
from tests.independent_discord.bucket import Admission, Bucket, FixedBucket
from tests.independent_discord.http_messages import Answer, Request, json_answer, next_request

HOST = "127.0.0.1"
_PATH = re.compile(r"/api(?:/v\d+)?/webhooks/(?P<id>\d+)/(?P<token>[\w-]+)")
_DISCORDS_FIRST_MILLISECOND = 1_420_070_400_000
_RESET = struct.pack("ii", 1, 0)
"""For SO_LINGER: closing such a socket resets the connection."""


def five_in_two_seconds() -> Bucket:
    """Discord's limit of a webhook."""
    return FixedBucket(5, 2.0)


class FakeDiscord:
    """One server on one port, for the time of a `with` block. `webhook` adds a webhook."""

    def __init__(
        self, bucket: Callable[[], Bucket] = five_in_two_seconds, *, get_status: int = 200, sends_limits: bool = True
    ) -> None:
        """`get_status` answers a GET of a webhook; 404 and 405 come from a server that does not support it.

        Without `sends_limits`, answers have no rate limit headers.
        """
        self.behaviour: Behaviour = as_usual
        self.requests: list[Request] = []
        self.connected_at: list[float] = []
        """When each connection was accepted."""
        self.breaks_connections = False
        """Whether every connection is reset as soon as it is accepted."""
        self._bucket = bucket
        self._get_status = get_status
        self._sends_limits = sends_limits
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._names: dict[str, str] = {}
        self._deleted: set[str] = set()
        self._numbers = count(1)
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._listener: asyncio.Server | None = None
        self._reserved = _socket(0)
        """Bound, but never listening: it keeps the port while no connections are accepted."""
        self.port: int = self._reserved.getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        self.open_port()
        return self

    def __exit__(self, *_: object) -> None:
        self.close_port()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._reserved.close()

    def webhook(self, name: str) -> str:
        """Add a webhook, and return its URL as a person would copy it."""
        identity = str(10**17 + sum(name.encode()) * 1000 + len(self._names))
        self._names[identity] = name
        return f"http://{HOST}:{self.port}/api/webhooks/{identity}/{(name + '-') * 68:.68}"

    def delete(self, name: str) -> None:
        """Delete a webhook, as a moderator would."""
        self._deleted.add(name)

    def open_port(self) -> None:
        """Accept connections."""
        self._do(self._open())

    def close_port(self) -> None:
        """Reset every connection and refuse new ones."""
        self._do(self._close())

    def break_off(self) -> None:
        """Reset every open connection."""
        self._do(self._break_off())

    def wait_for(self, is_so: Callable[[], object], within: float) -> bool:
        """Wait up to so many seconds until it is true. It is checked after every request and answer."""
        with self._changed:
            return bool(self._changed.wait_for(is_so, within))

    def shown(self, webhook: str | None = None) -> list[Request]:
        """The messages shown by a webhook, or by all, oldest first."""
        return [each for each in list(self.requests) if each.is_shown and webhook in {None, each.webhook}]

    def between(self, begin: float, end: float) -> list[Request]:
        """The requests that arrived in that time."""
        return [each for each in list(self.requests) if begin <= each.at < end]

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _open(self) -> None:
        listening = _socket(self.port)
        self._listener = await asyncio.start_server(self._serve, sock=listening)

    async def _close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        self._listener = None
        await self._break_off()

    async def _break_off(self) -> None:
        connections = list(self._connections)
        for connection, writer in self._connections.items():
            _reset(writer)
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection is not None
        with self._changed:
            self.connected_at.append(time.monotonic())
            self._changed.notify_all()
        self._connections[connection] = writer
        try:
            if self.breaks_connections:
                _reset(writer)
            else:
                with suppress(asyncio.IncompleteReadError, ConnectionError):
                    while await self._handle(await next_request(reader, time.monotonic), writer):
                        pass
        except asyncio.CancelledError:
            pass
        finally:
            writer.close()
            del self._connections[connection]

    async def _handle(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        """Answer a request, or fail to. Returns whether the connection stays open."""
        found = _PATH.fullmatch(request.path)
        request.webhook = self._names.get(found["id"], "") if found else ""
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
        response = self.behaviour(request)
        if response is Fault.HANGS:
            with self._changed:
                request.hangs = True
                self._changed.notify_all()
            await asyncio.Event().wait()
        if isinstance(response, Answer):
            return await self._answer(request, response, writer)
        answer = self._usual(request)
        if response is Fault.CUT:
            return False
        if response is Fault.DRIPS:
            writer.write(answer.head())
            for byte in answer.body:
                writer.write(bytes([byte]))
                await writer.drain()
                await _after(1.0)
            return True
        return await self._answer(request, answer, writer)

    async def _answer(self, request: Request, answer: Answer, writer: asyncio.StreamWriter) -> bool:
        with self._changed:
            request.status = answer.status
            self._changed.notify_all()
        writer.write(answer.head() + answer.body)
        await writer.drain()
        return True

    def _usual(self, request: Request) -> Answer:
        """Discord's usual answer. Shows the message."""
        if not request.headers.get("user-agent"):
            return Answer(403, b"error code: 1010", "text/html")
        if not request.webhook:
            return json_answer(404, {"message": "404: Not Found", "code": 0})
        if request.method == "GET" and self._get_status != 200:
            return Answer(self._get_status, b"what?", "text/plain")
        if request.webhook in self._deleted:
            return json_answer(404, {"message": "Unknown Webhook", "code": 10015})
        admission, limits = self._counted(request)
        if not admission.is_free:
            content = {"message": "You are being rate limited.", "retry_after": admission.reset_after, "global": False}
            wait = str(int(admission.reset_after) + 1)
            return json_answer(429, content, Retry_After=wait, X_RateLimit_Scope="user", **limits)
        if request.method == "GET":
            return json_answer(200, {"type": 1, "id": _id_in(request.path), **_place(request)}, **limits)
        if request.method != "POST":
            return json_answer(405, {"message": "405: Method Not Allowed", "code": 0})
        if (fault := _fault_of(request.body)) is not None:
            return json_answer(400, fault, **limits)
        with self._changed:
            request.is_shown = True
            self._changed.notify_all()
        if request.query.get("wait") not in (["true"], ["1"]):
            return Answer(204)
        return json_answer(200, self._message(request), **limits)

    def _counted(self, request: Request) -> tuple[Admission, dict[str, str]]:
        """Count the request against the limit of its route. Also returns the rate limit headers."""
        bucket = self._buckets.setdefault((request.method, request.webhook), self._bucket())
        admission = bucket.take(request.at)
        if not self._sends_limits:
            return admission, {}
        return admission, {
            "X_RateLimit_Limit": str(bucket.limit),
            "X_RateLimit_Remaining": str(admission.remaining),
            "X_RateLimit_Reset": f"{time.time() + admission.reset_after:.3f}",
            "X_RateLimit_Reset_After": f"{admission.reset_after:.3f}",
            "X_RateLimit_Bucket": f"b0{request.method.lower()}",
        }

    def _message(self, request: Request) -> dict[str, Any]:
        milliseconds = int(time.time() * 1000) - _DISCORDS_FIRST_MILLISECOND
        return {
            "id": str(milliseconds << 22 | next(self._numbers) & 0xFFF),
            "type": 0,
            "webhook_id": _id_in(request.path),
            "timestamp": datetime.now(UTC).isoformat(),
            "content": request.body.get("content", ""),
            "embeds": request.body.get("embeds", []),
            **_place(request),
        }


def _fault_of(body: Any) -> dict[str, Any] | None:
    """The error of an invalid message; None if it is valid."""
    if not isinstance(body, dict) or not (body.get("content") or body.get("embeds")):
        return {"message": "Cannot send an empty message", "code": 50006}
    if len(body.get("content", "")) > 2000 or len(body.get("embeds", [])) > 10:
        return {"message": "Invalid Form Body", "code": 50035, "errors": {}}
    return None


def _place(request: Request) -> dict[str, str]:
    return {"channel_id": str(int(_id_in(request.path)) + 7 * 10**17), "guild_id": "900000000000000001"}


def _id_in(path: str) -> str:
    return path.rsplit("/", 2)[1]


def _socket(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind((HOST, port))
    return made


def _reset(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):  # the client may have closed it already
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


async def _after(seconds: float) -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, over.set)
    await over.wait()

"""A server that shows messages as Discord's webhooks do, written from Discord's documentation alone.

It knows nothing of who sends to it, and shares no code with it. It has a thread and an event loop of its own, counts
its limits in real time, keeps every request with the moment it came, and can be told to be unwell.
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

from tests.foreign.bucket import Bucket, FixedBucket, Standing
from tests.foreign.conduct import Conduct, Manner, well
from tests.foreign.http_talk import Answer, Request, in_json, next_request

HOST = "127.0.0.1"
_PATH = re.compile(r"/api(?:/v\d+)?/webhooks/(?P<id>\d+)/(?P<token>[\w-]+)")
_DISCORDS_FIRST_MILLISECOND = 1_420_070_400_000
_RESET = struct.pack("ii", 1, 0)
"""For SO_LINGER: a socket that is closed so tells the other side that the connection is broken."""


def five_in_two_seconds() -> Bucket:
    """What Discord tells of a webhook."""
    return FixedBucket(5, 2.0)


class FarEnd:
    """One server on one port, from `with` to its end. Its webhooks are made by asking for their URLs."""

    def __init__(
        self, bucket: Callable[[], Bucket] = five_in_two_seconds, *, question: int = 200, tells_limits: bool = True
    ) -> None:
        """`question` is the status with which a GET of a webhook is met: 404 and 405 are those of who knows none.

        Without `tells_limits` no answer has a header of them.
        """
        self.conduct: Conduct = well
        self.requests: list[Request] = []
        self.connected_at: list[float] = []
        """When each connection was accepted."""
        self.breaks_connections = False
        """Whether every connection is broken off as soon as it stands."""
        self._bucket = bucket
        self._question = question
        self._tells_limits = tells_limits
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._names: dict[str, str] = {}
        self._deleted: set[str] = set()
        self._numbers = count(1)
        self._news = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._talks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._door: asyncio.Server | None = None
        self._place = _socket(0)
        """Bound, and never listening: it keeps the port while the door is closed."""
        self.port: int = self._place.getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        self.open_door()
        return self

    def __exit__(self, *_: object) -> None:
        self.close_door()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._place.close()

    def webhook(self, name: str) -> str:
        """The URL of the webhook of that name, as a person would copy it."""
        identity = str(10**17 + sum(name.encode()) * 1000 + len(self._names))
        self._names[identity] = name
        return f"http://{HOST}:{self.port}/api/webhooks/{identity}/{(name + '-') * 68:.68}"

    def delete(self, name: str) -> None:
        """A moderator deletes a webhook."""
        self._deleted.add(name)

    def open_door(self) -> None:
        """Accept connections."""
        self._do(self._open())

    def close_door(self) -> None:
        """Break off every connection and refuse new ones."""
        self._do(self._close())

    def break_off(self) -> None:
        """Break off every connection that stands."""
        self._do(self._break_off())

    def wait_for(self, is_so: Callable[[], object], within: float) -> bool:
        """Whether it came to be so within so many seconds. It is looked at whenever a request came or was met."""
        with self._news:
            return bool(self._news.wait_for(is_so, within))

    def shown(self, webhook: str | None = None) -> list[Request]:
        """What stands in the channel, or in all, oldest first."""
        return [each for each in list(self.requests) if each.is_shown and webhook in {None, each.webhook}]

    def between(self, begin: float, end: float) -> list[Request]:
        """The requests that came in that time."""
        return [each for each in list(self.requests) if begin <= each.at < end]

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _open(self) -> None:
        listening = _socket(self.port)
        self._door = await asyncio.start_server(self._talk, sock=listening)

    async def _close(self) -> None:
        if self._door is not None:
            self._door.close()
        self._door = None
        await self._break_off()

    async def _break_off(self) -> None:
        talks = list(self._talks)
        for talk, writer in self._talks.items():
            _reset(writer)
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None
        with self._news:
            self.connected_at.append(time.monotonic())
            self._news.notify_all()
        self._talks[talk] = writer
        try:
            if self.breaks_connections:
                _reset(writer)
            else:
                with suppress(asyncio.IncompleteReadError, ConnectionError):
                    while await self._meet(await next_request(reader, time.monotonic), writer):
                        pass
        except asyncio.CancelledError:
            pass
        finally:
            writer.close()
            del self._talks[talk]

    async def _meet(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        """Answer a request, or not; whether the connection goes on."""
        found = _PATH.fullmatch(request.path)
        request.webhook = self._names.get(found["id"], "") if found else ""
        with self._news:
            self.requests.append(request)
            self._news.notify_all()
        met = self.conduct(request)
        if met is Manner.HANGS:
            with self._news:
                request.hangs = True
                self._news.notify_all()
            await asyncio.Event().wait()
        if isinstance(met, Answer):
            return await self._answer(request, met, writer)
        answer = self._usual(request)
        if met is Manner.CUT:
            return False
        if met is Manner.DRIPS:
            writer.write(answer.head())
            for byte in answer.body:
                writer.write(bytes([byte]))
                await writer.drain()
                await _after(1.0)
            return True
        return await self._answer(request, answer, writer)

    async def _answer(self, request: Request, answer: Answer, writer: asyncio.StreamWriter) -> bool:
        with self._news:
            request.status = answer.status
            self._news.notify_all()
        writer.write(answer.head() + answer.body)
        await writer.drain()
        return True

    def _usual(self, request: Request) -> Answer:
        """What Discord would answer; a message is shown by it."""
        if not request.headers.get("user-agent"):
            return Answer(403, b"error code: 1010", "text/html")
        if not request.webhook:
            return in_json(404, {"message": "404: Not Found", "code": 0})
        if request.method == "GET" and self._question != 200:
            return Answer(self._question, b"what?", "text/plain")
        if request.webhook in self._deleted:
            return in_json(404, {"message": "Unknown Webhook", "code": 10015})
        standing, limits = self._counted(request)
        if not standing.is_free:
            told = {"message": "You are being rate limited.", "retry_after": standing.reset_after, "global": False}
            wait = str(int(standing.reset_after) + 1)
            return in_json(429, told, Retry_After=wait, X_RateLimit_Scope="user", **limits)
        if request.method == "GET":
            return in_json(200, {"type": 1, "id": _id_in(request.path), **_place(request)}, **limits)
        if request.method != "POST":
            return in_json(405, {"message": "405: Method Not Allowed", "code": 0})
        if (fault := _fault_of(request.body)) is not None:
            return in_json(400, fault, **limits)
        with self._news:
            request.is_shown = True
            self._news.notify_all()
        if request.query.get("wait") not in (["true"], ["1"]):
            return Answer(204)
        return in_json(200, self._message(request), **limits)

    def _counted(self, request: Request) -> tuple[Standing, dict[str, str]]:
        """Where the limit of its route stands with this request, and the headers that tell it."""
        bucket = self._buckets.setdefault((request.method, request.webhook), self._bucket())
        standing = bucket.take(request.at)
        if not self._tells_limits:
            return standing, {}
        return standing, {
            "X_RateLimit_Limit": str(bucket.limit),
            "X_RateLimit_Remaining": str(standing.remaining),
            "X_RateLimit_Reset": f"{time.time() + standing.reset_after:.3f}",
            "X_RateLimit_Reset_After": f"{standing.reset_after:.3f}",
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
    """Why a message is refused; None where it is not."""
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

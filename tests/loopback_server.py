"""A server on loopback in a thread of its own, so that other processes can use it while a test waits."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event, Thread
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiohttp import web


class Asked(NamedTuple):
    """A request that arrived."""

    path: str
    query: dict[str, str]
    connection: tuple[Any, ...]
    """The client's address: the same one for each request on one connection."""


@dataclass(frozen=True)
class Fault:
    """Answers one request in place of the server. With `status` 200 and no body the server answers, after `delay`."""

    status: int = 200
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds between the head and the body."""
    is_cut: bool = False
    """True if the connection breaks in the middle of the body."""


class LoopbackServer:
    """Answers GET requests with JSON by `page`; `with` or `async with` runs it."""

    def __init__(self, now: Callable[[], datetime] | None = None) -> None:
        self.now = now or (lambda: datetime.now(UTC))
        self.faults: deque[Fault] = deque()
        """Each answers one request, in order."""
        self.outage: Fault | None = None
        """Answers every request while it is set."""
        self.requests: list[Asked] = []
        self.url = ""
        self._thread = Thread(target=lambda: asyncio.run(self._serve()), daemon=True, name=type(self).__name__)
        self._ready = Event()
        self._ends = asyncio.Event()

    def page(self, path: str, query: dict[str, str], authorization: str | None) -> tuple[int, str]:
        """The status and the JSON of an answer."""
        raise NotImplementedError

    @property
    def connections(self) -> int:
        """How many connections were used."""
        return len({request.connection for request in self.requests})

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._ends.set)
        self._thread.join(10)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None
    ) -> None:
        self.__exit__(kind, fault, at)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        application = web.Application()
        application.router.add_get("/{path:.*}", self._answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._ready.set()
        await self._ends.wait()
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        query = dict(request.query)
        assert request.transport is not None
        self.requests.append(Asked(request.path, query, tuple(request.transport.get_extra_info("peername"))))
        fault = self.outage or (self.faults.popleft() if self.faults else Fault())
        status, body = fault.status, fault.body
        if status == 200 and body is None:
            status, body = self.page(request.path, query, request.headers.get("Authorization"))
        return await self._send(request, status, (body or "{}").encode(), fault)

    async def _send(self, request: web.Request, status: int, body: bytes, fault: Fault) -> web.StreamResponse:
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **fault.headers}
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(request)
        if fault.delay:
            await asyncio.wait([asyncio.ensure_future(self._ends.wait())], timeout=fault.delay)
        await response.write(body[: len(body) // 2] if fault.is_cut else body)
        if fault.is_cut:
            assert request.transport is not None
            request.transport.close()
        return response

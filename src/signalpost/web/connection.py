"""A connection that is not held open by who sends slowly, and that tells nobody what it was sent.

aiohttp's own gives the head of a request all the time in the world, logs what it could not read, and answers with
parts of it; the path of a hook holds a token. It also keeps what it could not read, however much comes.
"""

import asyncio
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from signalpost.secret import described
from signalpost.telemetry.log_queue import logger
from signalpost.web.answers import of_problem
from signalpost.web.problem import CONTENT_TYPE, Problem

READ_WITHIN = 5.0
"""Seconds for a whole request."""
_TOO_MANY = Problem(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections; try again", retry_after=5)
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n"
    + f"Content-Type: {CONTENT_TYPE}\r\nContent-Length: {len(_TOO_MANY.body())}\r\n\r\n".encode()
    + _TOO_MANY.body()
)


class Connections(web.Server):
    """Makes connections, at most so many at once: a new one takes the place of the one that has been idle longest."""

    def __init__(self, handler: Any, *, most: int, read_within: float = READ_WITHIN, **settings: Any) -> None:
        super().__init__(handler, access_log=None, auto_decompress=False, **settings)
        self.most = most
        self.read_within = read_within
        self.held: set[_Connection] = set()
        """Those that are open."""
        self.idle: dict[_Connection, None] = {}
        """Those that answer no request, the longest idle first."""

    def make_room(self) -> bool:
        """Whether one more connection may stay; the one that has been idle longest makes room for it."""
        if len(self.held) < self.most:
            return True
        longest = next(iter(self.idle), None)
        if longest is not None:
            longest.drop()
        return longest is not None

    def __call__(self) -> RequestHandler:
        """A new connection."""
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Connection(RequestHandler):
    """One connection. `began` and `ended` are called around each request that was read."""

    def __init__(self, connections: Connections, **settings: Any) -> None:
        super().__init__(connections, **settings)
        self._connections = connections
        self._deadline: asyncio.TimerHandle | None = None
        self._answer_deadline: asyncio.TimerHandle | None = None
        self._is_busy = False
        self._is_over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request, or refuse the connection where there are too many."""
        super().connection_made(transport)
        if not self._connections.make_room():
            transport.write(_FULL)  # type: ignore[attr-defined]  # a stream's
            self.force_close()
        else:
            self._connections.held.add(self)
            self._connections.idle[self] = None
            self._arm()

    def drop(self) -> None:
        """Close it at once, whatever the other side has not read."""
        transport = self.transport
        self.force_close()
        if transport is not None:
            transport.abort()

    def force_close(self) -> None:
        """Close it, and count it no more."""
        self._connections.held.discard(self)
        self._connections.idle.pop(self, None)
        super().force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Wait no more."""
        self._disarm()
        if self._answer_deadline is not None:
            self._answer_deadline.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; the first bytes of a request begin its time. Nothing is kept of what follows the last request."""
        if self._is_over:
            return
        if not self._is_busy and self._deadline is None:
            self._arm()
        super().data_received(data)
        self._let_go()

    def began(self) -> None:
        """The head of a request was read, and it is being answered."""
        self._is_busy = True
        self._connections.idle.pop(self, None)
        self._disarm()
        self._watch_answer()

    @property
    def is_at_its_end(self) -> bool:
        """Whether the request that is being answered is the last one."""
        return self._is_over and not self._messages

    def ended(self) -> None:
        """Its answer is there, and must be read as quickly."""
        self._is_busy = False
        if self.transport is not None:
            self._connections.idle[self] = None
        self._watch_answer()

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002  # aiohttp's signature
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  # aiohttp's signature
    ) -> web.StreamResponse:
        """An answer without what caused it."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _log_without_text("a request failed", exc)
            problem = Problem(HTTPStatus(status), "this is a fault of signalpost: its log names it")
        else:
            problem = Problem(HTTPStatus(status), "this is no HTTP that can be read")
        answer = of_problem(problem)
        answer.force_close()
        return answer

    def log_exception(self, *args: Any, **kw: Any) -> None:  # noqa: ARG002  # aiohttp's signature
        """Log which exception it was and where."""
        _log_without_text("a connection failed", kw.get("exc_info"))

    def _let_go(self) -> None:
        """Keep nothing of what cannot be a request, and see whether the last one was read.

        What is no HTTP, aiohttp keeps several times over in the text of an error, and again with each read until that
        is told. What follows a request for another protocol it keeps for that, and none is spoken here.
        """
        if self._messages and isinstance(unread := self._messages[-1][0], _ErrInfo):
            unread.exc.__traceback__ = None  # whose frames hold the error in turn
            self._messages[-1] = _ErrInfo(unread.status, ValueError(), ""), EMPTY_PAYLOAD
            self._is_over = True
        elif self._message_tail:
            self._message_tail = b""
            self._is_over = True

    def _watch_answer(self) -> None:
        if self._answer_deadline is None:
            loop = asyncio.get_running_loop()
            self._answer_deadline = loop.call_later(self._connections.read_within, self._close_if_unread)

    def _close_if_unread(self) -> None:
        self._answer_deadline = None
        transport = self.transport
        if transport is not None and transport.get_write_buffer_size():
            transport.abort()  # closing would wait for what is not read
        elif self._is_busy:  # an answer that begins later must be read in time, too
            self._watch_answer()

    def _arm(self) -> None:
        self._deadline = asyncio.get_running_loop().call_later(self._connections.read_within, self.force_close)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _log_without_text(what: str, fault: object) -> None:
    """Log a fault of ours by its kind and its frames: its text could hold what was sent, such as a token."""
    where = described(fault, with_text=False) if isinstance(fault, BaseException) else "no exception was reported"
    logger.error("%s: %s", what, where)

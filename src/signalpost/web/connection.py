"""Connections that are safe against slow clients and never disclose what they received.

aiohttp's own connections wait forever for the head of a request. They log what they could not parse and answer with
parts of it, although the path of a hook contains a token. They also keep everything that they could not parse.
"""

import asyncio
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from signalpost.secret import described
from signalpost.telemetry.log_queue import logger
from signalpost.web import timeouts
from signalpost.web.answers import of_problem
from signalpost.web.problem import CONTENT_TYPE, Problem

_TOO_MANY = Problem(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections; try again.", retry_after=5)
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n"
    + f"Content-Type: {CONTENT_TYPE}\r\nContent-Length: {len(_TOO_MANY.body())}\r\n\r\n".encode()
    + _TOO_MANY.body()
)


class Connections(web.Server):
    """Makes connections, at most `most` at once: a new one replaces the one that has been idle longest."""

    def __init__(self, handler: Any, *, most: int, **settings: Any) -> None:
        super().__init__(handler, access_log=None, auto_decompress=False, **settings)
        self.most = most
        self.held: set[_Connection] = set()
        """Open connections."""
        self.idle: dict[_Connection, None] = {}
        """Open connections without a request in progress, the longest idle first."""

    def make_room(self) -> bool:
        """Drop the longest idle connection if the limit is reached. False if none is idle: then refuse the new one."""
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
    """One connection. The server calls `began` and `ended` around each parsed request."""

    def __init__(self, connections: Connections, **settings: Any) -> None:
        super().__init__(connections, **settings)
        self._connections = connections
        self._deadline: asyncio.TimerHandle | None = None
        self._answer_deadline: asyncio.TimerHandle | None = None
        self._is_busy = False
        self._is_over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a request, or refuse the connection if there are too many."""
        super().connection_made(transport)
        if not self._connections.make_room():
            transport.write(_FULL)  # type: ignore[attr-defined]  # a stream's
            self.force_close()
        else:
            self._connections.held.add(self)
            self._connections.idle[self] = None
            self._arm()

    def drop(self) -> None:
        """Close it at once and discard unread output."""
        transport = self.transport
        self.force_close()
        if transport is not None:
            transport.abort()

    def force_close(self) -> None:
        """Close it and stop counting it."""
        self._connections.held.discard(self)
        self._connections.idle.pop(self, None)
        super().force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Cancel the timers."""
        self._disarm()
        if self._answer_deadline is not None:
            self._answer_deadline.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass the data on; the first bytes of a request start its timer. Data after the last request is discarded."""
        if self._is_over:
            return
        if not self._is_busy and self._deadline is None:
            self._arm()
        super().data_received(data)
        self._discard_unparsed()

    def began(self) -> None:
        """A request was parsed and is being answered."""
        self._is_busy = True
        self._connections.idle.pop(self, None)
        self._disarm()
        self._watch_answer()

    @property
    def is_last_request(self) -> bool:
        """True if the connection closes after the request that is being answered."""
        return self._is_over and not self._messages

    def ended(self) -> None:
        """The answer was written; the client must read it in time."""
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
        """An error response that discloses nothing about the cause."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _log_without_text("An HTTP request failed", exc)
            problem = Problem(HTTPStatus(status), "signalpost failed to process the request; its log has the details.")
        else:
            problem = Problem(HTTPStatus(status), "The request is not valid HTTP.")
        answer = of_problem(problem)
        answer.force_close()
        return answer

    def log_exception(self, *args: Any, **kw: Any) -> None:  # noqa: ARG002  # aiohttp's signature
        """Log the exception's type and place only."""
        _log_without_text("An HTTP connection failed", kw.get("exc_info"))

    def _discard_unparsed(self) -> None:
        """Discard data that cannot be a request, and note whether the last request was read.

        aiohttp keeps invalid HTTP several times in the text of an error, and once more with each read until the error
        is reported. It also keeps what follows a request to switch protocols, but this server speaks no other.
        """
        if self._messages and isinstance(unread := self._messages[-1][0], _ErrInfo):
            unread.exc.__traceback__ = None  # its frames hold the error too
            self._messages[-1] = _ErrInfo(unread.status, ValueError(), ""), EMPTY_PAYLOAD
            self._is_over = True
        elif self._message_tail:
            self._message_tail = b""
            self._is_over = True

    def _watch_answer(self) -> None:
        if self._answer_deadline is None:
            loop = asyncio.get_running_loop()
            self._answer_deadline = loop.call_later(timeouts.READ_WITHIN, self._close_if_unread)

    def _close_if_unread(self) -> None:
        self._answer_deadline = None
        transport = self.transport
        if transport is not None and transport.get_write_buffer_size():
            transport.abort()  # close() would wait until the client reads the rest
        elif self._is_busy:  # an answer that starts later must be read in time too
            self._watch_answer()

    def _arm(self) -> None:
        self._deadline = asyncio.get_running_loop().call_later(timeouts.READ_WITHIN, self.force_close)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _log_without_text(what: str, fault: object) -> None:
    """Log an internal error by its type and frames; its text could contain request data, such as a token."""
    where = described(fault, with_text=False) if isinstance(fault, BaseException) else "no exception was reported"
    logger.error("%s: %s", what, where)

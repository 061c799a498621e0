"""One HTTP exchange for all HTTP sinks, and the evidence when it fails.

The type of aiohttp's exception (3.11 to 3.14) shows whether bytes may have been sent. Never sent: `InvalidURL`, and
while connecting `ClientConnectorError` (name, refusal, TLS), `ClientHttpProxyError` (the proxy refused) or, after the
timeout, `ConnectionTimeoutError`. With any other error, the request may have been sent. A total timeout says nothing on
its own, so it must be longer than the connect timeout: then it can only occur after connecting. aiohttp never repeats a
POST on its own.

Many of these exceptions quote the whole URL, including its password. So none of them is passed on: not as text, not as
a cause, not as a context.
"""

from asyncio import CancelledError, get_running_loop
from asyncio.events import AbstractEventLoop
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from aiohttp import (
    BytesPayload,
    ClientConnectorError,
    ClientHttpProxyError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    FormData,
    InvalidURL,
    Payload,
    TCPConnector,
)
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

from signalpost.errors import InvalidConfiguration
from signalpost.proxies import Proxy, proxy_for
from signalpost.secret import Secret, redacted
from signalpost.sinks.evidence import Answered, Unavailable, Unconfirmed
from signalpost.sinks.http_answer import HttpAnswer
from signalpost.sockets import new_socket

LARGEST_BODY = 1 << 20
"""Bytes of an answer's body to read at most."""
KEPT_ALIVE = 3.0
"""Seconds to keep an idle connection. Servers close theirs after 5 or more, and a request sent at that moment may or
may not be lost."""

_JSON = "application/json"
_NO_BODY = frozenset({204, 205, 304})
_BODY_LENGTH_HEADERS = ("Content-Length", "Transfer-Encoding")
_NEVER_SENT = (ClientConnectorError, ClientHttpProxyError, ConnectionTimeoutError, InvalidURL)


class _Connector(TCPConnector):
    """Calls `may_send` as late as possible: after connecting, before the first byte of the request."""

    def __init__(self, may_send: Callable[[], bool]) -> None:
        super().__init__(limit=0, keepalive_timeout=KEPT_ALIVE, socket_factory=new_socket)
        self._may_send = may_send

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout) -> Connection:
        connection = await super().connect(req, traces, timeout)
        if not self._may_send():
            connection.release()
            raise Unavailable("not sent: this process was paused for a while, and another may have taken over")
        return connection


class Connections:
    """One session of pooled connections, opened on the event loop that first uses it.

    `may_send` is called right before each request is written; nothing is sent if it returns False.
    The pool has no limit, so that a hanging server cannot block another one; the number of senders is limited instead.
    """

    def __init__(
        self,
        user_agent: str,
        *,
        connect_timeout: float = 5.0,
        total_timeout: float = 15.0,
        may_send: Callable[[], bool] = lambda: True,
    ) -> None:
        if not 0 < connect_timeout < total_timeout:
            raise InvalidConfiguration(
                f"connect_timeout ({connect_timeout}) must be above 0 and below total_timeout ({total_timeout}). "
                "Otherwise signalpost cannot tell whether a message that timed out was sent",
                code="out-of-range",
                field="connect_timeout",
                value=str(connect_timeout),
                limit=f"above 0 and below {total_timeout}",
            )
        self._may_send = may_send
        self._headers = {"User-Agent": user_agent, "Accept": _JSON}
        self._timeout = ClientTimeout(total=total_timeout, connect=connect_timeout)
        self._proxy_by_host: dict[str, Proxy | None] = {}
        self._session: ClientSession | None = None
        self._loop: AbstractEventLoop | None = None
        self._is_closed = False

    def session(self) -> ClientSession:
        """Open or return the session. Raises Unavailable if it is closed or belongs to another event loop."""
        if self._is_closed:
            raise Unavailable("not sent: the connections are closed")
        loop = get_running_loop()
        if self._session is None:
            self._loop = loop
            self._session = ClientSession(
                connector=_Connector(self._may_send),
                cookie_jar=DummyCookieJar(),
                headers=self._headers,
                timeout=self._timeout,
            )
        elif loop is not self._loop:
            raise Unavailable("not sent: the connections belong to another event loop. Open a new service on this one")
        return self._session

    def proxy_for(self, url: URL) -> Proxy | None:
        """The proxy for a request to `url`; None for a direct connection, as always for plain http.

        A proxy that cannot be used is ignored. Reads the environment once per host.
        """
        if url.scheme != "https":
            return None
        host = url.host or ""
        if host not in self._proxy_by_host:
            found = proxy_for(host)
            self._proxy_by_host[host] = None if found is None or found.problem else found
        return self._proxy_by_host[host]

    async def close(self) -> None:
        """Close every connection permanently."""
        self._is_closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class File(NamedTuple):
    """A file to upload."""

    name: str
    type: str
    content: bytes


async def exchange(
    connections: Connections, method: str, url: Secret, *, data: bytes | None = None, file: File | None = None
) -> HttpAnswer:
    """Send one request without following redirects, and return the answer.

    `data` is JSON, and `file` is uploaded with it. Without an answer, raises Unavailable if the request was certainly
    not sent or may be repeated: a GET shows nothing, and a PATCH shows the same again. Raises Unconfirmed otherwise.
    """
    session = connections.session()
    try:
        body = _body_of(data, file)
        return await _request(session, method, URL(url.reveal(), encoded=True), body, connections.proxy_for)
    except CancelledError as cancelled:
        raise cancelled.with_traceback(None) from None  # drop the library's frames, whose variables hold the URL
    except Unavailable as unsent:
        evidence: Answered = Unavailable(str(unsent))
    except Exception as fault:  # noqa: BLE001  # every failure becomes evidence
        evidence = evidence_of(fault, is_repeatable=method in {"GET", "PATCH"})
    raise evidence  # raise here, so that the fault, which may quote the URL, is not its context


def evidence_of(fault: Exception, *, is_repeatable: bool = False) -> Answered:
    """Classify `fault`, raised by aiohttp before an answer's head arrived."""
    if isinstance(fault, _NEVER_SENT):
        return Unavailable(f"no connection: {_summary(fault)}")
    if is_repeatable:
        return Unavailable(f"no answer: {_summary(fault)}")
    return Unconfirmed(f"the request may have been sent, but no answer arrived: {_summary(fault)}")


def _body_of(data: bytes | None, file: File | None) -> Payload | FormData | None:
    """The request's body: JSON, or JSON and a file. Discord refuses the field names if their brackets are quoted."""
    if data is None or file is None:
        return None if data is None else BytesPayload(data, content_type=_JSON)
    form = FormData(quote_fields=False)
    form.add_field("payload_json", data.decode(), content_type=_JSON)
    form.add_field("files[0]", file.content, filename=file.name, content_type=file.type)
    return form


async def _request(
    session: ClientSession,
    method: str,
    url: URL,
    data: Payload | FormData | None,
    proxy_for: Callable[[URL], Proxy | None],
) -> HttpAnswer:
    proxy = proxy_for(url)
    through = {} if proxy is None else proxy.arguments
    response = await session.request(method, url, data=data, allow_redirects=False, **through)
    try:
        return await _read(response)
    finally:
        if not response.closed:  # the body was not read to its end
            response.close()


async def _read(response: ClientResponse) -> HttpAnswer:
    kind = response.content_type
    data = await _body(response)
    content, is_whole = None, data is not None
    if data and kind == _JSON:
        content, is_whole = _decoded(data)
    elif data == b"":
        is_whole = _is_declared_empty(response)
    return HttpAnswer(response.status, response.headers, content, is_whole, is_html=kind == "text/html")


async def _body(response: ClientResponse) -> bytes | None:
    """Read the body; None if it breaks off, takes too long or is too large."""
    parts, length = [], 0
    try:
        while not response.content.at_eof():
            parts.append(await response.content.readany())
            length += len(parts[-1])
            if length > LARGEST_BODY:
                return None
    except Exception:  # noqa: BLE001  # the status is known and matters more than this failure
        return None
    return b"".join(parts)


def _is_declared_empty(response: ClientResponse) -> bool:
    """True if the headers declare an empty body; otherwise it may have been cut off."""
    return response.status in _NO_BODY or not response.headers.keys().isdisjoint(_BODY_LENGTH_HEADERS)


def _decoded(data: bytes) -> tuple[Any, bool]:
    try:
        return msgspec.json.decode(data), True
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, False


def _summary(fault: Exception) -> str:
    """The type of `fault` and the system's text, never its own text, which may quote the URL."""
    if isinstance(fault, ClientHttpProxyError):
        return f"the proxy answered {fault.status}"
    text = getattr(fault, "strerror", None)
    return redacted(f"{type(fault).__name__}" + (f" ({text})" if isinstance(text, str) and text else ""))

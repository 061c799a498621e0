"""What all HTTP sinks share: one exchange, and what is known when it breaks off.

Whether bytes may have left is told by aiohttp's exception alone (3.11 to 3.14). While connecting it raises
`ClientConnectorError` (name, refusal, TLS) or, where that takes too long, `ConnectionTimeoutError`: never sent.
Anything else may come after the request left. A total timeout tells nothing by itself, so it must be longer than that
for connecting: then it strikes after the connection stood. aiohttp repeats no POST by itself.

Many of these exceptions quote the whole URL, password and all. So none of them is passed on: not as a text, not as a
cause, not as a context.
"""

from asyncio import CancelledError, get_running_loop
from asyncio.events import AbstractEventLoop
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import (
    ClientConnectorError,
    ClientHttpProxyError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    InvalidURL,
    TCPConnector,
    TraceConfig,
)
from yarl import URL

from signalpost.errors import InvalidConfiguration
from signalpost.secret import Secret, redacted
from signalpost.sinks.evidence import Answered, Unavailable, Unconfirmed
from signalpost.sinks.http_answer import HttpAnswer
from signalpost.sinks.proxies import Proxy, proxy_for

LARGEST_BODY = 1 << 20
"""Bytes of an answer's body that are read."""
KEPT_ALIVE = 3.0
"""Seconds for which an idle connection is kept: servers close theirs after 5 or more, and a request that meets the
closing may be lost or not, which nobody can tell."""

_JSON = "application/json"
_NO_BODY = frozenset({204, 205, 304})
_TELL_THE_END = ("Content-Length", "Transfer-Encoding")
_NEVER_SENT = (ClientConnectorError, ClientHttpProxyError, ConnectionTimeoutError, InvalidURL)


class Connections:
    """One session of pooled connections, opened on the event loop that first asks for it.

    `may_send` is asked right before each request is written; where it is False, nothing is sent.
    It has no limit of its own, so that a far end that hangs cannot hold up another: those who send are bounded.
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
                f"connect_timeout is {connect_timeout} and total_timeout {total_timeout}: the first must be above 0 "
                f"and below the second, or nobody could tell whether a message that timed out was sent",
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
        """The session. Raises Unavailable where it is closed, or was opened on another event loop."""
        if self._is_closed:
            raise Unavailable("the connections are closed: nothing was sent")
        loop = get_running_loop()
        if self._session is None:
            self._loop = loop
            self._session = ClientSession(
                connector=TCPConnector(limit=0, keepalive_timeout=KEPT_ALIVE),
                cookie_jar=DummyCookieJar(),
                headers=self._headers,
                timeout=self._timeout,
                trace_configs=[self._last_look()],
            )
        elif loop is not self._loop:
            raise Unavailable("the connections belong to another event loop: open the service anew on this one")
        return self._session

    def proxy_for(self, url: URL) -> Proxy | None:
        """The proxy for a request to `url`; the environment is read once for each host. This machine has none."""
        host = url.host or ""
        if url.scheme != "https":
            return None
        if host not in self._proxy_by_host:
            found = proxy_for(host)
            self._proxy_by_host[host] = None if found is None or found.problem else found
        return self._proxy_by_host[host]

    def _last_look(self) -> TraceConfig:
        """As late as can be: once the connection stands, and before a byte of the request is written."""

        async def look(*_: object) -> None:
            if not self._may_send():
                raise Unavailable("this process did not run for a while, and may have been replaced: nothing was sent")

        trace = TraceConfig()
        trace.on_connection_create_end.append(look)
        trace.on_connection_reuseconn.append(look)
        return trace

    async def close(self) -> None:
        """Close every connection, for good."""
        self._is_closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()


async def exchange(connections: Connections, method: str, url: Secret, *, data: bytes | None = None) -> HttpAnswer:
    """Send one request, following no redirect, and return the answer.

    `data` is JSON. Raises Unavailable where the request was surely not sent, or shows nothing (GET), and Unconfirmed
    otherwise.
    """
    session = connections.session()
    try:
        return await _asked(session, method, URL(url.reveal(), encoded=True), data, connections.proxy_for)
    except CancelledError as cancelled:
        raise cancelled.with_traceback(None) from None  # without the library's frames, whose variables hold the URL
    except Unavailable as unsent:
        evidence: Answered = Unavailable(str(unsent))
    except Exception as fault:  # noqa: BLE001  # what breaks in there breaks as evidence, whatever it is
        evidence = evidence_of(fault, shows_nothing=method == "GET")
    raise evidence  # out here, where the fault, which may quote the URL, is not its context


def evidence_of(fault: Exception, *, shows_nothing: bool = False) -> Answered:
    """What `fault`, raised by aiohttp before an answer's head was there, says about a request."""
    if isinstance(fault, _NEVER_SENT):
        return Unavailable(f"no connection: {_told(fault)}")
    if shows_nothing:
        return Unavailable(f"no answer: {_told(fault)}")
    return Unconfirmed(f"the request may have been sent, and no answer came: {_told(fault)}")


async def _asked(
    session: ClientSession, method: str, url: URL, data: bytes | None, proxy_for: Callable[[URL], Proxy | None]
) -> HttpAnswer:
    headers = None if data is None else {"Content-Type": _JSON}
    through: dict[str, Any] = {}
    if (proxy := proxy_for(url)) is not None:
        through["proxy"] = proxy.url
        if proxy.authorization is not None:
            through["proxy_headers"] = {"Proxy-Authorization": proxy.authorization.reveal()}
    async with session.request(method, url, data=data, headers=headers, allow_redirects=False, **through) as response:
        return await _read(response)


async def _read(response: ClientResponse) -> HttpAnswer:
    kind = response.content_type
    data = await _body(response)
    content, is_whole = None, data is not None
    if data and kind == _JSON:
        content, is_whole = _decoded(data)
    elif data == b"":
        is_whole = _is_meant_to_be_empty(response)
    return HttpAnswer(response.status, response.headers, content, is_whole, is_html=kind == "text/html")


async def _body(response: ClientResponse) -> bytes | None:
    """The body; None where it breaks off, takes too long or is too large."""
    parts, length = [], 0
    try:
        async for part in response.content.iter_any():
            parts.append(part)
            length += len(part)
            if length > LARGEST_BODY:
                return None
    except Exception:  # noqa: BLE001  # the status is known, and that is worth more than how the body broke
        return None
    return b"".join(parts)


def _is_meant_to_be_empty(response: ClientResponse) -> bool:
    """Whether an empty body is told to be one; else the connection's end may have cut it off."""
    return response.status in _NO_BODY or not response.headers.keys().isdisjoint(_TELL_THE_END)


def _decoded(data: bytes) -> tuple[Any, bool]:
    try:
        return msgspec.json.decode(data), True
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, False


def _told(fault: Exception) -> str:
    """The kind of `fault` and the system's word for it, never its own text."""
    if isinstance(fault, ClientHttpProxyError):
        return f"the proxy answered {fault.status}"
    told = getattr(fault, "strerror", None)
    return redacted(f"{type(fault).__name__}" + (f" ({told})" if isinstance(told, str) and told else ""))

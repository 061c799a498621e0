"""The HTTP API, for senders in any language. See docs/why/0020-http-api.md.

POST /api/v1/signals, alerts, analyses, announcements, statuses
GET  /api/v1/signals, /api/v1/signals/ID
POST /api/v1/signals/ID/update, fill, close, cancel
GET  /api/v1/tickets/ID
POST /hooks/tradingview/TOKEN, /hooks/freqtrade/TOKEN
GET  /health, /-/healthy, /-/ready, /metrics
"""

from http import HTTPStatus

from aiohttp import web

from signalpost.config import HttpAddress
from signalpost.errors import InvalidConfiguration
from signalpost.web.answers import of_problem
from signalpost.web.auth import TokenAuth
from signalpost.web.connection import Connections
from signalpost.web.problem import Problem
from signalpost.web.router import ALWAYS_ANSWERED, Router
from signalpost.web.service_api import ServiceApi
from signalpost.web.timeouts import ANSWER_WITHIN, Timeouts

MOST_AT_ONCE = 256
_BACKLOG = 32
"""Connections that may wait to be accepted. Up to this many descriptors can be open briefly beyond the limit."""
_KEEP_ALIVE_FOR = 15.0
_LINGER_FOR = 1.0
_TOO_MANY = Problem(HTTPStatus.SERVICE_UNAVAILABLE, "Too many requests at once; try again.", retry_after=1)


class HttpServer:
    """Serves the HTTP API on one address between `start` and `stop`. Port 0 picks a free port."""

    def __init__(
        self,
        service: ServiceApi,
        token_auth: TokenAuth,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        max_connections: int = 1_000,
    ) -> None:
        self._address = HttpAddress(host, port)
        self._max_connections = max_connections
        self.at_once = 0
        """Requests that are being answered."""
        self._timeouts = Timeouts()
        self._router = Router(service, token_auth, self._timeouts, host)
        self._runner: web.ServerRunner | None = None

    @property
    def url(self) -> str:
        """The base URL, without a trailing slash."""
        return f"http://{self._address}"

    async def start(self) -> None:
        """Listen. Raises InvalidConfiguration if the address cannot be used."""
        connections = Connections(
            self._answer,
            most=self._max_connections,
            keepalive_timeout=_KEEP_ALIVE_FOR,
            lingering_time=_LINGER_FOR,
        )
        runner = web.ServerRunner(connections, shutdown_timeout=ANSWER_WITHIN + 1)
        await runner.setup()
        host, port = self._address
        try:
            await web.TCPSite(runner, host, port, backlog=_BACKLOG).start()
        except OSError as fault:
            await runner.cleanup()
            raise InvalidConfiguration(
                f"cannot listen on port {port} of {host} ({fault.strerror}). If signalpost is already "
                f"running, stop it; or set SIGNALPOST_HTTP to another address, or to off",
                code="port-in-use",
                field="SIGNALPOST_HTTP",
                value=str(self._address),
            ) from fault
        self._runner, self._address = runner, self._address._replace(port=runner.addresses[0][1])

    async def stop(self) -> None:
        """Accept no more requests and finish the current ones. A second call does nothing."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
            await self._timeouts.end(ANSWER_WITHIN)
            self._router.close()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        """Answer any request, and close the connection after its last one."""
        answer = await self._routed(request)
        if request.protocol.is_last_request:  # type: ignore[attr-defined]  # every connection is ours
            answer.force_close()
        return answer

    async def _routed(self, request: web.BaseRequest) -> web.Response:
        connection = request.protocol
        connection.began()  # type: ignore[attr-defined]  # every connection is ours
        self.at_once += 1
        try:
            if self.at_once > MOST_AT_ONCE and request.path not in ALWAYS_ANSWERED:
                return of_problem(_TOO_MANY)
            return await self._router.handler_of(request)(request)
        except Problem as problem:
            return of_problem(problem)
        finally:
            self.at_once -= 1
            connection.ended()  # type: ignore[attr-defined]  # every connection is ours

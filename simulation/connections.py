"""aiohttp's session, as far as `signalpost.sinks.wire` uses it, on a simulated network and in virtual time."""

from types import TracebackType
from typing import Any

from aiohttp import ClientTimeout, Payload
from yarl import URL

from signalpost.sinks.wire import Connections
from simulation.life import Life
from simulation.network import Head, Network
from simulation.recorder import Request


class SimulatedConnections(Connections):
    """Connections whose session uses the simulated network."""

    def __init__(self, network: Network, life: Life) -> None:
        super().__init__("DiscordBot (simulation, 0)")
        self._simulated = _Session(network, life, self._timeout)

    def session(self) -> Any:
        """The replacement for aiohttp's session."""
        return self._simulated


class _Session:
    def __init__(self, network: Network, life: Life, timeout: ClientTimeout) -> None:
        self.timeout = timeout
        self._network = network
        self._life = life

    def request(self, method: str, url: URL, *, data: Payload | None, **_: object) -> "_Exchange":
        assert self.timeout.total is not None
        body = None if data is None else data.decode().encode()
        return _Exchange(self._network, self._life, (method, url, body, self.timeout.total))


class _Exchange:
    def __init__(self, network: Network, life: Life, arguments: tuple[str, URL, bytes | None, float]) -> None:
        self._network = network
        self._life = life
        self._arguments = arguments
        self._request: Request | None = None

    async def __aenter__(self) -> "_Response":
        self._request, head = await self._network.send(self._life, *self._arguments)
        return _Response(self._network, head)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._request is not None
        self._network.end(self._life, self._request, error)


class _Response:
    def __init__(self, network: Network, head: Head) -> None:
        self.status = head.answer.status
        self.headers = head.headers
        self.content_type = head.headers.get("Content-Type", "application/octet-stream").partition(";")[0]
        self.content = self
        self._network = network
        self._head: Head | None = head

    async def readany(self) -> bytes:
        head, self._head = self._head, None
        return b"" if head is None else await self._network.body(head)

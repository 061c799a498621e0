"""aiohttp's session, as far as `signalpost.sinks.wire` uses it, on a simulated network and in virtual time."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp import ClientTimeout, Payload
from yarl import URL

from signalpost.sinks.wire import Connections
from simulation.life import Life
from simulation.network import Head, Network


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

    async def request(self, method: str, url: URL, *, data: Payload | None, **_: object) -> "_Response":
        assert self.timeout.total is not None
        body = None if data is None else data.decode().encode()
        request, head = await self._network.send(self._life, method, url, body, self.timeout.total)
        return _Response(head, partial(self._network.body, head), partial(self._network.end, self._life, request))


class _Response:
    def __init__(
        self, head: Head, read: Callable[[], Awaitable[bytes]], end: Callable[[BaseException | None], None]
    ) -> None:
        self.status = head.answer.status
        self.headers = head.headers
        self.content_type = head.headers.get("Content-Type", "application/octet-stream").partition(";")[0]
        self.content = self
        self.closed = False
        self._read = read
        self._end = end

    def at_eof(self) -> bool:
        return self.closed

    async def readany(self) -> bytes:
        error: BaseException | None = None
        try:
            return await self._read()
        except BaseException as fault:
            error = fault
            raise
        finally:
            self.closed = True
            self._end(error)

    def close(self) -> None:
        raise AssertionError("each answer is read to its end, or until that fails")

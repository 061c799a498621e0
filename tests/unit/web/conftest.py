"""A real service with its HTTP API on a free port, and a sandbox instead of Discord."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import ClientSession

from signalpost import AsyncNotificationService, Config
from signalpost.config import DestinationConfig
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED
from signalpost.domain.tier import UserTier
from signalpost.sandbox.rules.limits import OFF
from signalpost.sandbox.server import Sandbox
from signalpost.secret import Secret
from signalpost.web import server as server_module
from signalpost.web import timeouts
from signalpost.web.auth import TokenAuth
from signalpost.web.server import HttpServer
from signalpost.web.service_api import ServiceApi
from signalpost.web.tokens import Scope, TokensFile
from tests.channel import headline

SIGNAL = {"pair": "EURUSD", "timeframe": "H4", "side": "buy", "entry": 1.1634, "time": "2099-01-01T00:00:00Z"}
ALERT = {"alert_type": "feed", "severity": "high", "title": "No candles"}
DESTINATIONS = ("signals-free", "signals-premium", "alerts-critical", "alerts-general", "system-status")


class Answer(NamedTuple):
    """A response."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def fields(self) -> list[str]:
        """The fields with faults."""
        return [each["field"] for each in self.body.get("errors", [])]


class Front(NamedTuple):
    """Everything that a test uses."""

    service: AsyncNotificationService
    sandbox: Sandbox
    server: HttpServer
    session: ClientSession
    tokens: TokensFile
    text_by_token: dict[str, str]

    async def request(self, method: str, path: str, token: str | None = None, **request: Any) -> Answer:
        """One request, with the token of this name."""
        headers = {"Authorization": f"Bearer {self.text_by_token[token]}"} if token else {}
        headers |= request.pop("headers", {})
        async with self.session.request(method, self.server.url + path, headers=headers, **request) as answer:
            body = await answer.json(content_type=None) if method != "HEAD" else {}
            return Answer(answer.status, body, dict(answer.headers))

    async def post(self, what: str, body: object, token: str = "free", **headers: str) -> Answer:
        """Post to the API."""
        return await self.request("POST", f"/api/v1/{what}", token, json=body, headers=headers)

    async def hook(self, kind: str, body: Any, token: str = "free", **headers: str) -> Answer:
        """Post to a hook as its product does."""
        sent = {"json": body} if isinstance(body, dict) else {"data": body}
        return await self.request("POST", f"/hooks/{kind}/{self.text_by_token[token]}", **sent, headers=headers)

    async def shown(self, channel: str) -> list[str]:
        """The messages in a channel after everything was delivered, oldest first."""
        assert await self.service.drain(30) == []
        return [headline(message) for message in self.sandbox.discord.guild.messages(channel)]


Opening = Callable[..., Any]


@pytest.fixture(autouse=True)
def _without_waits(news_leaves_soon: None) -> None:
    """The API is fast, so the service shall be."""


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A Discord on this machine, without limits."""
    async with Sandbox(limits=OFF) as running:
        yield running


@pytest.fixture
def config(sandbox: Sandbox, tmp_path: Path) -> Config:
    """The usual destinations, all in the sandbox."""
    destinations = tuple(
        DestinationConfig(name, Secret(sandbox.webhook(name)), NOTHING_ASSUMED) for name in DESTINATIONS
    )
    return Config(home=tmp_path / "home", destinations=destinations, host_rate=None)


@pytest.fixture
def tokens(config: Config) -> TokensFile:
    """The file of tokens, which does not exist yet."""
    return TokensFile(config.home)


@pytest.fixture
async def service(config: Config) -> AsyncIterator[AsyncNotificationService]:
    """The service, running. Its end waits for no delivery: a test that asks for one waits itself."""
    running = AsyncNotificationService(config)
    await running.start()
    yield running
    await running.stop(0)


@pytest.fixture
def service_api(service: AsyncNotificationService) -> ServiceApi:
    """Its part that HTTP uses; a test may replace it."""
    return ServiceApi(service)


@pytest.fixture
def settings() -> dict[str, Any]:
    """Arguments of the server; a test may replace them."""
    return {}


@pytest.fixture
def limits() -> dict[str, float]:
    """Limits of the server by their names in `timeouts` and `server`; a test may replace them."""
    return {}


@pytest.fixture
async def front(
    service: AsyncNotificationService,
    sandbox: Sandbox,
    tokens: TokensFile,
    service_api: ServiceApi,
    settings: dict[str, Any],
    limits: dict[str, float],
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Front]:
    """All of it, with four tokens: free, premium, admin (all scopes), and reader (of the API alone)."""
    for name, limit in limits.items():
        monkeypatch.setattr(timeouts if hasattr(timeouts, name) else server_module, name, limit)
    text_by_token = {}
    for name in ("free", "premium", "admin"):
        text_by_token[name] = tokens.add(name, UserTier(name), tuple(Scope))[1].reveal()
    text_by_token["reader"] = tokens.add("reader", UserTier.FREE, (Scope.API,))[1].reveal()
    server = HttpServer(service_api, TokenAuth(tokens, service_api.rank_by_tier), **settings)
    await server.start()
    async with ClientSession() as session:
        yield Front(service, sandbox, server, session, tokens, text_by_token)
    await server.stop()

"""Proxies of the environment are used for Discord and OANDA, or reported; their passwords are never shown."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from signalpost.config import Config
from signalpost.domain.instrument import Instrument
from signalpost.domain.reports import Announcement
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import Evidence, FeedFailed
from signalpost.sandbox.rules.limits import OFF
from signalpost.sandbox.server import Sandbox
from signalpost.secret import Secret, redacted
from signalpost.sinks.discord.service import DiscordService
from signalpost.sinks.evidence import Unavailable
from signalpost.trading.calendar import FX
from signalpost.trading.feeds.oanda import LIVE, OandaFeed

URL = f"https://discord.com/api/webhooks/123456789012345678/{'a' * 68}"
WORD = "correct-horse-battery"
NAMES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NAMES, *map(str.lower, NAMES)):
        monkeypatch.delenv(name, raising=False)


class Proxy:
    """A proxy that refuses every request."""

    def __init__(self, port: int) -> None:
        self.place = f"127.0.0.1:{port}"
        self.requests = ""


@asynccontextmanager
async def proxy(answer: bytes = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n") -> AsyncIterator[Proxy]:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            running.requests += (await reader.readuntil(b"\r\n\r\n")).decode()
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        running = Proxy(server.sockets[0].getsockname()[1])
        yield running


async def sent(url: str = URL) -> Evidence | None:
    async with DiscordService({"default": url}) as discord:
        try:
            await discord.send_announcement(Announcement(title="t", text="t"), destination="default")
        except Evidence as evidence:
            return evidence
    return None


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HTTPS_PROXY", "http://{place}"),
        ("https_proxy", "http://{place}/"),
        ("HTTPS_PROXY", "{place}"),
        ("HTTPS_PROXY", " HTTP://{place} "),
        ("ALL_PROXY", "http://{place}"),
        ("all_proxy", "{place}"),
    ],
)
async def test_messages_for_discord_go_through_the_proxy(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    async with proxy() as running:
        monkeypatch.setenv(variable, value.format(place=running.place))
        evidence = await sent()
    assert running.requests.startswith("CONNECT discord.com:443 HTTP/1.1\r\n")
    assert isinstance(evidence, Unavailable), "a refused CONNECT carried no message"
    assert "407" in str(evidence)


async def test_the_password_of_a_proxy_is_sent_to_it_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxy() as running:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me%40home:{WORD}@{running.place}")
        evidence = await sent()
        config = Config.from_environment({"DISCORD_WEBHOOK_URL": URL})
    pair = b64encode(f"me@home:{WORD}".encode()).decode()
    assert f"Proxy-Authorization: Basic {pair}\r\n" in running.requests
    warnings = "\n".join(config.warnings)
    assert running.place in warnings
    assert WORD not in f"{evidence} {evidence!r} {warnings} {config!r}"


@pytest.mark.parametrize(
    "value",
    [
        "socks5://127.0.0.1:1080",
        "socks5h://u:pass-word-1@127.0.0.1:1080",
        "https://127.0.0.1:3128",
        "http://",
        "http://a:b:c",
    ],
)
def test_an_unusable_proxy_is_reported_at_startup(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    config = Config.from_environment({"DISCORD_WEBHOOK_URL": URL})
    warnings = [each for each in config.warnings if "HTTPS_PROXY" in each]
    assert len(warnings) == 1
    assert "pass-word-1" not in warnings[0]


async def test_an_invalid_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxy() as running:
        monkeypatch.setenv("HTTPS_PROXY", f"socks5://{running.place}")
        await sent()
    assert running.requests == ""


@pytest.mark.parametrize("exceptions", ["discord.com", ".discord.com", "localhost, discord.com", "*"])
async def test_hosts_in_no_proxy_are_reached_directly(monkeypatch: pytest.MonkeyPatch, exceptions: str) -> None:
    async with proxy() as running:
        monkeypatch.setenv("HTTPS_PROXY", running.place)
        monkeypatch.setenv("NO_PROXY", exceptions)
        await sent()
        warnings = Config.from_environment({"DISCORD_WEBHOOK_URL": URL}).warnings
    assert running.requests == ""
    assert running.place not in "\n".join(warnings)


async def test_this_machine_is_never_reached_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxy() as running, Sandbox(limits=OFF) as sandbox:
        for name in NAMES[:-1]:
            monkeypatch.setenv(name, f"http://{running.place}")
        assert await sent(sandbox.webhook("default")) is None
        warnings = Config.from_environment({"DISCORD_WEBHOOK_URL": sandbox.webhook("default")}).warnings
    assert running.requests == ""
    assert running.place not in "\n".join(warnings)


async def refused_by_oanda(url: str = LIVE, token: str = "any-token") -> FeedFailed:
    feed = OandaFeed(name="oanda", calendar=FX, url=url, token=Secret(token))
    with pytest.raises(FeedFailed) as raised:
        await feed.fetch(Instrument("EUR_USD"), Timeframe("H4"))
    await feed.close()
    return raised.value


async def test_candles_of_oanda_come_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxy() as running:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:{WORD}@{running.place}")
        error = await refused_by_oanda()
    assert running.requests.startswith("CONNECT api-fxtrade.oanda.com:443 HTTP/1.1\r\n")
    assert f"Proxy-Authorization: Basic {b64encode(f'me:{WORD}'.encode()).decode()}\r\n" in running.requests
    assert "any-token" not in running.requests
    assert error.code == "unavailable"
    assert "407" in str(error)
    assert WORD not in f"{error} {error!r} {error.__context__!r}"


async def test_an_oanda_on_this_machine_is_never_reached_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxy() as running, proxy(b"HTTP/1.1 503 Service Unavailable\r\n\r\n") as oanda:
        for name in NAMES[:-1]:
            monkeypatch.setenv(name, f"http://{running.place}")
        assert "503" in str(await refused_by_oanda(f"http://{oanda.place}"))
    assert (running.requests, "any-token" in oanda.requests) == ("", True)


@pytest.mark.parametrize(("variable", "value"), [("NO_PROXY", "127.0.0.1"), ("HTTPS_PROXY", "socks5://{place}")])
async def test_oanda_is_reached_directly_without_a_usable_proxy(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    async with proxy() as running:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{running.place}")
        monkeypatch.setenv(variable, value.format(place=running.place))
        error = await refused_by_oanda("https://127.0.0.1:1")
    assert (error.code, running.requests) == ("unavailable", "")


async def test_an_ipv6_address_is_shown_in_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    from signalpost.proxies import proxy_for

    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{WORD}@[::1]:3128")
    found = proxy_for("discord.com")
    assert found is not None
    assert found.url == "http://[::1]:3128"
    assert redacted(f"x {WORD} y") == "x *** y"
    assert WORD not in repr(found)


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "export NO_PROXY"])
def test_a_proxy_in_the_dot_env_is_reported_as_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text(f"DISCORD_WEBHOOK_URL={URL}\n{variable}=http://me:{WORD}@127.0.0.1:1\n", encoding="utf-8")
    Path(".env").chmod(0o600)
    monkeypatch.delenv("DISCORD_WEBHOOK_URL", raising=False)
    warnings = [each for each in Config.from_environment().warnings if variable.rsplit(maxsplit=1)[-1] in each]
    assert len(warnings) == 1
    assert "line 2" in warnings[0]
    assert WORD not in warnings[0]


def test_a_proxy_in_another_dot_env_or_also_in_the_environment_is_not_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("DISCORD_WEBHOOK_URL", URL)
    path = Path(".env")
    for text in ("HTTPS_PROXY=http://127.0.0.1:1", "SIGNALPOST_WORKERS=2\nHTTPS_PROXY=\nNO_PROXY=discord.com"):
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        assert not [each for each in Config.from_environment().warnings if "PROXY" in each]


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_the_spelling_that_is_used_is_reported(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{WORD}@127.0.0.1:1")
    monkeypatch.setenv("https_proxy", f"{scheme}://127.0.0.1:2")
    warnings = "\n".join(Config.from_environment({"DISCORD_WEBHOOK_URL": URL}).warnings)
    assert "https_proxy" in warnings
    assert "HTTPS_PROXY" in warnings
    assert WORD not in warnings

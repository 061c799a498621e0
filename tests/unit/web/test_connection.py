"""Hostile connections: raw bytes, slow ones, too many."""

import asyncio
import json
import logging
import socket
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from signalpost.errors import InvalidConfiguration
from signalpost.web.auth import TokenAuth
from signalpost.web.connection import Connections
from signalpost.web.requests import LARGEST_BODY
from signalpost.web.server import HttpServer
from signalpost.web.service_api import ServiceApi
from signalpost.web.tokens import TokensFile
from tests.surface.errors import Facts, facts_of
from tests.unit.web.conftest import Front
from tests.unit.web.tokens import replaced
from tests.until import until

READ_WITHIN = 0.2
HOOK = b"POST /hooks/tradingview/TOKEN-TO-HIDE"


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"max_connections": 3}


@pytest.fixture
def limits() -> dict[str, float]:
    return {"READ_WITHIN": READ_WITHIN, "MOST_AT_ONCE": 2}


patient = pytest.mark.parametrize("limits", [{"READ_WITHIN": 30.0, "MOST_AT_ONCE": 2}])
"""For requests whose body stays away: none of them ends while a test waits for the others."""


async def at_once(front: Front, count: int) -> None:
    """Wait until so many requests are being answered."""
    await until(lambda: front.server.at_once == count)


@asynccontextmanager
async def connected(front: Front) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, _, port = front.server.url.removeprefix("http://").rpartition(":")
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # so that unread answers soon fill the server's buffer
    client.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(client, (host, int(port)))
    except OSError:
        client.close()
        raise
    reader, writer = await asyncio.open_connection(sock=client)
    try:
        yield reader, writer
    finally:
        writer.close()


async def sent(front: Front, raw: bytes) -> bytes:
    """All that is answered to these bytes until the server closes."""
    async with connected(front) as (reader, writer):
        writer.write(raw)
        return await asyncio.wait_for(reader.read(), 30)


async def test_a_client_that_sends_nothing_or_half_a_head_is_disconnected(front: Front) -> None:
    assert await sent(front, b"") == b""
    assert await sent(front, b"POST /api/v1/signals HTTP/1.1\r\nHost: x\r\n") == b""


async def test_a_slow_head_is_disconnected_even_after_an_answered_request(front: Front) -> None:
    async with connected(front) as (reader, writer):
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK")
        await reader.readline()
        began = asyncio.get_running_loop().time()
        for letter in b"GET /health HTTP/1.1\r\nHost: " + b"x" * 1_000:
            writer.write(bytes([letter]))
            try:
                await asyncio.wait_for(reader.read(), 0.02)
                break
            except TimeoutError:
                continue
        else:
            pytest.fail("it was never cut off")
        assert asyncio.get_running_loop().time() - began < 10 * READ_WITHIN


async def test_a_client_that_does_not_read_the_answers_is_disconnected(front: Front) -> None:
    many = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 1_000
    async with connected(front) as (_, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # so that nothing is read here

        async def send_on() -> None:
            for _ in range(1_000):
                writer.write(many)
                await asyncio.wait_for(writer.drain(), 60)

        with pytest.raises(ConnectionError):
            await send_on()
    assert (await front.request("GET", "/health")).status == 200


async def test_a_body_that_does_not_come_is_408(front: Front) -> None:
    token = front.text_by_token["free"].encode()
    head = (
        b"POST /api/v1/signals HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer " + token
    )
    lengths = (b"Content-Length: 100\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n5\r\n{\r\n")
    for answer in await asyncio.gather(*(sent(front, head + b"\r\n" + length) for length in lengths)):
        assert answer.startswith(b"HTTP/1.1 408 Request Timeout")
        assert b"Connection: close" in answer


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        HOOK + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        HOOK + b" HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HOOK + b" HTTP/1.1\r\nHost: x\r\nName\x00: TOKEN-TO-HIDE\r\n\r\n",
        HOOK + b" HTTP/9.9\r\n\r\n",
        HOOK + b" HTTP/1.1\r\n" + b"Name: TOKEN-TO-HIDE\r\n" * 500 + b"\r\n",
        HOOK + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
async def test_bytes_that_are_not_http_are_400_and_neither_echoed_nor_logged(
    front: Front, raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = await sent(front, raw)
    assert answer.startswith(b"HTTP/1.0 400 Bad Request")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "bad-request"
    assert b"TOKEN-TO-HIDE" not in answer
    assert "TOKEN-TO-HIDE" not in caplog.text


async def test_chunks_that_are_broken_are_400(front: Front) -> None:
    token = front.text_by_token["free"].encode()
    head = b"POST /hooks/freqtrade/" + token + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b" 400 Bad Request\r\n" in await sent(front, head + b"zz\r\n{}\r\n0\r\n\r\n")


@patient
async def test_a_client_that_leaves_early_is_logged_as_a_warning(
    front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    token = front.text_by_token["free"].encode()
    head = b"POST /hooks/freqtrade/" + token + b" HTTP/1.1\r\nHost: x\r\n"
    for body in (b"Content-Length: 9\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"):
        async with connected(front) as (_, writer):
            writer.write(head + body)
            await at_once(front, 1)
        await at_once(front, 0)
    refusals = [record for record in caplog.records if "400" in record.getMessage()]
    assert [record.levelname for record in refusals] == ["WARNING"] * 2
    assert not [record for record in caplog.records if record.levelno > logging.WARNING]


async def test_one_connection_too_many_takes_the_place_of_the_longest_idle(front: Front) -> None:
    async with connected(front) as first, connected(front) as second, connected(front) as third:
        for reader, writer in (second, first, third):
            writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"}")
        async with connected(front) as fourth:
            fourth[1].write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await fourth[0].readuntil(b"}")).startswith(b"HTTP/1.1 200")
            await second[0].read()  # to its end: this one had been idle longest
            first[1].write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await first[0].readuntil(b"}")


@pytest.mark.parametrize("limits", [{"READ_WITHIN": 30.0}])
@pytest.mark.parametrize("settings", [{"max_connections": 2}])
async def test_one_connection_too_many_is_503_if_all_others_are_busy(front: Front) -> None:
    """Busy are those whose request was begun: here, of which the body is still to come."""
    token = front.text_by_token["free"].encode()
    head = b"POST /hooks/freqtrade/" + token + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
    async with connected(front) as first, connected(front) as second:
        for _, writer in (first, second):
            writer.write(head)
        await at_once(front, 2)
        answer = await sent(front, b"")
        assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert json.loads(body)["status"] == 503
        assert int(head.rpartition(b"Content-Length: ")[2].split(b"\r\n")[0]) == len(body)


@patient
async def test_concurrent_requests_are_limited(front: Front, service_api: ServiceApi) -> None:
    waiting: list[asyncio.StreamWriter] = []
    token = front.text_by_token["free"].encode()
    head = b"POST /hooks/freqtrade/" + token + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
    async with connected(front) as first, connected(front) as second:
        for _, writer in (first, second):
            writer.write(head)
            waiting.append(writer)
        await at_once(front, 2)
        answer = await front.request("GET", "/api/v1/tickets/1")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    await at_once(front, 0)
    assert (await front.request("GET", "/api/v1/tickets/1")).status == 401


@patient
async def test_health_is_answered_during_any_number_of_requests(front: Front) -> None:
    token = front.text_by_token["free"].encode()
    head = b"POST /hooks/freqtrade/" + token + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
    async with connected(front) as first, connected(front) as second:
        for _, writer in (first, second):
            writer.write(head)
        await at_once(front, 2)
        assert (await front.request("GET", "/health?verbose")).status == 200


async def test_an_internal_error_is_500_and_is_logged_without_its_text(
    front: Front, service_api: ServiceApi, tokens: TokensFile, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Any:
        raise RuntimeError("-".join(("text", "to", "hide")))

    server = HttpServer(replaced(service_api, health=broken), TokenAuth(tokens, service_api.rank_by_tier))
    await server.start()
    answer = await front._replace(server=server).request("GET", "/health")
    await server.stop()
    assert (answer.status, answer.headers["Content-Type"]) == (500, "application/problem+json")
    assert "text-to-hide" not in str(answer) + caplog.text
    (record,) = (record for record in caplog.records if "RuntimeError" in record.getMessage())
    assert record.levelname == "ERROR"
    assert "broken" in record.getMessage(), "with its place"


async def test_an_internal_error_of_a_connection_is_logged_without_the_request(
    front: Front, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("-".join(("text", "to", "hide")))

    monkeypatch.setattr("signalpost.web.connection.of_problem", broken)
    assert await sent(front, b"text-to-hide\r\n\r\n") == b""
    assert {record.levelname for record in caplog.records if "RuntimeError" in record.getMessage()} == {"ERROR"}
    assert "text-to-hide" not in caplog.text


async def test_a_port_in_use_is_an_error_with_its_facts(
    front: Front, service_api: ServiceApi, tokens: TokensFile
) -> None:
    port = int(front.server.url.rpartition(":")[2])
    second = HttpServer(service_api, TokenAuth(tokens, service_api.rank_by_tier), port=port)
    with pytest.raises(InvalidConfiguration, match=str(port)) as refusal:
        await second.start()
    assert facts_of(refusal.value) == [Facts("port-in-use", "SIGNALPOST_HTTP", f"127.0.0.1:{port}")]
    await second.stop()
    assert (await front.request("GET", "/health")).status == 200


async def test_an_ipv6_address_is_shown_in_brackets(service_api: ServiceApi, tokens: TokensFile) -> None:
    server = HttpServer(service_api, TokenAuth(tokens, service_api.rank_by_tier), host="::1")
    assert server.url == "http://[::1]:0"


async def test_a_stop_accepts_no_more_and_does_not_wait_for_slow_clients(front: Front) -> None:
    token = front.text_by_token["free"].encode()
    head = b"POST /hooks/freqtrade/" + token + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"
    async with connected(front) as (reader, writer):
        writer.write(head)
        await at_once(front, 1)
        await front.server.stop()
        assert (await reader.read()).startswith(b"HTTP/1.1 408")
    with pytest.raises(ConnectionRefusedError):
        await sent(front, b"")


class Unheard(asyncio.Transport):
    """A transport that sends nowhere."""

    def pause_reading(self) -> None:
        """Nothing is read from it anyway."""

    def close(self) -> None:
        """There is nothing to close."""


HEAD = b"GET /health HTTP/1.1\r\nHost: x\r\n"
UPGRADE = HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "rest"),
    [
        (b"", b"A"),
        (HEAD + b"\r\n", b"A"),
        (HEAD + b"X: ", b"A"),
        (UPGRADE, b"A"),
        (UPGRADE, HEAD + b"\r\n"),
        (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", b"A"),
    ],
)
async def test_bytes_that_cannot_be_a_request_are_not_kept(head: bytes, rest: bytes) -> None:
    """However much comes before the answer is written: it is kept neither as text nor within errors."""

    async def never(_: web.BaseRequest) -> web.StreamResponse:
        raise NotImplementedError

    connection = Connections(never, most=1)()
    connection.connection_made(Unheard())
    size, times = 256 * 1024, 20
    tracemalloc.start()
    try:
        connection.data_received(head)
        for _ in range(times):
            connection.data_received(rest * (size // len(rest)))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        connection.connection_lost(None)
    assert kept < LARGEST_BODY


async def test_a_request_for_another_protocol_is_answered_and_closed_if_bytes_follow(front: Front) -> None:
    """Earlier requests are answered too. If no data follows, the connection goes on with HTTP."""
    answer = await sent(front, HEAD + b"\r\n" + UPGRADE + b"\x81\x05hello")
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.count(b"Connection: close") == 1
    async with connected(front) as (reader, writer):
        for request in (UPGRADE, HEAD + b"\r\n"):
            writer.write(request)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
            await reader.readline()

"""The evidence for each network failure at each moment, over real sockets."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from signalpost.secret import Secret
from signalpost.sinks import wire
from signalpost.sinks.discord.address import WebhookAddress
from signalpost.sinks.discord.webhook import DiscordWebhook
from signalpost.sinks.evidence import Receipt, Rejected, Throttled, Unavailable, Unconfirmed
from signalpost.sinks.wire import Connections
from tests.unit.sinks.discord.sinks import JSON, SAVED, TOKEN, always, before, outcome, probed, webhook
from tests.unit.sinks.raw_server import Connection, answer, raw_server

PATH = f"/api/webhooks/123456789012345678/{TOKEN}"


@contextmanager
def listening(backlog: int = 5) -> Iterator[tuple[socket.socket, int]]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(backlog)
        yield listener, listener.getsockname()[1]


@asynccontextmanager
async def at(url: str) -> AsyncIterator[DiscordWebhook]:
    """A webhook at any URL, including invalid ones."""
    connections = Connections("tests", connect_timeout=0.5, total_timeout=1.0)
    address = WebhookAddress("w1", "h", Secret(f"{url}?wait=true"), Secret(url), Secret(TOKEN))
    try:
        yield DiscordWebhook(address, connections)
    finally:
        await connections.close()


async def never_sent(sink: DiscordWebhook) -> str:
    found = await outcome(sink)
    assert type(found) is Unavailable
    assert found.status is None
    assert type(await probed(sink)) is Unavailable
    return found.reason


async def possibly_sent(sink: DiscordWebhook) -> str:
    found = await outcome(sink)
    assert type(found) is Unconfirmed
    assert not found.is_answered
    return found.reason


async def test_a_refused_connection_sent_nothing() -> None:
    with listening() as (_, port):
        pass
    async with webhook(f"http://127.0.0.1:{port}{PATH}") as sink:
        assert "ClientConnectorError" in await never_sent(sink)


async def test_an_unknown_name_sent_nothing() -> None:
    async with at(f"http://signalpost.invalid{PATH}") as sink:
        await never_sent(sink)


async def test_an_invalid_name_sent_nothing() -> None:
    async with at(f"http://{'a' * 70}.invalid{PATH}") as sink:
        found = await outcome(sink)
        assert type(found) in {Unavailable, Unconfirmed}


async def test_a_server_without_tls_got_nothing() -> None:
    async def converse(connection: Connection) -> None:
        await connection.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with raw_server(converse) as server, at(f"https://127.0.0.1:{server.port}{PATH}") as sink:
        await never_sent(sink)
        assert server.requests == []


async def test_a_server_with_an_untrusted_certificate_got_nothing(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    read: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        read.append(await reader.read())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server, at(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}{PATH}") as sink:
        assert "Certificate" in await never_sent(sink)
    assert b"".join(read) == b""


async def test_a_connection_that_is_never_accepted_sent_nothing() -> None:
    with listening(0) as (_, port):
        waiting = []
        for _ in range(4):  # until the backlog is full
            waiting.append(client := socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        try:
            async with webhook(f"http://127.0.0.1:{port}{PATH}", connect=0.1, total=5.0) as sink:
                assert "ConnectionTimeoutError" in await never_sent(sink)
        finally:
            for client in waiting:
                client.close()


async def test_a_connection_cut_before_the_request_was_read_may_have_carried_it() -> None:
    async def converse(connection: Connection) -> None:
        connection.reset()

    async with before(converse) as (sink, _):
        await possibly_sent(sink)


@pytest.mark.parametrize("rudely", [True, False])
async def test_a_connection_cut_after_the_request_was_read_may_have_shown_it(rudely: bool) -> None:
    async def converse(connection: Connection) -> None:
        await connection.request()
        if rudely:
            connection.reset()

    async with before(converse) as (sink, server):
        await possibly_sent(sink)
        assert len(server.requests) == 1, "it is not sent again by itself"


async def test_a_server_that_never_answers_may_have_shown_it() -> None:
    async def converse(connection: Connection) -> None:
        await connection.request()
        await connection.hang()

    async with before(converse, total=0.2) as (sink, server):
        assert "Timeout" in await possibly_sent(sink)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "part",
    [
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"nonsense\r\n\r\n",
        b"HTTP/9 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ],
)
async def test_an_incomplete_head_counts_as_no_answer(part: bytes) -> None:
    async def converse(connection: Connection) -> None:
        await connection.request()
        await connection.write(part)

    async with before(converse) as (sink, _):
        await possibly_sent(sink)


async def test_an_endless_head_counts_as_no_answer() -> None:
    async def converse(connection: Connection) -> None:
        await connection.request()
        await connection.write(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n")

    async with before(converse) as (sink, _):
        await possibly_sent(sink)


HEAD = f"HTTP/1.1 200 OK\r\n{JSON}\r\n".encode()


@pytest.mark.parametrize(
    "part",
    [
        HEAD + b'Content-Length: 50\r\n\r\n{"id": "1',
        HEAD + b"Content-Length: 50\r\n\r\n",
        HEAD + b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"id"\r\n',
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!",
        HEAD + b'\r\n{"id": "1',
        HEAD + b"\r\n",
    ],
    ids=["cut", "no body", "cut chunks", "no gzip", "cut without a length", "no body without a length"],
)
async def test_a_200_whose_body_breaks_off_may_have_shown_it(part: bytes) -> None:
    async def converse(connection: Connection) -> None:
        await connection.request()
        await connection.write(part)

    async with before(converse) as (sink, server):
        assert "200" in await possibly_sent(sink)
        assert len(server.requests) == 1


async def test_a_200_whose_body_never_ends_may_have_shown_it() -> None:
    async def converse(connection: Connection) -> None:
        await connection.request()
        await connection.write(HEAD + b'Content-Length: 50\r\n\r\n{"id"')
        await connection.hang()

    async with before(converse, total=0.3) as (sink, _):
        assert "200" in await possibly_sent(sink)


async def test_a_trickling_body_is_cut_off_by_the_total_timeout() -> None:
    async def converse(connection: Connection) -> None:
        await connection.request()
        await connection.write(HEAD + b"Content-Length: 100000\r\n\r\n")
        while not connection.server.stopped.is_set():
            await connection.write(b" ")
            await asyncio.wait([asyncio.ensure_future(connection.server.stopped.wait())], timeout=0.02)

    async with before(converse, total=0.3) as (sink, _):
        await asyncio.wait_for(possibly_sent(sink), 30)


async def test_a_body_that_is_too_large_is_not_read_to_its_end() -> None:
    async def converse(connection: Connection) -> None:
        await connection.request()
        await connection.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        while True:
            await connection.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")

    async with before(converse) as (sink, _):
        await asyncio.wait_for(possibly_sent(sink), 30)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"404 Not Found", Rejected),
        (b"429 Slow\r\nVia: 1.1 google\r\nRetry-After: 2", Throttled),
        (b"503 Down", Unconfirmed),
    ],
)
async def test_a_refusal_whose_body_breaks_off_is_still_a_refusal(head: bytes, kind: type) -> None:
    async def converse(connection: Connection) -> None:
        await connection.request()
        await connection.write(b"HTTP/1.1 " + head + b'\r\nContent-Length: 50\r\n\r\n{"code"')

    async with before(converse) as (sink, _):
        found = await outcome(sink)
        assert type(found) is kind
        assert found.status == int(head[:3])


async def test_a_200_declared_empty_is_a_receipt() -> None:
    async def converse(connection: Connection) -> None:
        await connection.request()
        await connection.write(answer(200))

    async with before(converse) as (sink, _):
        receipt = await outcome(sink)
        assert isinstance(receipt, Receipt)
        assert receipt == Receipt("", webhook=sink.address.identity, digest=receipt.digest)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    seen: list[str] = []

    async def converse(connection: Connection) -> None:
        while request := await connection.request():
            seen.append(request.line)
            await connection.write(answer(status, b"", f"Location: {PATH}/elsewhere"))

    async with before(converse) as (sink, _):
        found = await outcome(sink)
        assert type(found) is Unavailable
        assert found.status == status
        assert len(seen) == 1


@pytest.mark.parametrize(("kept_alive", "connections"), [(wire.KEPT_ALIVE, 1), (1e-9, 3)])
async def test_a_connection_is_reused_unless_it_was_idle_for_too_long(
    kept_alive: float, connections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert wire.KEPT_ALIVE < 5, "servers close theirs after 5 seconds or later"
    monkeypatch.setattr(wire, "KEPT_ALIVE", kept_alive)
    async with before(always(SAVED)) as (sink, server):
        for _ in range(3):
            assert isinstance(await outcome(sink), Receipt)
        assert len(server.connections) == connections


async def test_a_message_after_the_server_closed_an_idle_connection_is_neither_lost_nor_doubled() -> None:
    left = asyncio.Event()

    async def converse(connection: Connection) -> None:
        await connection.request()
        await connection.write(SAVED)
        if connection.number == 0:
            connection.end()
            await connection.client_left()
            left.set()

    async with before(converse) as (sink, server):
        assert isinstance(await outcome(sink), Receipt)
        await asyncio.wait_for(left.wait(), 30)
        assert isinstance(await outcome(sink), Receipt)
        assert [connection.number for connection in server.connections] == [0, 1]
        assert len(server.requests) == 2


async def test_a_message_sent_while_the_server_closes_is_not_repeated() -> None:
    async def converse(connection: Connection) -> None:
        await connection.request()
        await connection.write(SAVED)
        await connection.request()  # read it and close the connection without an answer

    async with before(converse) as (sink, server):
        assert isinstance(await outcome(sink), Receipt)
        await possibly_sent(sink)
        assert len(server.requests) == 2
        assert len(server.connections) == 1


async def test_a_hanging_server_does_not_block_another() -> None:
    async def hang(connection: Connection) -> None:
        await connection.request()
        await connection.hang()

    async def converse(connection: Connection) -> None:
        while await connection.request():
            await connection.write(SAVED)

    connections = Connections("tests", connect_timeout=5.0, total_timeout=30.0)
    async with raw_server(hang) as bad, raw_server(converse) as good:
        stuck = DiscordWebhook(WebhookAddress.parse(bad.url), connections)
        quick = DiscordWebhook(WebhookAddress.parse(good.url), connections)
        waiting = [asyncio.ensure_future(outcome(stuck)) for _ in range(150)]
        await asyncio.wait(waiting, timeout=0.2)
        assert isinstance(await asyncio.wait_for(outcome(quick), 20), Receipt)
        for each in waiting:
            each.cancel()
        await asyncio.wait(waiting)
        await connections.close()


async def test_a_message_in_flight_when_the_connections_are_closed_may_have_been_shown() -> None:
    arrived = asyncio.Event()

    async def converse(connection: Connection) -> None:
        await connection.request()
        arrived.set()
        await connection.hang()

    connections = Connections("tests")
    async with before(converse, connections=connections) as (sink, _):
        sending = asyncio.ensure_future(outcome(sink))
        await asyncio.wait_for(arrived.wait(), 30)
        await connections.close()
        found = await asyncio.wait_for(sending, 30)
        assert type(found) is Unconfirmed
        assert not found.is_answered


async def test_connections_of_another_loop_send_nothing() -> None:
    connections = Connections("tests")
    async with before(lambda connection: connection.hang(), connections=connections) as (sink, server):
        connections.session()

        def elsewhere() -> object:
            return asyncio.run(outcome(sink))

        found = await asyncio.to_thread(elsewhere)
        assert server.requests == []
        assert type(found) is Unavailable
        assert found.status is None

"""A webhook's token appears in no text of ours and in no library log that a user can enable."""

import asyncio
import gc
import json
import logging
import re
import traceback
import warnings

import pytest

from signalpost.errors import Evidence
from signalpost.sinks.discord.service import DiscordService
from signalpost.sinks.wire import Connections
from tests.unit.sinks.discord.sinks import JSON, SAVED, TOKEN, always, before, outcome, probed, webhook
from tests.unit.sinks.notifications import item, signal
from tests.unit.sinks.raw_server import Connection, Conversation, answer, raw_server


async def _cut(connection: Connection) -> None:
    await connection.request()
    connection.reset()


async def _hang(connection: Connection) -> None:
    await connection.request()
    await connection.hang()


async def _nonsense(connection: Connection) -> None:
    await connection.request()
    await connection.write(b"nonsense\r\n\r\n")


async def _echo(connection: Connection) -> None:
    while request := await connection.request():
        await connection.write(answer(404, _error(request.line), JSON))


def _error(text: str) -> bytes:
    """An answer with `text` in every possible place."""
    form = {"_errors": [{"code": text}]}
    return json.dumps({"message": text, "errors": {text: form}, "code": 10015}).encode()


def _webhook(text: str) -> bytes:
    """An answer to a probe with `text` in every field."""
    return answer(200, json.dumps(dict.fromkeys(("id", "channel_id", "guild_id", "name"), text)).encode(), JSON)


SERVERS: dict[str, Conversation] = {
    "well": always(SAVED),
    "gone": always(answer(404, b'{"code": 10015}', JSON)),
    "page": always(answer(403, f"<h1>/api/webhooks/1/{TOKEN}</h1>".encode(), "Content-Type: text/html")),
    "down": always(answer(503)),
    "redirect": always(answer(308, b"", f"Location: /api/webhooks/1/{TOKEN}")),
    "cut": _cut,
    "hangs": _hang,
    "nonsense": _nonsense,
    "echo": _echo,
    "echo of the token alone": always(answer(404, _error(f"Unknown Webhook {TOKEN}"), JSON)),
    "echo in capital letters": always(answer(404, _error(f"UNKNOWN WEBHOOK {TOKEN.upper()}"), JSON)),
    **{
        f"echo that is cut after {shown} characters": always(answer(404, _error("-" * (200 - shown) + TOKEN), JSON))
        for shown in (8, 12, len(TOKEN) - 1)
    },
    "token for an id": always(_webhook(TOKEN)),
    "not JSON": always(answer(400, b"{", JSON)),
}


def texts(found: object) -> str:
    """All text in an outcome, its attributes and its causes."""
    texts = [repr(found), str(found), repr(getattr(found, "__dict__", None))]
    while isinstance(found, BaseException):
        below = found.__traceback__ and found.__traceback__.tb_next  # skip the test's own frame
        texts += traceback.TracebackException(type(found), found, below, capture_locals=True).format()
        texts += [repr(found.args)]
        found = found.__cause__ or found.__context__
    return "\n".join(texts)


@pytest.fixture(scope="module", autouse=True)
def _no_garbage_of_other_tests() -> None:
    """So that each collection here takes little time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    for name in ("asyncio", "aiohttp", "aiohttp.client", "aiohttp.internal", "signalpost"):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


@pytest.mark.unmeasured
@pytest.mark.parametrize("server", SERVERS)
async def test_no_outcome_shows_the_token(server: str, everything_logged: pytest.LogCaptureFixture) -> None:
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0.0  # every callback is slow, and logged
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        connections = Connections("tests", connect_timeout=0.2, total_timeout=0.4)
        async with before(SERVERS[server], connections=connections) as (sink, _):
            for found in (await outcome(sink), await probed(sink), sink, sink.address, connections):
                assert not re.search(TOKEN[:8], texts(found), re.IGNORECASE)
                if isinstance(found, Evidence):
                    assert found.__cause__ is None
                    assert found.__context__ is None
        gc.collect()
    assert [str(each.message) for each in warned] == []
    assert "Executing" in everything_logged.text, "asyncio's debug log is on"
    assert TOKEN not in everything_logged.text


async def test_a_connection_that_fails_shows_no_token(everything_logged: pytest.LogCaptureFixture) -> None:
    async with raw_server(_hang) as server:
        url = server.url
    async with webhook(url) as sink:
        assert TOKEN not in texts(await outcome(sink))
    assert TOKEN not in everything_logged.text


async def test_a_cancelled_send_shows_no_token_and_leaves_nothing(everything_logged: pytest.LogCaptureFixture) -> None:
    asyncio.get_running_loop().set_debug(True)
    is_received, is_closed = asyncio.Event(), asyncio.Event()

    async def converse(connection: Connection) -> None:
        await connection.request()
        is_received.set()
        await connection.client_left()
        is_closed.set()

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        async with before(converse) as (sink, server):
            sending = asyncio.ensure_future(sink.send([item(signal())]))
            await asyncio.wait_for(is_received.wait(), 30)
            assert len(server.requests) == 1
            sending.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await sending
            assert TOKEN not in texts(caught.value)
            await asyncio.wait_for(is_closed.wait(), 30)
        gc.collect()
    assert [str(each.message) for each in warned] == []
    assert TOKEN not in everything_logged.text


def test_a_service_shows_no_token() -> None:
    service = DiscordService({"signals-free": f"http://127.0.0.1:1/api/webhooks/1/{TOKEN}"})
    assert TOKEN not in texts(service)
    assert TOKEN not in texts(service.webhook("signals-free"))
    assert TOKEN not in texts(service.webhook("signals-free").address)

import asyncio
import json
from datetime import UTC, datetime

import pytest

from signalpost.sinks.evidence import RateFacts, Receipt, Rejected, Throttled, Unavailable, Unconfirmed
from signalpost.sinks.port import Answer
from tests.contracts.discord_limits import refusals
from tests.size import IS_FULL
from tests.unit.sinks.discord.sinks import JSON, SAVED, always, before, outcome, probed, webhook
from tests.unit.sinks.notifications import item, signal
from tests.unit.sinks.raw_server import answer, raw_server

BODIES = {
    "none": answer(0),
    "code": answer(0, b'{"code": 10015, "message": "Unknown Webhook"}', JSON),
    "page": answer(0, b"<h1>no</h1>", "Content-Type: text/html; charset=utf-8"),
    "truncated": answer(0, b'{"code": 10015, "mess', JSON),
    "not utf-8": answer(0, b'{"id": "\xff"}', JSON),
    "too deep": answer(0, b"[" * 100_000, JSON),
    "wrong type": answer(0, b'{"code": 10015}', "Content-Type: text/plain"),
    "odd type": answer(0, b'{"code": 10015}', "Content-Type: ;;;"),
}
NOT_READABLE = {"page", "truncated", "not utf-8", "too deep"}
ALL = range(200, 600)
EDGES = (
    200,
    201,
    204,
    206,
    299,
    300,
    304,
    308,
    399,
    400,
    401,
    403,
    404,
    408,
    410,
    413,
    428,
    429,
    430,
    499,
    500,
    502,
    599,
)
"""A status of each kind, and those beside a border between two kinds."""


def expected(status: int, body: str) -> tuple[type, int | None, bool]:
    """The result's type, its code, and whether the webhook is gone."""
    code = 10015 if body == "code" else None
    if status < 300:
        return (Unconfirmed if body in NOT_READABLE and status != 204 else Receipt), None, False
    if status < 400:
        return Unavailable, code if status != 304 else None, False
    if status == 429 or (status == 403 and code is None):
        return Throttled, code, False
    if status == 408 or status >= 500:
        return Unconfirmed, code, False
    return Rejected, code, status == 404 and code == 10015


@pytest.mark.parametrize("body", BODIES)
async def test_every_status_over_the_wire_matches_the_table(body: str) -> None:
    statuses = ALL if IS_FULL or body == "code" else EDGES
    answers = [
        answer(status) if status in {204, 304} else BODIES[body].replace(b" 0 ", b" %d " % status, 1)
        for status in statuses
    ]
    async with before(always(*answers)) as (sink, server):
        for status in statuses:
            found = await outcome(sink)
            kind, code, is_gone = expected(status, body)
            assert type(found) is kind, (status, found)
            assert (getattr(found, "api_code", None), getattr(found, "is_gone", False)) == (code, is_gone), status
        assert len(server.requests) == len(statuses), "each was sent once, and no redirect was followed"


@pytest.mark.parametrize("status", [100, 102, 103, 150, 199])
async def test_a_1xx_is_skipped_and_the_next_answer_counts(status: int) -> None:
    async with before(always(answer(status).replace(b"Content-Length: 0\r\n", b"") + SAVED)) as (sink, _):
        assert isinstance(await outcome(sink), Receipt)


async def test_a_switch_of_protocols_is_not_a_receipt() -> None:
    async with before(always(answer(101))) as (sink, _):
        assert type(await outcome(sink)) is Unconfirmed


async def test_a_message_is_one_post_with_wait_and_a_user_agent() -> None:
    async with before(always(SAVED)) as (sink, server):
        await sink.send([item(signal()), item(signal(pair="GBP_USD"))])
    (request,) = server.requests
    assert request.line == "POST /api/webhooks/123456789012345678/the-secret-token?wait=true HTTP/1.1"
    head = request.head.lower()
    assert "content-type: application/json\r\n" in head
    assert "accept: application/json\r\n" in head
    assert "user-agent: tests\r\n" in head
    assert "authorization" not in head
    body = json.loads(request.body)
    assert refusals(body) == []
    assert [embed["title"] for embed in body["embeds"]] == ["▲ BUY EUR/USD · H4", "▲ BUY GBP/USD · H4"]


async def test_a_receipt_has_the_message_its_time_and_the_rate() -> None:
    headers = (
        "X-RateLimit-Limit: 5",
        "x-ratelimit-remaining: 4",
        "X-RateLimit-Reset-After: 1.25",
        "X-RateLimit-Bucket: ab",
    )
    async with before(always(answer(200, b'{"id": "175928847299117063"}', JSON, *headers))) as (sink, _):
        receipt = await outcome(sink)
        assert isinstance(receipt, Receipt)
        assert receipt == Receipt(
            "175928847299117063",
            datetime(2016, 4, 30, 11, 18, 25, 796000, tzinfo=UTC),
            RateFacts(f"ab:{sink.address.identity}", 5, 4, 1.25),
            webhook=sink.address.identity,
            digest=receipt.digest,
        )


async def test_too_few_and_too_many_notifications_for_a_message_are_refused_without_a_request() -> None:
    async with before(always(SAVED)) as (sink, server):
        with pytest.raises(Rejected, match=r"\b10\b") as caught:
            await sink.send([])
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)
        assert type(await outcome(sink, *[item(signal())] * 11)) is Rejected
        assert server.requests == []


async def test_cookies_are_not_kept() -> None:
    saved = SAVED.replace(JSON.encode(), JSON.encode() + b"\r\nSet-Cookie: __cf_bm=x; Path=/")
    async with raw_server(always(saved)) as server:
        async with webhook(server.url.replace("127.0.0.1", "localhost"), connect=1.0, total=5.0) as sink:
            for _ in range(2):
                assert isinstance(await outcome(sink), Receipt)
        assert "cookie" not in server.requests[1].head.lower()


async def test_a_probe_reads_the_webhook_and_returns_its_channel() -> None:
    body = b'{"type": 1, "channel_id": "77", "token": "t", "url": "u"}'
    async with before(always(answer(200, body, JSON))) as (sink, server):
        assert await sink.probe() == Answer(channel="77", status=200)
        assert server.requests[0].line == "GET /api/webhooks/123456789012345678/the-secret-token HTTP/1.1"


async def test_a_webhook_of_another_kind_is_reported_with_the_button_that_makes_a_usable_one() -> None:
    bodies = [f'{{"type": {kind}, "channel_id": "77", "guild_id": "5"}}'.encode() for kind in (2, 3)]
    async with before(always(*(answer(200, body, JSON) for body in bodies))) as (sink, _):
        found = [await sink.probe() for _ in bodies]
    assert [(each.channel, each.guild) for each in found] == [("77", "5")] * 2
    troubles = {each.trouble or "" for each in found}
    assert len(troubles) == 2
    assert all("New Webhook" in trouble for trouble in troubles)


@pytest.mark.parametrize(
    "body",
    [b"{}", b'{"type": 9, "channel_id": 7}', b'{"type": "2", "channel_id": "a b", "guild_id": []}', b"[]", b"pong"],
)
async def test_an_answer_without_a_webhooks_facts_says_only_that_the_server_is_alive(body: bytes) -> None:
    async with before(always(answer(200, body, JSON))) as (sink, _):
        assert await sink.probe() == Answer(status=200)


async def test_a_message_in_a_thread_has_the_channel_of_its_answer() -> None:
    answers = always(answer(200, b'{"type": 1, "channel_id": "77"}', JSON), SAVED)
    async with raw_server(answers) as server, webhook(server.url + "?thread_id=8", connect=1.0, total=5.0) as sink:
        assert (await sink.probe()).channel is None
        receipt = await outcome(sink)
        assert isinstance(receipt, Receipt)
        assert receipt.channel == "77"


@pytest.mark.parametrize("status", [200, 204, 301, 400, 403, 404, 405, 408, 499])
async def test_any_probe_answer_below_500_counts_as_alive(status: int) -> None:
    async with before(always(answer(status))) as (sink, server):
        assert await probed(sink) == Answer(status=status)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "body", "kind", "is_gone"),
    [
        (404, b'{"code": 10015}', Rejected, True),
        (401, b'{"code": 50027}', Rejected, True),
        (429, b'{"retry_after": 2.5}', Throttled, False),
        (500, b"", Unavailable, False),
        (503, b'{"code": 130000}', Unavailable, False),
        (599, b"", Unavailable, False),
    ],
)
async def test_a_probe_raises_the_same_evidence_about_the_webhook_as_a_send(
    status: int, body: bytes, kind: type, is_gone: bool
) -> None:
    async with before(always(answer(status, body, JSON))) as (sink, _):
        found = await probed(sink)
        assert type(found) is kind
        assert found.status == status
        assert getattr(found, "is_gone", False) is is_gone


@pytest.mark.parametrize(
    "given",
    [answer(403, b"<h1>no</h1>", "Content-Type: text/html"), answer(403, b'{"code": 40333}', JSON)],
    ids=["page", "40333"],
)
async def test_a_probe_of_discord_itself_reports_a_block_of_this_address(given: bytes) -> None:
    async with before(always(given)) as (sink, _):
        assert await probed(sink) == Answer(status=403)
        sink.address = sink.address._replace(host="discord.com")
        found = await probed(sink)
        assert isinstance(found, Throttled)
        assert (found.is_ban, found.scope) == (True, "host")


async def test_rate_facts_of_a_probe_belong_to_its_own_route() -> None:
    headers = ("X-RateLimit-Limit: 5", "X-RateLimit-Remaining: 4", "X-RateLimit-Reset-After: 1")
    async with before(always(answer(200, b"{}", JSON, *headers))) as (sink, _):
        assert (await sink.probe()).rate == RateFacts(f"webhook:{sink.address.identity}", 5, 4, 1.0)


async def test_a_probe_has_the_timeout_of_a_message() -> None:
    async def converse(connection) -> None:
        await connection.request()
        await connection.hang()

    async with before(converse, total=0.05) as (sink, _):
        found = await asyncio.wait_for(probed(sink), 5)
        assert type(found) is Unavailable
        assert "TimeoutError" in found.reason


async def test_a_closed_webhook_sends_nothing() -> None:
    async with before(always(SAVED)) as (sink, server):
        await sink.close()
        assert type(await outcome(sink)) is Unavailable
        assert type(await probed(sink)) is Unavailable
        assert server.requests == []

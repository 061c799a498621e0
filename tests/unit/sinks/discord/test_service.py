import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from signalpost import __version__
from signalpost.errors import InvalidConfiguration, InvalidValue
from signalpost.sinks.discord.cards.look import Look
from signalpost.sinks.discord.service import DiscordService
from signalpost.sinks.discord.webhook import USUAL_LOOK
from signalpost.sinks.evidence import Rejected, Unavailable
from tests.surface.errors import Facts, facts_of
from tests.unit.sinks.discord.sinks import JSON, SAVED, TOKEN, always
from tests.unit.sinks.notifications import alert, analysis, announcement, item, signal, status
from tests.unit.sinks.raw_server import Connection, Conversation, RawServer, answer, raw_server

NAMES = [
    "signals-free",
    "signals-premium",
    "alerts-critical",
    "alerts-general",
    "market-analysis",
    "system-status",
    "community",
]


@asynccontextmanager
async def service(
    converse: Conversation, *names: str, look: Look = USUAL_LOOK
) -> AsyncIterator[tuple[DiscordService, RawServer]]:
    """A service with one thread per destination."""
    async with raw_server(converse) as server:
        urls = {name: f"{server.url}?thread_id={number}" for number, name in enumerate(names or NAMES)}
        async with DiscordService(urls, look=look) as made:
            yield made, server


def sent_to(server: RawServer) -> list[str]:
    """The destinations of the received requests."""
    return [NAMES[int(request.line.partition("thread_id=")[2][0])] for request in server.requests]


async def test_each_kind_goes_to_its_usual_destination() -> None:
    async with service(always(SAVED)) as (discord, server):
        receipts = [
            await discord.send_signal_notification(signal()),
            await discord.send_signal_notification(signal(), user_tier="PREMIUM"),
            await discord.send_signal_notification(signal(), "admin"),
            await discord.send_system_alert(alert()),
            await discord.send_system_alert(alert(severity="high")),
            await discord.send_system_alert(alert(severity="medium")),
            await discord.send_market_analysis(analysis()),
            await discord.send_system_status(status()),
            await discord.send_announcement(announcement()),
        ]
        assert {receipt.message_id for receipt in receipts} == {"1409000000000000000"}
        assert sent_to(server) == [
            *("signals-free", "signals-premium", "signals-premium"),
            *("alerts-critical", "alerts-critical", "alerts-general"),
            *("market-analysis", "system-status", "community"),
        ]


async def test_a_named_destination_is_used_for_every_kind() -> None:
    async with service(always(SAVED)) as (discord, server):
        for sending in (
            discord.send_signal_notification(signal(), destination="community"),
            discord.send_system_alert(alert(), destination="community"),
            discord.send_market_analysis(analysis(), destination="community"),
            discord.send_system_status(status(), destination="community"),
            discord.send_announcement(announcement(), destination="community"),
            discord.send_signal_notification(signal(), user_tier="whale", destination="community"),
        ):
            await sending
        assert sent_to(server) == ["community"] * 6


async def test_a_destination_without_a_webhook_is_refused_with_the_known_ones() -> None:
    async with service(always(SAVED), "signals-free", "mine") as (discord, server):
        with pytest.raises(InvalidConfiguration, match="signals-free, mine") as refusal:
            await discord.send_signal_notification(signal(), user_tier="premium")
        assert facts_of(refusal.value) == [Facts("missing", "destination", "signals-premium", "signals-free, mine")]
        with pytest.raises(InvalidConfiguration, match="nowhere") as refusal:
            await discord.send_signal_notification(signal(), destination="nowhere")
        assert facts_of(refusal.value) == [Facts("missing", "destination", "nowhere", "signals-free, mine")]
        with pytest.raises(InvalidConfiguration, match="whale") as refusal:
            await discord.send_signal_notification(signal(), user_tier="whale")
        assert facts_of(refusal.value) == [Facts("unknown-word", "user_tier", "whale")]
        assert server.requests == []


def test_a_service_without_webhooks_refuses_every_destination() -> None:
    with pytest.raises(InvalidConfiguration, match="signals-free") as refusal:
        DiscordService({}).webhook("signals-free")
    assert facts_of(refusal.value) == [Facts("missing", "destination", "signals-free", "none")]


async def test_context_and_priority_are_shown() -> None:
    async with service(always(SAVED)) as (discord, server):
        await discord.send_signal_notification(signal(), priority="low", additional_context={"sl_pips": 56})
        body = json.loads(server.requests[0].body)
        assert body["flags"] == 4096
        assert body["embeds"][0]["description"].endswith("-# sl pips 56")


@pytest.mark.parametrize(
    ("send", "payload", "is_silent"),
    [
        ("send_signal_notification", signal, False),
        ("send_system_alert", alert, False),
        ("send_system_alert", lambda: alert(severity="high"), False),
        ("send_system_alert", lambda: alert(severity="medium"), True),
        ("send_system_alert", lambda: alert(severity="low"), True),
        ("send_system_alert", lambda: alert(severity="info"), True),
        ("send_system_status", status, True),
        ("send_system_status", lambda: status(status="down"), False),
        ("send_market_analysis", analysis, False),
        ("send_announcement", announcement, False),
    ],
)
async def test_a_message_that_needs_no_action_is_silent_by_default(send: str, payload: Any, is_silent: bool) -> None:
    async with service(always(SAVED)) as (discord, server):
        await getattr(discord, send)(payload())
        (request,) = server.requests
        assert ("flags" in json.loads(request.body)) == is_silent


async def test_a_service_sends_messages_in_its_own_look() -> None:
    async with service(always(SAVED), look=Look(username="Acme")) as (discord, server):
        await discord.send_announcement(announcement())
        assert json.loads(server.requests[0].body)["username"] == "Acme"


async def test_a_wrong_argument_is_an_invalid_value_and_not_evidence() -> None:
    async with service(always(SAVED)) as (discord, _):
        with pytest.raises(InvalidValue, match="priority") as refusal:
            await discord.send_signal_notification(signal(), priority="soon")
        assert (refusal.value.code, refusal.value.field) == ("unknown-word", "priority")
        with pytest.raises(InvalidValue, match="user_tier") as refusal:
            await discord.send_signal_notification(signal(), user_tier="")
        assert facts_of(refusal.value) == [Facts("unknown-word", "user_tier", "''")]


async def test_evidence_is_raised_to_the_caller() -> None:
    refusal = answer(404, b'{"code": 10015, "message": "Unknown Webhook"}', JSON)
    async with service(always(refusal)) as (discord, _):
        with pytest.raises(Rejected, match="Unknown Webhook") as caught:
            await discord.send_signal_notification(signal())
        assert (caught.value.status, caught.value.api_code) == (404, 10015)
        assert caught.value.is_gone


async def test_requests_have_the_user_agent_that_discord_demands() -> None:
    async with service(always(SAVED)) as (discord, server):
        await discord.send_signal_notification(signal())
        head = server.requests[0].head
        assert f"\r\nUser-Agent: DiscordBot (https://pypi.org/project/signalpost, {__version__})\r\n" in head


async def test_all_webhooks_share_one_session_which_is_closed_with_the_service() -> None:
    async def converse(connection: Connection) -> None:
        while await connection.request():
            await connection.write(SAVED)

    async with service(converse) as (discord, server):
        assert server.connections == []
        for name in NAMES:
            await discord.webhook(name).send([item(signal())])
        assert len(server.connections) == 1
        await discord.close()
        await discord.close()
        with pytest.raises(Unavailable):
            await discord.send_signal_notification(signal())
        assert len(server.requests) == len(NAMES)


async def test_each_webhook_is_one_sink() -> None:
    async with service(always(SAVED)) as (discord, _):
        assert discord.webhook("community") is discord.webhook("community")
        assert discord.webhook("community").name == "community"
        assert list(discord.destinations) == NAMES


async def test_closing_one_webhook_leaves_the_others_open() -> None:
    async with service(always(SAVED)) as (discord, server):
        await discord.webhook("community").close()
        await discord.send_signal_notification(signal())
        assert len(server.requests) == 1


def test_an_invalid_url_is_refused_with_the_name_of_its_destination() -> None:
    with pytest.raises(InvalidConfiguration, match="'mine'") as caught:
        DiscordService({"mine": f"https://example.com/api/webhooks/1/{TOKEN}"})
    assert facts_of(caught.value) == [Facts("invalid-webhook", "mine")]
    assert TOKEN not in repr(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("connect", "total"), [(0.0, 15.0), (-1.0, 15.0), (15.0, 15.0), (16.0, 15.0), (float("nan"), 1.0)]
)
def test_the_connect_timeout_must_be_below_the_total(connect: float, total: float) -> None:
    """A total timeout shows that a message may have been sent only if it cannot occur while connecting."""
    with pytest.raises(InvalidConfiguration, match="connect_timeout") as refusal:
        DiscordService({}, connect_timeout=connect, total_timeout=total)
    expected = Facts("out-of-range", "connect_timeout", str(connect), f"above 0 and below {total}")
    assert facts_of(refusal.value) == [expected]


def test_a_service_needs_no_event_loop_and_shows_only_its_names() -> None:
    made = DiscordService({"signals-free": f"http://127.0.0.1:1/x/{TOKEN}"})
    assert repr(made) == "DiscordService('signals-free')"
    assert TOKEN not in repr(made.webhook("signals-free"))

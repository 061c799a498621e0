"""Webhooks, each connected to its own test server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from signalpost.errors import Evidence
from signalpost.sinks.discord.address import WebhookAddress
from signalpost.sinks.discord.cards.look import Look
from signalpost.sinks.discord.webhook import USUAL_LOOK, DiscordWebhook
from signalpost.sinks.evidence import Receipt
from signalpost.sinks.port import Answer, Item
from signalpost.sinks.wire import Connections
from tests.unit.sinks.notifications import item, signal
from tests.unit.sinks.raw_server import Connection, Conversation, RawServer, answer, raw_server

TOKEN = "the-secret-token"
JSON = "Content-Type: application/json"
SAVED = answer(200, b'{"id": "1409000000000000000", "channel_id": "77"}', JSON)


@asynccontextmanager
async def webhook(
    url: str,
    *,
    connect: float = 0.2,
    total: float = 0.4,
    connections: Connections | None = None,
    look: Look = USUAL_LOOK,
) -> AsyncIterator[DiscordWebhook]:
    """A webhook with its own connections and short timeouts, because these tests hang on purpose."""
    connections = connections or Connections("tests", connect_timeout=connect, total_timeout=total)
    try:
        yield DiscordWebhook(WebhookAddress.parse(url), connections, name="test", look=look)
    finally:
        await connections.close()


@asynccontextmanager
async def before(
    converse: Conversation, *, total: float = 5.0, connections: Connections | None = None
) -> AsyncIterator[tuple[DiscordWebhook, RawServer]]:
    """A webhook connected to a server that runs `converse`."""
    async with (
        raw_server(converse) as server,
        webhook(server.url, connect=total / 2, total=total, connections=connections) as sink,
    ):
        yield sink, server


def always(*answers: bytes) -> Conversation:
    """Send these answers in order, then repeat the last one, on any connection."""
    left = list(answers)

    async def converse(connection: Connection) -> None:
        while await connection.request():
            await connection.write(left.pop(0) if len(left) > 1 else left[0])

    return converse


async def outcome(sink: DiscordWebhook, *items: Item) -> Receipt | Evidence:
    """The result of a send."""
    try:
        return await sink.send(items or [item(signal())])
    except Evidence as evidence:
        return evidence


async def probed(sink: DiscordWebhook) -> Answer | Evidence:
    """The result of a probe."""
    try:
        return await sink.probe()
    except Evidence as evidence:
        return evidence

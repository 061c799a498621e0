"""Server-sent events for the page: the state of the channels first, then each change.

A stream has no queue; it reads the log from its last position. If it has fallen too far behind, or the log no longer
has its position, it sends the state again.
"""

import asyncio
from contextlib import suppress
from typing import Any

import msgspec
from aiohttp import web

from signalpost.sandbox.rules.discord import LocalDiscord
from signalpost.sandbox.rules.guild import GUILD_ID
from signalpost.sandbox.rules.log import Logged

MESSAGES_SHOWN = 200
"""The newest messages of a channel; the page keeps as many."""
DELETED_SHOWN = 50
TOO_FAR = 2_000
SECONDS_BETWEEN_BATCHES = 0.05
SECONDS_BETWEEN_SIGNS_OF_LIFE = 15.0
_RECONNECT = b"retry: 1000\n\n"
"""Tells the browser to reconnect after 1,000 ms."""


class LiveStreams:
    """All streams of one local Discord."""

    def __init__(self, discord: LocalDiscord) -> None:
        self._discord = discord
        self._news: set[asyncio.Event] = set()
        self._is_closed = False

    def notify(self) -> None:
        """Wake every stream to read the log."""
        for news in self._news:
            news.set()

    def close(self) -> None:
        """End every stream."""
        self._is_closed = True
        self.notify()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one stream until the client disconnects or the sandbox closes."""
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        news = asyncio.Event()
        self._news.add(news)
        try:
            with suppress(ConnectionResetError):
                await self._stream_events(stream, news)
        finally:
            self._news.discard(news)
        return stream

    async def _stream_events(self, stream: web.StreamResponse, news: asyncio.Event) -> None:
        log = self._discord.log
        known = -1
        await stream.write(_RECONNECT)
        while not self._is_closed:
            news.clear()
            if known < 0 or not log.reaches(known) or log.count - known > TOO_FAR:
                await stream.write(_event("state", self._state()))
            elif log.count > known:
                await stream.write(_event("changes", self._changes(known)))
            else:
                await stream.write(b": still here\n\n")
            known = log.count
            await asyncio.sleep(SECONDS_BETWEEN_BATCHES)
            with suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), SECONDS_BETWEEN_SIGNS_OF_LIFE)

    def _state(self) -> dict[str, Any]:
        guild, log = self._discord.guild, self._discord.log
        channels = [self._channel(name) for name in guild.channels()]
        return {"guild_id": GUILD_ID, "channels": channels, "threads": self._threads(), "counts": log.count_by_outcome}

    def _channel(self, name: str) -> dict[str, Any]:
        guild = self._discord.guild
        messages = guild.messages(name)[-MESSAGES_SHOWN:]
        notifications = guild.notifications(name)
        return {
            "name": name,
            "messages": messages,
            "notifications": {each["id"]: notifications.get(each["id"]) for each in messages},
            "deleted": [each._asdict() for each in guild.deleted(name)[-DELETED_SHOWN:]],
            "webhooks": guild.webhooks_of(name),
        }

    def _changes(self, known: int) -> dict[str, Any]:
        log = self._discord.log
        entries = [_change(logged) for logged in log.since(known)]
        return {"entries": entries, "threads": self._threads(), "counts": log.count_by_outcome}

    def _threads(self) -> list[dict[str, Any]]:
        return [thread._asdict() for thread in self._discord.guild.threads()]


def _change(logged: Logged) -> dict[str, Any]:
    entry = logged.entry
    return {
        "n": entry.n,
        "time": entry.time,
        "channel": entry.channel,
        "webhook": entry.webhook,
        "method": entry.method,
        "status": entry.status,
        "scope": entry.scope,
        "message_id": entry.message_id,
        "recorded": entry.recorded,
        "notification": entry.notification,
        "fault": entry.fault,
        "message": logged.message,
    }


def _event(name: str, value: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(value))

"""The page's event stream."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from signalpost.sandbox import live
from signalpost.sandbox.rules.guild import GUILD_ID
from signalpost.sandbox.rules.limits import OFF
from signalpost.sandbox.server import Sandbox


class Reader:
    """Reads events; each wait is bounded by the session's timeout."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def line(self) -> str:
        return (await self._answer.content.readline()).decode()

    async def event(self) -> tuple[str, Any]:
        line = await self.line()
        while not line.startswith("event: "):
            assert line, "the stream has ended"
            line = await self.line()
        data = await self.line()
        return line.removeprefix("event: ").strip(), json.loads(data.removeprefix("data: "))


@asynccontextmanager
async def reading(sandbox: Sandbox) -> AsyncIterator[tuple[aiohttp.ClientSession, Reader]]:
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(timeout=timeout) as client, client.get(f"{sandbox.url}/_events") as answer:
        assert answer.content_type == "text/event-stream"
        yield client, Reader(answer)


async def test_a_reader_gets_the_state_and_then_the_changes() -> None:
    async with Sandbox(limits=OFF) as sandbox:
        url = sandbox.webhook("signals-free")
        async with reading(sandbox) as (client, reader):
            channel = {"name": "signals-free", "messages": [], "notifications": {}, "deleted": []}
            guild = {"guild_id": GUILD_ID, "threads": []}
            state = guild | {"channels": [channel | {"webhooks": ["signals-free"]}], "counts": {}}
            assert await reader.event() == ("state", state)
            async with client.post(url, params={"wait": "1"}, json={"content": "hello"}) as answer:
                message = await answer.json()
            name, changes = await reader.event()
            assert (name, changes["counts"]) == ("changes", {"taken": 1})
            [entry] = changes["entries"]
            assert entry["message"] == message
            assert (entry["n"], entry["channel"], entry["method"], entry["status"]) == (1, "signals-free", "POST", 200)
            await client.delete(f"{url}/messages/{message['id']}")
            name, changes = await reader.event()
            assert (changes["entries"][0]["message"], changes["entries"][0]["message_id"]) == (None, message["id"])


async def test_a_new_reader_gets_notifications_deleted_messages_and_threads() -> None:
    async with Sandbox(limits=OFF) as sandbox, aiohttp.ClientSession() as client:
        url = sandbox.webhook("a")
        ids = []
        for body in ({"content": "pushed"}, {"content": "silent", "flags": 4096}, {"content": "deleted\nlater"}):
            async with client.post(url, params={"wait": "1"}, json=body) as answer:
                ids.append((await answer.json())["id"])
        await client.patch(f"{url}/messages/{ids[0]}", json={"content": "edited"})
        await client.delete(f"{url}/messages/{ids[2]}")
        await client.post(f"{sandbox.url}/_moderate", json={"action": "set-thread", "thread_id": "7", "locked": True})
        async with reading(sandbox) as (_, reader):
            _, state = await reader.event()
            [channel] = state["channels"]
            assert channel["notifications"] == {ids[0]: "pushed", ids[1]: None}
            [deleted] = channel["deleted"]
            assert (deleted["id"], deleted["headline"], deleted["by_moderator"]) == (ids[2], "deleted", False)
            assert state["threads"] == [{"id": "7", "archived": False, "locked": True, "channel": None}]
            await client.post(f"{sandbox.url}/_moderate", json={"action": "set-thread", "thread_id": "7"})
            _, changes = await reader.event()
            assert changes["threads"] == [{"id": "7", "archived": False, "locked": False, "channel": None}]
            assert changes["entries"][0]["method"] == "MODERATOR"


async def test_a_new_reader_gets_the_newest_messages_of_each_channel() -> None:
    async with Sandbox(limits=OFF) as sandbox, aiohttp.ClientSession() as client:
        url = sandbox.webhook("a")
        for n in range(live.MESSAGES_SHOWN + 5):
            await client.post(url, json={"content": str(n)})
        async with reading(sandbox) as (_, reader):
            _, state = await reader.event()
    shown = [message["content"] for message in state["channels"][0]["messages"]]
    assert shown == [str(n) for n in range(5, live.MESSAGES_SHOWN + 5)]
    assert state["counts"] == {"taken": live.MESSAGES_SHOWN + 5}


@pytest.mark.parametrize("limit", ["signalpost.sandbox.rules.log.KEPT", "signalpost.sandbox.live.TOO_FAR"])
async def test_a_reader_that_fell_behind_gets_the_state_again(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fell behind the oldest entry kept, or too far to send each change."""
    monkeypatch.setattr(limit, 5)
    monkeypatch.setattr(live, "SECONDS_BETWEEN_BATCHES", 0.5)
    async with Sandbox(limits=OFF) as sandbox:
        url = sandbox.webhook("a")
        async with reading(sandbox) as (client, reader):
            await reader.event()
            await asyncio.gather(*(client.post(url, json={"content": "x"}) for _ in range(8)))
            name, changes = await reader.event()
            assert name == "state"
            assert changes["counts"] == {"taken": 8}


async def test_changes_in_quick_succession_are_sent_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SECONDS_BETWEEN_BATCHES", 0.5)
    async with Sandbox(limits=OFF) as sandbox:
        url = sandbox.webhook("a")
        async with reading(sandbox) as (client, reader):
            await reader.event()
            await asyncio.gather(*(client.post(url, json={"content": "x"}) for _ in range(8)))
            _, changes = await reader.event()
            assert [entry["n"] for entry in changes["entries"]] == list(range(1, 9))


async def test_an_idle_stream_sends_a_keepalive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SECONDS_BETWEEN_SIGNS_OF_LIFE", 0.01)
    async with Sandbox() as sandbox, reading(sandbox) as (_, reader):
        await reader.event()
        line = await reader.line()
        while not line.strip():
            line = await reader.line()
        assert line == ": still here\n"


async def test_a_disconnected_reader_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SECONDS_BETWEEN_SIGNS_OF_LIFE", 0.01)
    serve, began, ended = live.LiveStreams.serve, list[web.Request](), asyncio.Event()

    async def noted(streams: live.LiveStreams, request: web.Request) -> web.StreamResponse:
        began.append(request)
        try:
            return await serve(streams, request)
        finally:
            ended.set()

    monkeypatch.setattr(live.LiveStreams, "serve", noted)
    async with Sandbox() as sandbox:
        async with reading(sandbox) as (_, reader):
            await reader.event()
            assert (len(began), ended.is_set()) == (1, False)
        async with asyncio.timeout(10):
            await ended.wait()


async def test_the_streams_end_with_the_sandbox() -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as client:
        async with Sandbox() as sandbox:
            answer = await client.get(f"{sandbox.url}/_events")
            await Reader(answer).event()
        assert await answer.content.read() in {b"", b"\n"}

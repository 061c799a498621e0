"""Actions of a moderator: nothing that a webhook's owner does, and logged apart from requests."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from signalpost.errors import InvalidValue
from signalpost.sandbox.rules.exchange import Refusal
from signalpost.sandbox.rules.limits import OFF
from signalpost.sandbox.rules.moderator import Action, DeleteMessage, DeleteWebhook, MoveWebhook, SetThread
from signalpost.sandbox.server import Sandbox, action_of
from tests.unit.sandbox.caller import HOOK, Caller, json_of, refusal, status


@pytest.fixture
def caller() -> Caller:
    return Caller()


def test_a_deleted_message_is_unknown_and_listed_with_its_first_line(caller: Caller) -> None:
    sent = json_of(caller.post({"content": "BUY EURUSD\nTP1", "embeds": [{"title": "not this"}]}))
    titled = json_of(caller.post({"embeds": [{"color": 1, "description": "d"}, {"title": "the title"}]}))
    bare = json_of(caller.post({"embeds": [{"description": "d"}]}))
    caller.seconds += 60
    entry = caller.discord.moderate(DeleteMessage(sent["id"]), caller.now)
    caller.send("DELETE", message=titled["id"])
    caller.discord.moderate(DeleteMessage(bare["id"]), caller.now)
    assert refusal(caller.send("PATCH", {"content": "x"}, message=sent["id"])) == (404, 10008)
    assert caller.shown() == []
    at = "2025-08-20T01:01:00+00:00"
    assert caller.discord.guild.deleted(HOOK) == [
        (sent["id"], sent["timestamp"], "BUY EURUSD", at, True),
        (titled["id"], titled["timestamp"], "the title", at, False),
        (bare["id"], bare["timestamp"], "", at, True),
    ]
    assert (entry.n, entry.method, entry.message_id, entry.channel, entry.time) == (
        4,
        "MODERATOR",
        sent["id"],
        HOOK,
        at,
    )
    assert (entry.channel_id, entry.recorded, entry.webhook) == (sent["channel_id"], True, "")
    assert entry.body == {"action": "delete-message", "message_id": sent["id"]}
    assert caller.discord.guild.deleted("no-such-channel") == []


def test_an_action_is_not_a_request(caller: Caller) -> None:
    sent = json_of(caller.post())["id"]
    caller.discord.moderate(DeleteMessage(sent), caller.now)
    assert caller.discord.log.count_by_outcome == {"taken": 1}
    assert [logged.entry.method for logged in caller.discord.log.since(0)] == ["POST", "MODERATOR"]


def test_a_moved_webhook_posts_elsewhere_and_cannot_reach_its_messages(caller: Caller) -> None:
    before = json_of(caller.send("GET"))
    sent = json_of(caller.post())["id"]
    entry = caller.discord.moderate(MoveWebhook(HOOK, "archive"), caller.now)
    after = json_of(caller.send("GET"))
    assert (after["id"], after["guild_id"]) == (before["id"], before["guild_id"])
    assert after["channel_id"] == entry.channel_id != before["channel_id"]
    assert (entry.webhook, entry.channel) == (HOOK, "archive")
    assert refusal(caller.send("PATCH", {"content": "x"}, message=sent)) == (404, 10008)
    assert [each["id"] for each in caller.shown()] == [sent]
    assert status(caller.post({"content": "here now"})) == 200
    assert [each["content"] for each in caller.shown("archive")] == ["here now"]
    caller.discord.moderate(MoveWebhook(HOOK, HOOK), caller.now)
    assert status(caller.send("PATCH", {"content": "x"}, message=sent)) == 200


def test_a_webhook_can_be_deleted(caller: Caller) -> None:
    channel_id = json_of(caller.send("GET"))["channel_id"]
    entry = caller.discord.moderate(DeleteWebhook(HOOK), caller.now)
    assert (entry.webhook, entry.channel, entry.channel_id) == (HOOK, HOOK, channel_id)
    assert refusal(caller.post()) == (404, 10015)


def test_a_thread_can_be_created_archived_and_locked(caller: Caller) -> None:
    for action in (SetThread("1"), SetThread("2", archived=True), SetThread("1", locked=True)):
        entry = caller.discord.moderate(action, caller.now)
        assert (entry.channel_id, entry.channel) == (action.thread_id, None)
    assert caller.discord.guild.threads() == [("1", False, True, None), ("2", True, False, None)]


@pytest.mark.parametrize(
    ("action", "code"),
    [(DeleteMessage("1"), 10008), (MoveWebhook("no-such", "a"), 10015), (DeleteWebhook("no-such"), 10015)],
)
def test_an_unknown_target_is_refused_and_not_logged(action: Action, code: int, caller: Caller) -> None:
    with pytest.raises(Refusal) as refused:
        caller.discord.moderate(action, caller.now)
    assert (refused.value.status, refused.value.code) == (404, code)
    assert caller.discord.log.count == 0


@pytest.mark.parametrize("body", [b"", b"5", b"{}", b'{"action": "ban"}', b'{"action": "delete-message"}', b"\xff"])
def test_an_invalid_action_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidValue) as refused:
        action_of(body)
    assert refused.value.code == "not-readable"


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        yield session


async def test_a_moderator_acts_over_http(client: aiohttp.ClientSession, tmp_path: Path) -> None:
    async with Sandbox(limits=OFF, journal=tmp_path / "journal") as sandbox:
        url, moderate = sandbox.webhook("a"), f"{sandbox.url}/_moderate"
        async with client.post(url, params={"wait": "1"}, json={"content": "x"}) as answer:
            sent = (await answer.json())["id"]

        async def status_of(action: Any, **settings: Any) -> int:
            async with client.post(moderate, **({"json": action} | settings)) as answer:
                return answer.status

        delete = {"action": "delete-message", "message_id": sent}
        assert await status_of(delete, json=None, data=json.dumps(delete).encode()) == 415
        assert await status_of({"action": "delete-message"}) == 400
        async with client.post(moderate, json=delete) as answer:
            entry = await answer.json()
        assert (answer.status, entry["method"], entry["message_id"]) == (200, "MODERATOR", sent)
        async with client.post(moderate, json=delete) as answer:
            assert (answer.status, (await answer.json())["code"]) == (404, 10008)
        assert await status_of({"action": "move-webhook", "webhook": "a", "channel": "b"}) == 200
        assert sandbox.discord.guild.channel_of("a") == "b"
    async with Sandbox(limits=OFF) as sandbox:  # a sandbox without a journal
        async with client.post(f"{sandbox.url}/_moderate", json={"action": "set-thread", "thread_id": "7"}) as answer:
            assert answer.status == 200
        assert sandbox.discord.guild.threads() == [("7", False, False, None)]
    journal = [json.loads(line) for line in (tmp_path / "journal").read_text().splitlines()]
    assert [each["method"] for each in journal] == ["POST", "MODERATOR", "MODERATOR"]

"""A phone's notification of a message."""

from typing import Any

import pytest

from signalpost.sandbox.rules import guild
from tests.unit.sandbox.caller import HOOK, Caller, json_of


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"content": "BUY EURUSD @ 1.08452\nTP1 1.09112"}, "BUY EURUSD @ 1.08452\nTP1 1.09112"),
        ({"content": "<@1> <@!2> <@&3> <#4> <a:up:5> @here"}, "@user 1 @user 2 @role 3 #channel 4 :up: @here"),
        ({"content": "**x** <t:1:R> [Card](https://e.x/1)"}, "**x** <t:1:R> [Card](https://e.x/1)"),
        ({"content": "x", "embeds": [{"title": "not shown"}]}, "x"),
        ({"embeds": [{"title": "not shown"}]}, ""),
        ({"content": "x", "flags": 4096}, None),
        ({"content": "x", "flags": 4}, "x"),
    ],
)
def test_a_notification_shows_the_content_alone(body: dict[str, Any], text: str | None) -> None:
    caller = Caller()
    outcome = caller.post(body)
    assert outcome.entry.notification == text
    kept = {} if text is None else {json_of(outcome)["id"]: text}
    assert caller.discord.guild.notifications(HOOK) == kept


def test_only_posts_notify_and_an_edit_does_not_change_what_they_showed() -> None:
    caller = Caller()
    sent = json_of(caller.post())["id"]
    edit = caller.send("PATCH", {"content": "edited"}, message=sent)
    assert edit.entry.notification is None
    assert caller.send("GET", message=sent).entry.notification is None
    assert caller.discord.guild.notifications(HOOK) == {sent: "hello"}
    caller.send("DELETE", message=sent)
    assert caller.discord.guild.notifications(HOOK) == {}
    assert caller.discord.guild.notifications("no-such-channel") == {}


def test_the_notifications_of_dropped_messages_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guild, "KEPT", 2)
    caller = Caller()
    for n in range(4):
        caller.post({"content": str(n)})
    assert list(caller.discord.guild.notifications(HOOK).values()) == ["2", "3"]

from typing import Any

import pytest

from tests.unit.sandbox.caller import Caller, json_of

ALL = "<@1> <@!2> <@1> <@&3> <@&4> @everyone @here"


@pytest.mark.parametrize(
    ("allowed", "pinged"),
    [
        (None, ["user:1", "user:2"]),
        ({"parse": []}, []),
        ({}, []),
        ({"parse": None}, []),
        ({"parse": ["users"]}, ["user:1", "user:2"]),
        ({"parse": ["roles"]}, ["role:3", "role:4"]),
        ({"parse": ["everyone"]}, ["everyone", "here"]),
        ({"parse": ["users", "roles", "everyone"]}, ["user:1", "user:2", "role:3", "role:4", "everyone", "here"]),
        ({"parse": [], "users": ["2", "9"]}, ["user:2"]),
        ({"parse": [], "roles": ["4"]}, ["role:4"]),
        ({"parse": [], "roles": [4]}, ["role:4"]),
        ({"parse": ["roles"], "users": ["1"]}, ["user:1", "role:3", "role:4"]),
    ],
)
def test_mentions_in_the_content_ping_if_allowed(allowed: dict[str, Any] | None, pinged: list[str]) -> None:
    fields = {"content": ALL} | ({} if allowed is None else {"allowed_mentions": allowed})
    assert Caller().post(fields).entry.pings == pinged


def test_mentions_in_embeds_ping_nobody() -> None:
    fields = {"embeds": [{"description": ALL}], "allowed_mentions": {"parse": ["users", "roles", "everyone"]}}
    assert Caller().post(fields).entry.pings == []


def test_a_message_lists_its_mentions() -> None:
    message = json_of(Caller().post({"content": ALL, "allowed_mentions": {"parse": ["users", "roles", "everyone"]}}))
    assert [user["id"] for user in message["mentions"]] == ["1", "2"]
    assert message["mention_roles"] == ["3", "4"]
    assert message["mention_everyone"] is True


def test_a_word_that_only_begins_like_a_mention_pings_nobody() -> None:
    fields = {"content": "@everyones <@x> <@&> <@12", "allowed_mentions": {"parse": ["users", "roles", "everyone"]}}
    assert Caller().post(fields).entry.pings == []

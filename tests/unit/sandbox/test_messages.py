"""Reading, editing and deleting a message through the webhook that sent it."""

from typing import Any

import pytest

from tests.unit.sandbox.caller import HOOK, Caller, problems, refusal, status, told


@pytest.fixture
def caller() -> Caller:
    return Caller()


def _sent(caller: Caller, body: Any = None) -> str:
    message_id: str = told(caller.post(body))["id"]
    return message_id


def test_a_message_is_read_as_it_was_sent(caller: Caller) -> None:
    message = told(caller.post())
    assert told(caller.ask("GET", message=message["id"])) == message


def test_an_edit_changes_the_named_fields_and_marks_the_message(caller: Caller) -> None:
    sent = _sent(caller, {"content": "a", "embeds": [{"title": "t"}]})
    caller.seconds += 60
    outcome = caller.ask("PATCH", {"content": "b"}, message=sent)
    assert status(outcome) == 200
    message = told(outcome)
    assert (message["content"], message["embeds"]) == ("b", [{"type": "rich", "title": "t"}])
    assert message["timestamp"] == "2025-08-20T01:00:00+00:00"
    assert message["edited_timestamp"] == "2025-08-20T01:01:00+00:00"
    assert caller.shown() == [message]
    assert (outcome.entry.recorded, outcome.entry.message_id) == (True, sent)


def test_an_edit_replaces_embeds_whole(caller: Caller) -> None:
    sent = _sent(caller, {"embeds": [{"title": "a"}, {"title": "b"}]})
    message = told(caller.ask("PATCH", {"embeds": [{"title": "c"}]}, message=sent))
    assert message["embeds"] == [{"type": "rich", "title": "c"}]


def test_an_edit_that_leaves_nothing_is_refused_and_changes_nothing(caller: Caller) -> None:
    sent = _sent(caller)
    assert refusal(caller.ask("PATCH", {"content": None}, message=sent)) == (400, 50006)
    assert caller.shown()[0]["content"] == "hello"


def test_an_edit_is_checked_as_a_message_is(caller: Caller) -> None:
    sent = _sent(caller)
    outcome = caller.ask("PATCH", {"content": "x" * 2001, "embeds": [{"title": "x" * 257}]}, message=sent)
    assert problems(outcome) == {"content": ["BASE_TYPE_MAX_LENGTH"], "embeds.0.title": ["BASE_TYPE_MAX_LENGTH"]}


def test_an_edit_pings_nobody_but_lists_its_mentions(caller: Caller) -> None:
    sent = _sent(caller)
    allowed = {"parse": ["users", "roles", "everyone"]}
    edit = {"content": "<@1> <@&2> @here", "allowed_mentions": allowed}
    outcome = caller.ask("PATCH", edit, message=sent)
    assert outcome.entry.pings == []
    message = told(outcome)
    assert ([user["id"] for user in message["mentions"]], message["mention_roles"]) == (["1"], ["2"])
    assert message["mention_everyone"] is True


def test_unknown_fields_of_an_edit_are_ignored(caller: Caller) -> None:
    sent = _sent(caller, {"content": "a", "username": "Desk"})
    message = told(caller.ask("PATCH", {"content": "b", "username": "clyde", "tts": "x"}, message=sent))
    assert message["author"]["username"] == "Desk"


def test_an_edit_cannot_make_a_message_silent_but_leaves_it_silent(caller: Caller) -> None:
    sent = _sent(caller, {"content": "a", "flags": 4096})
    assert problems(caller.ask("PATCH", {"flags": 4096}, message=sent)) == {"flags": ["BASE_TYPE_CHOICES"]}
    outcome = caller.ask("PATCH", {"flags": 4}, message=sent)
    assert told(outcome)["flags"] == 4096 | 4
    assert told(caller.ask("PATCH", {"flags": 0}, message=sent))["flags"] == 4096


def test_components_of_an_edit_replace_those_before(caller: Caller) -> None:
    sent = _sent(caller)
    assert told(caller.ask("PATCH", {"components": [{"type": 10}]}, message=sent))["components"] == [{"type": 10}]
    assert told(caller.ask("PATCH", {"components": None}, message=sent))["components"] == []


def test_a_deleted_message_is_gone_and_deleting_it_again_says_so(caller: Caller) -> None:
    sent = _sent(caller)
    outcome = caller.ask("DELETE", message=sent)
    assert (status(outcome), outcome.entry.recorded, outcome.entry.message_id) == (204, True, sent)
    assert caller.shown() == []
    for method in ("GET", "PATCH", "DELETE"):
        assert refusal(caller.ask(method, {"content": "x"}, message=sent)) == (404, 10008)


def test_a_moderator_can_delete_a_message(caller: Caller) -> None:
    sent = _sent(caller)
    caller.discord.guild.delete_message(HOOK, sent)
    assert refusal(caller.ask("PATCH", {"content": "x"}, message=sent)) == (404, 10008)


def test_a_webhook_knows_only_its_own_messages(caller: Caller) -> None:
    sent = _sent(caller)
    caller.discord.guild.register("another", "t", channel=HOOK)
    assert refusal(caller.ask("GET", message=sent, webhook="another", token="t")) == (404, 10008)

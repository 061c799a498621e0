"""Reading, editing and deleting a message through the webhook that sent it."""

import json
from typing import Any

import pytest

from signalpost.sandbox.rules.discord import Outcome
from tests.unit.sandbox.caller import HOOK, Caller, json_of, problems, refusal, status

WITH_COMPONENTS = {"with_components": "true"}
TEXT = {"type": 10}


@pytest.fixture
def caller() -> Caller:
    return Caller()


def _sent(caller: Caller, body: Any = None) -> str:
    message_id: str = json_of(caller.post(body))["id"]
    return message_id


def test_a_message_reads_back_unchanged(caller: Caller) -> None:
    message = json_of(caller.post())
    assert json_of(caller.send("GET", message=message["id"])) == message


def test_an_edit_changes_only_its_fields_and_marks_the_message(caller: Caller) -> None:
    sent = _sent(caller, {"content": "a", "embeds": [{"title": "t"}]})
    caller.seconds += 60
    outcome = caller.send("PATCH", {"content": "b"}, message=sent)
    assert status(outcome) == 200
    message = json_of(outcome)
    assert (message["content"], message["embeds"]) == ("b", [{"type": "rich", "title": "t"}])
    assert message["timestamp"] == "2025-08-20T01:00:00+00:00"
    assert message["edited_timestamp"] == "2025-08-20T01:01:00+00:00"
    assert caller.shown() == [message]
    assert (outcome.entry.recorded, outcome.entry.message_id) == (True, sent)


def test_an_edit_replaces_all_embeds(caller: Caller) -> None:
    sent = _sent(caller, {"embeds": [{"title": "a"}, {"title": "b"}]})
    message = json_of(caller.send("PATCH", {"embeds": [{"title": "c"}]}, message=sent))
    assert message["embeds"] == [{"type": "rich", "title": "c"}]


def test_an_edit_that_empties_the_message_is_refused(caller: Caller) -> None:
    sent = _sent(caller)
    assert refusal(caller.send("PATCH", {"content": None}, message=sent)) == (400, 50006)
    assert caller.shown()[0]["content"] == "hello"


def test_an_edit_is_checked_like_a_new_message(caller: Caller) -> None:
    sent = _sent(caller)
    outcome = caller.send("PATCH", {"content": "x" * 2001, "embeds": [{"title": "x" * 257}]}, message=sent)
    assert problems(outcome) == {"content": ["BASE_TYPE_MAX_LENGTH"], "embeds.0.title": ["BASE_TYPE_MAX_LENGTH"]}


def test_an_edit_pings_nobody_but_lists_its_mentions(caller: Caller) -> None:
    sent = _sent(caller)
    allowed = {"parse": ["users", "roles", "everyone"]}
    edit = {"content": "<@1> <@&2> @here", "allowed_mentions": allowed}
    outcome = caller.send("PATCH", edit, message=sent)
    assert outcome.entry.pings == []
    message = json_of(outcome)
    assert ([user["id"] for user in message["mentions"]], message["mention_roles"]) == (["1"], ["2"])
    assert message["mention_everyone"] is True


def test_fields_not_valid_in_an_edit_are_ignored(caller: Caller) -> None:
    sent = _sent(caller, {"content": "a", "username": "Desk"})
    message = json_of(caller.send("PATCH", {"content": "b", "username": "clyde", "tts": "x"}, message=sent))
    assert message["author"]["username"] == "Desk"


def test_an_edit_cannot_change_whether_a_message_is_silent(caller: Caller) -> None:
    sent = _sent(caller, {"content": "a", "flags": 4096})
    assert problems(caller.send("PATCH", {"flags": 4096}, message=sent)) == {"flags": ["BASE_TYPE_CHOICES"]}
    outcome = caller.send("PATCH", {"flags": 4}, message=sent)
    assert json_of(outcome)["flags"] == 4096 | 4
    assert json_of(caller.send("PATCH", {"flags": 0}, message=sent))["flags"] == 4096


def test_an_edit_recomputes_mentions_from_the_whole_content_and_its_own_permissions() -> None:
    """Without `allowed_mentions` in the edit, Discord's default applies: users only."""
    caller = Caller()
    body = {"content": "<@1> <@&2> <@&3>", "allowed_mentions": {"parse": [], "roles": ["2"]}}
    sent = _sent(caller, body)
    assert caller.shown()[0]["mention_roles"] == ["2"]
    mentions = []
    for edit in ({"embeds": []}, {"allowed_mentions": {"parse": []}}, {"allowed_mentions": {"roles": ["3", "4"]}}):
        message = json_of(caller.send("PATCH", edit, message=sent))
        mentions.append(([user["id"] for user in message["mentions"]], message["mention_roles"]))
    assert mentions == [(["1"], []), ([], []), ([], ["3"])]


def test_null_clears_content_and_embeds_and_an_omitted_field_stays(caller: Caller) -> None:
    sent = _sent(caller, {"content": "a", "embeds": [{"title": "t"}]})
    assert json_of(caller.send("PATCH", {"embeds": None}, message=sent))["embeds"] == []
    assert json_of(caller.send("PATCH", {"embeds": [{"title": "u"}], "content": None}, message=sent))["content"] == ""
    assert json_of(caller.send("PATCH", {}, message=sent))["embeds"] == [{"type": "rich", "title": "u"}]


def test_even_an_edit_without_a_change_marks_the_message_as_edited(caller: Caller) -> None:
    sent = _sent(caller)
    outcome = caller.send("PATCH", {"content": "hello"}, message=sent)
    assert outcome.entry.edited
    assert json_of(outcome)["edited_timestamp"] is not None
    assert [caller.send(method, message=sent).entry.edited for method in ("GET", "DELETE")] == [False, False]


def _upload(caller: Caller, fields: dict[str, Any], *names: str, message: str | None = None) -> Outcome:
    parts = [f'--b\r\nContent-Disposition: form-data; name="payload_json"\r\n\r\n{json.dumps(fields)}\r\n']
    for n, name in enumerate(names):
        head = f'Content-Disposition: form-data; name="files[{n}]"; filename="{name}"'
        parts.append(f"--b\r\n{head}\r\n\r\nx\r\n")
    body = "".join([*parts, "--b--\r\n"]).encode()
    headers = {"content-type": "multipart/form-data; boundary=b"}
    return caller.send("PATCH" if message else "POST", body, message=message, headers=headers)


def _files(caller: Caller) -> list[tuple[str, str | None]]:
    return [(each["filename"], each.get("description")) for each in caller.shown()[0]["attachments"]]


def test_an_edit_lists_all_attachments_that_remain(caller: Caller) -> None:
    listed = [{"id": 0, "description": "first"}, {"id": 1}]
    sent = json_of(_upload(caller, {"content": "a", "attachments": listed}, "a.png", "b.png"))["id"]
    assert _files(caller) == [("a.png", "first"), ("b.png", None)]
    caller.seconds += 1
    _upload(caller, {}, "c.png", message=sent)
    assert _files(caller) == [("a.png", "first"), ("b.png", None), ("c.png", None)]
    first, second, _ = (each["id"] for each in caller.shown()[0]["attachments"])
    caller.seconds += 1
    listed = [{"id": first}, {"id": second, "description": "second"}, {"id": 1, "description": "new"}]
    _upload(caller, {"attachments": listed}, "not-listed.png", "d.png", message=sent)
    assert _files(caller) == [("a.png", "first"), ("b.png", "second"), ("d.png", "new")]
    caller.send("PATCH", {"content": "b"}, message=sent)
    assert len(_files(caller)) == 3
    caller.send("PATCH", {"attachments": []}, message=sent)
    assert _files(caller) == []
    names = [f"{n}.png" for n in range(10)]
    assert status(_upload(caller, {}, *names, message=sent)) == 200
    assert refusal(_upload(caller, {}, "eleventh.png", message=sent)) == (400, 30015)
    for wrong in (5, [{"id": n} for n in range(11)]):
        assert list(problems(caller.send("PATCH", {"attachments": wrong}, message=sent))) == ["attachments"]


def test_components_v2_cannot_be_removed_and_allow_nothing_else(caller: Caller) -> None:
    sent = _sent(caller)
    code = ["MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"]
    edit = {"flags": 1 << 15, "components": [{"type": 10}]}
    assert problems(caller.send("PATCH", edit, message=sent, query=WITH_COMPONENTS)) == {"content": code}
    assert status(caller.send("PATCH", edit | {"content": None}, message=sent, query=WITH_COMPONENTS)) == 200
    assert json_of(caller.send("PATCH", {"flags": 0}, message=sent))["flags"] == 1 << 15
    assert problems(caller.send("PATCH", {"embeds": [{"title": "t"}]}, message=sent)) == {"embeds": code}


def test_an_edit_replaces_components_if_the_query_says_so(caller: Caller) -> None:
    sent = _sent(caller)
    shown = []
    for components, query in (([TEXT], WITH_COMPONENTS), (None, {}), ([], {}), (None, WITH_COMPONENTS), ([TEXT], {})):
        edit = caller.send("PATCH", {"components": components}, message=sent, query=query)
        shown.append(json_of(edit)["components"])
    assert shown == [[TEXT], [TEXT], [TEXT], [], []]


def test_a_deleted_message_is_unknown(caller: Caller) -> None:
    sent = _sent(caller)
    outcome = caller.send("DELETE", message=sent)
    assert (status(outcome), outcome.entry.recorded, outcome.entry.message_id) == (204, True, sent)
    assert caller.shown() == []
    for method in ("GET", "PATCH", "DELETE"):
        assert refusal(caller.send(method, {"content": "x"}, message=sent)) == (404, 10008)


def test_a_moderator_can_delete_a_message(caller: Caller) -> None:
    sent = _sent(caller)
    channel_id = caller.shown()[0]["channel_id"]
    assert [caller.discord.guild.delete_message(HOOK, sent) for _ in range(2)] == [channel_id, None]
    assert refusal(caller.send("PATCH", {"content": "x"}, message=sent)) == (404, 10008)


def test_a_webhook_cannot_reach_messages_of_another(caller: Caller) -> None:
    sent = _sent(caller)
    caller.discord.guild.register("another", "t", channel=HOOK)
    assert refusal(caller.send("GET", message=sent, webhook="another", token="t")) == (404, 10008)

"""Messages in threads, and edits after a thread was archived or locked."""

from typing import Any

import pytest

from signalpost.sandbox.rules.discord import Outcome
from tests.unit.sandbox.caller import HOOK, Caller, json_of, refusal, status

THREAD, ANOTHER = "123456789012345678", "123456789012345679"


@pytest.fixture
def caller() -> Caller:
    caller = Caller()
    for thread in (THREAD, ANOTHER):
        caller.discord.guild.open_thread(thread)
    return caller


def _in_thread(caller: Caller, method: str, message: str | None = None, thread: str = THREAD) -> Outcome:
    query: dict[str, Any] = {"thread_id": thread, "wait": "true"}
    return caller.send(method, {"content": "x"}, message=message, query=query)


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_message_in_a_thread_is_found_only_with_its_thread_id(method: str, caller: Caller) -> None:
    posted = _in_thread(caller, "POST")
    sent = json_of(posted)["id"]
    assert json_of(posted)["channel_id"] == posted.entry.channel_id == THREAD
    assert refusal(caller.send(method, {"content": "x"}, message=sent)) == (404, 10008)
    assert refusal(_in_thread(caller, method, sent, ANOTHER)) == (404, 10008)
    outcome = _in_thread(caller, method, sent)
    assert status(outcome) in {200, 204}
    assert outcome.entry.channel_id == THREAD


def test_a_message_of_the_channel_is_not_in_a_thread(caller: Caller) -> None:
    sent = json_of(caller.post())["id"]
    assert refusal(_in_thread(caller, "PATCH", sent)) == (404, 10008)


def test_an_edit_in_an_archived_thread_is_refused_until_a_post_reopens_it(caller: Caller) -> None:
    sent = json_of(_in_thread(caller, "POST"))["id"]
    caller.discord.guild.open_thread(THREAD, archived=True)
    assert refusal(_in_thread(caller, "PATCH", sent)) == (400, 50083)
    assert caller.shown()[0]["edited_timestamp"] is None
    assert status(_in_thread(caller, "POST")) == 200
    assert status(_in_thread(caller, "PATCH", sent)) == 200


@pytest.mark.parametrize("archived", [True, False])
def test_a_post_does_not_reopen_a_locked_thread(archived: bool, caller: Caller) -> None:
    sent = json_of(_in_thread(caller, "POST"))["id"]
    caller.discord.guild.open_thread(THREAD, archived=archived, locked=True)
    assert status(_in_thread(caller, "POST")) == 200
    assert refusal(_in_thread(caller, "PATCH", sent)) == (400, 50083)
    assert [thread for thread in caller.discord.guild.threads() if thread.locked] == [(THREAD, archived, True, HOOK)]


def test_a_message_in_an_archived_thread_can_be_deleted(caller: Caller) -> None:
    sent = json_of(_in_thread(caller, "POST"))["id"]
    caller.discord.guild.open_thread(THREAD, archived=True)
    assert status(_in_thread(caller, "DELETE", sent)) == 204


def test_an_unknown_thread_has_the_id_of_its_channel_in_the_log(caller: Caller) -> None:
    outcome = _in_thread(caller, "POST", thread="1")
    assert refusal(outcome) == (404, 10003)
    assert outcome.entry.channel_id == json_of(caller.send("GET"))["channel_id"]


def test_a_thread_belongs_to_the_channel_of_its_first_post(caller: Caller) -> None:
    sent = json_of(_in_thread(caller, "POST"))["id"]
    caller.discord.guild.move(HOOK, "elsewhere")
    for method, message in (("POST", None), ("PATCH", sent)):
        assert refusal(_in_thread(caller, method, message)) == (404, 10003)
    assert status(_in_thread(caller, "POST", thread=ANOTHER)) == 200

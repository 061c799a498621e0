"""The log of received requests."""

import msgspec
import pytest

from signalpost.sandbox.rules import log as module
from signalpost.sandbox.rules.faults import Fault, usual_answer
from signalpost.sandbox.rules.limits import OFF, Rate
from tests.unit.sandbox.caller import HOOK, Caller, json_of


def test_each_request_is_one_line_with_its_result() -> None:
    caller = Caller()
    sent = json_of(caller.post({"content": "<@1>", "flags": 4096}))["id"]
    line = caller.discord.log.since(0)[0].entry.line()
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert msgspec.json.decode(line) == {
        "n": 1,
        "time": "2025-08-20T01:00:00+00:00",
        "webhook": HOOK,
        "channel": HOOK,
        "channel_id": json_of(caller.send("GET"))["channel_id"],
        "method": "POST",
        "status": 200,
        "code": None,
        "scope": None,
        "message_id": sent,
        "recorded": True,
        "edited": False,
        "pings": ["user:1"],
        "silent": True,
        "notification": None,
        "fault": False,
        "body": {"content": "<@1>", "flags": 4096},
    }


def test_an_entry_carries_the_message_at_that_time() -> None:
    caller = Caller()
    sent = json_of(caller.post())["id"]
    caller.send("PATCH", {"content": "edited"}, message=sent)
    caller.send("DELETE", message=sent)
    logged = caller.discord.log.since(0)
    assert [each.message and each.message["content"] for each in logged] == ["hello", "edited", None]


def test_the_log_is_read_from_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 3)
    caller = Caller()
    for _ in range(5):
        caller.send("GET")
    log = caller.discord.log
    assert log.count == 5
    assert [each.entry.n for each in log.since(0)] == [3, 4, 5]
    assert [each.entry.n for each in log.since(4)] == [5]
    assert log.since(5) == log.since(9) == []
    assert [log.reaches(n) for n in (1, 2, 5)] == [False, True, True]


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (None, "taken"),
        (Fault(answer=usual_answer(404)), "refused"),
        (Fault(answer=usual_answer(429)), "limited"),
        (Fault(answer=usual_answer(500)), "failed"),
        (Fault(is_cut=True), "cut"),
    ],
)
def test_each_answer_is_counted_under_one_word(fault: Fault | None, outcome: str) -> None:
    caller = Caller()
    if fault:
        caller.discord.faults.plan(fault)
    assert caller.post().entry.outcome == outcome
    assert caller.discord.log.count_by_outcome == {outcome: 1}


def test_a_code_is_logged_only_for_an_error_with_a_code() -> None:
    caller = Caller(OFF._replace(bucket=Rate(2, 2)))
    assert [caller.post().entry.code, caller.post({}).entry.code, caller.post().entry.code] == [None, 50006, None]
    caller.discord.faults.plan(Fault(answer=usual_answer(400)._replace(body=b"[]")))
    caller.discord.faults.plan(Fault(answer=usual_answer(400)._replace(body=b"\xff")))
    assert [caller.post().entry.code, caller.post().entry.code] == [None, None]

"""Planned faults and their effect on the message."""

from typing import Any

import msgspec
import pytest

from signalpost.errors import InvalidValue
from signalpost.sandbox.rules.exchange import HttpAnswer
from signalpost.sandbox.rules.faults import Fault, usual_answer
from signalpost.sandbox.server import faults_of
from tests.unit.sandbox.caller import HOOK, Caller, json_of, refusal, status


def test_a_planned_answer_is_sent_once_and_nothing_is_shown() -> None:
    caller = Caller()
    caller.discord.faults.plan(Fault(answer=HttpAnswer(503), is_processed=False))
    outcome = caller.post()
    assert status(outcome) == 503
    assert (outcome.entry.fault, outcome.entry.recorded, outcome.entry.outcome) == (True, False, "failed")
    assert caller.shown() == []
    assert status(caller.post()) == 200


@pytest.mark.parametrize("body", [b"[]", b"\xff", b'{"code": "1"}', b'{"a":' * 3000 + b"1" + b"}" * 3000])
def test_a_planned_answer_without_a_code_is_sent_as_it_is(body: bytes) -> None:
    caller = Caller()
    caller.discord.faults.plan(Fault(answer=HttpAnswer(400, {}, body)))
    outcome = caller.post()
    assert outcome.answer is not None
    assert (outcome.answer.body, outcome.entry.code) == (body, None)


def test_a_planned_answer_can_hide_that_the_message_is_shown() -> None:
    caller = Caller()
    caller.discord.faults.plan(Fault(answer=HttpAnswer(502)))
    outcome = caller.post()
    assert status(outcome) == 502
    assert outcome.entry.recorded
    assert outcome.entry.message_id == caller.shown()[0]["id"]


@pytest.mark.parametrize("is_processed", [True, False])
def test_a_connection_is_cut_after_or_before_the_message_is_shown(is_processed: bool) -> None:
    caller = Caller()
    caller.discord.faults.plan(Fault(is_cut=True, is_processed=is_processed))
    outcome = caller.post()
    assert outcome.answer is None
    assert (outcome.entry.status, outcome.entry.outcome) == (None, "cut")
    assert len(caller.shown()) == is_processed


def test_a_delay_does_not_change_the_answer() -> None:
    caller = Caller()
    caller.discord.faults.plan(Fault(seconds_before=5, seconds_after=5))
    assert json_of(caller.post())["content"] == "hello"


def test_a_fault_without_an_answer_is_a_server_error() -> None:
    caller = Caller()
    caller.discord.faults.plan(Fault(is_processed=False))
    assert status(caller.post()) == 500


def test_a_processed_fault_still_follows_the_rules() -> None:
    caller = Caller()
    caller.discord.faults.plan(Fault(is_processed=True))
    assert refusal(caller.post({})) == (400, 50006)


def test_faults_apply_in_order_and_as_often_as_planned() -> None:
    caller = Caller()
    caller.discord.faults.plan(Fault(answer=HttpAnswer(503), times=2))
    caller.discord.faults.plan(Fault(answer=HttpAnswer(502)))
    assert [status(caller.post()) for _ in range(4)] == [503, 503, 502, 200]


def test_a_fault_applies_to_one_webhook_and_method_or_to_all() -> None:
    caller = Caller(open=True)
    caller.discord.faults.plan(Fault(webhook="b", method="POST", answer=HttpAnswer(503)))
    assert status(caller.post(webhook="a")) == 200
    assert status(caller.send("GET", webhook="b")) == 200
    assert status(caller.post(webhook="b")) == 503
    caller.discord.faults.plan(Fault(answer=HttpAnswer(502)))
    assert status(caller.send("GET", path="/nothing")) == 502


def test_pending_faults_can_be_listed_and_cleared() -> None:
    caller = Caller()
    fault = Fault(webhook=HOOK, times=3)
    caller.discord.faults.plan(fault)
    assert caller.discord.faults.pending() == [fault]
    caller.post()
    assert caller.discord.faults.pending() == [fault._replace(times=2)]
    caller.discord.faults.clear()
    assert caller.discord.faults.pending() == []


def test_the_usual_429_carries_a_wait() -> None:
    answer = usual_answer(429, 4.2)
    assert (answer.headers["Retry-After"], answer.headers["X-RateLimit-Scope"]) == ("5", "user")
    assert b'"retry_after":4.2' in answer.body


def test_the_429_of_old_edits_is_one_of_the_channel() -> None:
    answer = usual_answer(429, 300, 30046)
    assert (answer.headers["Retry-After"], answer.headers["X-RateLimit-Scope"]) == ("300", "shared")
    assert b'"code":30046' in answer.body
    assert b'"code":40062' in usual_answer(429, 1, 40062).body


@pytest.mark.parametrize(("code", "status"), [(10008, 404), (50083, 400), (10003, 404)])
def test_a_code_has_its_usual_message(code: int, status: int) -> None:
    answer = usual_answer(status, code=code)
    assert (answer.status, f'"code":{code}'.encode() in answer.body) == (status, True)
    assert b"injected" not in answer.body
    assert b'"code":130000' in usual_answer(503, code=130000).body


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"code": 30046, "retry_after": 300}, (429, 30046)),
        ({"code": 10008}, (404, 10008)),
        ({"status": 503, "code": 130000}, (503, 130000)),
    ],
)
def test_a_fault_applies_to_edits_or_deletes_alone(
    method: str, body: dict[str, Any], expected: tuple[int, int]
) -> None:
    caller = Caller()
    sent = json_of(caller.post())["id"]
    [fault] = faults_of(msgspec.json.encode(body | {"method": method, "webhook": HOOK}))
    caller.discord.faults.plan(fault)
    assert status(caller.post()) == 200
    assert status(caller.send("GET", message=sent)) == 200
    outcome = caller.send(method, {"content": "x"}, message=sent)
    assert refusal(outcome) == expected
    assert (outcome.entry.fault, outcome.entry.recorded, outcome.entry.edited) == (True, False, False)
    assert caller.shown()[0]["content"] == "hello"
    assert status(caller.send(method, {"content": "x"}, message=sent)) in {200, 204}


@pytest.mark.parametrize("fault", [Fault(method="PATCH", is_cut=True), Fault("*", "PATCH", answer=usual_answer(502))])
def test_an_edit_can_be_shown_although_it_is_not_answered(fault: Fault) -> None:
    caller = Caller()
    sent = json_of(caller.post())["id"]
    caller.discord.faults.plan(fault)
    outcome = caller.send("PATCH", {"content": "edited"}, message=sent)
    assert (outcome.entry.edited, caller.shown()[0]["content"]) == (True, "edited")


@pytest.mark.parametrize(
    ("status", "text"), [(401, b"50027"), (404, b"10015"), (403, b'"code":0'), (503, b"<h1>503</h1>"), (500, b"<html>")]
)
def test_each_status_has_a_usual_answer(status: int, text: bytes) -> None:
    answer = usual_answer(status)
    assert answer.status == status
    assert text in answer.body
    assert ("Via" in answer.headers) == (status < 500)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"status": 503}', Fault(answer=usual_answer(503), is_processed=False)),
        (b'{"status": 502, "recorded": true}', Fault(answer=usual_answer(502))),
        (b'{"status": 429, "retry_after": 7}', Fault(answer=usual_answer(429, 7.0), is_processed=False)),
        (b'{"cut": "before"}', Fault(is_cut=True, is_processed=False)),
        (b'{"cut": "after", "times": 2}', Fault(is_cut=True, times=2)),
        (
            b'{"code": 10008, "method": "PATCH"}',
            Fault("*", "PATCH", answer=usual_answer(404, code=10008), is_processed=False),
        ),
        (b'{"webhook": "w", "method": "GET", "before": 1, "after": 2}', Fault("w", "GET", 1, 2)),
        (b'{"status": 400, "body": "no", "headers": {}}', Fault(answer=HttpAnswer(400, {}, b"no"), is_processed=False)),
    ],
)
def test_a_fault_is_planned_in_json(body: bytes, expected: Fault) -> None:
    assert faults_of(body) == [expected]


def test_a_planned_body_other_than_text_is_sent_as_json() -> None:
    [fault] = faults_of(b'{"status": 403, "body": {"code": 40333}}')
    assert fault.answer
    assert fault.answer.body == b'{"code":40333}'
    assert fault.answer.headers["Content-Type"] == "application/json"


def test_several_faults_are_planned_in_a_list() -> None:
    assert len(faults_of(b'[{"status": 503}, {"cut": "after"}]')) == 2


def test_a_code_without_a_usual_status_needs_one() -> None:
    with pytest.raises(InvalidValue) as refusal:
        faults_of(b'{"code": 130000}')
    assert (refusal.value.code, refusal.value.field) == ("missing", "status")


@pytest.mark.parametrize("body", [b"", b"5", b'{"statsu": 503}', b'{"cut": "now"}', b"\xff", b'[{"status": "503"}]'])
def test_an_invalid_fault_is_refused_with_an_example(body: bytes) -> None:
    with pytest.raises(InvalidValue) as refusal:
        faults_of(body)
    assert refusal.value.code == "not-readable"
    assert '{"webhook": "signals-free", "status": 503}' in str(refusal.value)

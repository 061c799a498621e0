"""The rate limits, their headers and their refusals."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost.sandbox.rules.discord import Outcome
from signalpost.sandbox.rules.limits import OFF, RAISED, REAL, Limits, Rate
from tests.unit.sandbox.caller import HOOK, START, Caller, json_of, refusal, status

BUCKET = OFF._replace(bucket=Rate(5, 2))
CHANNEL = OFF._replace(channel=Rate(30, 60))
IP = OFF._replace(ip=Rate(50, 1))


def _header(outcome: Outcome, name: str) -> Any:
    assert outcome.answer
    return outcome.answer.headers.get(name)


def _headers(outcome: Outcome) -> dict[str, str]:
    assert outcome.answer
    start = "X-RateLimit-"
    return {name.removeprefix(start): text for name, text in outcome.answer.headers.items() if name.startswith(start)}


def test_the_limits_are_those_of_discord() -> None:
    assert Limits(Rate(5, 2), Rate(30, 60), Rate(50, 1), Rate(10_000, 600), 3600) == REAL
    assert (RAISED.channel, RAISED.bucket) == (Rate(300, 60), Rate(50, 2))
    assert (RAISED.ip, RAISED.invalid) == (REAL.ip, REAL.invalid)


def test_the_headers_count_down_to_the_reset() -> None:
    caller = Caller(BUCKET)
    seen = []
    for _ in range(5):
        seen.append(_headers(caller.post()))
        caller.seconds += 0.25
    assert [each["Remaining"] for each in seen] == ["4", "3", "2", "1", "0"]
    assert {each["Limit"] for each in seen} == {"5"}
    assert {each["Reset-After"] for each in seen} == {"2.000"}
    assert [float(each["Reset"]) - START.timestamp() for each in seen] == pytest.approx(
        [2, 2.25, 2.5, 2.75, 3], abs=1e-3
    )


def test_the_sixth_request_in_two_seconds_is_refused() -> None:
    caller = Caller(BUCKET)
    for _ in range(5):
        assert status(caller.post()) == 200
        caller.seconds += 0.1
    outcome = caller.post()
    assert status(outcome) == 429
    assert json_of(outcome) == {"message": "You are being rate limited.", "retry_after": 1.5, "global": False}
    headers = _headers(outcome)
    assert (headers["Scope"], headers["Remaining"], headers["Reset-After"]) == ("user", "0", "1.500")
    assert _header(outcome, "Retry-After") == "2"
    assert "Global" not in headers
    assert outcome.entry.scope == "user"
    assert not outcome.entry.recorded
    caller.seconds += 1.499
    assert status(caller.post()) == 429
    caller.seconds += 0.001
    assert status(caller.post()) == 200
    assert status(caller.post()) == 429


@given(st.lists(st.floats(0, 0.5), min_size=12, max_size=30))
def test_a_client_that_waits_for_retry_after_is_not_refused_again(steps: list[float]) -> None:
    caller = Caller(BUCKET)
    for step in steps:
        caller.seconds += step
        outcome = caller.post()
        if status(outcome) == 429:
            assert int(_header(outcome, "Retry-After")) >= json_of(outcome)["retry_after"] > 0
            caller.seconds += json_of(outcome)["retry_after"]
            assert status(caller.post()) == 200


@given(st.lists(st.floats(0, 0.3), min_size=10, max_size=40))
def test_a_client_that_obeys_remaining_and_reset_after_is_never_refused(steps: list[float]) -> None:
    caller = Caller(BUCKET)
    for step in steps:
        caller.seconds += step
        outcome = caller.post()
        assert status(outcome) == 200
        if _headers(outcome)["Remaining"] == "0":
            caller.seconds += float(_headers(outcome)["Reset-After"])


def test_each_webhook_has_its_own_bucket_and_all_have_the_same_hash() -> None:
    caller = Caller(BUCKET, open=True)
    hashes = set()
    for name in ("a", "b"):
        for _ in range(5):
            hashes.add(_headers(caller.post(webhook=name))["Bucket"])
        assert status(caller.post(webhook=name)) == 429
    assert len(hashes) == 1


def test_each_route_has_its_own_bucket_and_hash_but_edits_share_that_of_posts() -> None:
    caller = Caller(BUCKET)
    posted = caller.post()
    sent = json_of(posted)["id"]
    edited, *others = [caller.send(method, {"content": "x"}, message=sent) for method in ("PATCH", "GET", "DELETE")]
    others += [caller.send("GET"), caller.send("PATCH", {"name": "b"})]
    assert _headers(edited)["Bucket"] == _headers(posted)["Bucket"]
    assert [_headers(outcome)["Remaining"] for outcome in (posted, edited)] == ["4", "3"]
    assert len({_headers(outcome)["Bucket"] for outcome in (posted, *others)}) == 5
    assert {_headers(outcome)["Remaining"] for outcome in others} == {"4"}


def test_edits_can_have_a_bucket_of_their_own() -> None:
    caller = Caller(BUCKET._replace(edits=Rate(2, 10)))
    posted = caller.post()
    outcomes = [caller.send("PATCH", {"content": "x"}, message=json_of(posted)["id"]) for _ in range(3)]
    assert [status(outcome) for outcome in outcomes] == [200, 200, 429]
    assert [_headers(outcome)["Limit"] for outcome in (posted, *outcomes)] == ["5", "2", "2", "2"]
    assert {_headers(outcome)["Bucket"] for outcome in outcomes} != {_headers(posted)["Bucket"]}
    assert _headers(caller.post())["Remaining"] == "3"


OLD_EDITS = OFF._replace(old_edits=Rate(2, 100))


def _edited(caller: Caller, message: str, **changes: Any) -> Outcome:
    return caller.send("PATCH", {"content": "x"}, message=message, **changes)


def test_edits_of_messages_older_than_an_hour_have_a_limit_of_the_channel() -> None:
    caller = Caller(OLD_EDITS._replace(bucket=Rate(5, 2)))
    caller.discord.guild.register("another", "t", channel=HOOK)
    caller.discord.guild.register("elsewhere", "t")
    first, second = json_of(caller.post())["id"], json_of(caller.post(webhook="another", token="t"))["id"]
    third = json_of(caller.post(webhook="elsewhere", token="t"))["id"]
    caller.seconds += 3600
    assert [status(_edited(caller, first)) for _ in range(3)] == [200] * 3
    caller.seconds += 10
    assert status(_edited(caller, first)) == 200
    caller.seconds += 30
    assert status(_edited(caller, second, webhook="another", token="t")) == 200
    outcome = _edited(caller, first)
    assert refusal(outcome) == (429, 30046)
    assert json_of(outcome)["retry_after"] == 70
    assert json_of(outcome)["global"] is False
    headers = _headers(outcome)
    assert (headers["Scope"], headers["Remaining"], _header(outcome, "Retry-After")) == ("shared", "4", "70")
    assert (outcome.entry.edited, outcome.entry.code, outcome.entry.outcome) == (False, 30046, "limited")
    assert status(_edited(caller, third, webhook="elsewhere", token="t")) == 200
    assert status(caller.post()) == 200
    assert status(caller.send("DELETE", message=second, webhook="another", token="t")) == 204
    caller.seconds += 69.9
    assert refusal(_edited(caller, first)) == (429, 30046)
    caller.seconds += 0.1
    assert status(_edited(caller, first)) == 200


def test_edits_of_newer_or_unknown_messages_do_not_count_as_old_edits() -> None:
    caller = Caller(OLD_EDITS)
    old = json_of(caller.post())["id"]
    caller.seconds += 3601
    new = json_of(caller.post())["id"]
    for _ in range(5):
        assert status(_edited(caller, new)) == 200
        assert refusal(_edited(caller, "1")) == (404, 10008)
    assert [status(_edited(caller, old)) for _ in range(3)] == [200, 200, 429]


def test_the_real_limit_of_old_edits_is_on_by_default_and_can_be_turned_off() -> None:
    for limits, expected in ((REAL._replace(bucket=None), [200, 200, 200, 429]), (OFF, [200] * 4)):
        caller = Caller(limits)
        sent = json_of(caller.post())["id"]
        caller.seconds += 3601
        assert [status(_edited(caller, sent)) for _ in range(4)] == expected


@pytest.mark.parametrize(
    "send",
    [
        lambda caller: caller.post({"content": "x" * 2001}),
        lambda caller: caller.post({}),
        lambda caller: caller.post(b"{"),
        lambda caller: caller.post(webhook="unknown"),
        lambda caller: caller.post(token="wrong"),
        lambda caller: caller.send("GET"),
        lambda caller: caller.send("DELETE", message="1"),
        lambda caller: caller.send("POST", {"content": "x"}),
    ],
)
def test_every_answer_shows_the_bucket_even_a_refusal(send: Any) -> None:
    assert set(_headers(send(Caller(BUCKET)))) == {"Limit", "Remaining", "Reset", "Reset-After", "Bucket"}


def test_without_a_bucket_there_are_no_headers() -> None:
    assert _headers(Caller().post()) == {}


def test_a_request_that_fails_counts() -> None:
    caller = Caller(BUCKET)
    for _ in range(5):
        caller.post({})
    assert status(caller.post()) == 429


def test_the_channels_limit_is_hidden_and_shared_by_its_webhooks() -> None:
    """30 in 60 s over all webhooks; the bucket still shows requests remaining when it applies."""
    caller = Caller(CHANNEL._replace(bucket=Rate(5, 2)))
    caller.discord.guild.register("another", "t", channel=HOOK)
    caller.discord.guild.register("elsewhere", "t")
    for n in range(30):
        assert status(caller.post() if n % 2 else caller.post(webhook="another", token="t")) == 200
        caller.seconds += 0.5
    outcome = caller.post()
    assert status(outcome) == 429
    assert json_of(outcome) == {"message": "The resource is being rate limited.", "retry_after": 45.0, "global": False}
    headers = _headers(outcome)
    assert headers["Scope"] == "shared"
    assert int(headers["Remaining"]) > 0
    assert float(headers["Reset-After"]) == 2.0
    assert _header(outcome, "Retry-After") == "45"
    assert status(caller.post(webhook="another", token="t")) == 429
    assert status(caller.post(webhook="elsewhere", token="t")) == 200
    caller.seconds += 44.9
    assert status(caller.post()) == 429
    caller.seconds += 0.1
    assert status(caller.post()) == 200


def test_posts_to_a_channel_count_even_if_they_fail_but_nothing_else_does() -> None:
    caller = Caller(OFF._replace(channel=Rate(3, 60)))
    sent = json_of(caller.post())["id"]
    assert refusal(caller.post({})) == (400, 50006)
    for _ in range(5):
        assert status(caller.send("GET")) == 200
        assert status(_edited(caller, sent)) == 200
        assert status(caller.send("DELETE", message="1")) == 404
    assert [status(caller.post()) for _ in range(2)] == [200, 429]
    assert status(_edited(caller, sent)) == 200


def test_fifty_a_second_from_one_address_is_the_global_limit() -> None:
    caller = Caller(IP._replace(bucket=Rate(5, 2)), open=True)
    for n in range(50):
        assert status(caller.post(webhook=f"w{n}")) == 200
        caller.seconds += 0.01
    outcome = caller.post(webhook="w51")
    assert status(outcome) == 429
    assert json_of(outcome) == {"message": "You are being rate limited.", "retry_after": 0.5, "global": True}
    assert _headers(outcome) == {"Global": "true", "Scope": "global"}
    assert _header(outcome, "Retry-After") == "1"
    assert _header(outcome, "Via") == "1.1 google"
    assert status(caller.post(webhook="w51", ip="127.0.0.2")) == 200
    caller.seconds += 0.5
    assert status(caller.post(webhook="w51")) == 200


BAN = OFF._replace(invalid=Rate(10, 600))


def _banned_after(caller: Caller, send: Any, most: int = 40) -> int | None:
    """The number of requests until the address is banned."""
    for n in range(1, most):
        send(caller)
        if _header(caller.send("GET"), "Content-Type") == "text/html":
            return n
    return None


@pytest.mark.parametrize(
    ("limits", "send", "after"),
    [
        (BAN, lambda caller: caller.post(token="wrong"), 10),
        (BAN, lambda caller: caller.post(webhook="unknown"), None),
        (BAN, lambda caller: caller.post({}), None),
        (BAN._replace(bucket=Rate(1, 60)), lambda caller: caller.post(), 7),
        (BAN._replace(channel=Rate(1, 60)), lambda caller: caller.post(), None),
    ],
)
def test_401_and_429_lead_to_a_ban_but_not_404_nor_400_nor_shared(limits: Limits, send: Any, after: int | None) -> None:
    """With a bucket, the first POST and the first GET are accepted; the sixth GET is the tenth refusal."""
    assert _banned_after(Caller(limits), send) == after


def test_a_ban_is_answered_by_the_edge_and_ends() -> None:
    caller = Caller(BAN._replace(bucket=Rate(1000, 2), ban_seconds=100))
    for _ in range(10):
        assert refusal(caller.post(token="wrong")) == (401, 50027)
        caller.seconds += 1
    outcome = caller.post()
    assert outcome.answer
    assert outcome.answer.status == 429
    assert b"error code: 1015" in outcome.answer.body
    assert dict(outcome.answer.headers) == {"Content-Type": "text/html", "Retry-After": "99"}
    assert outcome.entry.code is None
    assert status(caller.post(ip="127.0.0.2")) == 200
    caller.seconds += 98.9
    assert status(caller.post()) == 429
    caller.seconds += 0.1
    assert status(caller.post()) == 200


def test_ten_thousand_invalid_requests_in_ten_minutes_cause_the_real_ban() -> None:
    caller = Caller(OFF._replace(invalid=REAL.invalid))
    for _ in range(9_999):
        caller.send("GET", token="wrong")
    caller.seconds += 599
    assert status(caller.post()) == 200
    caller.seconds += 1
    caller.send("GET", token="wrong")
    assert status(caller.post()) == 200
    for _ in range(9_999):
        caller.send("GET", token="wrong")
    assert _header(caller.post(), "Content-Type") == "text/html"


def test_without_limits_nothing_is_refused() -> None:
    caller = Caller(OFF)
    assert {status(caller.post()) for _ in range(2000)} == {200}

"""Every status with every kind of body and headers, checked against a table."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from signalpost.errors import Evidence
from signalpost.secret import Secret
from signalpost.sinks.discord.outcome import receipt_of, sent_at
from signalpost.sinks.evidence import RateFacts, Receipt, Rejected, Throttled, Unavailable, Unconfirmed
from signalpost.sinks.http_answer import HttpAnswer

VIA = {"Via": "1.1 google"}
RATE = {
    "X-RateLimit-Limit": "5",
    "X-RateLimit-Remaining": "0",
    "X-RateLimit-Reset-After": "1.5",
    "X-RateLimit-Bucket": "b0",
}
NO_BODY = {"content": None}
PAGE = {"content": None, "is_html": True}
BROKEN = {"content": None, "is_whole": False}


def answer(status: int, content: Any = None, headers: Mapping[str, str] | None = None, **more: bool) -> HttpAnswer:
    return HttpAnswer(status, CIMultiDict(headers or {}), content, **more)


def result(given: HttpAnswer, route: str = "execute") -> Receipt | Evidence:
    try:
        return receipt_of(given, "w1", route)
    except Evidence as evidence:
        return evidence


def code(number: int, **more: Any) -> dict[str, Any]:
    return {"content": {"code": number, "message": "expected"} | more}


@pytest.mark.parametrize("headers", [{}, VIA, RATE])
@pytest.mark.parametrize("body", [NO_BODY, PAGE, BROKEN, code(0), code(50035), code(40062, retry_after=2)])
@pytest.mark.parametrize(
    ("statuses", "kind"),
    [
        (range(100, 200), Unconfirmed),
        (range(300, 400), Unavailable),
        ([408], Unconfirmed),
        ([429], Throttled),
        ([status for status in range(400, 500) if status not in {403, 408, 429}], Rejected),
        (range(500, 600), Unconfirmed),
    ],
)
def test_the_body_does_not_change_the_result_of_a_status(
    statuses: range, kind: type[Evidence], body: dict[str, Any], headers: dict[str, str]
) -> None:
    for status in statuses:
        found = result(answer(status, headers=headers, **body))
        assert type(found) is kind, status
        assert found.status == status
        assert str(status) in found.reason
        assert getattr(found, "is_gone", False) is False


@pytest.mark.parametrize("body", [NO_BODY, code(0), {"content": {"id": "7"}}, {"content": []}, {"content": "ok"}])
def test_every_complete_2xx_is_a_receipt(body: dict[str, Any]) -> None:
    for status in range(200, 300):
        assert isinstance(result(answer(status, **body)), Receipt), status


@pytest.mark.parametrize("status", [200, 201, 204])
@pytest.mark.parametrize("body", [PAGE, BROKEN])
def test_an_unreadable_2xx_counts_as_no_answer(status: int, body: dict[str, Any]) -> None:
    """It is rarely sent again, because the message was almost certainly shown."""
    found = result(answer(status, **body))
    assert isinstance(found, Unconfirmed)
    assert not found.is_answered
    assert str(status) in found.reason


@pytest.mark.parametrize(
    ("status", "given", "kind"),
    [
        (503, 130000, Unavailable),
        (429, 130000, Unavailable),
        (400, 130000, Unavailable),
        (400, 30046, Throttled),
        (400, 20016, Throttled),
        (400, 20022, Throttled),
        (400, 20028, Throttled),
        (400, 20029, Throttled),
        (403, 40333, Throttled),
        (400, 40333, Throttled),
        (400, 50035, Rejected),
        (400, 50006, Rejected),
        (400, 220001, Rejected),
        (403, 50013, Rejected),
        (404, 10003, Rejected),
        (413, 40005, Rejected),
        (500, 10015, Unconfirmed),
    ],
)
def test_some_codes_of_discord_mean_more_than_their_status(status: int, given: int, kind: type[Evidence]) -> None:
    found = result(answer(status, **code(given)))
    assert type(found) is kind
    assert (found.status, found.api_code) == (status, given)


@pytest.mark.parametrize(
    ("status", "given", "gone"),
    [
        (404, 10015, True),
        (401, 50027, True),
        (401, 10015, False),
        (404, 50027, False),
        (404, 0, False),
        (404, 10003, False),
    ],
)
def test_only_a_deleted_webhook_and_a_wrong_token_are_gone(status: int, given: int, gone: bool) -> None:
    found = result(answer(status, **code(given)))
    assert isinstance(found, Rejected)
    assert found.is_gone is gone


@pytest.mark.parametrize(("given", "expected"), [(7, 7), (True, None), ("7", None), (7.5, None), (None, None)])
def test_a_code_is_a_whole_number_or_missing(given: object, expected: int | None) -> None:
    assert result(answer(404, {"code": given})).api_code == expected


@pytest.mark.parametrize("body", [NO_BODY, PAGE, {"content": {"code": "10015"}}, {"content": [{"code": 10015}]}])
def test_a_404_without_the_code_of_a_deleted_webhook_is_not_gone(body: dict[str, Any]) -> None:
    found = result(answer(404, **body))
    assert isinstance(found, Rejected)
    assert not found.is_gone


@pytest.mark.parametrize(
    ("given", "retry_after", "scope"),
    [
        # Discord's own
        (answer(429, {"retry_after": 64.57, "global": False}, VIA | {"Retry-After": "65"}), 65.0, "destination"),
        (answer(429, {"retry_after": 64.57}, {"Retry-After": "1"}), 64.57, "destination"),
        (answer(429, {"retry_after": 0.3}), 0.3, "destination"),
        (answer(429, {"retry_after": 0.3, "global": True}), 0.3, "host"),
        (answer(429, {"retry_after": 0.3}, {"X-RateLimit-Global": "true"}), 0.3, "host"),
        (answer(429, {"retry_after": 0.3}, {"X-RateLimit-Scope": "global"}), 0.3, "host"),
        (answer(429, {"retry_after": 41.0}, {"X-RateLimit-Scope": "shared"}), 41.0, "destination"),
        (answer(429, None, VIA | {"Retry-After": "3"}), 3.0, "destination"),
        (answer(429, None, RATE | {"Retry-After": "3"}), 3.0, "destination"),
        (answer(429, None, {"X-RateLimit-Scope": "user"}), 5.0, "destination"),
        (answer(429, None, {"X-RateLimit-Scope": "global"}), 5.0, "host"),
        (answer(429, {"retry_after": True}, VIA), 5.0, "destination"),
        # Cloudflare's
        (answer(429, None, {"Retry-After": "1800"}, is_html=True), 1800.0, "host"),
        (answer(429, None, is_html=True), 600.0, "host"),
        (answer(429, {"code": 0, "message": "You are being blocked"}), 600.0, "host"),
        (answer(403, None, is_html=True), 600.0, "host"),
        (answer(403, None, VIA, is_html=True), 600.0, "host"),
        (answer(403, None), 600.0, "host"),
        (answer(403, None, {"Retry-After": "60"}), 60.0, "host"),
        (answer(403, {"code": 40333}), 600.0, "host"),
        (answer(400, {"code": 40333}, VIA | {"Retry-After": "7"}), 7.0, "host"),
        # slower limits
        (answer(400, {"code": 30046}, VIA), 120.0, "destination"),
        (answer(429, {"code": 30046}, VIA), 120.0, "destination"),
        (answer(429, {"code": 20028, "retry_after": 9}), 9.0, "destination"),
        (answer(400, {"code": 20016, "retry_after": 9}), 9.0, "destination"),
        # not a valid time
        (answer(429, {"retry_after": -5}), 5.0, "destination"),
        (answer(429, {"retry_after": 0, "global": True}, VIA | {"Retry-After": "0"}), 5.0, "host"),
        (answer(429, None, {"Retry-After": "0"}, is_html=True), 600.0, "host"),
        (answer(429, {"retry_after": 0.3}, {"Retry-After": "0"}), 0.3, "destination"),
        (answer(429, {"retry_after": 10**400}, {"Retry-After": "4"}), 86_400.0, "destination"),
        (answer(429, {"retry_after": math.inf}), 86_400.0, "destination"),
        (answer(429, {"retry_after": 1}, {"Retry-After": "Wed, 21 Oct 2025 07:28:00 GMT"}), 1.0, "destination"),
        (answer(429, {"retry_after": 1}, {"Retry-After": "nan"}), 1.0, "destination"),
        (answer(429, {"retry_after": "9"}, VIA), 5.0, "destination"),
    ],
)
def test_how_long_a_429_applies_and_to_what(given: HttpAnswer, retry_after: float, scope: str) -> None:
    found = result(given)
    assert isinstance(found, Throttled)
    assert (found.retry_after, found.scope) == (retry_after, scope)


@pytest.mark.parametrize(
    ("given", "is_ban"),
    [
        (answer(403, **PAGE), True),
        (answer(429, **PAGE), True),
        (answer(429, {"code": 0, "message": "You are being blocked"}), True),
        (answer(403, {"code": 40333}), True),
        (answer(400, {"code": 40333}), True),
        (answer(429, {"retry_after": 2.0, "global": True}, VIA), False),
        (answer(429, {"retry_after": 2.0}, VIA | RATE), False),
        (answer(400, {"code": 30046}), False),
    ],
)
def test_only_a_blocked_ip_is_a_ban(given: HttpAnswer, is_ban: bool) -> None:
    found = result(given)
    assert isinstance(found, Throttled)
    assert found.is_ban is is_ban
    assert not is_ban or found.scope == "host"


@pytest.mark.parametrize(("scope", "is_shared"), [("shared", True), ("user", False), ("global", False)])
def test_a_429_says_whether_its_limit_is_shared(scope: str, is_shared: bool) -> None:
    found = result(answer(429, {"retry_after": 1.0}, VIA | {"X-RateLimit-Scope": scope}))
    assert isinstance(found, Throttled)
    assert found.is_shared is is_shared


@pytest.mark.parametrize("headers", [VIA, RATE])
def test_a_403_from_discord_itself_is_not_a_block(headers: dict[str, str]) -> None:
    assert isinstance(result(answer(403, None, headers)), Rejected)
    assert isinstance(result(answer(403, {"code": 50001})), Rejected)


@pytest.mark.parametrize("status", [200, 400, 404, 500, 503])
def test_every_answer_carries_rate_facts(status: int) -> None:
    assert result(answer(status, {"id": "1"}, RATE)).rate == RateFacts("b0:w1", 5, 0, 1.5)


def test_a_bucket_without_a_name_has_the_one_of_its_route() -> None:
    headers = {name: value for name, value in RATE.items() if name != "X-RateLimit-Bucket"}
    assert result(answer(200, {}, headers)).rate.scope == "execute:w1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (name, value)
        for name in RATE
        if "Bucket" not in name
        for value in (None, "", "x", "-1" if "After" not in name else "nan")
    ],
)
def test_incomplete_rate_facts_are_ignored(name: str, value: str | None) -> None:
    headers = {**RATE, name: value} if value is not None else {other: RATE[other] for other in RATE if other != name}
    assert result(answer(200, {}, headers)).rate is None


def test_rate_facts_have_bounds() -> None:
    wild = {**RATE, "X-RateLimit-Limit": "9" * 999, "X-RateLimit-Reset-After": "1e300", "X-RateLimit-Bucket": "b" * 999}
    rate = result(answer(200, {}, wild)).rate
    assert rate.limit == 999_999_999
    assert rate.reset_after == 86_400.0
    assert len(rate.scope) == 103


@pytest.mark.parametrize("headers", [RATE | {"X-RateLimit-Scope": "shared"}, RATE | {"X-RateLimit-Remaining": "3"}])
def test_a_429_of_another_limit_carries_no_rate_facts(headers: dict[str, str]) -> None:
    assert result(answer(429, {"retry_after": 1}, headers)).rate is None
    assert result(answer(429, {"retry_after": 1}, RATE)).rate == RateFacts("b0:w1", 5, 0, 1.5)


@pytest.mark.parametrize(
    ("given", "message_id"),
    [
        ({"id": "1409000000000000000"}, "1409000000000000000"),
        ({"id": 1409000000000000000}, "1409000000000000000"),
        ({"id": "m-1"}, "m-1"),
        ({}, ""),
        (None, ""),
        ({"id": None}, ""),
        ({"id": True}, ""),
        ({"id": ["1"]}, ""),
        ({"id": "a b"}, ""),
        ({"id": "x" * 101}, ""),
    ],
)
def test_the_receipt_has_the_id_of_the_message_if_there_is_one(given: Any, message_id: str) -> None:
    assert result(answer(200, given)).message_id == message_id


@pytest.mark.parametrize(
    ("message_id", "at"),
    [
        ("175928847299117063", datetime(2016, 4, 30, 11, 18, 25, 796000, tzinfo=UTC)),  # the documentation's example
        ("9" * 20, datetime(2015, 1, 1, tzinfo=UTC) + timedelta(milliseconds=(10**20 - 1) >> 22)),
        ("1", None),
        ("", None),
        ("17592884729911706x", None),
        ("1" * 21, None),
    ],
)
def test_a_snowflake_holds_the_time_by_discords_clock(message_id: str, at: datetime | None) -> None:
    assert sent_at(message_id) == at
    assert result(answer(200, {"id": message_id})).sent_at == at


def test_an_invalid_form_is_reported_by_paths_and_codes_and_never_by_values() -> None:
    errors = {
        "_errors": [{"code": "MAX_EMBED_SIZE_EXCEEDED", "message": "my text"}],
        "embeds": {
            "0": {"fields": {"3": {"value": {"_errors": [{"code": "BASE_TYPE_REQUIRED", "message": "my text"}]}}}}
        },
        "odd": [1, {"_errors": "x"}, {"_errors": ["x"]}],
        "_more": {"_errors": ["x", {}]},
    }
    found = result(answer(400, {"code": 50035, "message": "Invalid Form Body", "errors": errors}))
    expected = ("400", "50035", "Invalid Form Body", "MAX_EMBED_SIZE_EXCEEDED", "embeds.0.fields.3.value", "_more")
    assert all(fact in found.reason for fact in (*expected, "BASE_TYPE_REQUIRED"))
    assert "my text" not in found.reason


def test_the_first_five_errors_of_a_form_are_reported() -> None:
    errors = {str(number): {"_errors": [{"code": "X"}]} for number in range(9)}
    assert re.findall(r"(\w)\W+X", result(answer(400, {"errors": errors})).reason) == ["0", "1", "2", "3", "4"]
    several = {"a": {"_errors": [{"code": "X"}] * 9}}
    assert re.findall(r"(\w)\W+X", result(answer(400, {"errors": several})).reason) == ["a"] * 5


def test_errors_of_any_depth_are_read() -> None:
    errors: dict[str, Any] = {"_errors": [{"code": "X"}]}
    for _ in range(5000):
        errors = {"a": errors}
    found = result(answer(400, {"errors": errors}))
    assert isinstance(found, Rejected)
    assert len(found.reason) < 300


def test_a_text_of_the_server_is_short_one_line_and_shows_no_secret() -> None:
    secret = Secret("my-own-very-secret-key")
    found = result(
        answer(404, {"message": f"Cannot POST\n/webhooks/1/t0ken?x and {secret.reveal()}\x1b[31m" + "x" * 9999})
    )
    assert "404" in found.reason
    assert "Cannot POST /webhooks/1/***?x and *** [31mxxx" in found.reason
    assert len(found.reason) < 250


def test_an_html_page_is_reported_as_one_and_never_shown() -> None:
    page = result(answer(502, None, is_html=True)).reason
    assert result(answer(502)).reason == "502"
    assert "502" in page
    assert page != "502"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["code", "message", "errors", "_errors", "retry_after", "global", "id", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
header_values = st.dictionaries(
    st.sampled_from([*RATE, "X-RateLimit-Scope", "X-RateLimit-Global", "Retry-After", "Via"]),
    st.text(max_size=9),
    max_size=6,
)


@given(st.integers(100, 599), json_values, header_values, st.booleans(), st.booleans())
def test_every_answer_is_a_receipt_or_evidence(
    status: int, content: Any, headers: dict[str, str], is_whole: bool, is_html: bool
) -> None:
    found = result(answer(status, content, headers, is_whole=is_whole, is_html=is_html))
    assert isinstance(found, Receipt | Rejected | Unavailable | Throttled | Unconfirmed)
    if isinstance(found, Throttled):
        assert 0 <= found.retry_after <= 86_400

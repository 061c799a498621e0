"""Each kind of invalid request and Discord's answer."""

from typing import Any

import pytest

from signalpost.sandbox.rules.exchange import HttpRequest
from tests.unit.sandbox.caller import AGENT, HOOK, TOKEN, Caller, json_of, problems, refusal

_LONG_URL = "https://e.x/" + "a" * 2037


def _embed(**parts: Any) -> dict[str, Any]:
    return {"embeds": [{"title": "t", **parts}]}


def _field(**parts: Any) -> dict[str, Any]:
    return _embed(fields=[{"name": "n", "value": "v"}, {"name": "n", "value": "v", **parts}])


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"content": "x" * 2001}, "content", "BASE_TYPE_MAX_LENGTH"),
    ({"content": ["x"]}, "content", "STRING_TYPE_CONVERT"),
    ({"embeds": [{"title": "t"}] * 11}, "embeds", "BASE_TYPE_MAX_LENGTH"),
    ({"embeds": {"title": "t"}}, "embeds", "LIST_TYPE_CONVERT"),
    ({"embeds": ["t"]}, "embeds.0", "DICT_TYPE_CONVERT"),
    ({"embeds": [None]}, "embeds.0", "DICT_TYPE_CONVERT"),
    (_embed(title="x" * 257), "embeds.0.title", "BASE_TYPE_MAX_LENGTH"),
    (_embed(title=5), "embeds.0.title", "STRING_TYPE_CONVERT"),
    (_embed(description="x" * 4097), "embeds.0.description", "BASE_TYPE_MAX_LENGTH"),
    (_embed(url="ftp://e.x"), "embeds.0.url", "URL_TYPE_INVALID_SCHEME"),
    (_embed(url="attachment://a.png"), "embeds.0.url", "URL_TYPE_INVALID_SCHEME"),
    (_embed(url="e.x/path"), "embeds.0.url", "URL_TYPE_INVALID_URL"),
    (_embed(url="https:///path"), "embeds.0.url", "URL_TYPE_INVALID_URL"),
    (_embed(url="https://[broken/"), "embeds.0.url", "URL_TYPE_INVALID_URL"),
    (_embed(url=_LONG_URL), "embeds.0.url", "BASE_TYPE_MAX_LENGTH"),
    (_embed(url=7), "embeds.0.url", "STRING_TYPE_CONVERT"),
    (_embed(color=-1), "embeds.0.color", "NUMBER_TYPE_MIN"),
    (_embed(color=0x1000000), "embeds.0.color", "NUMBER_TYPE_MAX"),
    (_embed(color="red"), "embeds.0.color", "NUMBER_TYPE_COERCE"),
    (_embed(color=True), "embeds.0.color", "NUMBER_TYPE_COERCE"),
    (_embed(color=1.5), "embeds.0.color", "NUMBER_TYPE_COERCE"),
    (_embed(timestamp="yesterday"), "embeds.0.timestamp", "DATE_TIME_TYPE_PARSE"),
    (_embed(timestamp=1755651600), "embeds.0.timestamp", "DATE_TIME_TYPE_PARSE"),
    (_embed(footer="f"), "embeds.0.footer", "DICT_TYPE_CONVERT"),
    (_embed(footer={"text": "x" * 2049}), "embeds.0.footer.text", "BASE_TYPE_MAX_LENGTH"),
    (_embed(footer={"text": "f", "icon_url": "data:x"}), "embeds.0.footer.icon_url", "URL_TYPE_INVALID_SCHEME"),
    (_embed(author={"name": "x" * 257}), "embeds.0.author.name", "BASE_TYPE_MAX_LENGTH"),
    (_embed(author={"name": "a", "url": "javascript:x"}), "embeds.0.author.url", "URL_TYPE_INVALID_SCHEME"),
    (_embed(author={"name": "a", "icon_url": "x"}), "embeds.0.author.icon_url", "URL_TYPE_INVALID_URL"),
    (_embed(image={"url": "file://x"}), "embeds.0.image.url", "URL_TYPE_INVALID_SCHEME"),
    (_embed(thumbnail={"url": "//e.x/a"}), "embeds.0.thumbnail.url", "URL_TYPE_INVALID_URL"),
    (_embed(fields=[{"name": "n", "value": "v"}] * 26), "embeds.0.fields", "BASE_TYPE_MAX_LENGTH"),
    (_embed(fields={}), "embeds.0.fields", "LIST_TYPE_CONVERT"),
    (_embed(fields=[None]), "embeds.0.fields.0", "DICT_TYPE_CONVERT"),
    (_field(name="x" * 257), "embeds.0.fields.1.name", "BASE_TYPE_MAX_LENGTH"),
    (_field(value="x" * 1025), "embeds.0.fields.1.value", "BASE_TYPE_MAX_LENGTH"),
    (_field(name=""), "embeds.0.fields.1.name", "BASE_TYPE_REQUIRED"),
    (_field(value=" \n\t"), "embeds.0.fields.1.value", "BASE_TYPE_REQUIRED"),
    (_field(value=None), "embeds.0.fields.1.value", "BASE_TYPE_REQUIRED"),
    (_field(value=1.16), "embeds.0.fields.1.value", "STRING_TYPE_CONVERT"),
    (_field(inline="yes"), "embeds.0.fields.1.inline", "BOOLEAN_TYPE_CONVERT"),
    ({"embeds": [{"description": "x" * 3000}, {"description": "x" * 3001}]}, "embeds", "MAX_EMBED_SIZE_EXCEEDED"),
    ({"content": "x", "username": ""}, "username", "BASE_TYPE_BAD_LENGTH"),
    ({"content": "x", "username": "x" * 81}, "username", "BASE_TYPE_BAD_LENGTH"),
    ({"content": "x", "username": "My Discord bot"}, "username", "USERNAME_INVALID_CONTAINS"),
    ({"content": "x", "username": "CLYDE"}, "username", "USERNAME_INVALID_CONTAINS"),
    ({"content": "x", "avatar_url": "ftp://e.x/a"}, "avatar_url", "URL_TYPE_INVALID_SCHEME"),
    ({"content": "x", "avatar_url": _LONG_URL}, "avatar_url", "BASE_TYPE_MAX_LENGTH"),
    ({"content": "x", "tts": 1}, "tts", "BOOLEAN_TYPE_CONVERT"),
    ({"content": "x", "components": [{}] * 41}, "components", "BASE_TYPE_MAX_LENGTH"),
    ({"content": "x", "flags": 1}, "flags", "BASE_TYPE_CHOICES"),
    ({"content": "x", "flags": 4 | 64}, "flags", "BASE_TYPE_CHOICES"),
    ({"content": "x", "flags": "four"}, "flags", "NUMBER_TYPE_COERCE"),
    ({"content": "x", "flags": 1 << 15}, "content", "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"),
    ({"content": "x", "allowed_mentions": []}, "allowed_mentions", "DICT_TYPE_CONVERT"),
    ({"content": "x", "allowed_mentions": {"parse": "users"}}, "allowed_mentions.parse", "LIST_TYPE_CONVERT"),
    (
        {"content": "x", "allowed_mentions": {"parse": ["users", "all"]}},
        "allowed_mentions.parse.1",
        "BASE_TYPE_CHOICES",
    ),
    ({"content": "x", "allowed_mentions": {"users": ["me"]}}, "allowed_mentions.users.0", "NUMBER_TYPE_COERCE"),
    ({"content": "x", "allowed_mentions": {"users": [True]}}, "allowed_mentions.users.0", "NUMBER_TYPE_COERCE"),
    ({"content": "x", "allowed_mentions": {"roles": ["1"] * 101}}, "allowed_mentions.roles", "BASE_TYPE_MAX_LENGTH"),
    (
        {"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}},
        "allowed_mentions",
        "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
    ),
    (
        {"content": "x", "allowed_mentions": {"parse": ["roles"], "roles": ["1"]}},
        "allowed_mentions",
        "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
    ),
]


@pytest.mark.parametrize(("fields", "path", "code"), WRONG, ids=[f"{path}-{code}" for _, path, code in WRONG])
def test_a_form_error_is_reported_with_its_path_and_nothing_is_shown(
    fields: dict[str, Any], path: str, code: str
) -> None:
    caller = Caller()
    outcome = caller.post(fields)
    assert problems(outcome) == {path: [code]}
    assert json_of(outcome)["message"] == "Invalid Form Body"
    assert caller.shown() == []
    assert (outcome.entry.recorded, outcome.entry.code) == (False, 50035)


def test_all_form_errors_are_reported_together() -> None:
    fields = {
        "content": "x" * 2001,
        "username": "discord",
        "embeds": [{"title": "t"}, {"title": "x" * 300, "color": -1}],
    }
    assert problems(Caller().post(fields)) == {
        "content": ["BASE_TYPE_MAX_LENGTH"],
        "username": ["USERNAME_INVALID_CONTAINS"],
        "embeds.1.title": ["BASE_TYPE_MAX_LENGTH"],
        "embeds.1.color": ["NUMBER_TYPE_MIN"],
    }


def test_listed_users_and_parsed_roles_can_be_combined() -> None:
    allowed = {"parse": ["roles"], "users": ["1"]}
    assert json_of(Caller().post({"content": "x", "allowed_mentions": allowed}))["content"] == "x"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"content": None},
        {"content": " \n "},
        {"embeds": []},
        {"embeds": [{}]},
        {"embeds": [{"color": 5, "url": "https://e.x", "timestamp": "2025-08-20T01:00:00Z"}]},
        {"embeds": [{"title": "  "}]},
        {"username": "Desk"},
    ],
)
def test_a_message_with_nothing_to_show_is_refused(fields: dict[str, Any]) -> None:
    caller = Caller()
    assert refusal(caller.post(fields)) == (400, 50006)
    assert caller.shown() == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"content": NaN}', b"[" * 100_000])
def test_a_body_that_is_not_json_is_refused(body: bytes) -> None:
    assert refusal(Caller().post(body)) == (400, 50109)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"5"])
def test_a_body_that_is_not_an_object_is_refused(body: bytes) -> None:
    assert problems(Caller().post(body)) == {"": ["DICT_TYPE_CONVERT"]}


@pytest.mark.parametrize("content_type", ["", "text/plain", "multipart/form-data"])
def test_an_unknown_content_type_is_refused(content_type: str) -> None:
    outcome = Caller().post(headers={"content-type": content_type})
    assert problems(outcome) == {"": ["CONTENT_TYPE_INVALID"]}


@pytest.mark.parametrize("name", ["wait", "with_components"])
def test_a_query_value_that_is_not_a_boolean_is_refused(name: str) -> None:
    outcome = Caller().send("POST", {"content": "x"}, query={name: "yes"})
    assert problems(outcome) == {name: ["BOOLEAN_TYPE_CONVERT"]}


def test_a_thread_can_only_be_created_in_a_forum() -> None:
    assert refusal(Caller().post({"content": "x", "thread_name": "t"})) == (400, 220003)


def test_an_unknown_webhook_is_10015_and_a_wrong_token_50027() -> None:
    caller = Caller()
    unknown, wrong = caller.post(webhook="another"), caller.post(token="another")
    assert (refusal(unknown), json_of(unknown)["message"]) == ((404, 10015), "Unknown Webhook")
    assert (refusal(wrong), json_of(wrong)["message"]) == ((401, 50027), "Invalid Webhook Token")
    assert (unknown.entry.channel, wrong.entry.channel) == (None, HOOK)


def test_an_unknown_message_is_10008() -> None:
    assert refusal(Caller().send("GET", message="1")) == (404, 10008)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", f"/api/webhooks/{HOOK}/{TOKEN}/github", (404, 0)),
        ("GET", f"/api/webhooks/{HOOK}/{TOKEN}/slack", (405, 0)),
        ("POST", f"/api/webhooks/{HOOK}", (404, 0)),
        ("POST", "/", (404, 0)),
        ("POST", f"/api/v10/webhooks/{HOOK}/{TOKEN}/messages/abc", (404, 0)),
        ("POST", f"/api/v5/webhooks/{HOOK}/{TOKEN}", (400, 50041)),
        ("POST", f"/api/v11/webhooks/{HOOK}/{TOKEN}", (400, 50041)),
        ("PUT", f"/api/v10/webhooks/{HOOK}/{TOKEN}", (405, 0)),
        ("PATCH", f"/api/v10/webhooks/{HOOK}/{TOKEN}/slack", (405, 0)),
        ("POST", f"/api/v10/webhooks/{HOOK}/{TOKEN}/messages/1", (405, 0)),
    ],
)
def test_an_unknown_route_is_refused(method: str, path: str, expected: tuple[int, int]) -> None:
    assert refusal(Caller().send(method, path=path)) == expected


@pytest.mark.parametrize("path", ["/api/webhooks", "/api/v6/webhooks", "/api/v9/webhooks", "/api/v10/webhooks"])
@pytest.mark.parametrize("end", ["", "/"])
def test_a_webhook_is_found_with_and_without_a_version(path: str, end: str) -> None:
    caller = Caller()
    outcome = caller.discord.answer(HttpRequest("GET", f"{path}/{HOOK}/{TOKEN}{end}", headers=AGENT), caller.now)
    assert json_of(outcome)["type"] == 1


def test_a_body_above_25_mib_is_too_large() -> None:
    assert refusal(Caller().post(b" " * (25 * 1024 * 1024 + 1))) == (413, 40005)


def test_a_body_is_logged_as_json_or_as_the_beginning_of_its_text() -> None:
    caller = Caller()
    assert caller.post({"content": "x"}).entry.body == {"content": "x"}
    assert caller.post(b"{" + b"x" * 5000).entry.body == "{" + "x" * 1999
    assert caller.post(b"\xff").entry.body == "�"
    assert caller.send("GET").entry.body is None

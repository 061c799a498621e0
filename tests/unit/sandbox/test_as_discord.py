"""Bodies other than JSON, Slack's format, URLs, and clients without a User-Agent."""

from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from tests.unit.sandbox.caller import Caller, json_of, problems, refusal, status

FORM = {"content-type": "application/x-www-form-urlencoded"}
MULTIPART = {"content-type": "multipart/form-data; boundary=b"}


def form(caller: Caller, **fields: str) -> Any:
    return caller.post(urlencode(fields).encode(), headers=FORM)


def part(head: str, content: bytes) -> bytes:
    return b"--b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (head.encode(), content)


def parts(caller: Caller, *each: bytes) -> Any:
    return caller.post(b"".join(each) + b"--b--\r\n", headers=MULTIPART)


def test_a_browser_form_is_accepted() -> None:
    outcome = form(Caller(), content="grüß & <3", username="Trader", tts="true", flags="4096")
    assert status(outcome) == 200
    message = json_of(outcome)
    assert (message["content"], message["author"]["username"]) == ("grüß & <3", "Trader")
    assert (message["tts"], message["flags"]) == (True, 4096)


def test_a_form_may_carry_json_in_one_field() -> None:
    outcome = form(Caller(), payload_json='{"embeds": [{"title": "t"}]}')
    assert status(outcome) == 200
    assert json_of(outcome)["embeds"][0]["title"] == "t"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"content": ""}, (400, 50006)),
        ({"other": "x"}, (400, 50006)),
        ({"payload_json": "{"}, (400, 50109)),
    ],
)
def test_a_form_is_checked_like_json(fields: dict[str, str], expected: tuple[int, int]) -> None:
    assert refusal(form(Caller(), **fields)) == expected


@pytest.mark.parametrize(
    ("fields", "path"), [({"content": "x" * 2001}, "content"), ({"content": "x", "tts": "yes"}, "tts")]
)
def test_form_errors_have_the_same_paths_as_json_errors(fields: dict[str, str], path: str) -> None:
    assert list(problems(form(Caller(), **fields))) == [path]


@pytest.mark.parametrize("head", ['name="content"', "name=content", 'NAME="content"'])
def test_multipart_fields_are_read(head: str) -> None:
    outcome = parts(Caller(), part(head, b"hello"))
    assert status(outcome) == 200
    assert json_of(outcome)["content"] == "hello"


NOT_WELL_FORMED = [
    "http://alertmanager:9093/",
    "http://localhost:3000/x",
    "https://grafana/",
    "https://e x.com/",
    "https://example.com/a b",
    "https://example.com:99999/",
    "https://example.com:port/",
    "http://[::1]:3000/",
    "https://-.com/",
    "https://.com",
]


@pytest.mark.parametrize("url", NOT_WELL_FORMED)
def test_a_url_that_is_not_public_is_refused(url: str) -> None:
    outcome = Caller().post({"embeds": [{"title": "t", "url": url}]})
    assert status(outcome) == 400
    assert problems(outcome) == {"embeds.0.url": ["URL_TYPE_INVALID_URL"]}


@pytest.mark.parametrize("place", ["author.url", "author.icon_url", "footer.icon_url", "image.url", "thumbnail.url"])
def test_every_url_of_an_embed_must_be_public(place: str) -> None:
    outer, _, inner = place.partition(".")
    named = {"author": {"name": "n"}, "footer": {"text": "t"}}.get(outer, {})
    outcome = Caller().post({"embeds": [{"title": "t", outer: {**named, inner: "http://grafana:3000/a.png"}}]})
    assert status(outcome) == 400
    assert problems(outcome) == {f"embeds.0.{place}": ["URL_TYPE_INVALID_URL"]}


def test_the_avatar_url_must_be_public() -> None:
    outcome = Caller().post({"content": "x", "avatar_url": "http://localhost/a.png"})
    assert status(outcome) == 400
    assert problems(outcome) == {"avatar_url": ["URL_TYPE_INVALID_URL"]}


@pytest.mark.parametrize(
    "agent", ["", " ", "Python-urllib/3.11", "python-urllib/2.7", "Java/17.0.1", "libwww-perl/6.5"]
)
def test_a_client_without_its_own_user_agent_is_refused(agent: str) -> None:
    caller = Caller()
    outcome = caller.post(headers={"content-type": "application/json", "user-agent": agent})
    assert status(outcome) == 403
    assert outcome.answer is not None
    assert outcome.answer.body == b"error code: 1010"
    assert "Via" not in outcome.answer.headers
    assert caller.shown() == []


def slack(caller: Caller, body: dict[str, Any], **changes: Any) -> Any:
    from tests.unit.sandbox.caller import HOOK, TOKEN

    return caller.post(body, path=f"/api/webhooks/{HOOK}/{TOKEN}/slack", **changes)


def test_slack_format_is_accepted_at_slack() -> None:
    caller = Caller()
    outcome = slack(caller, {"text": "see <https://e.x/a|the chart>", "username": "Bot"})
    assert status(outcome) == 200
    assert outcome.answer is not None
    assert outcome.answer.body == b"ok"
    (message,) = caller.shown()
    assert (message["content"], message["author"]["username"]) == ("see [the chart](https://e.x/a)", "Bot")


def test_slack_attachments_become_embeds() -> None:
    caller = Caller()
    attachment = {
        "pretext": "before",
        "text": "what <https://e.x>",
        "title": "T",
        "title_link": "https://e.x/t",
        "color": "danger",
        "author_name": "A",
        "footer": "F",
        "ts": 1755651600,
        "image_url": "https://e.x/i.png",
        "fields": [{"title": "n", "value": "v", "short": True}],
    }
    assert status(slack(caller, {"attachments": [attachment, {"text": "x", "color": "#0000ff", "ts": "late"}]})) == 200
    first, second = caller.shown()[0]["embeds"]
    assert (first["title"], first["url"], first["description"]) == ("T", "https://e.x/t", "before\nwhat https://e.x")
    assert (first["color"], first["author"]["name"], first["footer"]["text"]) == (0xA30200, "A", "F")
    assert (first["timestamp"], first["image"]["url"]) == ("2025-08-20T01:00:00+00:00", "https://e.x/i.png")
    assert first["fields"] == [{"name": "n", "value": "v", "inline": True}]
    assert (second["color"], "timestamp" in second) == (255, False)


def test_slack_format_may_come_in_one_field() -> None:
    caller = Caller()
    payload = urlencode({"payload": msgspec.json.encode({"text": "hi"}).decode()}).encode()
    outcome = caller.post(payload, path=f"/api/webhooks/signals-free/{'token-of-the-test'}/slack", headers=FORM)
    assert status(outcome) == 200
    assert caller.shown()[0]["content"] == "hi"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (400, 50006)),
        ({"text": 5}, (400, 50035)),
        ({"attachments": "x"}, (400, 50035)),
        ({"attachments": ["x"]}, (400, 50035)),
        ({"attachments": [{"text": 5, "pretext": "a"}]}, (400, 50035)),
        ({"attachments": [{"text": "x", "color": 5, "fields": ["x"]}]}, (400, 50035)),
        ({"attachments": [{"text": "x", "fields": "x"}]}, (400, 50035)),
        ({"payload": "{"}, (400, 50109)),
    ],
)
def test_slack_format_is_checked(body: dict[str, Any], expected: tuple[int, int]) -> None:
    assert refusal(slack(Caller(), body)) == expected


def test_an_attachment_has_urls_and_a_content_type() -> None:
    picture = (
        b'--b\r\nContent-Disposition: form-data; name="files[0]"; filename="a b.png"\r\n'
        b"Content-Type: image/png\r\n\r\nPNG\r\n"
    )
    listed = part('name="payload_json"', b'{"attachments": [{"id": 0, "description": "a chart"}]}')
    (attachment,) = json_of(parts(Caller(), listed, picture))["attachments"]
    assert attachment["filename"] == "a b.png"
    for field, host in (("url", "cdn.discordapp.com"), ("proxy_url", "media.discordapp.net")):
        assert str(attachment.get(field)).startswith(f"https://{host}/attachments/")
        assert "/a%20b.png?" in attachment[field]
    assert (attachment.get("content_type"), attachment.get("description")) == ("image/png", "a chart")


def test_a_webhook_includes_its_url() -> None:
    assert str(json_of(Caller().send("GET")).get("url")).startswith("https://discord.com/api/webhooks/")


@pytest.mark.parametrize("method", ["POST", "GET", "PATCH", "DELETE"])
def test_an_unknown_thread_is_10003(method: str) -> None:
    caller = Caller()
    message = None if method == "POST" else json_of(caller.post())["id"]
    outcome = caller.send(method, {"content": "x"}, message=message, query={"thread_id": "123456789012345678"})
    assert status(outcome) == 404
    assert refusal(outcome) == (404, 10003)


def test_a_webhook_can_be_renamed() -> None:
    caller = Caller()
    outcome = caller.send("PATCH", {"name": " Desk "})
    assert status(outcome) == 200
    assert json_of(outcome) == {**json_of(caller.send("GET")), "name": "Desk"}
    assert json_of(caller.send("PATCH", {}))["name"] == "Desk"
    assert json_of(caller.post())["author"]["username"] == "Desk"


@pytest.mark.parametrize("name", ["", "  ", "x" * 81, "My Discord", 5])
def test_an_invalid_webhook_name_is_refused(name: object) -> None:
    outcome = Caller().send("PATCH", {"name": name})
    assert status(outcome) == 400
    assert list(problems(outcome)) == ["name"]


def test_numbers_and_booleans_sent_as_text_are_converted() -> None:
    field = {"name": "a", "value": "b", "inline": "false"}
    embed = {"title": "t", "color": "16711680", "fields": [field]}
    outcome = Caller().post({"content": "x", "tts": "true", "flags": "4", "embeds": [embed]})
    assert status(outcome) == 200
    message = json_of(outcome)
    assert (message["tts"], message["flags"]) == (True, 4)
    assert message["embeds"][0]["color"] == 0xFF0000
    assert message["embeds"][0]["fields"][0]["inline"] is False


def test_texts_that_are_not_numbers_or_booleans_are_refused() -> None:
    embeds = [{"title": "t", "color": "#ff0000"}, {"title": "t", "color": "-1"}, {"color": "16777216"}, "x"]
    found = problems(Caller().post({"tts": "yes", "flags": "9" * 5000, "embeds": embeds}))
    assert found["tts"] == ["BOOLEAN_TYPE_CONVERT"]
    assert found["flags"] == found["embeds.0.color"] == ["NUMBER_TYPE_COERCE"]
    assert (found["embeds.1.color"], found["embeds.2.color"]) == (["NUMBER_TYPE_MIN"], ["NUMBER_TYPE_MAX"])

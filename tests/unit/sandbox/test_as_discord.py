"""What Discord takes and refuses beside JSON: forms, Slack's form, addresses, and clients without a name."""

from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from tests.unit.sandbox.caller import Caller, problems, refusal, status, told

FORM = {"content-type": "application/x-www-form-urlencoded"}
MULTIPART = {"content-type": "multipart/form-data; boundary=b"}
pytestmark = pytest.mark.line("6.5.17")


def form(caller: Caller, **fields: str) -> Any:
    return caller.post(urlencode(fields).encode(), headers=FORM)


def part(head: str, content: bytes) -> bytes:
    return b"--b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (head.encode(), content)


def parts(caller: Caller, *each: bytes) -> Any:
    return caller.post(b"".join(each) + b"--b--\r\n", headers=MULTIPART)


def test_a_form_of_a_browser_is_a_message() -> None:
    outcome = form(Caller(), content="grüß & <3", username="Trader", tts="true", flags="4096")
    assert status(outcome) == 200
    message = told(outcome)
    assert (message["content"], message["author"]["username"]) == ("grüß & <3", "Trader")
    assert (message["tts"], message["flags"]) == (True, 4096)


def test_a_form_may_hold_its_json_in_one_field() -> None:
    outcome = form(Caller(), payload_json='{"embeds": [{"title": "t"}]}')
    assert status(outcome) == 200
    assert told(outcome)["embeds"][0]["title"] == "t"


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
def test_the_faults_of_a_form_are_named_as_in_json(fields: dict[str, str], path: str) -> None:
    assert list(problems(form(Caller(), **fields))) == [path]


@pytest.mark.parametrize("head", ['name="content"', "name=content", 'NAME="content"'])
def test_the_fields_of_a_form_in_parts_are_read(head: str) -> None:
    outcome = parts(Caller(), part(head, b"hello"))
    assert status(outcome) == 200
    assert told(outcome)["content"] == "hello"


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
def test_an_address_that_nobody_else_could_open_is_refused(url: str) -> None:
    outcome = Caller().post({"embeds": [{"title": "t", "url": url}]})
    assert status(outcome) == 400
    assert problems(outcome) == {"embeds.0.url": ["URL_TYPE_INVALID_URL"]}


@pytest.mark.parametrize("place", ["author.url", "author.icon_url", "footer.icon_url", "image.url", "thumbnail.url"])
def test_that_holds_for_every_address_of_an_embed(place: str) -> None:
    outer, _, inner = place.partition(".")
    named = {"author": {"name": "n"}, "footer": {"text": "t"}}.get(outer, {})
    outcome = Caller().post({"embeds": [{"title": "t", outer: {**named, inner: "http://grafana:3000/a.png"}}]})
    assert status(outcome) == 400
    assert problems(outcome) == {f"embeds.0.{place}": ["URL_TYPE_INVALID_URL"]}


def test_that_holds_for_an_avatar() -> None:
    outcome = Caller().post({"content": "x", "avatar_url": "http://localhost/a.png"})
    assert status(outcome) == 400
    assert problems(outcome) == {"avatar_url": ["URL_TYPE_INVALID_URL"]}


@pytest.mark.parametrize(
    "agent", ["", " ", "Python-urllib/3.11", "python-urllib/2.7", "Java/17.0.1", "libwww-perl/6.5"]
)
def test_a_client_without_a_name_of_its_own_is_turned_away(agent: str) -> None:
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


def test_the_form_of_slack_is_accepted_below_slack() -> None:
    caller = Caller()
    outcome = slack(caller, {"text": "see <https://e.x/a|the chart>", "username": "Bot"})
    assert status(outcome) == 200
    assert outcome.answer is not None
    assert outcome.answer.body == b"ok"
    (message,) = caller.shown()
    assert (message["content"], message["author"]["username"]) == ("see [the chart](https://e.x/a)", "Bot")


def test_slacks_attachments_are_embeds() -> None:
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


def test_slacks_form_may_come_in_one_field() -> None:
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
def test_slacks_form_is_checked_too(body: dict[str, Any], expected: tuple[int, int]) -> None:
    assert refusal(slack(Caller(), body)) == expected


def test_an_attachment_has_its_url_and_content_type() -> None:
    picture = (
        b'--b\r\nContent-Disposition: form-data; name="files[0]"; filename="a b.png"\r\n'
        b"Content-Type: image/png\r\n\r\nPNG\r\n"
    )
    listed = part('name="payload_json"', b'{"attachments": [{"id": 0, "description": "a chart"}]}')
    (attachment,) = told(parts(Caller(), listed, picture))["attachments"]
    assert attachment["filename"] == "a b.png"
    for field, host in (("url", "cdn.discordapp.com"), ("proxy_url", "media.discordapp.net")):
        assert str(attachment.get(field)).startswith(f"https://{host}/attachments/")
        assert "/a%20b.png?" in attachment[field]
    assert (attachment.get("content_type"), attachment.get("description")) == ("image/png", "a chart")


def test_a_webhook_has_its_url() -> None:
    assert str(told(Caller().ask("GET")).get("url")).startswith("https://discord.com/api/webhooks/")


@pytest.mark.parametrize("method", ["POST", "GET", "PATCH", "DELETE"])
def test_an_unknown_thread_is_10003(method: str) -> None:
    caller = Caller()
    message = None if method == "POST" else told(caller.post())["id"]
    outcome = caller.ask(method, {"content": "x"}, message=message, query={"thread_id": "123456789012345678"})
    assert status(outcome) == 404
    assert refusal(outcome) == (404, 10003)


def test_a_webhook_is_renamed() -> None:
    caller = Caller()
    outcome = caller.ask("PATCH", {"name": " Desk "})
    assert status(outcome) == 200
    assert told(outcome) == {**told(caller.ask("GET")), "name": "Desk"}
    assert told(caller.ask("PATCH", {}))["name"] == "Desk"
    assert told(caller.post())["author"]["username"] == "Desk"


@pytest.mark.parametrize("name", ["", "  ", "x" * 81, "My Discord", 5])
def test_a_webhook_does_not_take_every_name(name: object) -> None:
    outcome = Caller().ask("PATCH", {"name": name})
    assert status(outcome) == 400
    assert list(problems(outcome)) == ["name"]


def test_numbers_and_booleans_as_text_are_read() -> None:
    field = {"name": "a", "value": "b", "inline": "false"}
    embed = {"title": "t", "color": "16711680", "fields": [field]}
    outcome = Caller().post({"content": "x", "tts": "true", "flags": "4", "embeds": [embed]})
    assert status(outcome) == 200
    message = told(outcome)
    assert (message["tts"], message["flags"]) == (True, 4)
    assert message["embeds"][0]["color"] == 0xFF0000
    assert message["embeds"][0]["fields"][0]["inline"] is False


def test_texts_that_say_no_number_or_truth_are_refused() -> None:
    embeds = [{"title": "t", "color": "#ff0000"}, {"title": "t", "color": "-1"}, {"color": "16777216"}, "x"]
    found = problems(Caller().post({"tts": "yes", "flags": "9" * 5000, "embeds": embeds}))
    assert found["tts"] == ["BOOLEAN_TYPE_CONVERT"]
    assert found["flags"] == found["embeds.0.color"] == ["NUMBER_TYPE_COERCE"]
    assert (found["embeds.1.color"], found["embeds.2.color"]) == (["NUMBER_TYPE_MIN"], ["NUMBER_TYPE_MAX"])

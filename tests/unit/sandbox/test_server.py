"""The server, over real sockets."""

import asyncio
import io
import json
import re
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from signalpost.errors import InvalidConfiguration
from signalpost.sandbox import server
from signalpost.sandbox.rules import guild
from signalpost.sandbox.rules.exchange import HttpRequest, Moment
from signalpost.sandbox.rules.limits import OFF, REAL
from signalpost.sandbox.server import Sandbox, present_moment
from tests.surface.errors import Facts, facts_of

HELLO = {"content": "hello"}


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        yield session


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(limits=OFF) as running:
        yield running


async def _log(client: aiohttp.ClientSession, sandbox: Sandbox, query: str = "") -> list[dict[str, Any]]:
    async with client.get(f"{sandbox.url}/_log{query}") as answer:
        assert answer.status == 200
        assert answer.content_type == "application/x-ndjson"
        return [json.loads(line) for line in (await answer.text()).splitlines()]


async def test_a_message_can_be_sent_read_edited_and_deleted(client: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    url = sandbox.webhook("signals-free")
    async with client.post(url, params={"wait": "true"}, json=HELLO) as answer:
        assert (answer.status, answer.content_type) == (200, "application/json")
        assert answer.headers["Via"] == "1.1 google"
        message = await answer.json()
    async with client.get(f"{url}/messages/{message['id']}") as answer:
        assert await answer.json() == message
    async with client.patch(f"{url}/messages/{message['id']}", json={"content": "b"}) as answer:
        assert (await answer.json())["content"] == "b"
    async with client.delete(f"{url}/messages/{message['id']}") as answer:
        assert (answer.status, await answer.read()) == (204, b"")
    log = await _log(client, sandbox)
    assert [(each["n"], each["method"], each["status"], each["recorded"]) for each in log] == [
        (1, "POST", 200, True),
        (2, "GET", 200, False),
        (3, "PATCH", 200, True),
        (4, "DELETE", 204, True),
    ]
    assert log[0]["body"] == HELLO
    assert [each["n"] for each in await _log(client, sandbox, "?since=3")] == [4]


async def test_rate_limit_headers_arrive(client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = Moment(5.0, datetime(2025, 8, 20, tzinfo=UTC))
    monkeypatch.setattr(server, "present_moment", lambda: moment)
    async with Sandbox(limits=REAL) as sandbox:
        url = sandbox.webhook("a")
        answers = [await client.post(url, json=HELLO) for _ in range(6)]
    assert [answer.status for answer in answers] == [204] * 5 + [429]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["4", "3", "2", "1", "0", "0"]
    assert answers[5].headers["Retry-After"] == "2"
    assert answers[0].headers["X-RateLimit-Reset"] == f"{moment.at.timestamp() + 2:.3f}"


async def test_the_real_clocks_are_the_default(client: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    async with client.post(sandbox.webhook("a"), params={"wait": "1"}, json=HELLO) as answer:
        at = datetime.fromisoformat((await answer.json())["timestamp"])
    assert abs((datetime.now(UTC) - at).total_seconds()) < 20


async def test_files_arrive_as_aiohttp_sends_them(client: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("payload_json", json.dumps(HELLO), content_type="application/json")
    form.add_field("files[0]", b"12345", filename="a b.png", content_type="image/png")
    async with client.post(sandbox.webhook("a"), data=form) as answer:
        message = await answer.json()
    assert (message["content"], message["attachments"][0]["filename"]) == ("hello", "a b.png")


async def test_without_open_a_webhook_must_be_created(client: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    async with client.post(f"{sandbox.url}/api/v10/webhooks/a/b", json=HELLO) as answer:
        assert (answer.status, (await answer.json())["code"]) == (404, 10015)
    async with Sandbox(open=True) as open_one:
        async with client.post(f"{open_one.url}/api/webhooks/a/b", json=HELLO) as answer:
            assert answer.status == 204
        assert open_one.discord.guild.channels() == ["a"]


async def test_webhooks_can_share_a_channel_and_have_their_own_tokens(
    client: aiohttp.ClientSession, sandbox: Sandbox
) -> None:
    first, second = sandbox.webhook("a"), sandbox.webhook("b", "my-token", channel="a")
    assert second.endswith("/webhooks/b/my-token")
    for url in (first, second):
        async with client.post(url, json=HELLO) as answer:
            assert answer.status == 204
    assert len(sandbox.discord.guild.messages("a")) == 2


@pytest.mark.parametrize(("cut", "shown"), [("before", 0), ("after", 1)])
async def test_a_cut_connection_is_reset_with_or_without_the_message_shown(
    cut: str, shown: int, client: aiohttp.ClientSession, sandbox: Sandbox
) -> None:
    url = sandbox.webhook("a")
    async with client.post(f"{sandbox.url}/_faults", json={"webhook": "a", "cut": cut}) as answer:
        assert await answer.json() == [{"webhook": "a", "method": None, "times": 1, "cut": True, "status": None}]
    with pytest.raises(aiohttp.ClientOSError) as error:
        await client.post(url, json=HELLO)
    assert isinstance(error.value.__cause__ or error.value, ConnectionResetError | aiohttp.ClientOSError)
    assert len(sandbox.discord.guild.messages("a")) == shown
    assert (await _log(client, sandbox))[0]["status"] is None


async def test_a_planned_answer_arrives_with_its_headers(client: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    url = sandbox.webhook("a")
    plan = [
        {"status": 429, "retry_after": 3},
        {"status": 403, "body": "<b>error code: 1020</b>", "headers": {"X": "y"}},
    ]
    async with client.post(f"{sandbox.url}/_faults", json=plan) as answer:
        assert [each["status"] for each in await answer.json()] == [429, 403]
    async with client.post(url, json=HELLO) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "3")
    async with client.post(url, json=HELLO) as answer:
        assert (answer.status, answer.headers["X"], "Via" in answer.headers) == (403, "y", False)
        assert "1020" in await answer.text()


async def test_a_held_request_is_processed_late_and_answered_later(
    client: aiohttp.ClientSession, sandbox: Sandbox
) -> None:
    url = sandbox.webhook("a")
    await client.post(f"{sandbox.url}/_faults", json=[{"before": 0.2}, {"after": 0.2}])
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.TaskGroup() as group:
        held = group.create_task(client.post(url, json=HELLO))
        answered_late = group.create_task(client.post(url, json={"content": "second"}))
    assert loop.time() - began >= 0.2
    assert {held.result().status, answered_late.result().status} == {204}
    assert [each["content"] for each in sandbox.discord.guild.messages("a")] == ["second", "hello"]


async def test_a_request_is_processed_although_its_client_gave_up(
    client: aiohttp.ClientSession, sandbox: Sandbox
) -> None:
    """Discord may do the same: the message is shown although nobody waits for the answer."""
    url = sandbox.webhook("a")
    await client.post(f"{sandbox.url}/_faults", json={"before": 0.2, "cut": "after"})
    with pytest.raises(TimeoutError):
        await client.post(url, json=HELLO, timeout=aiohttp.ClientTimeout(total=0.05))
    async with asyncio.timeout(10):
        while not sandbox.discord.guild.messages("a"):
            await client.get(url)
    assert sandbox.discord.log.since(0)[-1].entry.webhook == "a"


async def test_a_hanging_request_does_not_delay_the_shutdown(client: aiohttp.ClientSession) -> None:
    loop = asyncio.get_running_loop()
    async with Sandbox() as sandbox:
        url = sandbox.webhook("a")
        await client.post(f"{sandbox.url}/_faults", json={"before": 600})
        hanging = asyncio.ensure_future(client.post(url, json=HELLO))
        while sandbox.discord.faults.pending():
            await asyncio.wait([hanging], timeout=0.01)
        began = loop.time()
    assert loop.time() - began < 10
    with pytest.raises(aiohttp.ClientError):
        await hanging


async def test_planned_faults_can_be_cleared(client: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    await client.post(f"{sandbox.url}/_faults", json={"status": 503, "times": 9})
    async with client.delete(f"{sandbox.url}/_faults") as answer:
        assert answer.status == 204
    async with client.get(f"{sandbox.url}/_faults") as answer:
        assert await answer.json() == []


async def test_invalid_faults_are_refused(client: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    async with client.post(f"{sandbox.url}/_faults", json={"statsu": 503}) as answer:
        assert answer.status == 400
        assert '{"webhook": "signals-free", "status": 503}' in await answer.text()
    async with client.post(f"{sandbox.url}/_faults", data=b'{"status": 503}') as answer:
        assert answer.status == 415
    assert sandbox.discord.faults.pending() == []


@pytest.mark.parametrize("since", ["x", "-1", "1.5", "²"])
async def test_a_log_since_an_invalid_number_is_refused(
    since: str, client: aiohttp.ClientSession, sandbox: Sandbox
) -> None:
    async with client.get(f"{sandbox.url}/_log", params={"since": since}) as answer:
        assert answer.status == 400
        assert "/_log?since=0" in await answer.text()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:1", 200),
        ("localhost", 200),
        ("[::1]:8751", 200),
        ("127.8.0.1", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example:8751", 403),
        ("", 403),
    ],
)
async def test_only_requests_to_a_local_host_name_are_answered(
    host: str, status: int, client: aiohttp.ClientSession, sandbox: Sandbox
) -> None:
    """A page of another site whose name resolves to this machine (DNS rebinding) can read nothing."""
    async with client.get(f"{sandbox.url}/_log", headers={"Host": host}) as answer:
        assert answer.status == status


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.com", ""])
def test_a_host_that_is_not_local_is_refused(host: str) -> None:
    with pytest.raises(InvalidConfiguration, match=r"127\.0\.0\.1") as refusal:
        Sandbox(host=host)
    assert facts_of(refusal.value) == [Facts("not-loopback", "host", host, "127.0.0.1, ::1, localhost")]


async def test_it_listens_on_ipv6_loopback_too(client: aiohttp.ClientSession) -> None:
    async with Sandbox(host="::1") as sandbox:
        assert sandbox.url.startswith("http://[::1]:")
        async with client.get(f"{sandbox.url}/_log") as answer:
            assert answer.status == 200


async def test_a_port_in_use_is_refused_and_the_journal_is_closed(sandbox: Sandbox, tmp_path: Path) -> None:
    port = int(sandbox.url.rpartition(":")[2])
    with pytest.raises(InvalidConfiguration, match=str(port)) as refusal:
        async with Sandbox(port=port, journal=tmp_path / "journal"):
            pass
    assert facts_of(refusal.value) == [Facts("port-in-use", "port", str(port))]


async def test_the_port_is_free_after_the_shutdown(client: aiohttp.ClientSession) -> None:
    async with Sandbox() as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    async with Sandbox(port=port) as again:
        assert again.url.endswith(f":{port}")


async def test_each_recorded_message_is_in_the_journal_before_it_is_answered(
    client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    path = tmp_path / "journal"
    async with Sandbox(limits=OFF, journal=path) as sandbox:
        url = sandbox.webhook("a")
        for n in range(5):
            async with client.post(url, params={"wait": "1"}, json={"content": str(n)}) as answer:
                message = await answer.json()
            last = json.loads(path.read_text().splitlines()[-1])
            assert (last["message_id"], last["body"]) == (message["id"], {"content": str(n)})
        await client.post(url, json={})
        await client.get(url)
        await client.post(f"{sandbox.url}/_faults", json={"cut": "after"})
        with pytest.raises(aiohttp.ClientOSError):
            await client.post(url, json=HELLO)
        await client.patch(f"{url}/messages/{message['id']}", json={"content": "edited"})
        await client.delete(f"{url}/messages/{message['id']}")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [each["method"] for each in lines] == ["POST"] * 6 + ["PATCH", "DELETE"]
    assert all(each["recorded"] for each in lines)


async def test_without_a_journal_no_file_is_written(
    client: aiohttp.ClientSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with Sandbox() as sandbox:
        await client.post(sandbox.webhook("a"), json=HELLO)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "content_type"),
    [("/", "text/html"), ("/page.css", "text/css"), ("/page.js", "text/javascript"), ("/icon.svg", "image/svg+xml")],
)
async def test_the_page_is_served_under_a_policy_that_lets_it_load_only_itself(
    path: str, content_type: str, client: aiohttp.ClientSession, sandbox: Sandbox
) -> None:
    async with client.get(sandbox.url + path) as answer:
        assert (answer.status, answer.content_type) == (200, content_type)
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        text = await answer.text()
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in text


async def test_the_page_has_no_script_or_style_within(client: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    async with client.get(sandbox.url) as answer:
        text = await answer.text()
    assert text.count("<script") == 1
    assert '<script type="module" src="/page.js"></script>' in text
    assert "<style" not in text
    assert " style=" not in text
    assert re.search(r"<[^>]* on\w+=", text) is None


@pytest.mark.parametrize("path", ["/none.js", "/..%2fserver.py", "/page/../server.py", "/page.py"])
async def test_nothing_else_is_served(path: str, client: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    async with client.get(sandbox.url + path) as answer:
        assert answer.status == 404


async def test_a_body_beyond_the_servers_limit_is_too_large(client: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    body = io.BytesIO(b" " * (25 * 1024 * 1024 + 2))
    async with client.post(sandbox.webhook("a"), data=body, headers={"Content-Type": "application/json"}) as answer:
        assert answer.status == 413


async def test_the_log_contains_no_token(client: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    url = sandbox.webhook("a", "very-secret-token")
    await client.post(url, json=HELLO)
    await client.post(url + "x", json=HELLO)
    await client.post(url + "/slack", json=HELLO)
    async with client.get(f"{sandbox.url}/_log") as answer:
        text = await answer.text()
    assert len(text.splitlines()) == 3
    assert "very-secret-token" not in text


async def test_an_uploaded_picture_is_served_to_the_page_and_nothing_else_is(
    client: aiohttp.ClientSession, sandbox: Sandbox
) -> None:
    files = {"chart.png": b"\x89PNG picture", "page.html": b"<script>"}
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("payload_json", json.dumps(HELLO), content_type="application/json")
    for number, (name, content) in enumerate(files.items()):
        form.add_field(f"files[{number}]", content, filename=name)
    async with client.post(sandbox.webhook("a"), data=form) as answer:
        picture, page = [each["id"] for each in (await answer.json())["attachments"]]
    assert (await _log(client, sandbox))[0]["body"] == HELLO
    async with client.get(f"{sandbox.url}/_files/{picture}") as answer:
        assert (answer.status, answer.content_type, await answer.read()) == (200, "image/png", files["chart.png"])
    for unknown in (page, "1"):
        async with client.get(f"{sandbox.url}/_files/{unknown}") as answer:
            assert answer.status == 404


async def test_only_the_newest_files_are_kept(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guild, "_FILES_KEPT", 1)
    kept = sandbox.discord.guild
    kept.register("a", "t")
    for content in (b"one", b"two"):
        body = b'--b\r\nContent-Disposition: form-data; name="files[0]"; filename="x"\r\n\r\n' + content + b"\r\n--b--"
        headers = {"content-type": "multipart/form-data; boundary=b", "user-agent": "DiscordBot (x, 1)"}
        request = HttpRequest("POST", "/api/webhooks/a/t", {"wait": "1"}, headers, body, "127.0.0.1")
        sandbox.discord.answer(request, present_moment())
    first, second = (each["attachments"][0]["id"] for each in kept.messages("a"))
    assert (kept.file(first), kept.file(second)) == (None, b"two")

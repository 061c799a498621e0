"""The server itself, tested with a client that is not signalpost, because all other tests rely on it."""

import http.client
import json
from contextlib import closing
from typing import Any

import pytest

from tests.independent_discord import behaviour
from tests.independent_discord.server import FakeDiscord


def request(url: str, method: str = "POST", body: Any = None) -> tuple[int, dict[str, str], Any]:
    host, _, path = url.removeprefix("http://").partition("/")
    headers = {"User-Agent": "a test", "Content-Type": "application/json"}
    with closing(http.client.HTTPConnection(host, timeout=5)) as connection:
        connection.request(method, f"/{path}", json.dumps(body), headers)
        answer = connection.getresponse()
        data = answer.read()
    received = {name.lower(): value for name, value in answer.getheaders()}
    return answer.status, received, json.loads(data) if received["content-type"] == "application/json" else data


def test_the_sixth_message_at_once_is_one_too_many() -> None:
    with FakeDiscord() as discord:
        url = discord.webhook("signals") + "?wait=true"
        answers = [request(url, body={"content": str(number)}) for number in range(6)]
    assert [status for status, _, _ in answers] == [200] * 5 + [429]
    assert [headers["x-ratelimit-remaining"] for _, headers, _ in answers] == ["4", "3", "2", "1", "0", "0"]
    _, headers, content = answers[-1]
    assert 0 < content["retry_after"] <= 2
    assert float(headers["retry-after"]) >= content["retry_after"]
    assert [each.body["content"] for each in discord.shown("signals")] == ["0", "1", "2", "3", "4"]


def test_a_webhook_can_be_looked_up_until_it_is_deleted() -> None:
    with FakeDiscord() as discord, FakeDiscord(get_status=405) as other:
        url = discord.webhook("signals")
        assert request(url, "GET")[2]["type"] == 1
        assert request(other.webhook("signals"), "GET")[0] == 405
        discord.delete("signals")
        status, _, content = request(url, body={"content": "late"})
        assert (status, content["code"], discord.shown()) == (404, 10015, [])


def test_a_message_may_be_shown_without_an_answer() -> None:
    with FakeDiscord() as discord:
        url = discord.webhook("signals")
        discord.behaviour = behaviour.once(behaviour.Fault.CUT, lambda _: True)
        with pytest.raises(http.client.RemoteDisconnected):
            request(url, body={"content": "cut"})
        assert [(each.status, each.body) for each in discord.shown()] == [(None, {"content": "cut"})]


def test_a_closed_port_refuses_connections_and_can_be_opened_again() -> None:
    with FakeDiscord() as discord:
        url = discord.webhook("signals")
        discord.close_port()
        with pytest.raises(ConnectionRefusedError):
            request(url)
        discord.open_port()
        assert request(url, "GET")[0] == 200
        discord.breaks_connections = True
        with pytest.raises(ConnectionResetError):
            request(url)
        assert len(discord.connected_at) == 2

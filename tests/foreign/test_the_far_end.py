"""The far end itself, asked by a client that is not the product: what it could not see, no test here could fail for."""

import http.client
import json
from contextlib import closing
from typing import Any

import pytest

from tests.foreign import conduct
from tests.foreign.far_end import FarEnd


def asked(url: str, method: str = "POST", body: Any = None) -> tuple[int, dict[str, str], Any]:
    host, _, path = url.removeprefix("http://").partition("/")
    told = {"User-Agent": "a test", "Content-Type": "application/json"}
    with closing(http.client.HTTPConnection(host, timeout=5)) as connection:
        connection.request(method, f"/{path}", json.dumps(body), told)
        answer = connection.getresponse()
        data = answer.read()
    headers = {name.lower(): value for name, value in answer.getheaders()}
    return answer.status, headers, json.loads(data) if headers["content-type"] == "application/json" else data


def test_the_sixth_message_at_once_is_one_too_many() -> None:
    with FarEnd() as far_end:
        url = far_end.webhook("signals") + "?wait=true"
        answers = [asked(url, body={"content": str(number)}) for number in range(6)]
    assert [status for status, _, _ in answers] == [200] * 5 + [429]
    assert [headers["x-ratelimit-remaining"] for _, headers, _ in answers] == ["4", "3", "2", "1", "0", "0"]
    _, headers, told = answers[-1]
    assert 0 < told["retry_after"] <= 2
    assert float(headers["retry-after"]) >= told["retry_after"]
    assert [each.body["content"] for each in far_end.shown("signals")] == ["0", "1", "2", "3", "4"]


def test_a_webhook_is_told_where_it_is_known_and_gone_where_it_was_deleted() -> None:
    with FarEnd() as far_end, FarEnd(question=405) as other:
        url = far_end.webhook("signals")
        assert asked(url, "GET")[2]["type"] == 1
        assert asked(other.webhook("signals"), "GET")[0] == 405
        far_end.delete("signals")
        status, _, told = asked(url, body={"content": "late"})
        assert (status, told["code"], far_end.shown()) == (404, 10015, [])


def test_a_message_may_be_shown_without_an_answer() -> None:
    with FarEnd() as far_end:
        url = far_end.webhook("signals")
        far_end.conduct = conduct.once(conduct.Manner.CUT, lambda _: True)
        with pytest.raises(http.client.RemoteDisconnected):
            asked(url, body={"content": "cut"})
        assert [(each.status, each.body) for each in far_end.shown()] == [(None, {"content": "cut"})]


def test_a_closed_door_refuses_and_keeps_its_port() -> None:
    with FarEnd() as far_end:
        url = far_end.webhook("signals")
        far_end.close_door()
        with pytest.raises(ConnectionRefusedError):
            asked(url)
        far_end.open_door()
        assert asked(url, "GET")[0] == 200
        far_end.breaks_connections = True
        with pytest.raises(ConnectionResetError):
            asked(url)
        assert len(far_end.connected_at) == 2

"""Health is not disclosed to a page of another site whose name resolves to this machine."""

import pytest

from signalpost.web.requests import is_local_name
from tests.unit.web.conftest import Front

FOREIGN = (
    "evil.example",
    "evil.example:8750",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil.example.",
    "@",
)


@pytest.mark.parametrize("host", FOREIGN)
async def test_health_is_refused_to_the_name_of_another_site(front: Front, host: str) -> None:
    assert (await front.request("GET", "/health", headers={"Host": host})).status == 421


OWN = (
    "localhost",
    "LOCALHOST:8750",
    "127.0.0.1",
    "[::1]:8750",
    "192.168.0.7:1",
    "signalpost:8750",
    "a.localhost",
    "a.",
)


@pytest.mark.parametrize("host", OWN)
async def test_health_is_answered_under_a_local_host_name(front: Front, host: str) -> None:
    assert (await front.request("GET", "/health", headers={"Host": host})).status == 200


async def test_a_token_opens_health_under_any_name(front: Front) -> None:
    other = {"headers": {"Host": "signals.example"}}
    assert (await front.request("GET", "/health", "reader", **other)).status == 200
    assert (
        await front.request("GET", "/health", headers={"Host": "x.example", "Authorization": "Bearer no"})
    ).status == 401


async def test_the_name_that_the_service_listens_on_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "Box.lan")
    assert is_local_name("bot.example:8750", "bot.example")
    assert is_local_name("box.lan", "127.0.0.1")
    assert is_local_name(None, "127.0.0.1")
    assert not is_local_name("bot.example", "127.0.0.1")

"""Metrics, health and readiness over HTTP: who may read them, and what many scrapes at once cost."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector
from aiohttp.test_utils import make_mocked_request
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from signalpost import AsyncNotificationService
from signalpost.domain.reason import Reason
from signalpost.domain.tier import UserTier
from signalpost.service.health import Health, HealthStatus
from signalpost.telemetry.families import Family, Kind
from signalpost.testing.virtual_loop import run_virtual
from signalpost.web.requests import is_on_this_machine
from signalpost.web.scrapes import FRESH_FOR, Scrapes
from signalpost.web.service_api import ServiceApi
from signalpost.web.tokens import Scope
from tests.unit.web.conftest import SIGNAL, Front
from tests.unit.web.tokens import replaced

MONITORING = ("/health", "/-/healthy", "/-/ready")
PROXIED = ({"Forwarded": "for=1.2.3.4"}, {"X-Forwarded-For": "1.2.3.4"}, {"Via": "1.1 proxy"})


async def scrape(front: Front, token: str | None = None, **headers: str) -> tuple[int, str, str]:
    """The status, the content type and the text."""
    sent = {"Authorization": f"Bearer {token}"} if token else {}
    async with front.session.get(f"{front.server.url}/metrics", headers={**sent, **headers}) as answer:
        return answer.status, answer.headers["Content-Type"], await answer.text()


async def test_a_scrape_from_this_machine_needs_no_token(front: Front) -> None:
    await front.post("signals", SIGNAL)
    await front.service.drain(30)
    status, kind, text = await scrape(front)
    found = {metric.name: metric for metric in plain(text)}
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert found["signalpost_notifications_sent"].samples[0].value == 1
    assert all(each not in text for each in front.text_by_token.values())


async def test_openmetrics_is_sent_if_it_is_accepted(front: Front) -> None:
    accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.1"
    status, kind, text = await scrape(front, Accept=accept)
    assert (status, kind) == (200, "application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert {"signalpost_deliveries", "signalpost_send_seconds"} <= {metric.name for metric in openmetrics(text)}


async def test_a_token_that_is_sent_must_have_the_scope_metrics(front: Front) -> None:
    own = front.tokens.add("prometheus", UserTier.FREE, (Scope.METRICS,))[1].reveal()
    assert (await scrape(front, own))[0] == 200
    assert (await scrape(front, "wrong"))[0] == 401
    assert (await scrape(front, Authorization="Basic abc"))[0] == 401
    assert (await scrape(front, front.text_by_token["reader"]))[0] == 403
    answer = await front.request("POST", "/api/v1/signals", json=SIGNAL, headers={"Authorization": f"Bearer {own}"})
    assert answer.status == 403


@pytest.mark.parametrize("headers", [{"Host": "signals.example.com"}, *PROXIED])
async def test_a_scrape_through_a_proxy_needs_a_token(front: Front, headers: dict[str, str]) -> None:
    assert (await scrape(front, **headers))[0] == 401
    assert (await scrape(front, front.text_by_token["admin"], **headers))[0] == 200


@pytest.mark.parametrize(
    ("remote", "is_own"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("192.168.0.7", False),
        ("fe80::1", False),
        ("", False),
    ],
)
def test_only_loopback_addresses_are_on_this_machine(remote: str, *, is_own: bool) -> None:
    assert is_on_this_machine(make_mocked_request("GET", "/metrics").clone(remote=remote)) is is_own


@pytest.mark.parametrize("path", MONITORING)
async def test_health_and_readiness_are_open_under_local_names_only(front: Front, path: str) -> None:
    assert (await front.request("GET", path)).status == 200
    assert (await front.request("HEAD", path)).status == 200
    assert (await front.request("POST", path)).status == 405
    foreign = {"headers": {"Host": "signals.example.com"}}
    assert (await front.request("GET", path, **foreign)).status == 421
    assert (await front.request("GET", path, "reader", **foreign)).status == 200


class TestUnhealthy:
    @pytest.fixture
    def service_api(self, service: AsyncNotificationService) -> ServiceApi:
        held = Health(HealthStatus.UNHEALTHY, (Reason("3 notifications are not saved yet", "held"),))
        return replaced(ServiceApi(service), health=lambda: held)

    async def test_a_service_that_cannot_save_is_alive_but_not_ready(self, front: Front) -> None:
        alive, ready = await front.request("GET", "/-/healthy"), await front.request("GET", "/-/ready")
        assert (alive.status, alive.body) == (200, {"healthy": True})
        assert (ready.status, ready.body["ready"]) == (503, False)
        assert [each["code"] for each in ready.body["causes"]] == ["held"]


async def test_a_service_that_takes_commands_is_ready(front: Front) -> None:
    ready = await front.request("GET", "/-/ready")
    assert ready.body == {"ready": True, "reasons": [], "causes": []}


@pytest.mark.parametrize("limits", [{"MOST_AT_ONCE": 20}])
async def test_a_thousand_scrapes_do_no_harm(front: Front) -> None:
    """Each is answered with a rendering of the same second, or refused. Notifications are accepted meanwhile."""
    async with ClientSession(connector=TCPConnector(limit=30)) as crowd:

        async def one() -> int:
            async with crowd.get(f"{front.server.url}/metrics") as answer:
                await answer.read()
                return answer.status

        crowding = asyncio.gather(*(one() for _ in range(1_000)))
        meanwhile = [(await front.request("GET", path)).status for path in MONITORING]
        statuses = await crowding
    assert meanwhile == [200, 200, 200]
    assert set(statuses) <= {200, 503}
    assert statuses.count(200) >= 20
    assert (await scrape(front))[0] == 200
    assert (await front.post("signals", SIGNAL)).status == 202


class TestScrapesThatHang:
    is_over: asyncio.Event

    @pytest.fixture
    def service_api(self, service: AsyncNotificationService) -> ServiceApi:
        self.is_over = asyncio.Event()

        async def collect() -> Sequence[Family]:
            await self.is_over.wait()
            return []

        return replaced(ServiceApi(service), metrics=collect)

    @pytest.mark.parametrize("limits", [{"MOST_AT_ONCE": 20}])
    async def test_health_is_answered_meanwhile_and_scrapes_right_after(self, front: Front) -> None:
        hanging = [asyncio.create_task(scrape(front)) for _ in range(20)]
        async with asyncio.timeout(20):
            while front.server.at_once < 20:
                await asyncio.sleep(0)
        assert (await scrape(front))[0] == 503
        assert [(await front.request("GET", path)).status for path in MONITORING] == [200, 200, 200]
        self.is_over.set()
        assert {status for status, *_ in await asyncio.gather(*hanging)} == {200}
        assert (await scrape(front))[0] == 200


class Collecting:
    """Collects one family, counts how often, and can be slow or fail."""

    def __init__(self) -> None:
        self.count = 0
        self.takes = 0.0
        self.fault: Exception | None = None

    async def __call__(self) -> Sequence[Family]:
        self.count += 1
        await asyncio.sleep(self.takes)
        if self.fault is not None:
            raise self.fault
        return [Family("collected", Kind.COUNTER, "TEXT", (), [((), self.count)])]

    def scrapes(self) -> Scrapes:
        async def at_once(work: Any) -> Any:
            return work()

        return Scrapes(self, at_once)


def test_one_rendering_a_second_serves_all_scrapes() -> None:
    async def main() -> None:
        collecting = Collecting()
        collecting.takes = 3 * FRESH_FOR
        scrapes = collecting.scrapes()
        texts = await asyncio.gather(*(scrapes.text("") for _ in range(100)))
        assert (collecting.count, len(set(texts))) == (1, 1)
        collecting.takes = 0.0
        await scrapes.text("")
        assert collecting.count == 2, "the first took longer than a rendering is fresh"
        await scrapes.text("")
        assert collecting.count == 2
        await scrapes.text("application/openmetrics-text")
        assert collecting.count == 3, "another format"
        await asyncio.sleep(FRESH_FOR)
        assert b"signalpost_collected_total 4.0" in (await scrapes.text(""))[0]

    run_virtual(main())


def test_a_scrape_that_fails_or_is_cancelled_does_not_stop_the_next_one() -> None:
    async def main() -> None:
        collecting = Collecting()
        collecting.takes = 0.1
        scrapes = collecting.scrapes()
        first, second = (asyncio.create_task(scrapes.text("")) for _ in range(2))
        await asyncio.sleep(0.05)
        first.cancel()
        assert b"signalpost_collected_total 1.0" in (await second)[0]
        collecting.fault = RuntimeError("SECRET")
        await asyncio.sleep(FRESH_FOR)
        with pytest.raises(RuntimeError):
            await scrapes.text("")
        collecting.fault = None
        await asyncio.sleep(FRESH_FOR)
        assert b"signalpost_collected_total 3.0" in (await scrapes.text(""))[0]

    run_virtual(main())

"""A request is answered in time even if the store hangs, and a write that has begun goes on."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import pytest

from signalpost import AsyncNotificationService
from signalpost.domain.ticket import Ticket
from signalpost.errors import StoreFailed
from signalpost.web import timeouts as module
from signalpost.web.problem import Problem
from signalpost.web.service_api import ServiceApi
from signalpost.web.timeouts import SAFE, UNSAFE, Timeouts
from tests.unit.web.conftest import ALERT, SIGNAL, Front
from tests.unit.web.test_hooks import ALERT as TV
from tests.unit.web.test_hooks import CLOSE
from tests.unit.web.tokens import replaced
from tests.until import until


class Slow:
    """A service whose answers wait until `let`."""

    def __init__(self, service_api: ServiceApi) -> None:
        self._service = service_api
        self.let = asyncio.Event()
        self.begun = 0
        self.done = 0

    def _later(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def waiting(*arguments: Any) -> Any:
            self.begun += 1
            await self.let.wait()
            answer = await call(*arguments)
            self.done += 1
            return answer

        return waiting

    def service_api(self) -> ServiceApi:
        names = ("take", "commit", "load_state", "deliveries", "amend", "trades")
        slow = {name: self._later(getattr(self._service, name)) for name in names}
        return replaced(self._service, **slow)


@pytest.fixture
def slow(service: AsyncNotificationService) -> Slow:
    return Slow(ServiceApi(service))


@pytest.fixture
def service_api(slow: Slow) -> ServiceApi:
    return slow.service_api()


@pytest.fixture
def limits() -> dict[str, float]:
    return {"ANSWER_WITHIN": 0.05}


async def test_a_hanging_store_is_503_and_the_request_is_accepted_once(front: Front, slow: Slow) -> None:
    answer = await front.post("signals", SIGNAL)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert answer.body["code"] == "timeout"
    assert "0.05" in answer.body["detail"]
    assert SAFE in answer.body["detail"]
    slow.let.set()
    again = await front.post("signals", SIGNAL)
    assert again.status in {200, 202}
    assert await front.shown("signals-free") == ["BUY EURUSD"]
    assert (await front.post("signals", SIGNAL)).body["outcome"] == "duplicate"


async def test_every_path_that_uses_the_store_answers_in_time(front: Front, slow: Slow) -> None:
    await asyncio.gather(
        *(
            _is_503(answer)
            for answer in (
                front.post("alerts", ALERT, **{"Idempotency-Key": "k"}),
                front.hook("tradingview", TV),
                front.hook("tradingview", CLOSE),
                front.hook("freqtrade", {"event": "status", "status": "running"}),
                front.request("GET", "/api/v1/tickets/00", "free"),
            )
        )
    )
    assert slow.done == 0
    slow.let.set()


async def _is_503(answer: Awaitable[Any]) -> None:
    assert (await answer).status == 503


async def test_a_request_without_a_key_is_not_called_safe_to_repeat(front: Front, slow: Slow) -> None:
    assert UNSAFE in (await front.post("alerts", ALERT)).body["detail"]
    keyed = await front.post("alerts", ALERT, **{"Idempotency-Key": "k"})
    assert SAFE in keyed.body["detail"]
    slow.let.set()


async def test_waiting_requests_are_limited_and_the_next_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_WITHIN", 0.01)
    monkeypatch.setattr(module, "MOST_PENDING", 2)
    timeouts = Timeouts()
    hanging = asyncio.Event()

    async def work() -> None:
        await hanging.wait()

    for _ in range(2):
        with pytest.raises(Problem, match=r"0\.01") as caught:
            await timeouts.wait(work())
        assert caught.value.code == "timeout"
    with pytest.raises(Problem, match="2") as caught:
        await timeouts.wait(work())
    assert (caught.value.code, caught.value.retry_after) == ("too-many-requests", 5)
    hanging.set()
    await timeouts.end(5)
    await timeouts.wait(work())


async def test_hanging_requests_are_cancelled_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_WITHIN", 0.01)
    timeouts = Timeouts()
    was_cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            was_cancelled.set()
            raise

    with pytest.raises(Problem):
        await timeouts.wait(work())
    await timeouts.end(0.01)
    await asyncio.wait_for(was_cancelled.wait(), 30)
    await timeouts.end(0.01)


async def test_a_failure_after_the_answer_is_logged_without_its_text(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER_WITHIN", 0.01)
    timeouts = Timeouts()
    failing = asyncio.Event()

    async def work() -> Ticket:
        await failing.wait()
        raise StoreFailed("words-to-hide")

    with pytest.raises(Problem):
        await timeouts.wait(work())
    failing.set()
    await timeouts.end(5)
    assert [record.levelname for record in caplog.records if "StoreFailed" in record.getMessage()] == ["WARNING"]
    assert "words-to-hide" not in caplog.text


async def test_a_problem_found_while_waiting_is_the_answer() -> None:
    async def work() -> None:
        raise Problem(HTTPStatus.NOT_FOUND, "none")

    with pytest.raises(Problem, match="none") as caught:
        await Timeouts().wait(work())
    assert caught.value.status == 404


@pytest.mark.parametrize("limits", [{"ANSWER_WITHIN": 5}])
async def test_a_stop_waits_for_running_requests(front: Front, slow: Slow) -> None:
    request = asyncio.create_task(front.post("signals", SIGNAL))
    await until(lambda: slow.begun)
    stopping = asyncio.create_task(front.server.stop())
    await asyncio.sleep(0)
    slow.let.set()
    assert (await request).status == 202
    await stopping

"""Within a running event loop, a start or stop begins at the call, awaited or not, and never blocks the loop."""

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from signalpost import (
    AsyncNotificationService,
    AsyncNotificationStartup,
    Config,
    InvalidConfiguration,
    InvalidValue,
    NotificationIntegration,
    Outcome,
    StoreUnusable,
)
from tests.unit.integration.test_integration import alert

THREADS = ("signalpost start", "signalpost stop")


@pytest.fixture
def integration(tmp_path: Path) -> Iterator[NotificationIntegration]:
    made = NotificationIntegration(Config(home=tmp_path / "home"), fallback=lambda _: None)
    yield made
    all_ended()
    made.stop()


def all_ended() -> None:
    """Wait until every start and stop has ended."""
    for thread in threading.enumerate():
        if thread.name in THREADS:
            thread.join(30)


def does_not_run(integration: NotificationIntegration) -> bool:
    return [getattr(reason, "code", "") for reason in integration.health().reasons] == ["not-running"]


class Held:
    """A service whose start waits for `may_start`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.has_begun, self.may_start = threading.Event(), threading.Event()
        start = AsyncNotificationService.start

        async def held(service: AsyncNotificationService) -> None:
            self.has_begun.set()
            await asyncio.to_thread(self.may_start.wait, 30)
            await start(service)

        monkeypatch.setattr(AsyncNotificationService, "start", held)


def begun(call: Callable[[], Any]) -> Any:
    """The result of a call, which must leave raising to the await."""
    try:
        return call()
    except (InvalidConfiguration, StoreUnusable) as fault:
        pytest.fail(f"it waited, and raised {type(fault).__name__}")


async def test_a_start_returns_before_the_service_runs(
    integration: NotificationIntegration, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Held(monkeypatch)
    startup = AsyncNotificationStartup(integration)
    started = begun(startup.on_strategy_start)
    assert "await" in repr(started)
    future = integration.send_alert(alert())
    assert not future.done(), "it waits for the start"
    store.may_start.set()
    await started
    assert (await future).outcome is Outcome.DIRECT
    assert await startup.on_strategy_stop() == 0


async def test_a_stop_returns_before_it_is_complete(integration: NotificationIntegration) -> None:
    startup = AsyncNotificationStartup(integration)
    await startup.on_strategy_start()
    is_may_start = threading.Event()

    class Flushed:
        def flush(self) -> None:
            is_may_start.wait(3)

    first = Flushed()
    integration.flushed_first.add(first)
    stopping = startup.on_strategy_stop()
    assert not does_not_run(integration), "the call did not wait for the stop"
    is_may_start.set()
    assert await stopping == 0
    assert does_not_run(integration)


async def test_an_error_of_a_start_is_raised_by_its_await(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    no_folder = AsyncNotificationStartup(NotificationIntegration(Config(home=tmp_path / "file")))
    with pytest.raises(StoreUnusable):
        await begun(no_folder.on_strategy_start)
    monkeypatch.setenv("DISCORD_WEBHOOK_URL", "no webhook")
    unread = AsyncNotificationStartup(NotificationIntegration())
    with pytest.raises(InvalidConfiguration):
        await begun(unread.on_strategy_start)
    assert does_not_run(no_folder.integration)
    assert does_not_run(unread.integration)


@pytest.mark.parametrize("home", ["file", None])
async def test_a_failure_that_is_never_awaited_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, home: str | None
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DISCORD_WEBHOOK_URL", "no webhook")
    integration = NotificationIntegration(None if home is None else Config(home=tmp_path / home))
    AsyncNotificationStartup(integration).on_strategy_start()
    all_ended()
    error = "StoreUnusable" if home else "InvalidConfiguration"
    assert [record.levelname for record in caplog.records if error in record.getMessage()] == ["ERROR"]


async def test_a_failure_that_is_awaited_is_not_logged_as_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    integration = NotificationIntegration(Config(home=tmp_path / "file"))
    with pytest.raises(StoreUnusable):
        await integration.start_async()
    all_ended()
    assert "StoreUnusable" not in caplog.text


async def test_cancelling_the_wait_does_not_cancel_the_start(
    integration: NotificationIntegration, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Held(monkeypatch)
    startup = AsyncNotificationStartup(integration)

    async def wait(started: Awaitable[object]) -> None:
        await started

    started = startup.on_strategy_start()
    waiting = asyncio.create_task(wait(started))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    store.may_start.set()
    await started
    assert not does_not_run(integration)


def test_a_start_goes_on_when_the_loop_is_closed(integration: NotificationIntegration) -> None:
    startup = AsyncNotificationStartup(integration)

    async def strategy() -> None:
        startup.on_strategy_start()
        integration.send_alert(alert())
        startup.on_strategy_stop()

    asyncio.run(strategy())
    all_ended()
    assert does_not_run(integration)
    assert integration.get_metrics()["fallback_called"] == 1


async def test_starts_and_stops_take_effect_in_their_order(integration: NotificationIntegration) -> None:
    startup = AsyncNotificationStartup(integration)
    for _ in range(2):
        startup.on_strategy_start()
    startup.on_strategy_stop()
    await startup.on_strategy_start()
    assert not does_not_run(integration)
    await startup.on_strategy_start()
    started, stopped, again = startup.on_strategy_start(), startup.on_strategy_stop(), startup.on_strategy_stop()
    assert await again == 0
    assert await stopped == 0
    await started
    assert does_not_run(integration)


async def test_a_start_does_not_wait_for_a_start_of_another_thread(
    integration: NotificationIntegration, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Held(monkeypatch)
    thread = threading.Thread(target=integration.start)
    thread.start()
    store.has_begun.wait(30)
    started = integration.start_async()
    assert not started.done()
    store.may_start.set()
    await started
    thread.join()
    assert not does_not_run(integration)


async def test_wrong_arguments_are_refused_at_the_call(integration: NotificationIntegration) -> None:
    with pytest.raises(InvalidValue):
        AsyncNotificationStartup(integration).on_strategy_stop(float("nan"))
    with pytest.raises(InvalidValue):
        integration.start_async(float("nan"))


@pytest.fixture
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_handlers_of_signals_are_put_back_once_it_is_stopped(
    integration: NotificationIntegration, handlers: None
) -> None:
    got: list[int] = []

    def hosts(number: int, _: object) -> None:
        got.append(number)

    signal.signal(signal.SIGTERM, hosts)
    startup = AsyncNotificationStartup(integration, handle_signals=True)

    async def strategy(*, waits: bool) -> None:
        await startup.on_strategy_start()
        os.kill(os.getpid(), signal.SIGTERM)
        stopping = startup.on_strategy_stop()
        if waits:
            await stopping

    asyncio.run(strategy(waits=True))
    assert got == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is hosts
    asyncio.run(strategy(waits=False))
    all_ended()
    os.kill(os.getpid(), signal.SIGTERM)
    assert got == [signal.SIGTERM] * 3, "handlers that a closed loop left behind call the host's"

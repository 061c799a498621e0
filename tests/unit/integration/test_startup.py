import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from signalpost import (
    AsyncNotificationStartup,
    Config,
    NotificationIntegration,
    Outcome,
    StoreUnusable,
    on_strategy_start,
    on_strategy_stop,
)
from signalpost.integration.functions import process_wide
from tests.unit.integration.test_integration import alert


@pytest.fixture
def integration(tmp_path: Path) -> Iterator[NotificationIntegration]:
    made = NotificationIntegration(Config(home=tmp_path), fallback=lambda _: None)
    yield made
    made.stop()


@pytest.fixture
def handlers() -> Iterator[None]:
    """Restores the signal handlers after the test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def codes(integration: NotificationIntegration) -> list[str]:
    """The codes of its health."""
    return [getattr(reason, "code", "") for reason in integration.health().reasons]


def test_a_start_and_a_stop_are_plain_calls_from_any_thread(integration: NotificationIntegration) -> None:
    startup = AsyncNotificationStartup(integration)
    thread = threading.Thread(target=startup.on_strategy_start)
    thread.start()
    thread.join()
    startup.on_strategy_start()
    assert codes(integration) != ["not-running"]
    assert startup.on_strategy_stop() == 0
    assert startup.on_strategy_stop() == 0
    assert codes(integration) == ["not-running"]


async def test_results_of_start_and_stop_may_be_awaited(integration: NotificationIntegration) -> None:
    startup = AsyncNotificationStartup(integration)
    started = startup.on_strategy_start()
    await started
    assert repr(started) == "started", "which a notebook shows"
    stopping = startup.on_strategy_stop()
    assert repr(stopping) not in {"started", "0"}
    assert await stopping == 0


def test_the_results_of_plain_calls_may_be_awaited_later(integration: NotificationIntegration) -> None:
    startup = AsyncNotificationStartup(integration)
    started, left = startup.on_strategy_start(), startup.on_strategy_stop()

    async def awaited() -> int:
        await started
        return await left

    assert (repr(started), repr(left), asyncio.run(awaited())) == ("started", "0", 0)


async def test_the_functions_start_and_stop_the_process_wide_integration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNALPOST_HOME", str(tmp_path))
    assert AsyncNotificationStartup().integration is process_wide
    await on_strategy_start()
    assert codes(process_wide) != ["not-running"]
    assert await on_strategy_stop() == 0
    assert codes(process_wide) == ["not-running"]


def test_signals_are_not_handled_by_default(integration: NotificationIntegration) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    startup = AsyncNotificationStartup(integration)
    startup.on_strategy_start()
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    startup.on_strategy_stop()


def test_a_signal_flushes_calls_the_hosts_handler_and_lets_it_go_on(
    integration: NotificationIntegration, handlers: None
) -> None:
    got: list[Any] = []

    def hosts(number: int, _: FrameType | None) -> None:
        got.append((number, ticket.done(), integration.get_metrics()["fallback_waiting"]))

    signal.signal(signal.SIGTERM, hosts)
    startup = AsyncNotificationStartup(integration, handle_signals=True)
    startup.on_strategy_start()
    startup.on_strategy_start()
    ticket = integration.send_alert(alert())
    os.kill(os.getpid(), signal.SIGTERM)
    assert got == [(signal.SIGTERM, True, 0)]
    assert integration.send_alert(alert("after")).result(10).outcome is Outcome.DIRECT
    startup.on_strategy_stop()
    assert signal.getsignal(signal.SIGTERM) is hosts


def test_a_signal_that_the_host_ignores_is_still_ignored(integration: NotificationIntegration, handlers: None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    startup = AsyncNotificationStartup(integration, handle_signals=True)
    startup.on_strategy_start()
    os.kill(os.getpid(), signal.SIGTERM)
    startup.on_strategy_stop()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def test_a_handler_that_the_host_set_since_is_kept_by_a_stop(
    integration: NotificationIntegration, handlers: None
) -> None:
    def hosts(*_: object) -> None: ...

    startup = AsyncNotificationStartup(integration, handle_signals=True)
    startup.on_strategy_start()
    signal.signal(signal.SIGTERM, hosts)
    startup.on_strategy_stop()
    assert signal.getsignal(signal.SIGTERM) is hosts


def test_a_stop_from_another_thread_leaves_the_handlers_which_then_only_chain(
    integration: NotificationIntegration, handlers: None
) -> None:
    got: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: got.append(number))
    startup = AsyncNotificationStartup(integration, handle_signals=True)
    startup.on_strategy_start()
    thread = threading.Thread(target=startup.on_strategy_stop)
    thread.start()
    thread.join()
    os.kill(os.getpid(), signal.SIGTERM)
    assert got == [signal.SIGTERM]


def test_signals_can_be_handled_in_the_main_thread_only(integration: NotificationIntegration) -> None:
    faults: list[BaseException] = []

    def start() -> None:
        try:
            AsyncNotificationStartup(integration, handle_signals=True).on_strategy_start()
        except RuntimeError as fault:
            faults.append(fault)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    (fault,) = faults
    assert "handle_signals" in str(fault)
    assert codes(integration) == ["not-running"]


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    home = tmp_path / "file" / "home"
    startup = AsyncNotificationStartup(NotificationIntegration(Config(home=home)))
    with pytest.raises(StoreUnusable) as raised:
        startup.on_strategy_start()
    fault = raised.value
    assert getattr(fault, "code", None) == "not-writable"
    assert str(home) in str(fault)
    assert fault.__cause__ is None, "one traceback, not three"
    assert fault.__suppress_context__
    assert len(raised.traceback) <= 4, "it shows no frames of ours"

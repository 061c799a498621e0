"""A stop always stops the service and frees its folder, even if something in it fails."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from signalpost import AsyncNotificationService, InvalidValue, NotificationIntegration, Outcome, StoreFailed
from signalpost.delivery.intake import Intake
from signalpost.domain.events import Event, Taken
from signalpost.integration.futures import AwaitableFuture
from signalpost.integration.submission import SubmissionQueue
from signalpost.service import Role
from tests.unit.integration.conftest import ConfigFor
from tests.unit.service.conftest import codes, signal

INFINITY, NOT_A_NUMBER = float("inf"), float("nan")


def assert_free(config_for: ConfigFor) -> None:
    async def role() -> Role | None:
        async with AsyncNotificationService(config_for()) as service:
            return service.role

    assert asyncio.run(role()) is Role.OWNER


@pytest.mark.parametrize("timeout", [INFINITY, None, -1, -INFINITY, 10**309])
def test_any_number_of_seconds_is_valid_and_none_means_no_limit(config_for: ConfigFor, timeout: float | None) -> None:
    integration = NotificationIntegration(config_for())
    integration.start(within=None)
    integration.send_signal(signal()).result(10)
    assert integration.flush(timeout) in {0, 1}
    assert integration.stop(timeout) in {0, 1}
    assert_free(config_for)


@pytest.mark.parametrize("timeout", [NOT_A_NUMBER, "5"])
def test_an_invalid_timeout_is_rejected_before_anything_is_stopped(config_for: ConfigFor, timeout: Any) -> None:
    integration = NotificationIntegration(config_for())
    calls: list[Callable[[Any], object]] = [integration.start, integration.flush, integration.stop]
    integration.start()
    for call in calls:
        with pytest.raises(InvalidValue) as refused:
            call(timeout)
        assert refused.value.code == "not-a-number"
    assert integration.is_healthy()
    assert integration.stop() == 0
    assert_free(config_for)


def test_an_interrupted_stop_leaves_no_service_behind(config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    integration = NotificationIntegration(config_for())
    integration.start()
    monkeypatch.setattr(AwaitableFuture, "result", interrupted, raising=False)
    with pytest.raises(KeyboardInterrupt):
        integration.stop()
    assert codes(integration.health().reasons) == ["not-running"]
    assert_free(config_for)


def test_a_failing_flush_does_not_prevent_a_stop(config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch) -> None:
    async def breaks(_: SubmissionQueue) -> None:
        raise LookupError

    integration = NotificationIntegration(config_for())
    integration.start()
    monkeypatch.setattr(SubmissionQueue, "committed", breaks)
    assert integration.stop() == 0
    assert_free(config_for)


async def test_a_service_that_fails_at_its_end_frees_its_folder(
    config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(_: Intake) -> int:
        raise StoreFailed("the disk is gone")

    service = AsyncNotificationService(config_for())
    await service.start()
    for call in (service.stop, service.drain):
        with pytest.raises(InvalidValue) as refused:
            await call(NOT_A_NUMBER)
        assert (refused.value.code, refused.value.errors[0].value) == ("not-a-number", "nan")
    assert service.is_healthy()
    with monkeypatch.context() as patch:
        patch.setattr(Intake, "close", breaks)
        with pytest.raises(StoreFailed):
            await service.stop()
    async with AsyncNotificationService(config_for()) as other:
        assert other.role is Role.OWNER


class Unflushable:
    """Fails to flush."""

    def flush(self) -> None:
        raise LookupError


def test_a_failing_first_flush_raises_and_the_service_is_stopped(config_for: ConfigFor) -> None:
    integration = NotificationIntegration(config_for())
    counts = Unflushable()
    integration.flushed_first.add(counts)
    integration.start()
    with pytest.raises(LookupError):
        integration.stop()
    assert_free(config_for)
    integration.flushed_first.clear()


def test_a_callback_may_not_wait_for_the_thread_that_calls_it(config_for: ConfigFor) -> None:
    integration = NotificationIntegration(config_for())
    integration.start()
    refusals: list[str] = []
    is_over = threading.Event()

    def waits(ticket: Any) -> None:
        assert ticket.result().outcome is Outcome.ACCEPTED, "this ticket is set"
        another = integration.send_signal(signal(signal_id="another"))
        waiting: list[Callable[[], object]] = [another.result, integration.flush, integration.stop]
        for wait in waiting:
            with pytest.raises(RuntimeError) as refusal:
                wait()
            refusals.append(str(refusal.value))
        with pytest.raises(TimeoutError):
            another.result(0)
        is_over.set()

    integration.send_signal(signal()).add_done_callback(waits)
    assert is_over.wait(10)
    assert [name in text for name, text in zip(("result()", "flush", "stop"), refusals, strict=True)] == [True] * 3
    assert integration.flush() == 0
    integration.stop()


@pytest.mark.parametrize("kind", [SystemExit, GeneratorExit, asyncio.CancelledError, LookupError])
def test_a_listener_or_a_callback_that_exits_ends_only_itself(
    config_for: ConfigFor, caplog: pytest.LogCaptureFixture, kind: type[BaseException]
) -> None:
    def exits(event: Event) -> None:
        if isinstance(event, Taken):
            raise kind

    def exits_too(_: object) -> None:
        raise kind

    integration = NotificationIntegration(config_for(), listeners=[exits])
    integration.start()
    for number in range(2):
        future = integration.send_signal(signal(signal_id=str(number)))
        future.add_done_callback(exits_too)
        assert future.result(10).outcome is Outcome.ACCEPTED
    assert integration.flush() == 0
    assert integration.is_healthy()
    integration.stop()
    lines = [line for line in caplog.messages if kind.__name__ in line]
    assert sum("Taken" in line for line in lines) == 2
    assert sum("Taken" not in line for line in lines) == 2, "one for each callback"


async def test_ctrl_c_in_a_callback_is_not_its_own() -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    future = NotificationIntegration().send_signal(signal())
    with pytest.raises(KeyboardInterrupt):
        future.add_done_callback(interrupted)

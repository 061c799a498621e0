"""No handler of the log and no listener changes what the service does."""

import asyncio
import logging
import threading
from collections.abc import Coroutine
from typing import Any

import pytest

from signalpost import AsyncNotificationService, HealthStatus, Outcome
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.events import Event
from signalpost.sandbox.server import Sandbox
from tests.unit.service.conftest import ConfigFor, shown, signal


class Broken(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("a handler of the host")


class Pipe(logging.Handler):
    """Blocks until it is opened, as a pipe that nobody reads does."""

    def __init__(self) -> None:
        super().__init__()
        self.is_open = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.is_open.wait(60)


async def test_a_handler_that_raises_breaks_no_intake_and_no_sender(sandbox: Sandbox, config_for: ConfigFor) -> None:
    service = AsyncNotificationService(config_for())
    await service.start()
    handler = Broken()
    log = logging.getLogger("signalpost")
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    faults: list[BaseException] = []
    try:
        for number in range(3):
            try:
                await service.queue_notification(signal(signal_id=str(number)))
            except RuntimeError as fault:
                faults.append(fault)
        await service.drain(timeout=5)
    finally:
        log.removeHandler(handler)
        await service.stop()
    assert (faults, len(shown(sandbox, "signals-free"))) == ([], 3)


def test_a_handler_that_blocks_holds_up_no_caller(config_for: ConfigFor) -> None:
    log, pipe = logging.getLogger("signalpost"), Pipe()
    answered = threading.Event()

    async def put() -> None:
        async with AsyncNotificationService(config_for()) as service:
            log.addHandler(pipe)
            log.setLevel(logging.DEBUG)
            ticket = await service.queue_notification(signal())
            if ticket.outcome is Outcome.ACCEPTED:
                answered.set()
            await service.stop(timeout=0.5)  # the sandbox shares the blocked loop, so it cannot answer

    thread = _in_thread(put())
    was_answered = answered.wait(30)
    pipe.is_open.set()
    thread.join(30)
    log.removeHandler(pipe)
    assert was_answered, "the caller's loop stood still while a handler blocked"


async def test_an_interrupt_that_a_program_raises_in_a_listener_breaks_no_intake(config_for: ConfigFor) -> None:
    def interrupted(_: Event) -> None:
        raise KeyboardInterrupt

    try:
        async with AsyncNotificationService(config_for(), listeners=[interrupted]) as service:
            outcome = (await service.queue_notification(signal())).outcome
            await service.drain(timeout=5)
            health = service.health().status
    except KeyboardInterrupt:
        pytest.fail("the listener's exception reached the caller")
    assert (outcome, health) == (Outcome.ACCEPTED, HealthStatus.HEALTHY)


async def test_a_listener_that_takes_over_100_ms_is_reported_by_its_name(
    config_for: ConfigFor, caplog: pytest.LogCaptureFixture
) -> None:
    def dawdles(_: Event) -> None:
        threading.Event().wait(0.12)

    async with AsyncNotificationService(config_for(), listeners=[dawdles]) as service:
        await service.queue_notification(signal())
        await service.drain(timeout=10)
    reports = [record for record in caplog.records if "dawdles" in record.getMessage()]
    assert {record.levelname for record in reports} == {"WARNING"}


async def test_dropped_lines_are_counted(config_for: ConfigFor) -> None:
    async with AsyncNotificationService(config_for()) as service:
        assert isinstance(service.get_metrics().get("log_lines_dropped"), int)


def _in_thread(work: Coroutine[Any, Any, None]) -> threading.Thread:
    thread = threading.Thread(target=asyncio.run, args=(work,), daemon=True)
    thread.start()
    return thread


async def test_a_store_thread_that_failed_shows_in_health(
    config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncNotificationService(config_for()) as service:
        apply = SqliteCore.apply

        def fail_once(*_: object) -> None:
            monkeypatch.setattr(SqliteCore, "apply", apply)
            raise SystemExit

        monkeypatch.setattr(SqliteCore, "apply", fail_once)
        await service.queue_notification(signal())
        await service.drain(30)
        assert "worker-failed" in {getattr(each, "code", "") for each in service.health().reasons}

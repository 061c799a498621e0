import logging
import sys
import threading
from queue import SimpleQueue

import pytest

from signalpost import Alert, AsyncNotificationService, Outcome, Refusal, Role, StoreFailed, Ticket
from signalpost.integration.service_thread import ServiceThread
from signalpost.integration.submission import Submission
from signalpost.sandbox.rules.faults import Fault
from signalpost.sandbox.server import Sandbox
from tests.unit.integration.conftest import ConfigFor, Started
from tests.unit.service.conftest import codes


def submission(alert_type: str = "feed") -> Submission:
    return Submission(Alert(alert_type=alert_type, severity="critical", title="t"))


def test_a_stop_closes_the_service_and_the_sender_and_ends_the_thread(
    config_for: ConfigFor, services: list[Started]
) -> None:
    thread = ServiceThread(AsyncNotificationService(config_for()))
    thread.wait(10)
    assert thread.direct is thread.direct, "one sender for all"
    assert thread.stop(5) == 0
    assert codes(services[0].service.health().reasons) == ["not-running"]
    assert not services[0].thread.is_alive
    assert not thread.is_running
    assert (thread.stop(0), thread.flush(0)) == (0, 0)


def test_a_thread_that_a_callback_ends_frees_the_folder(
    config_for: ConfigFor, services: list[Started], monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: SimpleQueue[type[BaseException]] = SimpleQueue()
    monkeypatch.setattr(threading, "excepthook", lambda end: ends.put(end.exc_type))
    thread = ServiceThread(AsyncNotificationService(config_for()))
    thread.wait(10)
    services[0].thread.loop.call_soon_threadsafe(sys.exit)
    assert ends.get(timeout=10) is SystemExit
    assert codes(services[0].service.health().reasons) == ["not-running"]
    after = ServiceThread(AsyncNotificationService(config_for()))
    after.wait(10)
    assert after.service.role is Role.OWNER
    after.stop(0)


def test_a_flush_waits_for_direct_sends(config_for: ConfigFor, sandbox: Sandbox) -> None:
    sandbox.discord.faults.plan(Fault(seconds_before=0.1))
    thread = ServiceThread(AsyncNotificationService(config_for()))
    thread.wait(10)
    sent = submission()
    thread.direct.take(sent, Ticket(Outcome.REFUSED, "", "the disk is full", Refusal.STORE))
    assert not sent.future.done()
    assert thread.flush(10) == 0
    assert sent.future.result(0).outcome is Outcome.DIRECT
    thread.stop(0)


def test_the_pace_of_a_destination_is_known_while_its_service_runs(config_for: ConfigFor) -> None:
    thread = ServiceThread(AsyncNotificationService(config_for("alerts-critical")))
    thread.wait(10)
    assert thread.lane("alerts-critical") is not None
    assert thread.lane("alerts-general") is None
    producer = ServiceThread(AsyncNotificationService(config_for("alerts-critical")))
    producer.wait(10)
    assert producer.lane("alerts-critical") is None, "a producer sends nothing, and keeps no pace"
    producer.stop(0)
    thread.stop(0)
    assert thread.lane("alerts-critical") is None


def test_a_producer_that_is_cut_short_counts_only_its_own_deliveries(config_for: ConfigFor, sandbox: Sandbox) -> None:
    """A timeout of 0 leaves no time for a query to the store."""
    sandbox.discord.faults.plan(Fault(seconds_before=60, is_processed=False, times=10))
    owner = ServiceThread(AsyncNotificationService(config_for()))
    owner.wait(10)
    for number in range(3):
        owner.queue.put(submission(f"owner_{number}"))
    assert owner.flush(0.5) == 3
    producer = ServiceThread(AsyncNotificationService(config_for()))
    assert producer.flush(0) == 0, "while its role is unknown"
    producer.wait(10)
    assert producer.service.role is Role.PRODUCER
    assert producer.flush(0) == 0
    own = submission("producer")
    producer.queue.put(own)
    assert own.future.result(10).outcome is Outcome.ACCEPTED
    assert producer.flush(0) == 1
    assert producer.stop(0) == 1
    assert producer.flush(0) == 1, "as the stop left it"
    owner.stop(0)


class ServiceWithoutStore(AsyncNotificationService):
    """Its store always fails."""

    async def drain(self, timeout: float | None = None) -> list[object]:  # type: ignore[override]
        raise StoreFailed("the disk is gone")

    async def stop(self, timeout: float = 0) -> list[object]:  # type: ignore[override]
        await super().stop(timeout)
        raise StoreFailed("the disk is gone")


def test_a_failing_store_raises_nothing_from_flush_or_stop(
    config_for: ConfigFor, caplog: pytest.LogCaptureFixture
) -> None:
    thread = ServiceThread(ServiceWithoutStore(config_for("alerts-critical")))
    thread.queue.put(submission())
    assert thread.flush(5) in {0, 1}
    assert thread.stop(5) in {0, 1}
    assert (logging.ERROR, True) in [(line.levelno, "StoreFailed" in line.getMessage()) for line in caplog.records]

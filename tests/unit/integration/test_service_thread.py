import asyncio
import logging

import pytest

from signalpost import Alert, AsyncNotificationService, StoreFailed
from signalpost.integration.service_thread import ServiceThread
from signalpost.integration.submission import Submission
from tests.unit.integration.conftest import ConfigFor
from tests.unit.service.conftest import codes


def test_resources_are_closed_after_the_service_and_on_its_loop(config_for: ConfigFor) -> None:
    owner = ServiceThread(AsyncNotificationService(config_for()))
    owner.wait(10)
    closed = []

    async def close() -> None:
        closed.append((asyncio.get_running_loop() is owner._thread.loop, codes(owner.service.health().reasons)))

    owner.at_end.append(close)
    assert owner.stop(5) == 0
    assert closed == [(True, ["not-running"])]
    assert not owner.is_running
    assert (owner.stop(0), owner.flush(0)) == (0, 0)


def test_a_flush_waits_for_the_work_beside_the_service(config_for: ConfigFor) -> None:
    owner = ServiceThread(AsyncNotificationService(config_for()))
    owner.wait(10)
    done = []

    async def work() -> None:
        await asyncio.to_thread(lambda: None)
        done.append(True)

    begun = owner.begin(work)
    assert owner.beside == 1
    assert owner.flush(10) == 0
    assert done == [True]
    begun.result(10)
    assert owner.beside == 0
    owner.stop(0)


def test_the_pace_of_a_destination_is_known_while_its_service_runs(config_for: ConfigFor) -> None:
    owner = ServiceThread(AsyncNotificationService(config_for("alerts-critical")))
    owner.wait(10)
    assert owner.lane("alerts-critical") is not None
    assert owner.lane("alerts-general") is None
    neighbour = ServiceThread(AsyncNotificationService(config_for("alerts-critical")))
    neighbour.wait(10)
    assert neighbour.lane("alerts-critical") is None, "who only puts sends nothing, and keeps no pace"
    neighbour.stop(0)
    owner.stop(0)
    assert owner.lane("alerts-critical") is None


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
    owner = ServiceThread(ServiceWithoutStore(config_for("alerts-critical")))
    owner.put(Submission.checked(Alert, Alert(alert_type="feed", severity="high", title="t"), None, None, None))
    assert owner.flush(5) in {0, 1}
    assert owner.stop(5) in {0, 1}
    assert (logging.ERROR, True) in [(line.levelno, "StoreFailed" in line.getMessage()) for line in caplog.records]

"""Each reason of health has a code, and is still a string."""

import copy
import pickle

from signalpost import AsyncNotificationService, HealthStatus
from signalpost.domain.events import StoreMoved, WorkerFailed, WorkerRecovered
from signalpost.domain.reason import Reason
from tests.unit.service.conftest import ConfigFor, codes, emit


async def test_a_dead_worker_degrades_health_until_it_has_recovered(config_for: ConfigFor) -> None:
    async with AsyncNotificationService(config_for()) as service:
        emit(service, WorkerFailed("sender 1 of signals-free", "SystemExit"))
        status, (reason,) = service.health()
        assert (status, getattr(reason, "code", "")) == (HealthStatus.DEGRADED, "worker-failed")
        assert "sender 1 of signals-free" in reason
        assert service.get_metrics()["workers_restarted"] == 1
        emit(service, WorkerRecovered("sender 1 of signals-free"))
        assert service.is_healthy()


async def test_a_reason_is_a_string_with_a_code(config_for: ConfigFor) -> None:
    service = AsyncNotificationService(config_for())
    (reason,) = service.health().reasons
    assert isinstance(reason, str)
    assert codes([reason]) == ["not-running"]
    async with service:
        emit(service, StoreMoved(False, "the disk is full"))
        assert [getattr(each, "code", "") for each in service.health().reasons] == ["store-failed"]


def test_a_reason_can_be_copied_and_pickled() -> None:
    reason = Reason("it is late", "late")
    for each in (copy.deepcopy(reason), pickle.loads(pickle.dumps(reason))):  # our own
        assert (each, each.code) == ("it is late", "late")

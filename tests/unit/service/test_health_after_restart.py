"""After a restart, health reports present problems only."""

from datetime import timedelta

from signalpost import AsyncNotificationService, HealthStatus, clock
from signalpost.cli.destinations import enable_again
from signalpost.config import STORE_FILE
from signalpost.domain.events import BreakerMoved, DestinationSeen, HostBanned, StoreMoved
from signalpost.sandbox.server import Sandbox
from tests.unit.service.conftest import ConfigFor, codes, emit, signal


async def test_problems_of_the_last_run_are_not_reported_by_the_next(config_for: ConfigFor) -> None:
    service = AsyncNotificationService(config_for())
    async with service:
        emit(service, StoreMoved(False, "the disk is full"))
        emit(service, BreakerMoved("signals-free", "open"))  # which is only counted
        emit(service, DestinationSeen("signals-free", "1", None, (), "it is a forum"))
        emit(service, HostBanned("host", "403", clock.now() + timedelta(hours=1)))
        assert len(service.health().reasons) == 3
    async with service:
        assert service.health() == (HealthStatus.HEALTHY, ())
        counts = service.get_metrics()
        assert (counts["circuit_breakers_open"], counts["circuit_breaker_trips"]) == (0, 1)


async def test_a_deleted_webhook_is_reported_by_each_run_until_it_is_enabled(
    sandbox: Sandbox, config_for: ConfigFor
) -> None:
    config = config_for()
    service = AsyncNotificationService(config)
    sandbox.discord.guild.delete("signals-free")
    async with service:
        await service.queue_notification(signal())
        await service.drain(30)
    for _ in range(2):
        async with service:
            (reason,) = service.health().reasons
            assert codes([reason]) == ["webhook-gone"]
            assert "signals-free" in reason
            assert service.get_metrics()["destinations_disabled"] == 1
    enable_again(config.home / STORE_FILE, config.destinations[0])
    async with service:
        assert service.is_healthy()
        counts = service.get_metrics()
        assert (counts["destinations_disabled"], counts["deliveries_dead"]) == (0, 1)

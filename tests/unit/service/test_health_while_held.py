import sqlite3

from signalpost import AsyncNotificationService, HealthStatus, Outcome
from signalpost.domain.events import StoreMoved
from tests.unit.service.conftest import ConfigFor, signal


async def test_what_is_held_is_unhealthy_also_when_the_store_has_settled_something_else(config_for: ConfigFor) -> None:
    async with AsyncNotificationService(config_for()) as service:
        disk: sqlite3.Connection = service._running.outbox._core._db  # type: ignore[union-attr, attr-defined]
        (pages,) = disk.execute("PRAGMA page_count").fetchone()
        disk.execute(f"PRAGMA max_page_count={pages}")
        ticket = await service.queue_notification(signal(), additional_context={"much": "x" * 9_000})
        assert ticket.outcome is Outcome.HELD
        service._emit(StoreMoved(is_well=True))  # as dispatch says when it has settled a delivery
        assert service.health() == (HealthStatus.UNHEALTHY, ("1 notifications are not written down yet",))
        disk.execute("PRAGMA max_page_count=1000000")
        await service._running.intake._recovering  # type: ignore[union-attr, misc]
        assert service.is_healthy()

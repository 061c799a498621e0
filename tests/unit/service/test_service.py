import asyncio
from pathlib import Path
from unittest.mock import patch

import pytest

from signalpost import (
    Alert,
    AsyncNotificationService,
    Config,
    HealthStatus,
    InvalidConfiguration,
    InvalidValue,
    NotificationPriority,
    Outcome,
    Refusal,
    Role,
    SystemStatus,
    UserTier,
    clock,
)
from signalpost.delivery.outbox.commands import Settle
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.ledger import StreamState
from signalpost.errors import StoreClosed, StoreFailed
from signalpost.sandbox.server import Sandbox
from signalpost.service.run import Run
from tests.unit.service.conftest import ConfigFor, codes, shown, signal
from tests.until import until


async def test_a_signal_is_accepted_saved_and_shown(sandbox: Sandbox, config_for: ConfigFor) -> None:
    async with AsyncNotificationService(config_for()) as service:
        ticket = await service.queue_notification(
            signal(),
            priority=NotificationPriority.HIGH,
            user_tier=UserTier.PREMIUM,
            additional_context={"market_conditions": "trending"},
        )
        assert (ticket.outcome, ticket.reason, bool(ticket)) == (Outcome.ACCEPTED, None, True)
        assert await service.drain(timeout=30) == []
        (delivery,) = await service.deliveries(ticket.id)
        assert (delivery.state, delivery.id.destination, delivery.attempts) == ("delivered", "signals-premium", 1)
        assert shown(sandbox, "signals-premium") == ["BUY EURUSD"]
        metrics = service.get_metrics()
        assert {name: metrics[name] for name in ("notifications_queued", "notifications_sent", "queue_depth")} == {
            "notifications_queued": 1,
            "notifications_sent": 1,
            "queue_depth": 0,
        }
        assert (metrics["notifications_failed"], metrics["circuit_breaker_trips"]) == (0, 0)
        assert service.health() == (HealthStatus.HEALTHY, ())
        assert service.is_healthy()


async def test_many_concurrent_alerts_are_all_delivered_once(sandbox: Sandbox, config_for: ConfigFor) -> None:
    async with AsyncNotificationService(config_for()) as service:
        tickets = await asyncio.gather(
            *(service.send_alert_async(Alert(alert_type="feed", severity="high", title=f"t{n}")) for n in range(50))
        )
        assert all(ticket.outcome is Outcome.ACCEPTED for ticket in tickets)
        await service.drain(timeout=30)
    assert sorted(shown(sandbox, "alerts-critical")) == sorted(f"HIGH · t{n}" for n in range(50))


async def test_all_methods_that_send_share_the_keys(sandbox: Sandbox, config_for: ConfigFor) -> None:
    async with AsyncNotificationService(config_for()) as service:
        one = signal()
        first = await service.send_signal_async(one, user_tier="premium", additional_context={"a": 1})
        again = await service.queue_notification(one, None, UserTier.PREMIUM, {"a": 1})
        assert (again.outcome, again.id) == (Outcome.DUPLICATE, first.id)


async def test_without_a_webhook_signals_are_refused_and_health_is_degraded(tmp_path: Path) -> None:
    async with AsyncNotificationService(Config(home=tmp_path, dry_run=True)) as service:
        ticket = await service.queue_notification(signal())
        assert (ticket.outcome, bool(ticket)) == (Outcome.REFUSED, False)
        assert ticket.cause is Refusal.NO_DESTINATION
        assert "signals-free" in (ticket.reason or "")
        status, reasons = service.health()
        assert status is HealthStatus.DEGRADED
        assert codes(reasons)[0] == "no-webhook"
        assert not service.is_healthy()


async def test_the_environment_alone_is_a_configuration(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNALPOST_HOME", str(tmp_path / "made" / "here"))
    monkeypatch.setenv("DISCORD_WEBHOOK_URL", sandbox.webhook("everything"))
    async with AsyncNotificationService() as service:
        await service.queue_notification(SystemStatus(status="operational"))
        await service.drain(timeout=30)
    assert len(shown(sandbox, "everything")) == 1


def test_an_invalid_environment_is_rejected_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_WEBHOOK_URL", "https://example.com/hook")
    with pytest.raises(InvalidConfiguration) as refused:
        AsyncNotificationService()
    assert (refused.value.code, refused.value.field) == ("invalid-webhook", "DISCORD_WEBHOOK_URL")


async def test_invalid_arguments_are_raised(config_for: ConfigFor) -> None:
    async with AsyncNotificationService(config_for()) as service:
        with pytest.raises(InvalidValue):
            await service.queue_notification("BUY EURUSD")  # type: ignore[arg-type]
        with pytest.raises(InvalidValue):
            await service.queue_notification(signal(), priority="soon")


async def test_a_service_that_is_not_running_refuses_and_returns_nothing(config_for: ConfigFor) -> None:
    service = AsyncNotificationService(config_for())
    ticket = await service.queue_notification(signal())
    assert (ticket.outcome, ticket.id, ticket.cause) == (Outcome.REFUSED, "", Refusal.NOT_RUNNING)
    assert ticket.reason
    assert await service.drain() == []
    assert await service.deliveries("0") == []
    assert await service.stop() == []
    status, reasons = service.health()
    assert (status, codes(reasons)) == (HealthStatus.UNHEALTHY, ["not-running"])
    await service.start()
    await service.start()
    assert (await service.queue_notification(signal())).outcome is Outcome.ACCEPTED
    assert await service.deliveries("") == []
    await service.stop()
    assert (await service.queue_notification(signal())).outcome is Outcome.REFUSED


async def test_a_service_inherited_by_a_fork_refuses_and_can_be_started(config_for: ConfigFor, runs: list[Run]) -> None:
    """A forked child inherits only the memory of a service."""
    service = AsyncNotificationService(config_for())
    await service.start()
    (inherited,) = runs
    try:
        inherited.process = 1
        ticket = await service.queue_notification(signal())
        assert ticket.cause is Refusal.NOT_RUNNING
        assert "process 1" in (ticket.reason or "")
        assert (service.role, await service.drain(), await service.deliveries("1")) == (None, [], [])
        with pytest.raises(StoreClosed) as refused:
            await service.load_state("EUR_USD_H4")
        assert refused.value.code == "not-running"
        await service.start()
        assert service.role is Role.PRODUCER
        await service.stop()
    finally:
        await inherited.end(0)


async def test_the_state_of_a_stream_is_saved_with_its_signals(sandbox: Sandbox, config_for: ConfigFor) -> None:
    state = StreamState("EUR_USD_H4", "print", clock.now(), b"{}")
    async with AsyncNotificationService(config_for()) as service:
        assert await service.load_state("EUR_USD_H4") is None
        (ticket,) = await service.commit(state, [signal()], "premium", priority="HIGH", additional_context={"a": 1})
        assert ticket.outcome is Outcome.ACCEPTED
        assert await service.load_state("EUR_USD_H4") == state
        await service.drain(timeout=30)
    assert shown(sandbox, "signals-premium") == ["BUY EURUSD"]
    with pytest.raises(StoreClosed) as refused:
        await service.commit(state, [])
    assert refused.value.code == "not-running"


async def test_a_failing_store_shows_in_health_even_if_nothing_is_held(config_for: ConfigFor, runs: list[Run]) -> None:
    async with AsyncNotificationService(config_for()) as service:
        (running,) = runs
        running.engine.store_health.failed(Settle, "the disk is full")
        with patch.object(SqliteCore, "apply", side_effect=StoreFailed("the disk is full, too")):
            assert not await service.queue_notification(signal(), hold=False)
        running.engine.store_health.succeeded(Settle)
        status, (reason,) = service.health()
        assert (status, codes([reason])) == (HealthStatus.UNHEALTHY, ["store-failed"])
        assert "the disk is full" in reason, "the cause, as the store reported it"
        await until(service.is_healthy)


async def test_a_signal_whose_caller_was_cancelled_is_delivered_and_counted(
    sandbox: Sandbox, config_for: ConfigFor
) -> None:
    async with AsyncNotificationService(config_for()) as service:
        await service.drain(timeout=30)  # so that all lanes are at rest
        for pair in ("EURUSD", "GBPUSD"):
            taking = asyncio.create_task(service.queue_notification(signal(pair=pair)))
            await asyncio.sleep(0)
            taking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await taking
        assert await service.drain(timeout=30) == []
        assert shown(sandbox, "signals-free") == ["BUY EURUSD", "BUY GBPUSD"]
        metrics = service.get_metrics()
        assert (metrics["notifications_queued"], metrics["queue_depth"]) == (2, 0)

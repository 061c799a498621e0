"""A second service on a data folder: a producer, until the owner is gone."""

import asyncio
import logging
from pathlib import Path

import msgspec
import pytest

from signalpost import AsyncNotificationService, Config, HealthStatus, Outcome, Refusal, Role
from signalpost.delivery.outbox.commands import Cancel
from signalpost.domain.delivery import DeliveryId
from signalpost.domain.events import Event, Settled, TookOver
from signalpost.sandbox.rules.faults import Fault
from signalpost.sandbox.server import Sandbox
from tests.unit.service.conftest import ConfigFor, shown, signal


class Heard:
    """A listener that can be waited for."""

    def __init__(self, kind: type[Event]) -> None:
        self._kind = kind
        self.came = asyncio.Event()

    def __call__(self, event: Event) -> None:
        if isinstance(event, self._kind):
            self.came.set()


def without_webhooks(config: Config) -> Config:
    return msgspec.structs.replace(config, destinations=())


async def test_the_second_service_puts_and_the_first_delivers(sandbox: Sandbox, config_for: ConfigFor) -> None:
    async with AsyncNotificationService(config_for()) as owner, AsyncNotificationService(config_for()) as producer:
        assert (owner.role, producer.role) == (Role.OWNER, Role.PRODUCER)
        ticket = await producer.queue_notification(signal())
        assert ticket.outcome is Outcome.ACCEPTED
        assert await producer.drain(timeout=30) == []
        assert [each.state for each in await producer.deliveries(ticket.id)] == ["delivered"]
        assert shown(sandbox, "signals-free") == ["BUY EUR_USD H4"]
        assert producer.health() == (HealthStatus.HEALTHY, ())
        assert (owner.get_metrics()["notifications_sent"], producer.get_metrics()["notifications_sent"]) == (1, 0)
    assert (owner.role, producer.role) == (None, None)


async def test_a_producer_needs_no_webhook_and_routes_as_the_owner_does(
    sandbox: Sandbox, config_for: ConfigFor, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncNotificationService(config_for("default")):
        caplog.clear()
        with caplog.at_level(logging.INFO, "signalpost"):
            producer = AsyncNotificationService(without_webhooks(config_for()))
            await producer.start()
        assert "is delivered from by another process: this one is a producer" in caplog.text
        assert "no webhook" not in caplog.text
        ticket = await producer.queue_notification(signal(), user_tier="premium")
        assert await producer.drain(timeout=30) == []
        assert [each.id.destination for each in await producer.deliveries(ticket.id)] == ["default"]
        assert producer.is_healthy()
        await producer.stop()
    assert shown(sandbox, "default") == ["BUY EUR_USD H4"]


async def test_a_producer_is_refused_what_the_owner_has_no_webhook_for(config_for: ConfigFor) -> None:
    async with (
        AsyncNotificationService(config_for("signals-free")),
        AsyncNotificationService(config_for()) as producer,
    ):
        ticket = await producer.queue_notification(signal(), user_tier="premium")
        assert (ticket.outcome, ticket.cause) == (Outcome.REFUSED, Refusal.NO_DESTINATION)


async def test_a_producer_takes_over_when_the_owner_stops_and_delivers_what_it_left(
    sandbox: Sandbox, config_for: ConfigFor
) -> None:
    heard = Heard(TookOver)
    sandbox.discord.faults.plan(Fault(webhook="signals-free", seconds_before=60, is_processed=False))
    owner = AsyncNotificationService(config_for())
    await owner.start()
    producer = AsyncNotificationService(config_for(), listeners=[heard])
    await producer.start()
    left = await owner.queue_notification(signal())
    await owner.stop(0)
    sandbox.discord.faults.clear()
    async with asyncio.timeout(30):
        await heard.came.wait()
    assert producer.role is Role.OWNER
    await producer.drain(timeout=30)
    assert [each.state for each in await producer.deliveries(left.id)] == ["delivered"]
    more = await producer.queue_notification(signal(pair="GBPUSD"))
    await producer.drain(timeout=30)
    assert [each.state for each in await producer.deliveries(more.id)] == ["delivered"]
    assert producer.get_metrics()["queue_depth"] == 0
    await producer.stop()


async def test_who_has_no_webhook_never_takes_over_and_tells_that_nobody_delivers(
    sandbox: Sandbox, config_for: ConfigFor
) -> None:
    owner = AsyncNotificationService(config_for())
    await owner.start()
    producer = AsyncNotificationService(without_webhooks(config_for()))
    await producer.start()
    await owner.stop()
    async with asyncio.timeout(30):
        while producer.is_healthy():
            await asyncio.sleep(0)
    status, (reason,) = producer.health()
    assert (status, producer.role) == (HealthStatus.DEGRADED, Role.PRODUCER)
    assert reason.startswith("no process delivers what is put here: start one that has webhooks")
    ticket = await producer.queue_notification(signal())
    assert ticket.outcome is Outcome.ACCEPTED, "it is written, for the owner that comes back"
    assert [each.id.notification_id for each in await producer.drain(timeout=0.01)] == [ticket.id]
    async with AsyncNotificationService(config_for()):
        assert await producer.drain(timeout=30) == []
        assert await producer.stop() == []
    assert shown(sandbox, "signals-free") == ["BUY EUR_USD H4"]


async def test_a_producer_that_starts_alone_says_so_in_the_log(
    config_for: ConfigFor, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncNotificationService(config_for()):
        pass
    async with AsyncNotificationService(without_webhooks(config_for())):
        assert "no process delivers what is put here" in caplog.text


async def test_a_producer_that_started_before_any_owner_is_refused_until_there_is_one(
    sandbox: Sandbox, config_for: ConfigFor
) -> None:
    async with AsyncNotificationService(without_webhooks(config_for())) as producer:
        refused = await producer.queue_notification(signal())
        assert (refused.outcome, refused.cause) == (Outcome.REFUSED, Refusal.NO_DESTINATION)
        assert producer.health().reasons[0].startswith("no webhook is set")
        async with AsyncNotificationService(config_for()) as owner, asyncio.timeout(30):
            assert owner.role is Role.OWNER
            while not (await producer.queue_notification(signal())):
                await asyncio.sleep(0)
            assert await producer.drain() == []
            assert producer.is_healthy()


async def test_the_owners_depth_counts_what_others_put_and_cancel(sandbox: Sandbox, config_for: ConfigFor) -> None:
    gone = AsyncNotificationService(config_for())
    for _ in range(9):
        sandbox.discord.faults.plan(Fault(seconds_before=60, is_processed=False))
    async with gone as owner, AsyncNotificationService(config_for()) as producer, asyncio.timeout(30):
        tickets = [await producer.queue_notification(signal(pair=pair)) for pair in ("GBPUSD", "EURUSD", "USDJPY")]
        while owner.get_metrics()["queue_depth"] != 3:
            await asyncio.sleep(0)
        other = producer._running.outbox  # type: ignore[union-attr]
        waits = [DeliveryId(ticket.id, "signals-free") for ticket in tickets]
        cancelled = [await other.do(Cancel(name, "by hand")) for name in waits]
        assert any(cancelled)
        expected = sum(each is None for each in cancelled)
        while owner.get_metrics()["queue_depth"] != expected:
            await asyncio.sleep(0)
        await owner.stop(0)


async def test_a_second_start_and_stop_change_nothing_in_a_producer(config_for: ConfigFor) -> None:
    async with AsyncNotificationService(config_for()):
        producer = AsyncNotificationService(config_for())
        await producer.start()
        await producer.start()
        assert producer.role is Role.PRODUCER
        await producer.stop()
        assert await producer.stop() == []


async def test_what_is_put_for_the_owner_is_delivered_though_no_bell_rings(
    sandbox: Sandbox, config_for: ConfigFor, tmp_path: Path
) -> None:
    """A lost datagram delays by a look; without any bell, too, all is found."""
    settled = Heard(Settled)
    async with (
        AsyncNotificationService(config_for(), listeners=[settled]),
        AsyncNotificationService(config_for()) as producer,
        asyncio.timeout(30),
    ):
        (tmp_path / "home" / "outbox.bell").unlink()
        await producer.queue_notification(signal())
        await settled.came.wait()

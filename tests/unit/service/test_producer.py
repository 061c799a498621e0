"""A second service on a data folder: a producer, until the owner is gone."""

import asyncio
import logging
import sqlite3
from collections import Counter
from contextlib import AbstractContextManager, closing

import msgspec
import pytest

from signalpost import (
    AsyncNotificationService,
    Config,
    HealthStatus,
    NotificationPriority,
    Outcome,
    Refusal,
    Role,
    StoreFailed,
    StoreUnusable,
    UserTier,
    clock,
)
from signalpost.config import STORE_FILE
from signalpost.delivery.dispatch.dispatcher import Dispatcher
from signalpost.delivery.facts import OWNER
from signalpost.delivery.outbox import ownership
from signalpost.delivery.outbox.commands import Cancel, NewDelivery, NewNotification, Put, SaveFacts
from signalpost.delivery.outbox.ownership import Ownership
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.delivery import DeliveryId
from signalpost.domain.events import Event, TookOver
from signalpost.domain.notification import Notification
from signalpost.sandbox.rules.faults import Fault
from signalpost.sandbox.server import Sandbox
from signalpost.service import owner as owner_module
from signalpost.service import run
from signalpost.service.runtime import Runtime
from tests.unit.service.conftest import ConfigFor, StoreThreads, codes, shown, signal
from tests.until import until


class Heard:
    """A listener that can be waited for."""

    def __init__(self, kind: type[Event]) -> None:
        self._kind = kind
        self.came = asyncio.Event()

    def __call__(self, event: Event) -> None:
        if isinstance(event, self._kind):
            self.came.set()


def beside(service: AsyncNotificationService) -> AbstractContextManager[SqliteCore]:
    """The service's store, as another process opens it."""
    return closing(SqliteCore(service.config.home / STORE_FILE, owns=False))


def without_webhooks(config: Config) -> Config:
    return msgspec.structs.replace(config, destinations=())


async def test_the_second_service_queues_and_the_first_delivers(sandbox: Sandbox, config_for: ConfigFor) -> None:
    async with AsyncNotificationService(config_for()) as owner, AsyncNotificationService(config_for()) as producer:
        assert (owner.role, producer.role) == (Role.OWNER, Role.PRODUCER)
        ticket = await producer.queue_notification(signal())
        assert ticket.outcome is Outcome.ACCEPTED
        assert await producer.drain(timeout=30) == []
        assert [each.state for each in await producer.deliveries(ticket.id)] == ["delivered"]
        assert shown(sandbox, "signals-free") == ["BUY EURUSD"]
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
        assert [record.levelno for record in caplog.records if str(producer.config.home) in record.getMessage()] == [
            logging.INFO
        ]
        assert [record.getMessage() for record in caplog.records if record.levelno > logging.INFO] == []
        ticket = await producer.queue_notification(signal(), user_tier="premium")
        assert await producer.drain(timeout=30) == []
        assert [each.id.destination for each in await producer.deliveries(ticket.id)] == ["default"]
        assert producer.is_healthy()
        await producer.stop()
    assert shown(sandbox, "default") == ["BUY EURUSD"]


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


async def test_a_new_owner_counts_messages_that_were_being_sent(
    sandbox: Sandbox, config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_LOOK_AFTER", 60.0)
    monkeypatch.setattr("signalpost.delivery.outbox.sqlite.arrived_since", lambda *_: ())  # nothing waits: it is leased
    heard = Heard(TookOver)
    sandbox.discord.faults.plan(Fault(webhook="signals-free", seconds_before=60, is_processed=False))
    owner = AsyncNotificationService(config_for())
    await owner.start()
    async with AsyncNotificationService(config_for(), listeners=[heard]) as successor:
        await owner.queue_notification(signal())
        await owner.stop(0)
        sandbox.discord.faults.clear()
        async with asyncio.timeout(30):
            await heard.came.wait()
        await successor.drain(timeout=30)
        assert successor.get_metrics()["queue_depth"] == 0


async def test_a_new_owner_routes_by_its_own_configuration(config_for: ConfigFor) -> None:
    heard = Heard(TookOver)
    owner = AsyncNotificationService(config_for("signals-free"))
    await owner.start()
    async with (
        AsyncNotificationService(config_for("signals-premium"), listeners=[heard]) as successor,
        asyncio.timeout(30),
    ):
        assert not await successor.queue_notification(signal(), user_tier="premium")
        await owner.stop()
        await heard.came.wait()
        assert await successor.queue_notification(signal(), user_tier="premium")
        assert not await successor.queue_notification(signal())


async def test_a_signal_that_another_process_routed_to_a_lower_tier_is_not_shown(
    sandbox: Sandbox, config_for: ConfigFor
) -> None:
    """P10: an owner with other tiers, or a fault, left this row for the destination."""
    notification = Notification(
        id="1",
        payload=signal(),
        event="new",
        priority=NotificationPriority.HIGH,
        user_tier=UserTier.PREMIUM,
        accepted_at=clock.now(),
        valid_until=signal().valid_until,
    )
    async with AsyncNotificationService(config_for()) as owner:
        put = Put((NewNotification(notification, (NewDelivery("signals-free", 0),), notification.valid_until),))
        with beside(owner) as core:
            core.apply([put])

        async def is_dead() -> bool:
            return [each.state for each in await owner.deliveries("1")] == ["dead"]

        await until(is_dead)
    assert shown(sandbox, "signals-free") == []


async def test_a_producer_without_a_webhook_never_takes_over_and_reports_that_nobody_delivers(
    sandbox: Sandbox, config_for: ConfigFor
) -> None:
    owner = AsyncNotificationService(config_for())
    await owner.start()
    producer = AsyncNotificationService(without_webhooks(config_for()))
    await producer.start()
    await owner.stop()
    await until(lambda: not producer.is_healthy())
    status, (reason,) = producer.health()
    assert (status, producer.role) == (HealthStatus.DEGRADED, Role.PRODUCER)
    assert codes([reason]) == ["not-delivering"]
    ticket = await producer.queue_notification(signal())
    assert ticket.outcome is Outcome.ACCEPTED, "it is saved for the next owner"
    assert [each.id.notification_id for each in await producer.drain(timeout=0.01)] == [ticket.id]
    async with AsyncNotificationService(config_for()):
        assert await producer.drain(timeout=30) == []
        assert await producer.stop() == []
    assert shown(sandbox, "signals-free") == ["BUY EURUSD"]


async def test_a_producer_that_starts_alone_logs_that_nobody_delivers(
    config_for: ConfigFor, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncNotificationService(config_for()):
        pass
    async with AsyncNotificationService(without_webhooks(config_for())) as producer:
        (reason,) = producer.health().reasons
        assert codes([reason]) == ["not-delivering"]
        assert reason in caplog.messages


async def test_a_producer_that_started_before_any_owner_is_refused_until_there_is_one(
    sandbox: Sandbox, config_for: ConfigFor
) -> None:
    async with AsyncNotificationService(without_webhooks(config_for())) as producer:
        refused = await producer.queue_notification(signal())
        assert (refused.outcome, refused.cause) == (Outcome.REFUSED, Refusal.NO_DESTINATION)
        assert codes(producer.health().reasons)[0] == "no-webhook"
        async with AsyncNotificationService(config_for()) as owner, asyncio.timeout(30):
            assert owner.role is Role.OWNER
            while not (await producer.queue_notification(signal())):
                await asyncio.sleep(0)
            assert await producer.drain() == []
            assert producer.is_healthy()


async def test_the_owners_queue_depth_includes_other_processes(sandbox: Sandbox, config_for: ConfigFor) -> None:
    gone = AsyncNotificationService(config_for())
    for _ in range(9):
        sandbox.discord.faults.plan(Fault(seconds_before=60, is_processed=False))
    async with gone as owner, AsyncNotificationService(config_for()) as producer, asyncio.timeout(30):
        tickets = [await producer.queue_notification(signal(pair=pair)) for pair in ("GBPUSD", "EURUSD", "USDJPY")]
        await until(lambda: owner.get_metrics()["queue_depth"] == 3)
        waits = [DeliveryId(ticket.id, "signals-free") for ticket in tickets]
        with beside(owner) as core:
            cancelled = core.apply([Cancel(name, "by hand") for name in waits])
        assert any(cancelled)
        expected = sum(each is None for each in cancelled)
        await until(lambda: owner.get_metrics()["queue_depth"] == expected)
        await owner.stop(0)


async def test_a_second_start_and_stop_change_nothing_in_a_producer(config_for: ConfigFor) -> None:
    async with AsyncNotificationService(config_for()):
        producer = AsyncNotificationService(config_for())
        await producer.start()
        await producer.start()
        assert producer.role is Role.PRODUCER
        await producer.stop()
        assert await producer.stop() == []


async def test_a_failed_takeover_is_reported_and_retried(
    sandbox: Sandbox,
    config_for: ConfigFor,
    connections: list[sqlite3.Connection],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(SqliteCore, "try_to_write", lambda _: None)  # every 5 seconds it would report more
    heard = Heard(TookOver)
    owner = AsyncNotificationService(config_for())
    await owner.start()
    producer = AsyncNotificationService(config_for(), listeners=[heard])
    await producer.start()
    disk = connections[-1]
    disk.execute("PRAGMA query_only=1")
    await owner.stop()
    async with asyncio.timeout(30):
        await until(lambda: not producer.is_healthy())
        status, (reason,) = producer.health()
        assert (status, producer.role) == (HealthStatus.DEGRADED, Role.PRODUCER)
        assert codes([reason]) == ["not-delivering"]
        assert str(producer.config.home / "outbox.db") in reason
        disk.execute("PRAGMA query_only=0")
        await heard.came.wait()
    assert producer.is_healthy()
    await producer.stop()


async def test_an_error_during_a_takeover_is_reported_and_frees_the_folder(
    config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failed = Counter[str]()

    async def fails(_: Dispatcher) -> None:
        failed["start"] += 1
        raise OSError("what it says may hold a secret")

    monkeypatch.setattr(ownership, "TRY_AGAIN_AFTER", 0)
    disown, loop, left_to_others = Ownership.disown, asyncio.get_running_loop(), asyncio.Event()

    def noted(part: Ownership) -> None:
        if failed["start"] >= 3:
            monkeypatch.setattr(ownership, "TRY_AGAIN_AFTER", 60)
        disown(part)
        if failed["start"] >= 3:
            loop.call_soon_threadsafe(left_to_others.set)

    monkeypatch.setattr(Ownership, "disown", noted)
    later = 0.0
    monkeypatch.setattr(owner_module, "monotonic", lambda: loop.time() + later)
    monkeypatch.setattr(owner_module, "_PULSE_EVERY", 0.01)
    owner = AsyncNotificationService(config_for())
    await owner.start()
    async with AsyncNotificationService(config_for()) as producer, asyncio.timeout(30):
        with monkeypatch.context() as patch:
            patch.setattr(Dispatcher, "start", fails)
            await owner.stop()
            await left_to_others.wait()
            status, (reason,) = producer.health()
            assert (status, codes([reason])) == (HealthStatus.DEGRADED, ["not-delivering"])
            assert "OSError" in reason
            assert caplog.text.count(reason) == 1
        async with AsyncNotificationService(config_for()) as other:
            assert other.role is Role.OWNER, "the store was left to others"
            await until(producer.is_healthy)
            later = 60.0
        await until(lambda: producer.role is Role.OWNER)


async def test_a_failed_start_leaves_nothing_open(config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(_: Dispatcher) -> None:
        raise StoreFailed("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Dispatcher, "start", fails)
        with pytest.raises(StoreUnusable) as refused:
            await AsyncNotificationService(config_for()).start()
        assert str(refused.value) == "the disk is full", "the error of the dispatcher itself"
    async with AsyncNotificationService(config_for()) as service:
        assert service.role is Role.OWNER, "the folder is free"


async def test_an_unreadable_routing_of_the_owner_leaves_the_own_routes(config_for: ConfigFor) -> None:
    async with AsyncNotificationService(config_for("signals-free")) as owner:
        with beside(owner) as core:
            core.apply([SaveFacts(OWNER, {"routes": b"of a later version"})])
        async with AsyncNotificationService(config_for("signals-premium")) as producer:
            ticket = await producer.queue_notification(signal(), user_tier="premium")
            assert ticket.outcome is Outcome.ACCEPTED


async def test_held_notifications_that_cannot_be_saved_at_the_end_are_logged_as_lost(
    config_for: ConfigFor, connections: list[sqlite3.Connection], caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncNotificationService(config_for()), AsyncNotificationService(config_for()) as producer:
        connections[-1].execute("PRAGMA query_only=1")
        assert (await producer.queue_notification(signal())).outcome is Outcome.HELD
        await producer.stop(timeout=0.5)
    assert (logging.ERROR, (1,)) in [(line.levelno, line.args) for line in caplog.records], "one is lost"


async def test_only_the_owner_has_lanes_and_a_closed_store_ends_the_watch(
    config_for: ConfigFor, store_threads: StoreThreads
) -> None:
    watch = "signalpost watch"
    owner, producer = Runtime(config_for()), Runtime(config_for())
    await owner.start()
    before = {task for task in asyncio.all_tasks() if task.get_name() == watch}
    await producer.start()
    (watching,) = {task for task in asyncio.all_tasks() if task.get_name() == watch} - before
    assert producer.started.engine.dispatcher is None
    assert producer.lane("signals-free") is None
    assert owner.lane("signals-free") is not None
    thaw = store_threads.freeze(1)
    await owner.stop(0)
    thaw()
    await producer.started.outbox.close()  # the last look finds that the owner is gone
    async with asyncio.timeout(30):
        await watching
    await producer.stop(0)

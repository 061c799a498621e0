"""A producer waits for its own notifications, with as few commands to the store as possible."""

from collections import Counter
from datetime import timedelta
from time import perf_counter
from typing import Any

import msgspec
import pytest

from signalpost import AsyncNotificationService, Config, NotificationPriority, Outcome, Ticket, UserTier, clock
from signalpost.delivery.outbox.threaded import ThreadedOutbox
from signalpost.domain.delivery import Delivery, DeliveryId, DeliveryState
from signalpost.domain.events import Taken
from signalpost.domain.notification import Notification
from signalpost.domain.tier import TierCopy
from signalpost.sandbox.rules.faults import Fault
from signalpost.sandbox.server import Sandbox
from signalpost.service import pending_tickets
from signalpost.service.pending_tickets import MOST_FOLLOWED, PendingTickets
from tests.inline_outbox import InlineOutbox
from tests.tmpfs import new_core
from tests.unit.service.conftest import ConfigFor, signal


def delaying(config: Config, delay: timedelta) -> Config:
    """The free tier gets its signals later."""
    return msgspec.structs.replace(config, copies={UserTier.FREE: TierCopy(delay=delay)})


def without_webhooks(config: Config) -> Config:
    return msgspec.structs.replace(config, destinations=())


async def test_a_producer_reads_all_its_tickets_with_one_command(
    config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncNotificationService(config_for()):
        pass
    commands = Counter[str]()
    do = ThreadedOutbox.do

    async def counted(outbox: ThreadedOutbox, command: Any) -> Any:
        commands[type(command).__name__] += 1
        return await do(outbox, command)

    async with AsyncNotificationService(without_webhooks(config_for())) as producer:
        for number in range(60):
            await producer.queue_notification(signal(signal_id=str(number)))
        monkeypatch.setattr(ThreadedOutbox, "do", counted)
        assert len(await producer.drain(timeout=0.2)) == 60
        assert commands["Find"] + commands["Open"] < 20


async def test_a_producer_waits_for_one_ticket(sandbox: Sandbox, config_for: ConfigFor) -> None:
    sandbox.discord.faults.plan(Fault(webhook="signals-premium", seconds_before=60, is_processed=False))
    async with AsyncNotificationService(config_for()) as owner, AsyncNotificationService(config_for()) as producer:
        await producer.queue_notification(signal(), user_tier="premium")
        other = signal(pair="GBPUSD")
        ticket = await producer.queue_notification(other)
        assert await producer.drain(30, ticket.id) == []
        again = await producer.queue_notification(other)
        assert (again.outcome, again.id) == (Outcome.DUPLICATE, ticket.id)
        assert await producer.drain(30, again.id) == []
        await owner.stop(0)


async def test_a_producer_does_not_wait_for_what_is_released_later(config_for: ConfigFor) -> None:
    config = delaying(config_for("signals-free"), timedelta(minutes=30))
    async with AsyncNotificationService(config), AsyncNotificationService(config) as producer:
        late = await producer.queue_notification(signal(signal_id="late"), user_tier="free")
        began = perf_counter()
        (left,) = await producer.drain(30, late.id)
        assert left.not_before is not None
        assert left.not_before > clock.now() + timedelta(minutes=29)
        (still_open,) = await producer.drain(30)
        assert still_open.id.notification_id == late.id
        await producer.stop(30)
        assert perf_counter() - began < 15


async def test_a_producer_waits_for_what_is_sent_behind_what_is_released_later(
    config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_tickets, "_PAGE", 1)
    config = delaying(config_for("signals-free", "signals-premium"), timedelta(minutes=30))
    async with AsyncNotificationService(config), AsyncNotificationService(config) as producer:
        for tier in ("free", "premium"):
            await producer.queue_notification(signal(signal_id=tier), user_tier=tier)
        assert [each.id.destination for each in await producer.drain(30)] == ["signals-free"]


async def test_a_producer_waits_for_a_release_within_its_timeout(config_for: ConfigFor) -> None:
    config = delaying(config_for("signals-free"), timedelta(milliseconds=500))
    async with AsyncNotificationService(config), AsyncNotificationService(config) as producer:
        await producer.queue_notification(signal(), user_tier="free")
        assert await producer.drain(30) == []
        await producer.queue_notification(signal(signal_id="another"), user_tier="free")
        assert await producer.drain() == []


async def test_an_owner_counts_what_is_open_without_reading_it(
    config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = Counter[str]()
    do = ThreadedOutbox.do

    async def counted(outbox: ThreadedOutbox, command: Any) -> Any:
        commands[type(command).__name__] += 1
        return await do(outbox, command)

    async with AsyncNotificationService(config_for()) as owner:
        monkeypatch.setattr(ThreadedOutbox, "do", counted)
        await owner.drain(10)
        await owner.stop(1)
    assert commands["Find"] == 0, "which reads and decodes whole notifications"


def some_notification() -> Notification:
    return Notification(
        id="1",
        payload=signal(),
        event="new",
        priority=NotificationPriority.HIGH,
        user_tier=UserTier.FREE,
        accepted_at=clock.now(),
        valid_until=signal().valid_until,
    )


async def test_a_ticket_that_another_replaces_while_the_store_is_queried_is_not_counted_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pending_tickets, "MOST_FOLLOWED", 1)
    notification, counted = some_notification(), list[int]()

    class Busy(InlineOutbox):
        async def do(self, command: Any) -> Any:
            counted.append(tickets.open)
            tickets(Taken(Ticket(Outcome.ACCEPTED, "new"), notification, ("a", "b")))
            name, priority = command.notification_ids[0], NotificationPriority.HIGH
            return [Delivery(DeliveryId(name, "a"), DeliveryState.PENDING, priority, 0, "s", notification.valid_until)]

    outbox = Busy(new_core())
    tickets = PendingTickets(outbox)
    tickets(Taken(Ticket(Outcome.ACCEPTED, "old"), notification, ("a", "b", "c")))
    await tickets.drain(None, None, lambda: False)
    assert counted[:3] == [3, 2, 1], "of the old one, of the new one, and as many of it as the store knows"
    await outbox.close()


async def test_the_number_of_followed_tickets_is_limited(config_for: ConfigFor) -> None:
    looked_for: list[str] = []

    class Noted(InlineOutbox):
        async def do(self, command: Any) -> Any:
            looked_for.extend(command.notification_ids)
            return await super().do(command)

    outbox = Noted(new_core())
    tickets = PendingTickets(outbox)
    notification = some_notification()
    for number in range(MOST_FOLLOWED + 1):
        tickets(Taken(Ticket(Outcome.ACCEPTED, str(number)), notification, ("signals-free",)))
    tickets(Taken(Ticket(Outcome.SUPPRESSED, "none"), notification, ()))
    assert await tickets.drain(None, None, lambda: True) == []
    assert looked_for == [str(number) for number in range(1, MOST_FOLLOWED + 1)]
    await outbox.close()


async def test_a_drain_returns_a_limited_number_of_deliveries(
    config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_tickets, "MAX_OPEN_SHOWN", 1)
    async with AsyncNotificationService(config_for()):
        pass
    async with AsyncNotificationService(without_webhooks(config_for())) as producer:
        for pair in ("EURUSD", "GBPUSD"):
            await producer.queue_notification(signal(pair=pair))
        assert len(await producer.drain(timeout=0)) == 1

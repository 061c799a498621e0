"""What a service makes of a webhook that is gone, and of an address that is shut out."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from signalpost import Alert, AsyncNotificationService, HealthStatus, Outcome, clock
from signalpost.cli.destination_rows import enable
from signalpost.config import STORE_FILE
from signalpost.delivery.outbox.commands import LoadFacts
from signalpost.domain.events import (
    DestinationEnabled,
    DestinationGone,
    DestinationSeen,
    Event,
    HostBanned,
    SendEnded,
    Taken,
)
from signalpost.errors import StoreFailed
from signalpost.sandbox.rules.exchange import HttpAnswer
from signalpost.sandbox.rules.faults import Fault, usual_answer
from signalpost.sandbox.server import Sandbox
from signalpost.secret import Secret
from signalpost.service import running
from signalpost.service.running import Running
from tests.unit.service.conftest import ConfigFor, shown, signal

BLOCK = HttpAnswer(403, {"Content-Type": "text/html", "Retry-After": "3600"}, b"<html>error code: 1015</html>")


class Ear:
    """A listener that can be waited for."""

    def __init__(self) -> None:
        self.heard: list[Event] = []
        self._news = asyncio.Event()

    def __call__(self, event: Event) -> None:
        self.heard.append(event)
        self._news.set()

    async def until(self, is_it: Callable[[Event], bool]) -> Event:
        async with asyncio.timeout(10):
            while not (found := [event for event in self.heard if is_it(event)]):
                self._news.clear()
                await self._news.wait()
        return found[0]


def seen(name: str) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, DestinationSeen) and event.destination == name


def gone(event: Event) -> bool:
    return isinstance(event, DestinationGone)


def told_of(title: str) -> Callable[[Event], bool]:
    return lambda event: (
        isinstance(event, Taken) and isinstance(told := event.notification.payload, Alert) and title in told.title
    )


def requests(sandbox: Sandbox, webhook: str | None = None) -> int:
    entries = [logged.entry for logged in sandbox.discord.log.since(0)]
    return sum(webhook in {None, entry.webhook} for entry in entries)


async def test_a_webhook_that_is_gone_at_the_start_is_told_to_system_status_once_over_restarts(
    sandbox: Sandbox, config_for: ConfigFor, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_for()
    sandbox.discord.guild.delete("signals-free")
    for start in range(2):
        ear = Ear()
        caplog.clear()
        async with AsyncNotificationService(config, listeners=[ear]) as service:
            await ear.until(gone)
            taken = await ear.until(told_of("signals-free is disabled"))
            assert isinstance(taken, Taken)
            assert taken.ticket.outcome is (Outcome.DUPLICATE if start else Outcome.ACCEPTED)
            await service.drain(timeout=30)
            assert service.health().reasons[0].startswith("signals-free is disabled: its webhook is gone for good: 404")
        assert "signals-free is disabled, because its webhook is gone for good" in caplog.text
    (told,) = shown(sandbox, "system-status")
    assert "signals-free is disabled" in told
    assert shown(sandbox, "alerts-critical") == []
    assert requests(sandbox, "signals-free") == 1, "it is not asked again"


async def test_where_system_status_is_gone_alerts_critical_is_told(sandbox: Sandbox, config_for: ConfigFor) -> None:
    config = config_for()
    sandbox.discord.guild.delete("system-status")
    ear = Ear()
    async with AsyncNotificationService(config, listeners=[ear]) as service:
        await ear.until(told_of("system-status is disabled"))
        await service.drain(timeout=30)
    assert len(shown(sandbox, "alerts-critical")) == 1


async def test_where_nobody_else_operates_the_log_tells_and_nothing_is_sent_to_itself(
    sandbox: Sandbox, config_for: ConfigFor, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_for("alerts-critical", "signals-free")
    sandbox.discord.guild.delete("alerts-critical")
    ear = Ear()
    async with AsyncNotificationService(config, listeners=[ear]) as service:
        taken = await ear.until(told_of("alerts-critical is disabled"))
        assert isinstance(taken, Taken)
        assert (taken.ticket.outcome, taken.destinations) == (Outcome.SUPPRESSED, ())
        await service.drain(timeout=30)
    assert "alerts-critical is disabled, because its webhook is gone for good: 404, code 10015" in caplog.text


async def test_another_webhook_works_at_the_next_start_and_what_waited_follows(
    sandbox: Sandbox, config_for: ConfigFor
) -> None:
    config = config_for()
    sandbox.discord.guild.delete("signals-free")
    ear = Ear()
    async with AsyncNotificationService(config, listeners=[ear]) as service:
        await ear.until(gone)
        ticket = await service.queue_notification(signal())
        await service.drain(timeout=30)
        assert [each.state for each in await service.deliveries(ticket.id)] == ["pending"]
    another = Secret(sandbox.webhook("another", channel="signals-free"))
    rotated = tuple(
        each._replace(webhook=another) if each.name == "signals-free" else each for each in config.destinations
    )
    async with AsyncNotificationService(msgspec.structs.replace(config, destinations=rotated)) as service:
        await service.drain(timeout=30)
        assert [each.state for each in await service.deliveries(ticket.id)] == ["delivered"]
        assert service.is_healthy()
    assert len(shown(sandbox, "signals-free")) == 1


@pytest.mark.parametrize("by_command", [True, False])
async def test_what_a_person_enables_while_it_runs_is_sent_to_and_health_and_metrics_say_so(
    sandbox: Sandbox, config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch, *, by_command: bool
) -> None:
    monkeypatch.setattr(running, "_LOOK_AFTER", 0.01)
    config, ear = config_for("signals-free"), Ear()
    sandbox.discord.faults.plan(Fault(answer=usual_answer(404), method="POST"))
    async with AsyncNotificationService(config, listeners=[ear]) as service:
        await service.queue_notification(signal(signal_id="finds out"))
        await ear.until(gone)
        waits = await service.queue_notification(signal(signal_id="waits"))
        await service.drain(timeout=30)
        assert (service.health().status, service.get_metrics()["destinations_disabled"]) == (HealthStatus.DEGRADED, 1)
        started = service._running
        assert started is not None
        assert started.dispatcher is not None
        if by_command:
            await until_kept(started)
            await asyncio.to_thread(enable, config.home / STORE_FILE, config.destinations[0])
        else:
            await started.dispatcher.enable("signals-free")
        await ear.until(lambda event: event == DestinationEnabled("signals-free"))
        await service.drain(timeout=30)
        assert [each.state for each in await service.deliveries(waits.id)] == ["delivered"]
        assert (service.health().status, service.get_metrics()["destinations_disabled"]) == (HealthStatus.HEALTHY, 0)
        await started.dispatcher.enable("signals-free")
        assert sum(isinstance(event, DestinationEnabled) for event in ear.heard) == 1, "it was none the second time"
    async with AsyncNotificationService(config) as service:
        assert service.is_healthy()


async def test_a_store_that_cannot_be_looked_into_at_once_is_looked_into_later(
    sandbox: Sandbox, config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_LOOK_AFTER", 0.01)
    config, ear, refused = config_for("signals-free"), Ear(), asyncio.Event()
    sandbox.discord.guild.delete("signals-free")
    async with AsyncNotificationService(config, listeners=[ear]) as service:
        await ear.until(gone)
        started = service._running
        assert started is not None
        await until_kept(started)
        do = started.outbox.do

        async def do_once_in_vain(command: Any) -> Any:
            if isinstance(command, LoadFacts) and not refused.is_set():
                refused.set()
                raise StoreFailed("the disk is full")
            return await do(command)

        monkeypatch.setattr(started.outbox, "do", do_once_in_vain)
        await asyncio.to_thread(enable, config.home / STORE_FILE, config.destinations[0])
        await ear.until(lambda event: isinstance(event, DestinationEnabled))
        assert refused.is_set()


async def test_news_that_come_while_the_store_closes_are_nobodys(
    config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_LOOK_AFTER", 0.0)
    async with AsyncNotificationService(config_for()) as service:
        started = service._running
        assert started is not None
    started._hear(())
    assert started._looking is not None
    await started._looking


async def until_kept(started: Running) -> None:
    """Wait until the store knows that the webhook of signals-free is gone."""
    assert started.dispatcher is not None
    while not started.dispatcher.lanes["signals-free"].far_end.standing.is_kept:
        await asyncio.sleep(0)


async def test_an_address_that_is_shut_out_sends_nothing_not_even_after_a_restart_and_says_so(
    sandbox: Sandbox, config_for: ConfigFor, caplog: pytest.LogCaptureFixture
) -> None:
    ear = Ear()
    async with AsyncNotificationService(config_for(), listeners=[ear]) as service:
        await asyncio.gather(*(ear.until(seen(each.name)) for each in service.config.destinations))
        sandbox.discord.faults.plan(Fault(webhook="signals-free", answer=BLOCK, is_processed=False))
        first = await service.queue_notification(signal())
        await ear.until(lambda event: isinstance(event, HostBanned))
        taken = await ear.until(told_of("shuts this machine's address out"))
        assert isinstance(taken, Taken)
        assert taken.destinations == ("system-status",)
        status, reasons = service.health()
        assert status is HealthStatus.DEGRADED
        assert "shuts this address out until " in reasons[-1]
        await service.stop(0)
    before = requests(sandbox)
    async with AsyncNotificationService(config_for()) as service:
        second = await service.queue_notification(signal(pair="GBPUSD"), user_tier="premium")
        await service.drain(timeout=0.5)
        states = [(await service.deliveries(each.id))[0].state for each in (first, second)]
        assert states == ["pending", "pending"]
        assert "shuts this address out until " in service.health().reasons[-1]
        await service.stop(0)
    assert requests(sandbox) == before
    assert "shuts this address out, and is sent nothing until " in caplog.text


async def test_a_webhook_that_takes_no_messages_is_told_by_health(config_for: ConfigFor) -> None:
    service = AsyncNotificationService(config_for())
    async with service:
        service._emit(DestinationSeen("signals-free", "77"))
        assert service.is_healthy()
        service._emit(DestinationSeen("signals-free", "77", trouble="it takes no messages"))
        assert service.health() == (HealthStatus.DEGRADED, ("signals-free: it takes no messages",))
        service._emit(SendEnded("signals-free", "rejected", "no such channel", 0.1))
        assert not service.is_healthy()
        service._emit(SendEnded("signals-free", "delivered", "", 0.1))
        assert service.is_healthy(), "it takes them after all"
        service._emit(DestinationSeen("signals-free", "77", trouble="it takes no messages"))
        service._emit(DestinationSeen("signals-free", "78"))
        assert service.is_healthy(), "another channel"


async def test_a_ban_that_is_over_is_no_trouble_any_more(config_for: ConfigFor) -> None:
    service = AsyncNotificationService(config_for())
    async with service:
        service._emit(HostBanned("discord.com", "403", clock.now() - timedelta(seconds=1)))
        assert service.is_healthy()


async def test_two_webhooks_of_one_channel_are_found_out(sandbox: Sandbox, config_for: ConfigFor) -> None:
    config = config_for("signals-free", "signals-premium")
    shared = Secret(sandbox.webhook("premium-too", channel="signals-free"))
    both = (config.destinations[0], config.destinations[1]._replace(webhook=shared))
    ear = Ear()
    async with AsyncNotificationService(msgspec.structs.replace(config, destinations=both), listeners=[ear]):
        found = [await ear.until(seen(name)) for name in ("signals-free", "signals-premium")]
    others = [event.others for event in found if isinstance(event, DestinationSeen)]
    assert sorted(others) in ([(), ("signals-free",)], [(), ("signals-premium",)])

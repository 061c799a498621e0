"""A service with a deleted webhook, or with a banned address."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from signalpost import Alert, AsyncNotificationService, HealthStatus, Outcome, clock
from signalpost.cli.destinations import enable_again
from signalpost.config import STORE_FILE
from signalpost.delivery.outbox.commands import LoadFacts
from signalpost.delivery.outbox.threaded import ThreadedOutbox
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
from signalpost.service import run
from signalpost.service.run import Run
from tests.unit.service.conftest import ConfigFor, codes, emit, shown, signal
from tests.until import until

pytestmark = pytest.mark.usefixtures("early_look")

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


def alerted(kind: str, about: str = "") -> Callable[[Event], bool]:
    """An alert of the service itself, which names in its title what it is about."""
    return lambda event: (
        isinstance(event, Taken)
        and isinstance(alert := event.notification.payload, Alert)
        and (alert.alert_type, about in alert.title) == (kind, True)
    )


def logged(caplog: pytest.LogCaptureFixture, *facts: str) -> list[int]:
    """The levels of the lines that hold all these facts."""
    return [line.levelno for line in caplog.records if all(fact in line.getMessage() for fact in facts)]


def requests(sandbox: Sandbox, webhook: str | None = None) -> int:
    entries = [logged.entry for logged in sandbox.discord.log.since(0)]
    return sum(webhook in {None, entry.webhook} for entry in entries)


async def test_a_deleted_webhook_found_at_startup_is_alerted_once_over_restarts(
    sandbox: Sandbox, config_for: ConfigFor, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_for()
    sandbox.discord.guild.delete("signals-free")
    for start in range(2):
        ear = Ear()
        caplog.clear()
        async with AsyncNotificationService(config, listeners=[ear]) as service:
            await ear.until(gone)
            taken = await ear.until(alerted("destination_disabled", "signals-free"))
            assert isinstance(taken, Taken)
            assert taken.ticket.outcome is (Outcome.DUPLICATE if start else Outcome.ACCEPTED)
            await service.drain(timeout=30)
            reason = service.health().reasons[0]
            assert codes([reason]) == ["webhook-gone"]
            assert "signals-free" in reason
            assert "404" in reason
        assert logging.ERROR in logged(caplog, "signals-free", "404")
    (alert,) = shown(sandbox, "system-status")
    assert "signals-free" in alert
    assert shown(sandbox, "alerts-critical") == []
    assert requests(sandbox, "signals-free") == 1, "no second request is made"


async def test_a_deleted_system_status_webhook_is_alerted_elsewhere(sandbox: Sandbox, config_for: ConfigFor) -> None:
    config = config_for()
    sandbox.discord.guild.delete("system-status")
    ear = Ear()
    async with AsyncNotificationService(config, listeners=[ear]) as service:
        await ear.until(alerted("destination_disabled", "system-status"))
        await service.drain(timeout=30)
    assert len(shown(sandbox, "alerts-critical")) == 1


async def test_a_deleted_webhook_of_the_only_alert_channel_is_only_logged(
    sandbox: Sandbox, config_for: ConfigFor, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_for("alerts-critical", "signals-free")
    sandbox.discord.guild.delete("alerts-critical")
    ear = Ear()
    async with AsyncNotificationService(config, listeners=[ear]) as service:
        taken = await ear.until(alerted("destination_disabled", "alerts-critical"))
        assert isinstance(taken, Taken)
        assert (taken.ticket.outcome, taken.destinations) == (Outcome.SUPPRESSED, ())
        await service.drain(timeout=30)
    assert logging.ERROR in logged(caplog, "alerts-critical", "404", "10015")


async def test_a_new_webhook_delivers_what_was_waiting_at_the_next_start(
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
async def test_enabling_a_destination_at_runtime_resumes_its_deliveries_and_clears_health(
    sandbox: Sandbox, config_for: ConfigFor, runs: list[Run], monkeypatch: pytest.MonkeyPatch, *, by_command: bool
) -> None:
    monkeypatch.setattr(run, "_LOOK_AFTER", 0.01)
    config, ear = config_for("signals-free"), Ear()
    sandbox.discord.faults.plan(Fault(answer=usual_answer(404), method="POST"))
    async with AsyncNotificationService(config, listeners=[ear]) as service:
        await service.queue_notification(signal(signal_id="finds out"))
        await ear.until(gone)
        waits = await service.queue_notification(signal(signal_id="waits"))
        await service.drain(timeout=30)
        assert (service.health().status, service.get_metrics()["destinations_disabled"]) == (HealthStatus.DEGRADED, 1)
        (started,) = runs
        assert started.engine.dispatcher is not None
        if by_command:
            await until_kept(started)
            await asyncio.to_thread(enable_again, config.home / STORE_FILE, config.destinations[0])
        else:
            await started.engine.dispatcher.enable("signals-free")
        await ear.until(lambda event: event == DestinationEnabled("signals-free"))
        await service.drain(timeout=30)
        assert [each.state for each in await service.deliveries(waits.id)] == ["delivered"]
        assert (service.health().status, service.get_metrics()["destinations_disabled"]) == (HealthStatus.HEALTHY, 0)
        await started.engine.dispatcher.enable("signals-free")
        assert sum(isinstance(event, DestinationEnabled) for event in ear.heard) == 1, "it was none the second time"
    async with AsyncNotificationService(config) as service:
        assert service.is_healthy()


async def test_a_failed_look_for_enabled_destinations_is_retried(
    sandbox: Sandbox, config_for: ConfigFor, runs: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_LOOK_AFTER", 0.01)
    config, ear, refused = config_for("signals-free"), Ear(), asyncio.Event()
    sandbox.discord.guild.delete("signals-free")
    async with AsyncNotificationService(config, listeners=[ear]):
        await ear.until(gone)
        (started,) = runs
        await until_kept(started)
        do = started.outbox.do

        async def do_once_in_vain(command: Any) -> Any:
            if isinstance(command, LoadFacts) and not refused.is_set():
                refused.set()
                raise StoreFailed("the disk is full")
            return await do(command)

        monkeypatch.setattr(started.outbox, "do", do_once_in_vain)
        await asyncio.to_thread(enable_again, config.home / STORE_FILE, config.destinations[0])
        await ear.until(lambda event: isinstance(event, DestinationEnabled))
        assert refused.is_set()


async def test_news_while_the_store_closes_is_ignored(config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_LOOK_AFTER", 0.0)
    listen, heard = ThreadedOutbox.listen, list[Callable[[Any], None]]()

    def noted(outbox: ThreadedOutbox, find: Callable[[], Any], hear: Callable[[Any], None]) -> None:
        heard.append(hear)
        listen(outbox, find, hear)

    monkeypatch.setattr(ThreadedOutbox, "listen", noted)
    async with AsyncNotificationService(config_for()):
        pass
    before = asyncio.all_tasks()
    heard[0](())
    (looking,) = asyncio.all_tasks() - before
    await looking


async def until_kept(started: Run) -> None:
    """Wait until the store knows that the webhook of signals-free is gone."""
    assert started.engine.dispatcher is not None
    webhook = started.engine.dispatcher.lanes["signals-free"].gate.webhook
    await until(lambda: webhook.is_saved)


async def test_a_banned_address_sends_nothing_even_after_a_restart_and_is_reported(
    sandbox: Sandbox, config_for: ConfigFor, caplog: pytest.LogCaptureFixture
) -> None:
    ear = Ear()
    async with AsyncNotificationService(config_for(), listeners=[ear]) as service:
        await asyncio.gather(*(ear.until(seen(each.name)) for each in service.config.destinations))
        sandbox.discord.faults.plan(Fault(webhook="signals-free", answer=BLOCK, is_processed=False))
        first = await service.queue_notification(signal())
        await ear.until(lambda event: isinstance(event, HostBanned))
        taken = await ear.until(alerted("address_banned"))
        assert isinstance(taken, Taken)
        assert taken.destinations == ("system-status",)
        status, reasons = service.health()
        assert status is HealthStatus.DEGRADED
        assert codes(reasons)[-1] == "banned"
        await service.stop(0)
    before = requests(sandbox)
    async with AsyncNotificationService(config_for()) as service:
        second = await service.queue_notification(signal(pair="GBPUSD"), user_tier="premium")
        await service.drain(timeout=0.5)
        states = [(await service.deliveries(each.id))[0].state for each in (first, second)]
        assert states == ["pending", "pending"]
        assert codes(service.health().reasons)[-1] == "banned"
        await service.stop(0)
    assert requests(sandbox) == before
    assert logging.ERROR in logged(caplog, "127.0.0.1", "403")


async def test_a_webhook_that_accepts_no_messages_is_reported_by_health(config_for: ConfigFor) -> None:
    service = AsyncNotificationService(config_for())
    async with service:
        emit(service, DestinationSeen("signals-free", "77"))
        assert service.is_healthy()
        emit(service, DestinationSeen("signals-free", "77", trouble="it takes no messages"))
        status, (reason,) = service.health()
        assert (status, codes([reason])) == (HealthStatus.DEGRADED, ["destination-unusable"])
        assert "signals-free" in reason
        assert "it takes no messages" in reason, "as the sink reported it"
        emit(service, SendEnded("signals-free", "rejected", "no such channel", 0.1))
        assert not service.is_healthy()
        emit(service, SendEnded("signals-free", "delivered", "", 0.1))
        assert service.is_healthy(), "it takes them after all"
        emit(service, DestinationSeen("signals-free", "77", trouble="it takes no messages"))
        emit(service, DestinationSeen("signals-free", "78"))
        assert service.is_healthy(), "another channel"


async def test_a_ban_that_is_over_is_no_trouble_any_more(config_for: ConfigFor) -> None:
    service = AsyncNotificationService(config_for())
    async with service:
        emit(service, HostBanned("discord.com", "403", clock.now() - timedelta(seconds=1)))
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

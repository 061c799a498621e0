"""The promises, in the order in which a newcomer would look for them. Each test looks at the channel in the end.

Discord is a server on this machine (`Sandbox`), with a webhook for each channel; the rest is the real thing: a
store on the disk, HTTP, and Discord's limits where they matter.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signalpost import (
    Alert,
    AsyncNotificationService,
    DiscordService,
    HealthStatus,
    NotificationIntegration,
    NotificationPriority,
    Outcome,
    Signal,
    UserTier,
    clock,
)
from signalpost.domain.events import BreakerMoved, Event
from signalpost.domain.instant import utc
from signalpost.sandbox.rules.faults import Fault, usual_answer
from signalpost.sandbox.rules.limits import OFF
from signalpost.sandbox.server import Sandbox
from tests.channel import headline


def signal(pair: str = "EUR/USD", confidence: float | None = None) -> Signal:
    """A trade idea of a candle that opens now."""
    return Signal(
        pair=pair,
        timeframe="4h",
        signal_type="BUY",
        timestamp=clock.now(),
        entry_price=1.16344,
        stop_loss=1.15988,
        take_profit=1.16878,
        confidence_score=confidence,
    )


def alert(title: str = "No candles since 10:00", severity: str = "high") -> Alert:
    """Something that a person should know."""
    return Alert(alert_type="feed", severity=severity, title=title)


@pytest.fixture
async def discord(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sandbox]:
    """A Discord without limits, and an environment whose webhooks and data folder are for this test."""
    monkeypatch.setenv("SIGNALPOST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SIGNALPOST_LIMITS", "off")
    async with Sandbox(limits=OFF) as sandbox:
        for name in ("signals-free", "signals-premium", "alerts-critical"):
            monkeypatch.setenv(f"DISCORD_WEBHOOK_{name.replace('-', '_').upper()}", sandbox.webhook(name))
        yield sandbox


def shown(discord: Sandbox, channel: str) -> list[str]:
    """The first line of each message of a channel, oldest first."""
    return [headline(message) for message in discord.discord.guild.messages(channel)]


async def test_the_discord_client_alone_sends_one_message_and_brings_its_receipt(discord: Sandbox) -> None:
    async with DiscordService({"signals-free": discord.webhook("signals-free")}) as client:
        receipt = await client.send_signal_notification(signal())
    (message,) = discord.discord.guild.messages("signals-free")
    assert message["id"] == receipt.message_id


async def test_a_signal_goes_to_the_channel_of_its_tier_and_an_alert_to_that_of_its_severity(discord: Sandbox) -> None:
    async with AsyncNotificationService() as service:
        ticket = await service.queue_notification(
            signal(),
            priority=NotificationPriority.HIGH,
            user_tier=UserTier.PREMIUM,
            additional_context={"market_conditions": "trending"},
        )
        assert ticket.outcome is Outcome.ACCEPTED, "it is on the disk before it is sent"
        await service.queue_notification(alert())
        assert await service.drain(timeout=30) == [], "nothing is open any more"
        assert service.get_metrics()["notifications_sent"] == 2
    assert shown(discord, "signals-premium") == ["BUY EURUSD"]
    assert "trending" in str(discord.discord.guild.messages("signals-premium")[0]["embeds"])
    assert shown(discord, "signals-free") == [], "premium signals are not for free readers"
    assert shown(discord, "alerts-critical") == ["HIGH · No candles since 10:00"]


async def test_the_integration_layer_delivers_from_a_coroutine_and_from_a_thread(discord: Sandbox) -> None:
    integration = NotificationIntegration()
    integration.start()
    ticket = await integration.send_signal_async(signal(confidence=0.95), user_tier=UserTier.PREMIUM)
    assert ticket.outcome is Outcome.ACCEPTED
    future = await asyncio.to_thread(integration.send_alert, alert())
    assert (await future).outcome is Outcome.ACCEPTED
    assert await asyncio.to_thread(integration.flush, 10) == 0
    assert integration.is_healthy()
    assert await asyncio.to_thread(integration.stop) == 0
    assert shown(discord, "signals-premium") == ["BUY EURUSD"]
    assert shown(discord, "alerts-critical") == ["HIGH · No candles since 10:00"]


async def test_many_concurrent_notifications_all_arrive_and_each_once(discord: Sandbox) -> None:
    titles = [f"alert {number}" for number in range(25)]
    async with AsyncNotificationService() as service:
        tickets = await asyncio.gather(*(service.queue_notification(alert(title)) for title in titles))
        assert {ticket.outcome for ticket in tickets} == {Outcome.ACCEPTED}
        await service.drain(timeout=30)
    assert sorted(shown(discord, "alerts-critical")) == sorted(f"HIGH · {title}" for title in titles)


async def test_the_circuit_breaker_opens_in_an_outage_and_closes_after_it_and_nothing_is_lost(discord: Sandbox) -> None:
    states: list[str] = []
    moved = {state: asyncio.Event() for state in ("open", "half-open", "closed")}

    def listen(event: Event) -> None:
        if isinstance(event, BreakerMoved):
            states.append(event.state)
            moved[event.state].set()

    outage = Fault(webhook="alerts-critical", answer=usual_answer(503), is_processed=False, times=10_000)
    discord.discord.faults.plan(outage)
    async with AsyncNotificationService(listeners=[listen]) as service:
        for number in range(10):
            await service.queue_notification(alert(f"alert {number}"))
        await asyncio.wait_for(moved["open"].wait(), 30)
        status, (reason,) = service.health()
        assert status is HealthStatus.DEGRADED
        assert (reason.code, "alerts-critical" in reason, " open, since " in reason) == ("breaker-open", True, True)
        assert service.get_metrics()["circuit_breaker_trips"] == 1
        await service.queue_notification(signal())
        async with asyncio.timeout(30):
            while not shown(discord, "signals-free"):  # another destination is not held up
                await asyncio.sleep(0)
        assert shown(discord, "alerts-critical") == []

        discord.discord.faults.clear()
        await asyncio.wait_for(moved["closed"].wait(), 30)
        await service.drain(timeout=30)
        assert service.is_healthy()
    assert (states[0], states[-2:]) == ("open", ["half-open", "closed"])
    titles = {line.removesuffix(" (may repeat)") for line in shown(discord, "alerts-critical")}  # a 503 tells little
    assert titles == {f"HIGH · alert {number}" for number in range(10)}


async def test_discords_rate_limits_are_kept_without_a_single_429(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNALPOST_HOME", str(tmp_path / "home"))
    async with Sandbox() as discord:  # this one has Discord's own limits: 5 messages in 2 seconds, for one
        monkeypatch.setenv("DISCORD_WEBHOOK_URL", discord.webhook("all"))
        async with AsyncNotificationService() as service:
            for number in range(12):
                await service.queue_notification(alert(f"alert {number}"))
            assert await service.drain(timeout=30) == []
        entries = [logged.entry for logged in discord.discord.log.since(0)]
        times = [utc(entry.time, "time") for entry in entries if entry.recorded]
    assert {entry.status for entry in entries} == {200}, "nothing was answered with 429"
    assert all((later - earlier).total_seconds() >= 2 for earlier, later in zip(times, times[5:], strict=False))
    assert sum(len(message["embeds"]) for message in discord.discord.guild.messages("all")) == 12


async def test_messages_that_discord_refuses_end_as_dead_with_its_reason_and_the_rest_are_sent(
    discord: Sandbox,
) -> None:
    discord.discord.faults.plan(Fault(webhook="signals-free", answer=usual_answer(400), is_processed=False))
    async with AsyncNotificationService() as service:
        refused = await service.queue_notification(signal("EUR/USD"))
        following = await service.queue_notification(signal("GBP/USD"))
        await service.drain(timeout=30)
        (dead,) = await service.deliveries(refused.id)
        (delivered,) = await service.deliveries(following.id)
    assert (dead.state, delivered.state) == ("dead", "delivered")
    assert "400" in (dead.reason or "")
    assert shown(discord, "signals-free") == ["BUY GBPUSD"]


async def test_signals_without_a_webhook_go_to_the_old_sender(
    discord: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISCORD_WEBHOOK_SIGNALS_PREMIUM")
    old_webhook = discord.webhook("old")

    async def old_sender(signal_or_alert: Signal, user_tier: UserTier, **_: object) -> None:
        async with DiscordService({user_tier: old_webhook}) as client:
            await client.send_signal_notification(signal_or_alert, user_tier, destination=user_tier)

    integration = NotificationIntegration(fallback=old_sender)
    integration.start()
    ticket = await integration.send_signal_async(signal(), user_tier=UserTier.PREMIUM)
    assert ticket.outcome is Outcome.DIRECT
    assert "signals-premium" in ticket.reason
    assert await asyncio.to_thread(integration.flush, 10) == 0
    assert integration.get_metrics()["fallback_called"] == 1
    await asyncio.to_thread(integration.stop)
    assert shown(discord, "old") == ["BUY EURUSD"]

"""`DISCORD_WEBHOOK_URL` beside a specific webhook has no effect, and the refusal says so."""

from pathlib import Path

from signalpost import Alert, AsyncNotificationService, Config
from signalpost.domain.signal import Signal
from signalpost.sandbox.rules.limits import OFF
from signalpost.sandbox.server import Sandbox

ALERT = Alert(alert_type="feed", severity="low", title="No candles")


def environment(sandbox: Sandbox, home: Path, *names: str) -> dict[str, str]:
    """An environment with these webhooks."""
    return {"SIGNALPOST_HOME": str(home)} | {name: sandbox.webhook("signals-free") for name in names}


async def refusal(config: Config) -> str:
    """Why an alert is refused."""
    async with AsyncNotificationService(config) as service:
        ticket = await service.queue_notification(ALERT)
        assert ticket.code == "no-destination"
        return ticket.reason or ""


async def test_the_refusal_names_the_webhook_that_is_ignored_and_why(tmp_path: Path) -> None:
    async with Sandbox(limits=OFF) as sandbox:
        set_ = environment(sandbox, tmp_path, "DISCORD_WEBHOOK_URL", "DISCORD_WEBHOOK_SIGNALS_FREE")
        async with AsyncNotificationService(Config.from_environment(set_)) as service:
            ticket = await service.queue_notification(ALERT)
        assert "DISCORD_WEBHOOK_URL is ignored" in (ticket.reason or "")
        assert "DISCORD_WEBHOOK_SIGNALS_FREE is set" in (ticket.reason or "")


async def test_without_it_the_refusal_does_not_mention_it(tmp_path: Path) -> None:
    async with Sandbox(limits=OFF) as sandbox:
        set_ = environment(sandbox, tmp_path, "DISCORD_WEBHOOK_SIGNALS_FREE")
        assert "ignored" not in await refusal(Config.from_environment(set_))


async def test_a_producer_is_warned_of_what_its_owner_ignores(tmp_path: Path) -> None:
    async with Sandbox(limits=OFF) as sandbox:
        set_ = environment(sandbox, tmp_path, "DISCORD_WEBHOOK_URL", "DISCORD_WEBHOOK_SIGNALS_FREE")
        async with (
            AsyncNotificationService(Config.from_environment(set_)),
            AsyncNotificationService(Config(home=tmp_path)) as producer,
        ):
            ticket = await producer.queue_notification(ALERT)
            other = await producer.queue_notification(
                Signal(pair="EURUSD", timeframe="H1", signal_type="BUY", entry_price=1, timestamp="2099-01-01T00:00Z")
            )
    assert "DISCORD_WEBHOOK_URL is ignored" in (ticket.reason or "")
    assert other.outcome == "accepted"

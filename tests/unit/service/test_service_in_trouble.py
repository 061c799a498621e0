import asyncio
import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from signalpost import AsyncNotificationService, Config, HealthStatus, Outcome, StoreUnusable
from signalpost.delivery.outbox.heartbeat import Heartbeat
from signalpost.delivery.pacing.breaker import BreakerMemory
from signalpost.domain.events import Event, Settled, StoreMoved
from signalpost.sandbox.rules.exchange import HttpAnswer
from signalpost.sandbox.rules.faults import Fault
from signalpost.sandbox.server import Sandbox
from tests.unit.service.conftest import ConfigFor, codes, emit, run_of, shown, signal
from tests.until import until


async def test_a_send_cut_off_by_a_stop_is_delivered_by_the_next_run_and_marked(
    sandbox: Sandbox, config_for: ConfigFor
) -> None:
    sandbox.discord.faults.plan(Fault(webhook="signals-free", seconds_before=60, is_processed=False))
    began = asyncio.Event()
    service = AsyncNotificationService(config_for(), listeners=[lambda event: _note_a_send(event, began)])
    await service.start()
    ticket = await service.queue_notification(signal())
    await began.wait()
    left = await service.stop(0)
    assert [(delivery.id.notification_id, delivery.state) for delivery in left] == [(ticket.id, "pending")]
    sandbox.discord.faults.clear()

    async with AsyncNotificationService(config_for()) as following:
        assert following.get_metrics()["queue_depth"] == 1
        await following.drain(timeout=30)
        (delivery,) = await following.deliveries(ticket.id)
        assert (delivery.state, delivery.may_repeat) == ("delivered", True)
        assert following.get_metrics()["queue_depth"] == 0
    assert len(shown(sandbox, "signals-free")) == 1
    assert "may repeat" in str(sandbox.discord.guild.messages("signals-free")[0]["embeds"])


def _note_a_send(event: Event, began: asyncio.Event) -> None:
    if type(event).__name__ == "SendBegan":
        began.set()


async def test_a_deleted_webhook_is_reported_and_affects_no_other(sandbox: Sandbox, config_for: ConfigFor) -> None:
    original = signal()
    async with AsyncNotificationService(config_for()) as service:
        sandbox.discord.guild.delete("signals-free")
        lost = await service.queue_notification(original)
        await service.drain(timeout=30)
        (delivery,) = await service.deliveries(lost.id)
        assert delivery.state == "dead"
        assert "10015" in (delivery.reason or "")
        status, reasons = service.health()
        assert status is HealthStatus.DEGRADED
        assert codes(reasons) == ["webhook-gone"]
        assert "signals-free" in reasons[0]
        assert service.get_metrics()["notifications_failed"] == 1
        other = await service.queue_notification(original, user_tier="premium")
        assert other.outcome is Outcome.ACCEPTED, "the same signal for a tier that does not have it yet"
        await service.drain(timeout=30)
        assert [each.state for each in await service.deliveries(other.id)] == ["delivered"]


async def test_a_rejected_message_is_dead_at_once_and_blocks_no_lane(sandbox: Sandbox, config_for: ConfigFor) -> None:
    refusal = HttpAnswer(400, {"Content-Type": "application/json"}, b'{"code": 50035, "message": "Invalid Form Body"}')
    sandbox.discord.faults.plan(Fault(webhook="signals-free", answer=refusal, is_processed=False))
    async with AsyncNotificationService(config_for()) as service:
        first = await service.queue_notification(signal())
        second = await service.queue_notification(signal(pair="GBPUSD"))
        await service.drain(timeout=30)
        states = {each.id: (await service.deliveries(each.id))[0].state for each in (first, second)}
    assert states == {first.id: "dead", second.id: "delivered"}


async def test_an_open_breaker_is_reported_until_a_probe_is_answered(config_for: ConfigFor) -> None:
    service = AsyncNotificationService(config_for())
    async with service:
        run = run_of(service)
        gate = run.engine.gates["signals-free"]
        gate.breaker.recall(BreakerMemory(60.0, 60.0, 60.0), run.loop.time())
        status, (reason,) = service.health()
        assert (status, codes([reason])) == (HealthStatus.DEGRADED, ["breaker-open"])
        assert "signals-free" in reason
        await gate.probe(run.loop.time)
        assert await service.drain(10) == []
        assert (gate.is_on_trial, service.is_healthy()) == (True, True), "nothing waits for it"
        await service.queue_notification(signal())
        assert await service.drain(10) == []
        assert (gate.is_well, service.is_healthy()) == (True, True)


async def test_a_failing_store_is_reported_until_it_works_again(config_for: ConfigFor) -> None:
    service = AsyncNotificationService(config_for())
    async with service:
        emit(service, StoreMoved(False, "the disk is full"))
        status, (reason,) = service.health()
        assert (status, codes([reason])) == (HealthStatus.UNHEALTHY, ["store-failed"])
        assert "the disk is full" in reason, "the cause, as the store reported it"
        emit(service, StoreMoved(True))
        assert service.is_healthy()


async def test_a_failing_listener_is_only_logged(
    sandbox: Sandbox, config_for: ConfigFor, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Event] = []

    def fail(_: Event) -> None:
        raise ValueError("secret text of somebody else")

    async with AsyncNotificationService(config_for(), listeners=[fail, heard.append]) as service:
        await service.queue_notification(signal())
        await service.drain(timeout=30)
    assert any(isinstance(event, Settled) for event in heard)
    assert any("Taken" in line and "ValueError" in line for line in caplog.messages)
    assert "secret text" not in caplog.text


async def test_notifications_are_held_while_the_disk_is_full_and_delivered_afterwards(
    sandbox: Sandbox, config_for: ConfigFor, connections: list[sqlite3.Connection]
) -> None:
    async with AsyncNotificationService(config_for()) as service:
        disk = connections[-1]
        disk.execute(f"PRAGMA max_page_count={disk.execute('PRAGMA page_count').fetchone()[0]}")
        tickets = [
            await service.queue_notification(signal(pair=pair), additional_context={"much": "x" * 9_000})
            for pair in ("EURUSD", "GBPUSD", "USDJPY")
        ]
        assert {ticket.outcome for ticket in tickets} == {Outcome.HELD}
        assert all(tickets)
        assert service.get_metrics()["notifications_held"] == 3
        assert service.health().status is HealthStatus.UNHEALTHY
        assert codes(service.health().reasons)[0] in {"store-failed", "held"}
        assert str(service.config.home / "outbox.db") in service.health().reasons[0]
        disk.execute("PRAGMA max_page_count=1000000")
        await service.drain(timeout=30)
        await until(service.is_healthy)  # dispatch may have failed too, and tries again by itself
        assert [(await service.deliveries(ticket.id))[0].state for ticket in tickets] == ["delivered"] * 3


async def test_held_notifications_that_cannot_be_saved_at_the_end_are_logged_as_lost(
    config_for: ConfigFor, connections: list[sqlite3.Connection], caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncNotificationService(config_for()) as service:
        disk = connections[-1]
        disk.execute(f"PRAGMA max_page_count={disk.execute('PRAGMA page_count').fetchone()[0]}")
        await service.queue_notification(signal(), additional_context={"much": "x" * 9_000})
        await service.stop(timeout=0.5)
    assert (logging.ERROR, (1,)) in [(line.levelno, line.args) for line in caplog.records], "one is lost"


async def test_a_store_locked_by_another_program_shows_in_health(config_for: ConfigFor) -> None:
    """Even of an idle service, which does not try to write."""
    config = msgspec.structs.replace(config_for(), heartbeat=Heartbeat(every=0.1))
    async with AsyncNotificationService(config) as service, asyncio.timeout(30):
        with closing(sqlite3.connect(config.home / "outbox.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await until(lambda: service.health().status is HealthStatus.UNHEALTHY)
            assert any("store" in reason.code for reason in service.health().reasons)
        await until(service.is_healthy)


@pytest.mark.parametrize("is_owner", [True, False])
async def test_a_data_folder_that_was_moved_away_is_reported_and_works_once_it_is_back(
    sandbox: Sandbox, config_for: ConfigFor, is_owner: bool
) -> None:
    """By an owner and by a producer, before any notification is sent."""
    home = config_for().home
    async with AsyncNotificationService(config_for()) as owner, AsyncNotificationService(config_for()) as producer:
        service = owner if is_owner else producer
        home.rename(home.with_name("away"))
        await until(lambda: "store-missing" in codes(service.health().reasons))
        status, reasons = service.health()
        assert status is HealthStatus.UNHEALTHY
        assert str(home / "outbox.db") in reasons[codes(reasons).index("store-missing")]
        ticket = await service.queue_notification(signal())
        assert ticket.outcome is Outcome.HELD
        assert not home.exists(), "no new store is made"
        home.with_name("away").rename(home)
        await until(lambda: service.health().status is not HealthStatus.UNHEALTHY)
        await service.drain(timeout=30)
    assert len(shown(sandbox, "signals-free")) == 1


async def test_a_data_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    home = tmp_path / "file" / "home"
    with pytest.raises(StoreUnusable) as refused:
        await AsyncNotificationService(Config(home=home)).start()
    assert refused.value.code == "not-writable"
    assert str(home) in str(refused.value)
    assert "SIGNALPOST_HOME" in str(refused.value)


async def test_the_start_logs_the_warnings_of_the_configuration(
    tmp_path: Path, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    config = Config.from_environment(
        {"SIGNALPOST_HOME": str(tmp_path), "DISCORD_WEBHOOK_URL": sandbox.webhook("everything", "a-token-to-hide")}
    )
    caplog.set_level(logging.DEBUG)
    async with AsyncNotificationService(config) as service:
        await service.queue_notification(signal())
        await service.drain(timeout=30)
    assert logging.WARNING in [line.levelno for line in caplog.records if "DISCORD_WEBHOOK_URL" in line.getMessage()]
    assert "a-token-to-hide" not in caplog.text + repr(config) + repr(service.__dict__)

import asyncio
import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from signalpost import AsyncNotificationService, Config, HealthStatus, Outcome, StoreUnusable
from signalpost.delivery.outbox.heartbeat import Heartbeat
from signalpost.domain.events import BreakerMoved, Event, Settled, StoreMoved
from signalpost.sandbox.rules.exchange import HttpAnswer
from signalpost.sandbox.rules.faults import Fault
from signalpost.sandbox.server import Sandbox
from tests.unit.service.conftest import ConfigFor, shown, signal


async def test_what_a_stop_cuts_off_is_delivered_by_the_next_run_and_marked(
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


async def test_a_webhook_that_is_gone_is_told_and_troubles_no_other(sandbox: Sandbox, config_for: ConfigFor) -> None:
    told = signal()
    async with AsyncNotificationService(config_for()) as service:
        sandbox.discord.guild.delete("signals-free")
        lost = await service.queue_notification(told)
        await service.drain(timeout=30)
        (delivery,) = await service.deliveries(lost.id)
        assert delivery.state == "dead"
        assert "10015" in (delivery.reason or "")
        status, reasons = service.health()
        assert status is HealthStatus.DEGRADED
        assert reasons[0].startswith("signals-free is disabled: its webhook is gone for good: ")
        assert service.get_metrics()["notifications_failed"] == 1
        other = await service.queue_notification(told, user_tier="premium")
        assert other.outcome is Outcome.ACCEPTED, "the same signal for a tier that does not have it yet"
        await service.drain(timeout=30)
        assert [each.state for each in await service.deliveries(other.id)] == ["delivered"]


async def test_a_refused_message_is_dead_at_once_and_shuts_no_lane(sandbox: Sandbox, config_for: ConfigFor) -> None:
    refusal = HttpAnswer(400, {"Content-Type": "application/json"}, b'{"code": 50035, "message": "Invalid Form Body"}')
    sandbox.discord.faults.plan(Fault(webhook="signals-free", answer=refusal, is_processed=False))
    async with AsyncNotificationService(config_for()) as service:
        first = await service.queue_notification(signal())
        second = await service.queue_notification(signal(pair="GBPUSD"))
        await service.drain(timeout=30)
        states = {each.id: (await service.deliveries(each.id))[0].state for each in (first, second)}
    assert states == {first.id: "dead", second.id: "delivered"}


async def test_an_open_breaker_is_counted_and_told_until_it_closes(config_for: ConfigFor) -> None:
    service = AsyncNotificationService(config_for())
    async with service:
        service._emit(BreakerMoved("signals-free", "open"))
        assert service.health() == (HealthStatus.DEGRADED, ("the breaker of signals-free is open",))
        service._emit(BreakerMoved("signals-free", "half-open"))
        service._emit(BreakerMoved("signals-free", "closed"))
        assert service.is_healthy()
        assert service.get_metrics()["circuit_breaker_trips"] == 1


async def test_a_store_that_is_unwell_is_told_until_it_is_well_again(config_for: ConfigFor) -> None:
    service = AsyncNotificationService(config_for())
    async with service:
        service._emit(StoreMoved(False, "the disk is full"))
        assert service.health() == (HealthStatus.UNHEALTHY, ("the store is unavailable: the disk is full",))
        service._emit(StoreMoved(True))
        assert service.is_healthy()


async def test_a_listener_that_fails_is_logged_and_nothing_else(
    sandbox: Sandbox, config_for: ConfigFor, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Event] = []

    def fail(_: Event) -> None:
        raise ValueError("secret text of somebody else")

    async with AsyncNotificationService(config_for(), listeners=[fail, heard.append]) as service:
        await service.queue_notification(signal())
        await service.drain(timeout=30)
    assert any(isinstance(event, Settled) for event in heard)
    assert "failed on Taken: ValueError" in caplog.text
    assert "secret text" not in caplog.text


async def test_a_full_disk_holds_what_comes_in_and_all_of_it_is_delivered_when_there_is_room(
    sandbox: Sandbox, config_for: ConfigFor
) -> None:
    async with AsyncNotificationService(config_for()) as service:
        disk = _disk_of(service)
        disk.execute(f"PRAGMA max_page_count={disk.execute('PRAGMA page_count').fetchone()[0]}")
        tickets = [
            await service.queue_notification(signal(pair=pair), additional_context={"much": "x" * 9_000})
            for pair in ("EURUSD", "GBPUSD", "USDJPY")
        ]
        assert {ticket.outcome for ticket in tickets} == {Outcome.HELD}
        assert all(tickets)
        assert service.get_metrics()["notifications_held"] == 3
        assert service.health().status is HealthStatus.UNHEALTHY
        assert "make room on the disk" in service.health().reasons[0]
        disk.execute("PRAGMA max_page_count=1000000")
        await service.drain(timeout=30)
        while not service.is_healthy():  # dispatch may have failed too, and tries again by itself
            await asyncio.sleep(0)
        assert [(await service.deliveries(ticket.id))[0].state for ticket in tickets] == ["delivered"] * 3


async def test_what_is_held_and_cannot_be_written_at_the_end_is_told_as_lost(
    config_for: ConfigFor, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncNotificationService(config_for()) as service:
        disk = _disk_of(service)
        disk.execute(f"PRAGMA max_page_count={disk.execute('PRAGMA page_count').fetchone()[0]}")
        await service.queue_notification(signal(), additional_context={"much": "x" * 9_000})
    assert "1 notifications were held in memory and could not be written: they are lost" in caplog.text


async def test_health_tells_while_another_program_holds_the_store_locked(config_for: ConfigFor) -> None:
    """Also of a service that is idle, and so does not try to write."""
    config = msgspec.structs.replace(config_for(), heartbeat=Heartbeat(every=0.1))
    async with AsyncNotificationService(config) as service, asyncio.timeout(30):
        with closing(sqlite3.connect(config.home / "outbox.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            while service.health().status is not HealthStatus.UNHEALTHY:
                await asyncio.sleep(0)
            assert any("store" in reason.code for reason in service.health().reasons)
        while not service.is_healthy():
            await asyncio.sleep(0)


@pytest.mark.parametrize("is_owner", [True, False])
async def test_a_data_folder_that_is_moved_away_is_told_and_all_is_kept_once_it_is_back(
    sandbox: Sandbox, config_for: ConfigFor, is_owner: bool
) -> None:
    """By an owner and by a producer; health tells it before anything is taken in."""
    home = config_for().home
    async with AsyncNotificationService(config_for()) as owner, AsyncNotificationService(config_for()) as producer:
        service = owner if is_owner else producer
        home.rename(home.with_name("away"))
        async with asyncio.timeout(30):
            while service.is_healthy():
                await asyncio.sleep(0)
        status, reasons = service.health()
        assert status is HealthStatus.UNHEALTHY
        assert "outbox.db: the file was removed or replaced while it was open: move it back" in reasons[-1]
        ticket = await service.queue_notification(signal())
        assert ticket.outcome is Outcome.HELD
        assert not home.exists(), "no new store is made"
        home.with_name("away").rename(home)
        await service._running.intake._recovering.task  # type: ignore[union-attr]
        assert service.health().status is not HealthStatus.UNHEALTHY
        await service.drain(timeout=30)
    assert len(shown(sandbox, "signals-free")) == 1


def _disk_of(service: AsyncNotificationService) -> sqlite3.Connection:
    return service._running.outbox._core._db  # type: ignore[union-attr, attr-defined, no-any-return]


async def test_a_folder_that_cannot_be_made_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnusable, match=r"the data folder cannot be made .* set SIGNALPOST_HOME to another place"):
        await AsyncNotificationService(Config(home=tmp_path / "file" / "home")).start()


async def test_the_start_warns_of_what_people_should_know(
    tmp_path: Path, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    config = Config.from_environment(
        {"SIGNALPOST_HOME": str(tmp_path), "DISCORD_WEBHOOK_URL": sandbox.webhook("everything", "a-token-to-hide")}
    )
    caplog.set_level(logging.DEBUG)
    async with AsyncNotificationService(config) as service:
        await service.queue_notification(signal())
        await service.drain(timeout=30)
    assert "only DISCORD_WEBHOOK_URL is set: all tiers and all alerts go to that one channel" in caplog.text
    assert "a-token-to-hide" not in caplog.text + repr(config) + repr(service.__dict__)

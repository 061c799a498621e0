"""A resolved alert: its message is edited, and a companion says so as `[cards.companions] resolved` has it."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from signalpost import Alert, AsyncNotificationService, clock
from signalpost.domain.tier import UserTier
from signalpost.sandbox.server import Sandbox
from signalpost.sinks.discord.cards.look import Event, Look, Roles, Sending
from signalpost.sinks.discord.limits import SILENT
from tests.unit.service.conftest import ConfigFor
from tests.until import until

CHANNEL = "alerts-critical"
ROLE = "1100000000000000005"


def alert(**changes: Any) -> Alert:
    began = clock.now() - timedelta(minutes=5)
    over = {"resolved": "EURUSD candles are back"}
    facts = {"alert_type": "feed", "title": "No EURUSD candles", "timestamp": began, "context": over, **changes}
    return Alert(alert_id="a1", severity="critical", **facts)


def probes(sandbox: Sandbox) -> int:
    return sum(each.entry.method == "GET" for each in sandbox.discord.log.since(0))


async def report(sandbox: Sandbox, config: Any, **changes: Any) -> None:
    """Send the alert, or with `changes` its end, from one run of the service."""
    before = probes(sandbox)
    async with AsyncNotificationService(config) as service:
        await until(lambda: probes(sandbox) > before)  # a link names the server, which the answer does
        await service.queue_notification(alert(**changes), event="resolved" if changes else "new")
        assert await service.drain(20) == []
        assert service.get_metrics()["queue_depth"] == 0


async def test_the_companion_of_a_caller_that_was_cancelled_is_counted(sandbox: Sandbox, config_for: ConfigFor) -> None:
    async with AsyncNotificationService(config_for(CHANNEL)) as service:
        await service.queue_notification(alert())
        assert await service.drain(20) == []
        over = alert(status="resolved", resolved_at=clock.now())
        taking = asyncio.create_task(service.queue_notification(over, event="resolved"))
        await asyncio.sleep(0)
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
        await until(lambda: len(sandbox.discord.guild.messages(CHANNEL)) == 2)
        assert await service.drain(20) == []
        metrics = service.get_metrics()
    assert (metrics["notifications_queued"], metrics["notifications_sent"], metrics["queue_depth"]) == (2, 3, 0)


@pytest.mark.parametrize(("sending", "flags"), [(None, [SILENT]), (Sending.ON, [0]), (Sending.OFF, [])])
async def test_its_message_is_edited_and_the_companion_is_sent_once_as_the_setting_has_it(
    sandbox: Sandbox, config_for: ConfigFor, sending: Sending | None, flags: list[int]
) -> None:
    companions = {} if sending is None else {Event.RESOLVED: sending}
    look = Look(companions=companions, roles={UserTier.FREE: Roles(ROLE)})
    config = msgspec.structs.replace(config_for(CHANNEL), look=look)
    await report(sandbox, config)
    (first,) = sandbox.discord.guild.messages(CHANNEL)
    assert first["content"].startswith("CRITICAL")
    over = {"status": "resolved", "resolved_at": clock.now(), "timestamp": clock.now() - timedelta(hours=1)}
    for _ in range(2):  # the second time it is a duplicate, after a restart too
        await report(sandbox, config, **over)
    edited, *others = sandbox.discord.guild.messages(CHANNEL)
    assert (edited["id"], edited["content"]) == (first["id"], "RESOLVED · No EURUSD candles")
    assert [each.get("flags", 0) for each in others] == flags
    for each in others:
        headline, link = each["content"].splitlines()
        assert headline == "RESOLVED · EURUSD candles are back"
        assert link.startswith("[Alert ")
        assert link.endswith(f"/{first['id']})")
        assert ROLE not in each["content"]

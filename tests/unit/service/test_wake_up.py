"""An owner finds out soon that a producer has queued something."""

import asyncio
from pathlib import Path

import pytest

from signalpost import AsyncNotificationService
from signalpost.delivery.outbox import threaded
from signalpost.domain.events import Settled
from signalpost.sandbox.server import Sandbox
from tests.unit.service.conftest import ConfigFor, signal
from tests.unit.service.test_producer import Heard


async def test_queued_notifications_are_delivered_even_without_the_wake_socket(
    sandbox: Sandbox, config_for: ConfigFor, tmp_path: Path
) -> None:
    """A lost datagram only delays a delivery until the next look at the store."""
    settled = Heard(Settled)
    async with (
        AsyncNotificationService(config_for(), listeners=[settled]),
        AsyncNotificationService(config_for()) as producer,
        asyncio.timeout(30),
    ):
        (tmp_path / "home" / "outbox.bell").unlink()
        await producer.queue_notification(signal())
        await settled.came.wait()


async def test_the_wake_socket_alone_is_enough(
    sandbox: Sandbox, config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With looks an hour apart, only the wake socket reports what a producer has queued."""
    monkeypatch.setattr(threaded, "LOOK_EVERY", 3_600)
    settled = Heard(Settled)
    async with (
        AsyncNotificationService(config_for(), listeners=[settled]),
        AsyncNotificationService(config_for()) as producer,
        asyncio.timeout(30),
    ):
        await producer.queue_notification(signal())
        await settled.came.wait()

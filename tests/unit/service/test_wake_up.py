"""What wakes an owner when a producer puts something."""

import asyncio
from pathlib import Path

import pytest

from signalpost import AsyncNotificationService
from signalpost.delivery.outbox import threaded
from signalpost.domain.events import Settled
from signalpost.sandbox.server import Sandbox
from tests.unit.service.conftest import ConfigFor, signal
from tests.unit.service.test_producer import Heard


async def test_what_is_put_for_the_owner_is_delivered_though_no_bell_rings(
    sandbox: Sandbox, config_for: ConfigFor, tmp_path: Path
) -> None:
    """A lost datagram delays by a look; without any bell, too, all is found."""
    settled = Heard(Settled)
    async with (
        AsyncNotificationService(config_for(), listeners=[settled]),
        AsyncNotificationService(config_for()) as producer,
        asyncio.timeout(30),
    ):
        (tmp_path / "home" / "outbox.bell").unlink()
        await producer.queue_notification(signal())
        await settled.came.wait()


async def test_the_bell_alone_is_enough(
    sandbox: Sandbox, config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With looks an hour apart, what a producer puts is found because it rings."""
    monkeypatch.setattr(threaded, "LOOK_EVERY", 3_600)
    settled = Heard(Settled)
    async with (
        AsyncNotificationService(config_for(), listeners=[settled]),
        AsyncNotificationService(config_for()) as producer,
        asyncio.timeout(30),
    ):
        await producer.queue_notification(signal())
        await settled.came.wait()

"""A process that was frozen checks just before each request whether it may still send."""

import pytest

from signalpost.sandbox.server import Sandbox
from signalpost.sinks.discord.service import DiscordService
from signalpost.sinks.evidence import Unavailable
from tests.unit.service.conftest import shown, signal


async def test_no_request_is_written_over_a_new_or_an_old_connection(
    sandbox: Sandbox,
) -> None:
    may_send = False
    webhook = sandbox.webhook("signals-free")
    async with DiscordService({"signals-free": webhook}, may_send=lambda: may_send) as discord:
        with pytest.raises(Unavailable):
            await discord.send_signal_notification(signal())
        assert sandbox.discord.log.since(0) == []
        may_send = True
        await discord.send_signal_notification(signal())
        may_send = False
        with pytest.raises(Unavailable):
            await discord.send_signal_notification(signal())
    assert len(sandbox.discord.log.since(0)) == 1
    assert len(shown(sandbox, "signals-free")) == 1

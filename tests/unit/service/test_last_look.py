"""The last look before a request is written: a process that was frozen meanwhile sends nothing."""

import pytest

from signalpost.sandbox.server import Sandbox
from signalpost.sinks.discord.service import DiscordService
from signalpost.sinks.evidence import Unavailable
from tests.unit.service.conftest import shown, signal


async def test_what_may_not_be_sent_any_more_is_not_written_over_a_new_connection_or_an_old_one(
    sandbox: Sandbox,
) -> None:
    may_send = False
    webhook = sandbox.webhook("signals-free")
    async with DiscordService({"signals-free": webhook}, may_send=lambda: may_send) as discord:
        with pytest.raises(Unavailable, match="nothing was sent"):
            await discord.send_signal_notification(signal())
        may_send = True
        await discord.send_signal_notification(signal())
        may_send = False
        with pytest.raises(Unavailable, match="nothing was sent"):
            await discord.send_signal_notification(signal())
    assert len(shown(sandbox, "signals-free")) == 1

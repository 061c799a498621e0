"""A service whose channel is deleted continues its signals in the fallback, where only its own tier reads them."""

from fractions import Fraction
from typing import Any

import msgspec
import pytest

from signalpost import AsyncNotificationService, UserTier, clock
from signalpost.domain.instrument import Instrument
from signalpost.domain.ledger import StreamState
from signalpost.domain.recap import Recap, RecapDays, RecapLine, Recurrence
from signalpost.domain.tier import Hidden, TierCopy
from signalpost.sandbox.server import Sandbox
from signalpost.sinks.discord.cards.look import Look
from tests.unit.service.conftest import ConfigFor, run_of, signal

pytestmark = pytest.mark.usefixtures("news_leaves_soon")

BACKUP, FREE, PREMIUM = "backup", "signals-free", "signals-premium"


def texts(sandbox: Sandbox, channel: str) -> list[str]:
    """The bodies that a channel shows, as JSON."""
    return [repr(message) for message in sandbox.discord.guild.messages(channel)]


def with_fallback(config: Any, name: str, *fallbacks: str, **changes: Any) -> Any:
    destinations = tuple(
        each._replace(fallbacks=fallbacks) if each.name == name else each for each in config.destinations
    )
    return msgspec.structs.replace(config, destinations=destinations, **changes)


async def test_a_signal_goes_on_in_the_fallback_over_a_restart(sandbox: Sandbox, config_for: ConfigFor) -> None:
    config = with_fallback(config_for(PREMIUM, BACKUP), PREMIUM, BACKUP)
    made = signal(stop_loss="1.1600", signal_id="s1")
    async with AsyncNotificationService(config) as service:
        ticket = await service.queue_notification(made, user_tier="premium")
        await service.drain(timeout=10)
        assert len(texts(sandbox, PREMIUM)) == 1
        sandbox.discord.guild.delete(PREMIUM)
        await service.update_signal("s1", note="half the size")
        assert await service.drain(timeout=10) == []
        (card,) = texts(sandbox, BACKUP)
        assert "half the size" in card
        assert [each.id.destination for each in await service.deliveries(ticket.id)] == [PREMIUM]
        metrics = service.get_metrics()
        assert (metrics["queue_depth"], metrics["notifications_failed"], metrics["deliveries_dead"] > 0) == (0, 0, True)
    async with AsyncNotificationService(config) as service:
        await service.close_signal("s1", price="1.1650")
        assert await service.drain(timeout=10) == []
        cards = texts(sandbox, BACKUP)
        assert len(cards) == 2
        await service.queue_notification(signal(signal_id="s2", pair="USDJPY", entry_price="150"), user_tier="premium")
        assert await service.drain(timeout=10) == []
        assert len(texts(sandbox, BACKUP)) == 3


async def test_fields_hidden_from_a_tier_stay_hidden_in_a_fallback_of_a_higher_tier(
    sandbox: Sandbox, config_for: ConfigFor
) -> None:
    copies = {UserTier.FREE: TierCopy(hidden=frozenset({Hidden.STOP, Hidden.TARGETS}))}
    config = with_fallback(config_for(FREE, PREMIUM), FREE, PREMIUM, copies=copies, look=Look(copies=copies))
    sandbox.discord.guild.delete(FREE)
    async with AsyncNotificationService(config) as service:
        await service.queue_notification(signal(stop_loss="1.1577", take_profit="1.1733"), user_tier="free")
        assert await service.drain(timeout=10) == []
        (card,) = texts(sandbox, PREMIUM)
        assert "1.1634" in card
        assert "1.1577" not in card
        assert "1.1733" not in card


async def test_no_channel_of_a_lower_tier_gets_a_signal_although_all_others_are_gone(
    sandbox: Sandbox, config_for: ConfigFor
) -> None:
    config = with_fallback(config_for(PREMIUM, BACKUP, FREE), PREMIUM, BACKUP)
    for name in (PREMIUM, BACKUP):
        sandbox.discord.guild.delete(name)
    async with AsyncNotificationService(config) as service:
        for number in range(3):
            await service.queue_notification(signal(signal_id=f"s{number}"), user_tier="premium")
        await service.drain(timeout=5)
        assert texts(sandbox, FREE) == texts(sandbox, BACKUP) == []


def recap_of(destination: str) -> Recap:
    line = RecapLine(Instrument("EUR_USD"), 2, 1, 0, Fraction(1))
    period = RecapDays().newest(Recurrence.DAILY, clock.now())
    return Recap(destination=destination, period=period, timestamp=clock.now(), lines=(line,), with_r=3, not_shown=1)


async def test_a_recap_goes_to_the_fallback_and_says_which_channel_it_is_about(
    sandbox: Sandbox, config_for: ConfigFor
) -> None:
    config = with_fallback(config_for(PREMIUM, BACKUP, FREE), PREMIUM, BACKUP)
    sandbox.discord.guild.delete(PREMIUM)
    async with AsyncNotificationService(config) as service:
        reports = [(recap_of(each), UserTier.PREMIUM) for each in (PREMIUM, BACKUP)]
        await run_of(service).engine.intake.commit(StreamState("recaps", "1", clock.now(), b""), (), reports=reports)
        assert await service.drain(timeout=10) == []
    shown = list(sandbox.discord.guild.messages(BACKUP))
    assert len(shown) == 2
    assert all("2 won, 1 lost" in each["content"] for each in shown)
    named = [f"-# Of {PREMIUM} only" in each["embeds"][0]["description"] for each in shown]
    assert sorted(named) == [False, True], "the other one is about its own channel"
    assert texts(sandbox, FREE) == []


async def test_a_recap_of_a_channel_that_is_gone_reaches_no_other_channel(
    sandbox: Sandbox, config_for: ConfigFor
) -> None:
    """Neither without a fallback, nor if the destination only is a fallback of one that has one."""
    config = with_fallback(config_for(FREE, PREMIUM, BACKUP), FREE, PREMIUM, BACKUP)
    sandbox.discord.guild.delete(PREMIUM)
    async with AsyncNotificationService(config) as service:
        state = StreamState("recaps", "1", clock.now(), b"")
        await run_of(service).engine.intake.commit(state, (), reports=[(recap_of(PREMIUM), UserTier.PREMIUM)])
        await service.drain(timeout=5)
    assert texts(sandbox, FREE) == texts(sandbox, BACKUP) == []

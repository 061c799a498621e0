"""P10 just before the send: no notification is shown to a lower tier than it was sent for."""

from typing import Any

import pytest

from signalpost import Alert, Rejected, UserTier
from signalpost.delivery.routing import Routing, Tier
from signalpost.delivery.tier_guard import TierGuard
from signalpost.domain.notification import Notification
from signalpost.sinks.port import Item
from signalpost.testing.scripted_sink import ScriptedSink
from tests.unit.delivery.intake_harness import NOW, signal

VIP, LOW = UserTier("vip"), UserTier("low")
DESTINATIONS = ("signals-free", "signals-premium", "vip", "default")


def _item(payload: Any, tier: UserTier) -> Item:
    notification = Notification(
        id="1",
        payload=payload,
        event="new",
        priority="NORMAL",
        user_tier=tier,
        accepted_at=NOW,
        valid_until=payload.valid_until,
    )
    return Item(notification)


@pytest.mark.parametrize(
    ("tier", "destination", "tiers", "is_shown"),
    [
        (UserTier.FREE, "signals-free", {}, True),
        (UserTier.FREE, "signals-premium", {}, True),
        (UserTier.PREMIUM, "signals-free", {}, False),
        (UserTier.ADMIN, "signals-premium", {}, True),
        (VIP, "vip", {VIP: Tier(30, ("vip",))}, True),
        (VIP, "vip", {LOW: Tier(5, ("vip",))}, False),
        (VIP, "vip", {VIP: Tier(30, ("other",)), LOW: Tier(5, ("vip",))}, False),
        (UserTier.PREMIUM, "vip", {LOW: Tier(5, ("vip",))}, False),
        (VIP, "vip", {}, True),
        (VIP, "signals-premium", {}, False),
    ],
)
async def test_a_signal_is_shown_only_where_no_lower_tier_reads(
    tier: UserTier, destination: str, tiers: dict[UserTier, Tier], is_shown: bool
) -> None:
    sink = ScriptedSink()
    guard = TierGuard(sink, destination, Routing(DESTINATIONS, tiers=tiers))
    if is_shown:
        await guard.send([_item(signal(), tier)])
    else:
        with pytest.raises(Rejected) as rejected:
            await guard.send([_item(signal(), UserTier.FREE), _item(signal(), tier)])
        assert rejected.value.code == "tier-too-low"
        assert str(tier) in rejected.value.reason
        assert destination in rejected.value.reason
    assert len(sink.sent) == int(is_shown)


async def test_a_single_channel_for_everything_shows_every_tier() -> None:
    sink = ScriptedSink()
    await TierGuard(sink, "default", Routing(["default"], everything_to="default")).send([_item(signal(), VIP)])
    assert len(sink.sent) == 1


async def test_an_alert_is_shown_whatever_its_tier() -> None:
    sink = ScriptedSink()
    alert = Alert(alert_type="feed", severity="high", title="t", timestamp=NOW)
    guard = TierGuard(sink, "alerts-critical", Routing(DESTINATIONS))
    await guard.send([_item(alert, VIP)])
    await guard.probe()
    await guard.close()
    assert len(sink.sent) == 1


async def test_an_alert_that_an_earlier_configuration_passed_on_is_not_shown_to_readers_of_signals() -> None:
    sink = ScriptedSink()
    alert = Alert(alert_type="feed", severity="high", title="t", timestamp=NOW)
    for destination in ("signals-free", "signals-premium", "community"):
        with pytest.raises(Rejected):
            await TierGuard(sink, destination, Routing(DESTINATIONS)).send([_item(alert, UserTier.ADMIN)])
    assert not sink.sent

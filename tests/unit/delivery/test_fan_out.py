"""The deliveries of a signal for a tier that gets it later, or gets only the surest."""

from datetime import timedelta
from decimal import Decimal

import pytest

from signalpost import UserTier
from signalpost.delivery.fan_out import deliveries_of
from signalpost.delivery.routing import Routing
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.notification import notification_of
from signalpost.domain.tier import IfEnded, TierCopy
from tests.unit.delivery.intake_harness import NOW, signal

MINUTE = timedelta(minutes=1)
NAMES = ("signals-free", "signals-premium")


def routing(**fields: object) -> Routing:
    return Routing(NAMES, copies={UserTier.FREE: TierCopy(**fields)})  # type: ignore[arg-type]


@pytest.mark.parametrize("if_ended", list(IfEnded))
def test_a_delayed_signal_waits_for_its_release_with_which_its_validity_starts(if_ended: IfEnded) -> None:
    made = notification_of(signal(), accepted_at=NOW + 5 * MINUTE)
    (delivery,) = deliveries_of(made, routing(delay=15 * MINUTE, if_ended=if_ended))
    assert delivery.not_before == NOW + 20 * MINUTE
    assert delivery.valid_until == NOW + 20 * MINUTE + timedelta(hours=4)
    assert (delivery.delay, delivery.shows_ended) == (15 * MINUTE, if_ended is IfEnded.SHOW)


def test_another_tier_and_another_event_are_not_delayed() -> None:
    for made in (
        notification_of(signal(), user_tier="premium", accepted_at=NOW),
        notification_of(signal(), event="update 1", accepted_at=NOW),
    ):
        (delivery,) = deliveries_of(made, routing(delay=15 * MINUTE))
        assert (delivery.not_before, delivery.valid_until, delivery.delay) == (None, None, timedelta(0))


@pytest.mark.parametrize(("confidence", "is_sent"), [("0.7", True), ("0.69", False), (None, False)])
def test_a_tier_can_get_only_the_surest_signals(confidence: str | None, is_sent: bool) -> None:
    made = notification_of(signal(confidence_score=confidence), accepted_at=NOW)
    (delivery,) = deliveries_of(made, routing(min_confidence=Decimal("0.7")))
    assert (delivery.state is DeliveryState.PENDING) is is_sent
    assert ("0.7" in (delivery.reason or "")) is not is_sent


def test_a_stale_signal_is_suppressed_whatever_its_delay() -> None:
    made = notification_of(signal(), accepted_at=NOW + timedelta(days=9))
    (delivery,) = deliveries_of(made, routing(delay=15 * MINUTE))
    assert delivery.state is DeliveryState.SUPPRESSED

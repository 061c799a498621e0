"""The caller's own fallback also gets what was accepted, and whose every destination is gone."""

from typing import Any

import msgspec
import pytest

from signalpost import Alert, NotificationIntegration, Outcome, UserTier
from signalpost.delivery.routing import Tier
from signalpost.domain.delivery import Delivery, DeliveryId, DeliveryState
from signalpost.domain.events import DestinationEnabled, DestinationGone, Settled
from signalpost.domain.instant import LATEST
from signalpost.domain.notification import notification_of
from signalpost.domain.priority import NotificationPriority
from signalpost.errors import StoreFailed
from signalpost.integration.fallback import LostNotifications
from signalpost.integration.submission import Submission
from signalpost.sandbox.server import Sandbox
from tests.unit.integration.conftest import ConfigFor
from tests.unit.service.conftest import shown, signal

FREE, PREMIUM, OTHER = "signals-free", "signals-premium", "other"
GOLD = UserTier("gold")


class Caller:
    """An integration with a sender of the caller's own."""

    def __init__(self, config: Any) -> None:
        self.got: list[tuple[str, str]] = []
        self.integration = NotificationIntegration(config, fallback=self.send)

    def send(self, payload: Any, user_tier: UserTier) -> None:
        self.got.append((payload.signal_id, str(user_tier)))

    def sent(self, *ids: str, tier: str = "free") -> None:
        """Send these signals, and wait until all that can be done is."""
        for name in ids:
            ticket = self.integration.send_signal(signal(signal_id=name), user_tier=tier).result(10)
            assert ticket.outcome is Outcome.ACCEPTED
        self.integration.flush(10)
        self.integration.flush(10)


@pytest.fixture
def gone(sandbox: Sandbox) -> Any:
    return sandbox.discord.guild.delete


def test_the_signal_that_finds_its_only_channel_gone_and_all_later_ones_go_to_the_caller_once(
    config_for: ConfigFor, gone: Any
) -> None:
    caller = Caller(config_for(FREE))
    gone(FREE)
    caller.integration.start()
    caller.sent("a", "b", "c")
    assert sorted(caller.got) == [("a", "free"), ("b", "free"), ("c", "free")]
    assert caller.integration.get_metrics()["queue_depth"] == 0
    caller.integration.update_signal("b", note="later").result(10)
    caller.integration.flush(10)
    assert len(caller.got) == 3
    caller.integration.stop()
    caller.integration.start()
    caller.sent("d")
    assert caller.got[3:] == [("d", "free")]
    caller.integration.stop()


def test_a_fallback_destination_comes_first(sandbox: Sandbox, config_for: ConfigFor, gone: Any) -> None:
    config = config_for(FREE, OTHER)
    first, second = config.destinations
    config = msgspec.structs.replace(config, destinations=(first._replace(fallbacks=(OTHER,)), second))
    gone(FREE)
    caller = Caller(config)
    caller.integration.start()
    caller.sent("a")
    assert caller.got == []
    assert len(shown(sandbox, OTHER)) == 1
    gone(OTHER)
    caller.sent("b", "c")
    assert sorted(caller.got) == [("b", "free"), ("c", "free")]
    caller.integration.stop()


def test_a_signal_that_one_of_its_channels_shows_is_not_passed_on(
    sandbox: Sandbox, config_for: ConfigFor, gone: Any
) -> None:
    config = msgspec.structs.replace(config_for(FREE, OTHER), tiers={GOLD: Tier(15, (FREE + "-2", OTHER))})
    destinations = (config.destinations[0]._replace(name=FREE + "-2"), config.destinations[1])
    gone(FREE)
    caller = Caller(msgspec.structs.replace(config, destinations=destinations))
    caller.integration.start()
    caller.sent("a", "b", tier="gold")
    assert caller.got == []
    assert len(shown(sandbox, OTHER)) == 2
    gone(OTHER)
    caller.sent("c", "d", tier="gold")
    assert sorted(caller.got) == [("c", "gold"), ("d", "gold")]
    caller.integration.stop()


def test_an_alert_is_passed_on_too_and_the_alerts_of_the_service_about_itself_are_not(
    config_for: ConfigFor, gone: Any
) -> None:
    got: list[Any] = []
    integration = NotificationIntegration(config_for("alerts-general", "system-status"), fallback=got.append)
    gone("alerts-general")
    gone("system-status")
    integration.start()
    integration.send_alert(Alert(alert_type="feed", severity="low", title="A gap")).result(10)
    integration.flush(5)
    integration.flush(5)
    assert [each.title for each in got] == ["A gap"]
    integration.stop()


@pytest.mark.parametrize(
    ("states", "is_lost"),
    [
        ({FREE: "dead"}, True),
        ({FREE: "dead", OTHER: "suppressed"}, True),
        ({FREE: "dead", PREMIUM: "dead"}, False),
        ({FREE: "dead", OTHER: "pending"}, False),
        ({FREE: "dead", OTHER: "unconfirmed"}, False),
        ({FREE: "dead", OTHER: "delivered"}, False),
        ({}, False),
    ],
)
async def test_only_a_notification_all_of_whose_channels_are_gone_is_lost(
    states: dict[str, str], is_lost: bool
) -> None:
    sent = notification_of(signal(), user_tier=GOLD, ticket_id="t")
    lost: list[Submission] = []
    listener = LostNotifications(lambda submission, _: lost.append(submission))

    async def deliveries(ticket_id: str) -> list[Delivery]:
        return [of(ticket_id, name, DeliveryState(state)) for name, state in states.items()]

    listener.deliveries = deliveries
    for event in (DestinationGone(FREE, ""), DestinationGone(PREMIUM, ""), DestinationEnabled(PREMIUM)):
        listener(event)
    for _ in range(2):
        listener(Settled(of("t", FREE, DeliveryState.DEAD), sent))
        await looked(listener)
    assert [(each.payload, each.notification.user_tier) for each in lost] == [(sent.payload, GOLD)] * is_lost


async def test_a_store_that_fails_passes_nothing_on() -> None:
    lost: list[Submission] = []
    listener = LostNotifications(lambda submission, _: lost.append(submission))

    async def deliveries(_: str) -> list[Delivery]:
        raise StoreFailed("the disk is full")

    listener.deliveries = deliveries
    listener(DestinationGone(FREE, ""))
    listener(Settled(of("t", FREE, DeliveryState.DEAD), notification_of(signal(), ticket_id="t")))
    listener(Settled(of("t", FREE, DeliveryState.DEAD)))
    listener(Settled(of("t", FREE, DeliveryState.DEAD), notification_of(signal(), ticket_id="t", event="x")))
    await looked(listener)
    assert lost == []


def of(ticket_id: str, destination: str, state: DeliveryState) -> Delivery:
    return Delivery(DeliveryId(ticket_id, destination), state, NotificationPriority.NORMAL, 0, "s", LATEST)


async def looked(listener: LostNotifications) -> None:
    for task in list(listener._looking):
        await task

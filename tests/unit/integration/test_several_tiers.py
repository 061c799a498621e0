"""A program may name several tiers at once, and how long an order is good."""

from datetime import timedelta
from typing import Any

import pytest

from signalpost import (
    Alert,
    AsyncNotificationService,
    InvalidValue,
    NotificationIntegration,
    Outcome,
    Refusal,
    Timeframe,
    UserTier,
)
from signalpost.domain.ticket import Ticket
from signalpost.integration.futures import TicketFuture, of_all
from signalpost.sandbox.server import Sandbox
from tests.unit.integration.conftest import ConfigFor
from tests.unit.service.conftest import shown, signal

BOTH = ("premium", UserTier.FREE, "free")


def test_a_signal_for_several_tiers_has_one_ticket_and_reaches_each(sandbox: Sandbox, config_for: ConfigFor) -> None:
    integration = NotificationIntegration(config_for())
    integration.start()
    tickets = [integration.send_signal(signal(signal_id="s"), tiers=BOTH).result(10) for _ in range(2)]
    assert [ticket.outcome for ticket in tickets] == [Outcome.ACCEPTED, Outcome.DUPLICATE]
    assert tickets[0].signal_id == "s"
    assert integration.flush(10) == 0
    assert [len(shown(sandbox, name)) for name in ("signals-free", "signals-premium")] == [1, 1]
    refused = integration.send(signal(signal_id="t"), tiers=["free", "unheard-of"]).result(10)
    assert (refused.outcome, refused.cause) == (Outcome.REFUSED, Refusal.NO_DESTINATION)
    assert refused.id
    integration.stop()


def test_the_callers_sender_gets_each_tier_for_itself() -> None:
    got: list[tuple[str, str]] = []

    def sender(payload: Any, user_tier: UserTier) -> None:
        got.append((payload.signal_id, str(user_tier)))

    integration = NotificationIntegration(fallback=sender)
    ticket = integration.send_signal(signal(signal_id="s"), tiers=BOTH).result(10)
    assert ticket.outcome is Outcome.DIRECT
    integration.flush(10)
    assert sorted(got) == [("s", "free"), ("s", "premium")]
    integration.stop()


async def test_a_service_takes_tiers_and_a_duration_too(sandbox: Sandbox, config_for: ConfigFor) -> None:
    async with AsyncNotificationService(config_for()) as service:
        made = signal(signal_id="s", order="limit")
        ticket = await service.queue_notification(made, tiers=BOTH, good_for="30m")
        assert ticket.outcome is Outcome.ACCEPTED
        entry = await service.signal("s")
        assert entry is not None
        assert set(entry.trade.tiers) == {UserTier.FREE, UserTier.PREMIUM}
        close = made.timestamp + Timeframe("H4").duration
        assert entry.trade.signal.good_until == close + timedelta(minutes=30)
        assert await service.drain(10) == []


@pytest.mark.parametrize(
    ("payload", "options", "field", "code"),
    [
        (signal(), {"tiers": ["free"], "user_tier": "free"}, "tiers", "conflict"),
        (signal(), {"tiers": [" "]}, "user_tier", "unknown-word"),
        (signal(), {"tiers": None}, "tiers", "not-a-list"),
        (signal(), {"tiers": 2}, "tiers", "not-a-list"),
        (signal(order="limit"), {"good_for": timedelta(0)}, "good_for", "not-a-duration"),
        (signal(order="limit"), {"good_for": 3}, "good_for", "not-a-duration"),
        (signal(), {"good_for": "24h"}, "good_for", "conflict"),
        (Alert(alert_type="t", severity="low", title="t"), {"good_for": "24h"}, "good_for", "not-a-signal"),
    ],
)
def test_invalid_options_are_rejected_at_the_call(payload: Any, options: Any, field: str, code: str) -> None:
    with pytest.raises(InvalidValue) as error:
        NotificationIntegration().send(payload, **options)
    assert [(each.field, each.code) for each in error.value.errors] == [(field, code)]


def test_the_ticket_of_several_waits_for_all_and_has_the_outcome_that_matters_most() -> None:
    futures = [TicketFuture() for _ in range(3)]
    whole = of_all(futures)
    futures[2].set_result(Ticket(Outcome.ACCEPTED, "3", warnings=("w",)))
    futures[0].set_result(Ticket(Outcome.DUPLICATE, "1"))
    assert not whole.done()
    futures[1].set_result(Ticket(Outcome.REFUSED, "", "no", Refusal.NO_DESTINATION))
    assert whole.result(0) == Ticket(Outcome.REFUSED, "1", "no", Refusal.NO_DESTINATION, ("w",))

from typing import Any

import pytest

from signalpost import Alert, Context, InvalidValue, NotificationPriority, UserTier
from signalpost.domain.notification import notification_of
from signalpost.testing.manual_clock import ManualClock

ALERT = Alert(alert_type="feed", severity="high", title="No candles")


def test_arguments_that_are_omitted_get_their_defaults() -> None:
    with ManualClock("2026-01-05T12:00:00Z") as clock:
        made = notification_of(ALERT)
        assert (made.payload, made.id, made.event, made.run, made.about) == (ALERT, "", "new", None, None)
        assert (made.priority, made.user_tier, made.context) == (NotificationPriority.HIGH, UserTier.FREE, Context())
        assert (made.accepted_at, made.valid_until) == (clock.now(), ALERT.valid_until)


def test_arguments_are_converted_and_copied() -> None:
    facts: dict[str, object] = {"feed": "tiny.csv"}
    made = notification_of(ALERT, "low", "VIP", facts, event=" update 1 ", about="signals-free")
    facts.clear()
    assert (made.priority, made.user_tier) == (NotificationPriority.LOW, UserTier("vip"))
    assert (made.context, made.event, made.about) == (Context({"feed": "tiny.csv"}), "update 1", "signals-free")
    assert notification_of(ALERT, context=made.context).context is made.context, "it cannot change"


@pytest.mark.parametrize(
    ("wrong", "code", "field"),
    [
        ({"payload": "BUY"}, "wrong-kind", "payload"),
        ({"priority": "soon"}, "unknown-word", "priority"),
        ({"priority": True}, "unknown-word", "priority"),
        ({"user_tier": "no such tier!"}, "unknown-word", "user_tier"),
        ({"context": 0}, "not-a-mapping", "context"),
        ({"event": ""}, "missing", "event"),
        ({"about": 7}, "not-text", "about"),
    ],
)
def test_invalid_arguments_are_reported_with_their_field(wrong: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(InvalidValue) as raised:
        notification_of(**({"payload": ALERT} | wrong))
    assert (raised.value.code, raised.value.field) == (code, field)

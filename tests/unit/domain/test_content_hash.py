"""The content hash covers the content of a notification: not its tier, default values or derived fields."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from signalpost.domain.notification import HASH_VERSION, Notification, Payload, is_same_content
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.reports import Alert
from signalpost.domain.signal import Signal
from signalpost.domain.tier import UserTier

NOW = datetime(2026, 3, 2, 12, 5, tzinfo=UTC)


def hash_of(payload: Payload, **fields: Any) -> bytes:
    usual = {"id": "1", "event": "new", "priority": NotificationPriority.NORMAL, "user_tier": UserTier.FREE}
    times = {"accepted_at": NOW, "valid_until": NOW + timedelta(hours=1)}
    return Notification(**{**usual, **times, "payload": payload, **fields}).content_hash


def signal(**fields: Any) -> Signal:
    usual = {"pair": "EURUSD", "timeframe": "H1", "signal_type": "BUY", "entry_price": "1.1634", "stop_loss": "1.16"}
    return Signal(**{**usual, "take_profit": "1.17", "timestamp": NOW.replace(minute=0), **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {"entry_price": "1.16340"},
        {"signal_id": "another"},
        {"current_price": "1.1634"},
        {"crossover_type": "BULLISH"},
        {"risk_reward_ratio": "2"},
        {"price_places": 7},
        {"status": "ACTIVE"},
        {"notes": None},
        {"known_at": NOW, "created_at": NOW, "updated_at": NOW, "valid_until": NOW + timedelta(days=1)},
    ],
)
def test_it_does_not_cover(fields: dict[str, Any]) -> None:
    assert hash_of(signal(**fields)) == hash_of(signal())


@pytest.mark.parametrize(
    "fields",
    [
        {"entry_price": "1.1635"},
        {"take_profit": None},
        {"current_price": "1.1635"},
        {"crossover_type": "BEARISH"},
        {"take_profit": None, "risk_reward_ratio": "2"},
        {"notes": "n"},
        {"strategy_name": "Breakout"},
        {"timestamp": NOW.replace(minute=1)},
    ],
)
def test_it_covers(fields: dict[str, Any]) -> None:
    assert hash_of(signal(**fields)) != hash_of(signal())


def test_it_covers_the_context_and_not_the_tier() -> None:
    assert hash_of(signal(), user_tier=UserTier.PREMIUM) == hash_of(signal())
    assert hash_of(signal(), context={"desk": "one"}) != hash_of(signal())


def test_an_alerts_time_is_not_content_because_it_may_be_the_time_of_the_call() -> None:
    first, second = (
        Alert(alert_id="disk", alert_type="disk", severity="low", title="Disk", timestamp=NOW + timedelta(hours=hours))
        for hours in (0, 1)
    )
    assert hash_of(first) == hash_of(second)


def test_a_hash_of_an_older_version_counts_as_the_same_content() -> None:
    now = hash_of(signal())
    assert now[0] == HASH_VERSION
    assert is_same_content(now, now)
    assert is_same_content(b"\x02" * 16, now), "version 1 had no version in it"
    assert is_same_content(bytes((HASH_VERSION - 1,)) + now[1:], now)
    assert not is_same_content(hash_of(signal(notes="n")), now)

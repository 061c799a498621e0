"""The service configuration of the benchmarks and their signals: realistic, each from a different candle."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from signalpost import Signal, UserTier
from signalpost.config import Config, DestinationConfig
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED
from signalpost.delivery.routing import Tier
from signalpost.domain.notification import Notification
from signalpost.domain.priority import NotificationPriority
from signalpost.secret import Secret
from signalpost.sinks.discord.message import message
from signalpost.sinks.discord.webhook import USUAL_LOOK
from signalpost.sinks.port import Item

PAIRS = ("EUR_USD", "GBP_USD", "USD_CHF", "AUD_USD", "NZD_USD", "USD_CAD", "EUR_GBP", "EUR_CHF")
_FIRST = datetime.fromisoformat("2000-01-01T00:00:00Z")
_CANDLE = timedelta(hours=4)


def config(home: Path, port: int, lanes: int = 1) -> Config:
    """A configuration with `lanes` destinations at the server on `port`, without limits, each with its own tier."""
    destinations = tuple(
        DestinationConfig(f"lane-{lane}", Secret(f"http://127.0.0.1:{port}/api/webhooks/{lane}/x"), NOTHING_ASSUMED)
        for lane in range(lanes)
    )
    tiers = {tier_of(lane): Tier(0, (f"lane-{lane}",)) for lane in range(lanes)}
    return Config(home=home, destinations=destinations, tiers=tiers, host_rate=None)


def tier_of(lane: int) -> UserTier:
    """The tier of this lane's signals."""
    return UserTier(f"tier-{lane}")


def signals(count: int, since: int = 0) -> Iterable[Signal]:
    """Make `count` signals that became known just now, cycling through the pairs."""
    known_at = datetime.now(tz=_FIRST.tzinfo)
    return (
        Signal(
            pair=PAIRS[number % len(PAIRS)],
            timeframe="H4",
            signal_type="BUY",
            entry_price="1.10512",
            stop_loss="1.10111",
            take_profit="1.11314",
            fast_ma="1.10498",
            slow_ma="1.10455",
            atr_value="0.002005",
            confidence_score="0.75",
            timestamp=_FIRST + number // len(PAIRS) * _CANDLE,
            known_at=known_at,
        )
        for number in range(since, since + count)
    )


def stored_and_sent(signal: Signal) -> tuple[bytes, bytes]:
    """The bytes that the service stores and sends for a signal."""
    notification = Notification(
        id=f"{0:024x}",
        payload=signal,
        event="new",
        priority=NotificationPriority.NORMAL,
        user_tier=tier_of(0),
        accepted_at=signal.known_at,
        valid_until=signal.valid_until,
    )
    return notification.to_json(), msgspec.json.encode(message([Item(notification)], USUAL_LOOK, signal.known_at))

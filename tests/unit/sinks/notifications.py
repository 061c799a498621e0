"""Notifications for the tests of the sinks."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from signalpost import (
    Alert,
    Announcement,
    Context,
    MarketAnalysis,
    NotificationPriority,
    Signal,
    SystemStatus,
    UserTier,
)
from signalpost.domain.notification import Notification, Payload
from signalpost.sinks.port import Item

AT = datetime(2025, 8, 20, 5, tzinfo=UTC)
"""The close of the candle of `signal()`."""


def signal(**fields: Any) -> Signal:
    """A BUY of EUR_USD on H4, known at `AT`."""
    given = {
        "pair": "EUR_USD",
        "timeframe": "H4",
        "signal_type": "BUY",
        "entry_price": "1.16344",
        "stop_loss": "1.15780",
        "take_profit": "1.17190",
        "timestamp": "2025-08-20T01:00:00Z",
        "known_at": AT,
    }
    return Signal(**given | fields)


def alert(**fields: Any) -> Alert:
    given = {"alert_type": "database_connectivity", "severity": "critical", "title": "No database", "timestamp": AT}
    return Alert(**given | fields)


def analysis(**fields: Any) -> MarketAnalysis:
    return MarketAnalysis(**{"title": "Calm", "text": "Nothing moves.", "timestamp": AT} | fields)


def status(**fields: Any) -> SystemStatus:
    return SystemStatus(**{"status": "operational", "timestamp": AT} | fields)


def announcement(**fields: Any) -> Announcement:
    return Announcement(**{"title": "Welcome", "text": "We are here.", "timestamp": AT} | fields)


def notification(payload: Payload, context: Mapping[str, object] | None = None, **fields: Any) -> Notification:
    given = {
        "id": "n1",
        "event": "new",
        "priority": NotificationPriority.NORMAL,
        "user_tier": UserTier.FREE,
        "accepted_at": AT,
        "valid_until": payload.valid_until,
    }
    return Notification(payload=payload, context=Context(context or {}), **given | fields)


def item(payload: Payload, context: Mapping[str, object] | None = None, **fields: Any) -> Item:
    own = {name: fields.pop(name) for name in Item._fields if name in fields}
    return Item(notification(payload, context, **fields), **own)

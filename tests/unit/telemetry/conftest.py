from datetime import UTC, datetime

import pytest

from signalpost import Delivery, DeliveryState, NotificationPriority, SystemStatus, UserTier
from signalpost.domain.delivery import DeliveryId
from signalpost.domain.notification import Notification

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
def delivery() -> Delivery:
    """A pending delivery."""
    name = DeliveryId("0001", "system-status")
    return Delivery(name, DeliveryState.PENDING, NotificationPriority.LOW, 0, "status:1", NOON)


@pytest.fixture
def notification() -> Notification:
    """An accepted status report."""
    status = SystemStatus(status="up", timestamp=NOON, status_id="status:1")
    low, free = NotificationPriority.LOW, UserTier.FREE
    return Notification(
        id="0001", payload=status, event="new", priority=low, user_tier=free, accepted_at=NOON, valid_until=NOON
    )

"""How long a delivery waited, and when its message was posted, as metrics count it."""

from datetime import datetime, timedelta

import pytest

from signalpost.delivery.dispatch.attempt import SendResult, waited
from signalpost.delivery.dispatch.decide import LeaseEnd, SendOutcome
from signalpost.delivery.outbox.commands import OutboxEntry
from signalpost.domain.delivery import Delivery, DeliveryId, DeliveryState
from signalpost.domain.priority import NotificationPriority
from signalpost.sinks.evidence import Receipt, Rejected
from signalpost.testing.outbox_samples import START, notification

MINUTE = timedelta(minutes=1)


def entry(not_before: datetime | None = None) -> OutboxEntry:
    made = notification("01")
    name, normal = DeliveryId("01", "a"), NotificationPriority.NORMAL
    return OutboxEntry(Delivery(name, DeliveryState.LEASED, normal, 0, "01", made.valid_until, not_before), made)


def test_a_delivery_waits_from_its_acceptance_or_from_when_it_may_be_sent() -> None:
    entries = [entry(), entry(START + MINUTE), entry(START - MINUTE)]
    assert waited(entries, START + 2 * MINUTE) == (120.0, 60.0, 120.0)


@pytest.mark.parametrize(
    ("outcome", "shown_at"),
    [
        (Receipt("1", START), START),
        (Receipt("1"), None),
        (Rejected("400"), None),
        (LeaseEnd.LAPSED, None),
    ],
)
def test_only_a_receipt_says_when_a_message_was_posted(outcome: SendOutcome, shown_at: datetime | None) -> None:
    assert SendResult(outcome, START, START + MINUTE, 60.0).shown_at == shown_at

"""How long a delivery waited, and when its message was posted, as metrics count it."""

from datetime import datetime, timedelta

import pytest

from signalpost.delivery.dispatch.attempt import message_of, result_of, waited
from signalpost.delivery.dispatch.decide import LeaseEnd, SendOutcome
from signalpost.delivery.outbox.commands import OutboxEntry
from signalpost.domain.delivery import Attempt, Delivery, DeliveryId, DeliveryState
from signalpost.domain.priority import NotificationPriority
from signalpost.sinks.evidence import Receipt, Rejected, Unwanted
from signalpost.testing.outbox_samples import START, notification

MINUTE = timedelta(minutes=1)


def entry(not_before: datetime | None = None) -> OutboxEntry:
    made = notification("01")
    name, normal = DeliveryId("01", "a"), NotificationPriority.NORMAL
    return OutboxEntry(Delivery(name, DeliveryState.LEASED, normal, 0, "01", made.valid_until, not_before), made)


def test_a_delivery_waits_from_its_acceptance_or_from_when_it_may_be_sent() -> None:
    entries = [entry(), entry(START + MINUTE), entry(START - MINUTE)]
    assert [waited(each, START + 2 * MINUTE) for each in entries] == [120.0, 60.0, 120.0]


def test_a_message_was_sent_when_the_destination_says_or_else_when_its_attempt_ended() -> None:
    messages = [message_of(receipt, "a", START + MINUTE) for receipt in (Receipt("1", START), Receipt("2"))]
    assert [(each.message_id, each.sent_at) for each in messages] == [("1", START), ("2", START + MINUTE)]


@pytest.mark.parametrize(
    ("outcome", "word", "detail", "was_sent"),
    [
        (Receipt("1"), "delivered", "", True),
        (Rejected("400"), "rejected", "400", True),
        (Unwanted("off"), "unwanted", "off", False),
        (LeaseEnd.UNSENT, "unconfirmed", "unsent", False),
        (LeaseEnd.LAPSED, "unconfirmed", "lapsed", True),
    ],
)
def test_an_attempt_has_its_outcome_in_a_word(outcome: SendOutcome, word: str, detail: str, was_sent: bool) -> None:
    result = result_of(outcome, START, START + MINUTE)
    assert (result.attempt, result.was_sent) == (Attempt(START, START + MINUTE, word, detail), was_sent)

"""What is peculiar to memory: it can take back a batch that failed, and forgets everything when it is closed."""

from datetime import timedelta

import pytest

from signalpost.delivery.outbox.commands import Find, Lease, Prune, Put, SaveFacts, Settle
from signalpost.delivery.outbox.memory import MemoryCore
from signalpost.domain.delivery import DeliveryState
from signalpost.errors import CommandFailed
from signalpost.testing.outbox_samples import LANE, MINUTE, START, new, notification, verdict


def test_an_id_that_is_taken_fails_the_batch_and_undoes_all_of_it() -> None:
    core = MemoryCore()
    core.apply(
        [Put((new(notification("01")), new(notification("02", at=START + MINUTE)))), SaveFacts(LANE, {"ban": b"1"})]
    )
    (parcel,) = core.apply([Lease(LANE, START)])[0].parcels
    end = START + timedelta(days=9)
    batch = [
        Settle((verdict(parcel.delivery, DeliveryState.DELIVERED),)),
        SaveFacts(LANE, {"ban": b"", "never": b""}),
        Prune(START + MINUTE, end),
        Put((new(notification("02", event="another thing")),)),
    ]
    with pytest.raises(CommandFailed, match="the notification id 02 is taken: give each one of its own"):
        core.apply(batch)
    found = core.apply([Find()])[0]
    assert [(each.notification.id, each.delivery.state) for each in found] == [
        ("02", DeliveryState.PENDING),
        ("01", DeliveryState.LEASED),
    ]
    core.apply(batch[:1])
    assert core.apply([Prune(START + MINUTE, end)]) == [1], "the order of acceptance is as it was"


def test_closing_forgets_everything() -> None:
    core = MemoryCore()
    core.apply([Put((new(notification("01")),))])
    core.close()
    assert core.apply([Find()]) == [()]

from signalpost.delivery.outbox.patience import StoreHealth
from signalpost.domain.events import Event, StoreMoved


def test_a_failure_and_the_recovery_of_all_commands_are_reported_once_each() -> None:
    events: list[Event] = []
    health = StoreHealth(events.append)
    health.succeeded("put")
    assert health.is_well
    health.failed("put", "the disk is full")
    health.failed("settle", "the disk is still full")
    health.failed("put", "and full")
    health.succeeded("lease")
    health.succeeded("put")
    assert events == [StoreMoved(False, "the disk is full")]
    assert not health.is_well, "a settle failed"
    health.succeeded("settle")
    health.succeeded("settle")
    assert events[1:] == [StoreMoved(True)]
    assert health.is_well

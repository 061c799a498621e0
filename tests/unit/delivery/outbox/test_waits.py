"""A wait keeps its length however often the clock is set back, and repeating the command changes nothing."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signalpost.delivery.outbox.commands import (
    Find,
    Lease,
    LoadFacts,
    Namespace,
    Put,
    SaveFacts,
    Settle,
    ShortenWaits,
    Subject,
)
from signalpost.delivery.outbox.order import WAIT as WAIT_FACT
from signalpost.delivery.outbox.port import Core
from signalpost.domain.delivery import Attempt, DeliveryState
from signalpost.testing.outbox_samples import LANE, START, new, notification, verdict
from tests.size import size
from tests.tmpfs import new_core

FIRST = Subject(f"a@{LANE}", Namespace.DELIVERY)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
WAIT = 30 * SECOND


@pytest.fixture
def core() -> Core:
    return new_core()


def do(core: Core, command: Any) -> Any:
    return core.apply([command])[0]


def attempt_ended(core: Core, name: str, wait: timedelta = WAIT, at: timedelta = 0 * SECOND) -> None:
    """Save an attempt that ended at that time and was followed by a wait."""
    (leased,) = do(core, Lease(LANE, START + at)).entries
    assert leased.notification.id == name
    again = verdict(
        leased.delivery,
        DeliveryState.PENDING,
        attempt=Attempt(START, START + at, "throttled"),
        not_before=START + at + wait,
    )
    do(core, Settle((again,)))


def left(core: Core, name: str, now: timedelta) -> timedelta:
    """The rest of its wait."""
    (entry,) = do(core, Find(notification_id=name))
    return entry.delivery.not_before - (START + now)


def put(core: Core, *names: str) -> None:
    do(core, Put(tuple(new(notification(name, name, valid_for=400 * DAY)) for name in names)))


def test_a_second_step_back_does_not_end_a_wait(core: Core) -> None:
    put(core, "a")
    attempt_ended(core, "a")
    for hours in (1, 2, 3):
        do(core, ShortenWaits(START - hours * HOUR))
        assert left(core, "a", -hours * HOUR) == WAIT


def test_a_wait_after_a_later_attempt_counts_from_that_attempt(core: Core) -> None:
    put(core, "a")
    attempt_ended(core, "a")
    do(core, ShortenWaits(START - HOUR))
    attempt_ended(core, "a", 2 * WAIT, at=-HOUR + WAIT)
    do(core, ShortenWaits(START - 2 * HOUR))
    assert left(core, "a", -2 * HOUR) == 2 * WAIT


def test_a_wait_without_an_attempt_counts_from_the_acceptance(core: Core) -> None:
    put(core, "a")
    (leased,) = do(core, Lease(LANE, START)).entries
    do(core, Settle((verdict(leased.delivery, DeliveryState.PENDING, attempt=None, not_before=START + WAIT),)))
    assert do(core, ShortenWaits(START)) == []
    for hours in (1, 2, 3):
        do(core, ShortenWaits(START - hours * HOUR))
        assert left(core, "a", -hours * HOUR) == WAIT


def test_the_saved_start_of_a_wait_is_deleted_when_it_is_over(core: Core) -> None:
    put(core, "a")
    attempt_ended(core, "a")
    do(core, ShortenWaits(START - HOUR))
    assert list(do(core, LoadFacts(FIRST))) == [WAIT_FACT]
    do(core, ShortenWaits(START))
    assert do(core, LoadFacts(FIRST)) == {}


def test_an_unreadable_saved_start_is_ignored(core: Core) -> None:
    put(core, "a")
    attempt_ended(core, "a")
    do(core, SaveFacts(FIRST, {WAIT_FACT: b"since noon"}))
    do(core, ShortenWaits(START - HOUR))
    assert left(core, "a", -HOUR) == WAIT


@pytest.mark.unmeasured
@settings(max_examples=size(50, 150), suppress_health_check=list(HealthCheck))
@given(
    waits=st.lists(st.integers(1, 7200), min_size=1, max_size=4),
    clock=st.lists(st.tuples(st.integers(-5000, 5000), st.integers(1, 3)), max_size=8),
)
def test_a_wait_is_never_lengthened_or_cut_short_however_the_clock_is_set(
    waits: list[int], clock: list[tuple[int, int]]
) -> None:
    core, now = new_core(), 0 * SECOND
    lengths = {f"n{number}": length * SECOND for number, length in enumerate(waits)}
    put(core, *lengths)
    for name, length in lengths.items():
        attempt_ended(core, name, length)
    over = set[str]()
    for by, times in clock:
        now += by * SECOND
        before = {name: left(core, name, now) for name in lengths}
        over |= {name for name, waits_for in before.items() if waits_for <= 0 * SECOND}
        for _ in range(times):
            do(core, ShortenWaits(START + now))
        for name, length in lengths.items():
            after, expected = left(core, name, now), min(before[name], length)
            assert after == expected or (name in over and after < expected), "a wait that is over does not start again"

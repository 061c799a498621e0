"""A clock that is put back again and again: a wait keeps its length, and to ask twice changes nothing."""

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
from tests.tmpfs import new_core

FIRST = Subject(f"a@{LANE}", Namespace.DELIVERY)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
WAIT = 30 * SECOND


@pytest.fixture
def core() -> Core:
    return new_core()


def do(core: Core, command: Any) -> Any:
    return core.apply([command])[0]


def tried(core: Core, name: str, wait: timedelta = WAIT, at: timedelta = 0 * SECOND) -> None:
    """Have an attempt end at that time, after which it waits."""
    (lent,) = do(core, Lease(LANE, START + at)).entries
    assert lent.notification.id == name
    again = verdict(
        lent.delivery,
        DeliveryState.PENDING,
        attempt=Attempt(START, START + at, "throttled"),
        not_before=START + at + wait,
    )
    do(core, Settle((again,)))


def left(core: Core, name: str, now: timedelta) -> timedelta:
    """How long it waits from now."""
    (entry,) = do(core, Find(notification_id=name))
    return entry.delivery.not_before - (START + now)


def put(core: Core, *names: str) -> None:
    do(core, Put(tuple(new(notification(name, name, valid_for=400 * DAY)) for name in names)))


def test_a_second_step_back_does_not_end_a_wait(core: Core) -> None:
    put(core, "a")
    tried(core, "a")
    for hours in (1, 2, 3):
        do(core, ShortenWaits(START - hours * HOUR))
        assert left(core, "a", -hours * HOUR) == WAIT


def test_what_is_tried_again_after_a_step_counts_from_that_attempt(core: Core) -> None:
    put(core, "a")
    tried(core, "a")
    do(core, ShortenWaits(START - HOUR))
    tried(core, "a", 2 * WAIT, at=-HOUR + WAIT)
    do(core, ShortenWaits(START - 2 * HOUR))
    assert left(core, "a", -2 * HOUR) == 2 * WAIT


def test_a_wait_after_which_nothing_was_tried_stays_as_it_is(core: Core) -> None:
    put(core, "a")
    (lent,) = do(core, Lease(LANE, START)).entries
    do(core, Settle((verdict(lent.delivery, DeliveryState.PENDING, attempt=None, not_before=START + WAIT),)))
    assert do(core, ShortenWaits(START - HOUR)) == []
    assert left(core, "a", 0 * SECOND) == WAIT


def test_what_is_kept_of_a_wait_is_forgotten_when_it_is_over(core: Core) -> None:
    put(core, "a")
    tried(core, "a")
    do(core, ShortenWaits(START - HOUR))
    assert list(do(core, LoadFacts(FIRST))) == [WAIT_FACT]
    do(core, ShortenWaits(START))
    assert do(core, LoadFacts(FIRST)) == {}


def test_what_is_kept_and_cannot_be_read_is_as_if_it_were_not_kept(core: Core) -> None:
    put(core, "a")
    tried(core, "a")
    do(core, SaveFacts(FIRST, {WAIT_FACT: b"since noon"}))
    do(core, ShortenWaits(START - HOUR))
    assert left(core, "a", -HOUR) == WAIT


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    waits=st.lists(st.integers(1, 7200), min_size=1, max_size=4),
    clock=st.lists(st.tuples(st.integers(-5000, 5000), st.integers(1, 3)), max_size=8),
)
def test_however_the_clock_is_set_a_wait_is_never_longer_than_it_was_to_be_and_never_cut_short(
    waits: list[int], clock: list[tuple[int, int]]
) -> None:
    core, now = new_core(), 0 * SECOND
    lengths = {f"n{number}": length * SECOND for number, length in enumerate(waits)}
    put(core, *lengths)
    for name, length in lengths.items():
        tried(core, name, length)
    over = set[str]()
    for by, times in clock:
        now += by * SECOND
        before = {name: left(core, name, now) for name in lengths}
        over |= {name for name, waits_for in before.items() if waits_for <= 0 * SECOND}
        for _ in range(times):
            do(core, ShortenWaits(START + now))
        for name, length in lengths.items():
            after, expected = left(core, name, now), min(before[name], length)
            assert after == expected or (name in over and after < expected), "what was due once need not wait again"

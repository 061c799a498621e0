from math import inf
from random import Random

import pytest

from signalpost.delivery.pacing.sliding_window import GUARD, SlidingWindow


def filled(window: SlidingWindow, *ends: float) -> SlidingWindow:
    for end in ends:
        window.begin(end)
        window.end(end)
    return window


def test_a_window_is_open_until_its_slots_are_used() -> None:
    window = filled(SlidingWindow(2, 10.0), 100.0)
    assert window.ready_at(101.0, 2) == 101.0
    filled(window, 101.0)
    assert window.ready_at(101.0, 2) == 110.0
    assert window.ready_at(115.0, 2) == 115.0
    assert window.used(101.0) == 2


def test_a_request_leaves_the_window_exactly_a_period_after_its_end() -> None:
    window = filled(SlidingWindow(1, 2.0), 0.1)
    ready = window.ready_at(0.1, 1)
    assert window.used(ready - 1e-9) == 1
    assert window.ready_at(ready, 1) == ready
    assert window.used(ready) == 0


def test_a_request_counts_from_its_end_and_not_from_its_beginning() -> None:
    window = SlidingWindow(1, 2.0)
    window.begin(100.0)
    window.end(103.0)
    assert window.ready_at(103.0, 1) == 105.0


def test_if_a_request_must_end_first_the_time_is_unknown() -> None:
    window = SlidingWindow(2, 2.0)
    window.begin(0.0)
    window.begin(0.0)
    assert window.ready_at(50.0, 2) == inf
    window.end(50.0)
    assert window.ready_at(50.0, 2) == 52.0


def test_fewer_slots_are_ready_later() -> None:
    window = filled(SlidingWindow(4, 10.0), 1.0, 2.0, 3.0)
    assert [window.ready_at(5.0, slots) for slots in (4, 3, 2, 1)] == [5.0, 11.0, 12.0, 13.0]


def test_unsent_requests_do_not_count() -> None:
    for window in (SlidingWindow(1, 2.0), SlidingWindow(1, 2.0, counts_beginnings=True)):
        window.begin(0.0)
        assert window.used(0.0) == 1
        window.give_back(0.0)
        assert window.used(0.0) == 0


def test_giving_back_an_expired_request_removes_no_other() -> None:
    """The lease of a slow store lasts longer than the period."""
    window = SlidingWindow(2, 1.0, counts_beginnings=True)
    window.begin(0.0)
    window.begin(5.0)
    window.give_back(0.0)
    assert window.used(5.0) == 1
    window.give_back(5.0)
    window.give_back(5.0)
    assert window.used(5.0) == 0


def test_a_window_of_beginnings_is_not_blocked_by_a_hanging_request() -> None:
    window = SlidingWindow(1, 1.0, counts_beginnings=True)
    window.begin(100.0)
    assert window.ready_at(100.0, 1) == 101.0 + GUARD
    window.end(100.5)
    assert window.ready_at(101.0 + GUARD, 1) == 101.0 + GUARD


def test_late_counts_are_kept_in_order() -> None:
    window = filled(SlidingWindow(3, 10.0), 100.0)
    window.count(95.0)
    assert window.ages(101.0) == (6.0, 1.0)
    assert window.ready_at(101.0, 2) == 105.0


def test_taking_over_moves_the_requests_in_flight_and_counts_those_that_ended() -> None:
    own, shared = filled(SlidingWindow(5, 10.0), 2.0), filled(SlidingWindow(5, 10.0), 1.0, 3.0)
    own.begin(3.0)
    shared.take_over(own, in_flight=1)
    shared.end(4.0)
    assert own.in_flight == shared.in_flight == 0
    assert shared.ages(4.0) == (3.0, 2.0, 1.0, 0.0)


@pytest.mark.parametrize("seed", range(20))
def test_discord_never_sees_more_than_the_limit_in_any_period(seed: int) -> None:
    """This holds however long requests and answers take, and however many are in flight at once."""
    random = Random(seed)
    limit, period = random.randint(1, 6), random.choice([0.5, 2.0, 60.0])
    window, now, arrivals, ends = SlidingWindow(limit, period), 1e6 * random.random(), [], []
    for _ in range(200):
        while (ready := window.ready_at(now, limit)) > now:
            now = min([ready, *ends])
            for end in [end for end in ends if end <= now]:
                ends.remove(end)
                window.end(end)
        window.begin(now)
        arrivals.append(now + random.random() * period / 2)
        ends.append(arrivals[-1] + random.random() * period / 2)
        now += random.random() * period / 10
    arrivals.sort()
    assert all(later - earlier >= period - 1e-6 for earlier, later in zip(arrivals, arrivals[limit:], strict=False))


@pytest.mark.parametrize("counts_beginnings", [False, True])
def test_expired_requests_are_dropped_even_if_nothing_waits(counts_beginnings: bool) -> None:
    """Refusals are counted for months, perhaps without ever pausing anything."""
    window, refusals = SlidingWindow(5, 2.0, counts_beginnings=counts_beginnings), SlidingWindow(500, 600.0)
    for second in range(10_000):
        window.begin(float(second))
        window.end(second + 0.5)
        refusals.count(float(second))
    assert kept(window) <= 3
    assert kept(refusals) <= 601


def kept(window: SlidingWindow) -> int:
    """How many times a window stores, expired or not."""
    endless = SlidingWindow(window.limit, inf)
    endless.take_over(window, 0)
    return endless.used(0.0)

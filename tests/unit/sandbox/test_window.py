"""The sliding window: edge cases, and a comparison with a simple count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost.sandbox.rules.limits import Rate, Window


def test_a_window_accepts_its_number_of_requests_and_no_more() -> None:
    window = Window(Rate(5, 2))
    assert [window.take(10.0) for _ in range(6)] == [True] * 5 + [False]


def test_a_request_counts_exactly_until_its_window_is_over() -> None:
    window = Window(Rate(1, 2))
    assert window.take(10.0)
    assert not window.take(11.999999)
    assert window.take(12.0)


def test_a_rejected_request_does_not_count() -> None:
    window = Window(Rate(1, 2))
    window.take(10.0)
    for tenth in range(1, 20):
        assert not window.take(10 + tenth / 10)
    assert window.take(12.0)


def test_slots_free_up_one_by_one() -> None:
    window = Window(Rate(3, 2))
    for at in (10.0, 10.5, 11.0):
        window.take(at)
    assert [window.remaining(at) for at in (11.0, 12.0, 12.4, 12.5, 13.0)] == [0, 1, 1, 2, 3]


@pytest.mark.parametrize(
    ("at", "free", "full"), [(11.0, 1.0, 2.0), (11.5, 0.5, 1.5), (12.0, 0.0, 1.0), (13.0, 0.0, 0.0)]
)
def test_the_times_until_one_slot_and_all_slots_are_free(at: float, free: float, full: float) -> None:
    window = Window(Rate(2, 2))
    window.take(10.0)
    window.take(11.0)
    assert (window.until_free(at), window.until_full(at)) == (free, full)


_steps = st.lists(st.floats(0, 3, allow_nan=False), max_size=60)


@given(_steps, st.integers(1, 6), st.floats(0.1, 5))
def test_it_never_exceeds_its_rate_and_refuses_only_when_full(
    steps: list[float], requests: int, seconds: float
) -> None:
    window, now, taken = Window(Rate(requests, seconds)), 1000.0, []
    for step in steps:
        now += step
        counted = [at for at in taken if at + seconds > now + 1e-9]
        assert window.remaining(now) == requests - len(counted)
        if window.take(now):
            taken.append(now)
        else:
            assert len(counted) == requests


@given(_steps)
def test_a_client_that_waits_as_long_as_reported_is_accepted(steps: list[float]) -> None:
    window, now = Window(Rate(2, 2)), 1000.0
    for step in steps:
        now += step / 10
        if not window.take(now):
            now += window.until_free(now)
            assert window.take(now)

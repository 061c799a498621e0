from math import inf, nan

import pytest

from signalpost.delivery.pacing.backoff import LONGEST_WAIT, Backoff, bounded


def test_waits_double_up_to_their_ceiling() -> None:
    assert [Backoff().delay(failures, 1.0) for failures in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_wait_is_a_random_part_of_its_maximum() -> None:
    assert [Backoff().delay(4, jitter) for jitter in (0.0, 0.25, 0.5)] == [0.0, 2.0, 4.0]


@pytest.mark.parametrize("failures", [-1, 0, 1025, 10**9])
def test_no_number_of_failures_overflows(failures: int) -> None:
    assert 1.0 <= Backoff().delay(failures, 1.0) <= 60.0


def test_its_numbers_are_configurable() -> None:
    assert Backoff(base=3.0, factor=10.0, ceiling=500.0).delay(3, 1.0) == 300.0


@pytest.mark.parametrize(
    ("demanded", "expected"),
    [(2.5, 2.5), (0.0, 0.0), (-1.0, 0.0), (nan, 0.0), (1e12, LONGEST_WAIT), (inf, LONGEST_WAIT)],
)
def test_a_demanded_wait_is_limited(demanded: float, expected: float) -> None:
    assert bounded(demanded) == expected

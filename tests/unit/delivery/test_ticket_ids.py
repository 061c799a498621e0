from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from signalpost.delivery.ticket_ids import TicketIds

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@given(st.lists(st.integers(-10_000, 10_000), max_size=50), st.integers(0, 2**32))
def test_later_ids_sort_later_whatever_the_clock_does(steps: list[int], seed: int) -> None:
    ids = TicketIds(Random(seed).getrandbits)
    now, made = NOON, []
    for step in steps:
        now += timedelta(milliseconds=step)
        made.append(ids.next(now))
    assert made == sorted(set(made))
    assert all(len(each) == 24 for each in made)


def test_ids_of_two_processes_differ_within_one_millisecond() -> None:
    one, other = TicketIds(Random(1).getrandbits), TicketIds(Random(2).getrandbits)
    assert one.next(NOON) != other.next(NOON)


def test_ids_of_later_milliseconds_sort_later_across_processes() -> None:
    one, other = TicketIds(Random(1).getrandbits), TicketIds(Random(2).getrandbits)
    assert one.next(NOON) < other.next(NOON + timedelta(milliseconds=1))

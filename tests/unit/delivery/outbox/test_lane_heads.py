"""The cached part of a lane is always its beginning, without a gap."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from signalpost.delivery.outbox.lane_heads import DEPTH, Head
from signalpost.delivery.outbox.order import Row
from signalpost.domain.delivery import Delivery, DeliveryId, DeliveryState
from signalpost.domain.priority import NotificationPriority

RANKS = st.integers(0, 30)


def row(number: int, rank: int) -> Row:
    name, until = DeliveryId(f"{number:03}", "lane"), datetime(2030, 1, 1, tzinfo=UTC)
    return Row(number, "new", Delivery(name, DeliveryState.PENDING, NotificationPriority.NORMAL, rank, "s", until))


@given(at_first=st.lists(RANKS, max_size=2 * DEPTH), then=st.lists(st.tuples(st.booleans(), RANKS), max_size=40))
def test_a_head_is_the_beginning_of_its_lane_whatever_enters_and_leaves(
    at_first: list[int], then: list[tuple[bool, int]]
) -> None:
    lane = sorted((row(number, rank) for number, rank in enumerate(at_first)), key=lambda each: each.place)
    head = Head(lane)
    for number, (enters, rank) in enumerate(then, start=100):
        if enters:
            lane = sorted([*lane, row(number, rank)], key=lambda each: each.place)
            head.enter(row(number, rank))
        elif lane:
            left = lane.pop(rank % len(lane))
            head.leave(left.delivery.id)
        assert list(head) == lane[: len(head)]
        assert len(head) <= DEPTH
        assert not head.is_whole or list(head) == lane


def test_a_head_that_contains_all_of_its_lane_adds_the_last_one() -> None:
    head = Head([])
    for number in range(DEPTH):
        head.enter(row(number, number))
    assert head.is_whole
    assert len(head) == DEPTH
    head.enter(row(DEPTH, DEPTH))
    assert not head.is_whole
    assert [each.number for each in head] == list(range(DEPTH))

from datetime import UTC, datetime
from math import inf

import pytest

from signalpost.delivery.dispatch.ready import EXPRESS, LEVELS, ReadyIndex
from signalpost.domain.delivery import Delivery, DeliveryId, DeliveryState
from signalpost.domain.priority import NotificationPriority

LOW, NORMAL, HIGH, URGENT = NotificationPriority


def leased(sequence: str, priority: NotificationPriority = NORMAL) -> Delivery:
    until = datetime(2025, 8, 20, tzinfo=UTC)
    return Delivery(DeliveryId(sequence, "here"), DeliveryState.LEASED, priority, 1, sequence, until)


def empty() -> ReadyIndex:
    index = ReadyIndex()
    index.found_none(LEVELS, inf, index.version, ())
    return index


def seen(index: ReadyIndex) -> list[float]:
    return [index.at[level] for level in LEVELS]


def test_at_first_anything_may_be_ready() -> None:
    assert seen(ReadyIndex()) == [-inf] * 3


def test_after_an_empty_lease_of_all_levels_nothing_is_ready() -> None:
    assert seen(empty()) == [inf] * 3


@pytest.mark.parametrize(
    ("priority", "expected"),
    [
        (LOW, [inf, inf, -inf]),
        (NORMAL, [inf, inf, -inf]),
        (HIGH, [inf, -inf, -inf]),
        (URGENT, [-inf, -inf, -inf]),
    ],
)
def test_a_put_may_bring_others_of_lower_priority(priority: NotificationPriority, expected: list[float]) -> None:
    index = empty()
    index.put(priority)
    assert seen(index) == expected


def test_a_delivery_that_waits_is_expected_at_its_time_and_the_earliest_counts() -> None:
    index = empty()
    for priority, at in ((LOW, 9.0), (NORMAL, 7.0), (LOW, 8.0), (HIGH, 5.0)):
        index.expect(priority, at)
    assert seen(index) == [inf, 5.0, 7.0]


def test_an_empty_lease_that_began_before_a_put_is_ignored() -> None:
    index = empty()
    version = index.version
    index.put(NORMAL)
    index.found_none(LEVELS, inf, version, ())
    assert seen(index) == [inf, inf, -inf]


def test_an_empty_lease_that_began_before_a_settle_or_an_expectation_is_ignored() -> None:
    index = ReadyIndex()
    version = index.version
    assert not index.note_settled(leased("s"))
    index.found_none(LEVELS, inf, version, ())
    assert seen(index)[-1] == -inf
    version = index.version
    index.expect(NORMAL, 5.0)
    index.found_none(LEVELS, inf, version, ())
    assert seen(index)[-1] == -inf


def test_an_empty_express_lease_counts_even_if_ordinary_deliveries_are_settled_meanwhile() -> None:
    index = empty()
    index.note_settled(leased("urgent", URGENT))
    version = index.version
    index.put(NORMAL)
    index.expect(LOW, 5.0)
    index.note_settled(leased("s"))
    index.found_none(LEVELS, inf, version, ())
    assert seen(index) == [inf, inf, -inf]


def test_an_empty_express_lease_is_ignored_if_a_delivery_may_have_waited_behind_one_in_flight() -> None:
    index = empty()
    index.put(HIGH)
    version = index.version
    index.note_settled(leased("s"))
    index.found_none(EXPRESS, inf, version, [leased("s")])
    assert seen(index) == [inf, -inf, -inf]


def test_an_ignored_lease_remembers_nothing_that_was_in_flight() -> None:
    index = ReadyIndex()
    version = index.version
    index.note_settled(leased("s"))
    index.found_none(LEVELS, inf, version, [leased("s")])
    assert not index.note_settled(leased("s"))


def test_a_delivery_with_a_later_not_before_is_expected_then() -> None:
    index = ReadyIndex()
    index.found_none(EXPRESS, 12.5, index.version, ())
    assert seen(index) == [12.5, 12.5, -inf]


def test_a_delivery_in_flight_during_an_empty_lease_may_free_others() -> None:
    index = empty()
    index.put(NORMAL)
    index.found_none(LEVELS, inf, index.version, [leased("s")])
    assert not index.note_settled(leased("another"))
    assert index.note_settled(leased("s"))
    assert seen(index) == [-inf] * 3
    assert not index.note_settled(leased("s"))


def test_an_express_lease_is_repeated_after_a_put_behind_one_in_flight() -> None:
    index = empty()
    index.put(HIGH)
    index.found_none(EXPRESS, inf, index.version, [leased("s")])
    assert index.note_settled(leased("s"))


def test_an_express_lease_is_not_repeated_for_every_message_of_an_ordinary_backlog() -> None:
    index = empty()
    index.put(NORMAL)
    index.found_none(EXPRESS, inf, index.version, [leased("s")])
    assert not index.note_settled(leased("s"))


def test_a_settled_express_delivery_may_free_others() -> None:
    index = empty()
    assert index.note_settled(leased("s", HIGH))
    assert seen(index) == [-inf, -inf, inf]


def test_an_ordinary_delivery_may_wait_behind_an_express_one_in_flight() -> None:
    index = empty()
    index.found_none(EXPRESS, inf, index.version, [leased("s", URGENT)])
    assert index.note_settled(leased("s", URGENT))
    assert seen(index) == [-inf] * 3


def test_an_empty_lease_of_urgent_alone_says_nothing_about_lower_levels() -> None:
    index = ReadyIndex()
    index.found_none((URGENT,), inf, index.version, [leased("s")])
    assert seen(index) == [inf, -inf, -inf]
    index.found_none(EXPRESS, inf, index.version, [leased("t")])
    assert index.note_settled(leased("s"))
    assert index.note_settled(leased("t"))


def test_after_look_again_anything_may_be_ready() -> None:
    index = empty()
    index.look_again()
    assert seen(index) == [-inf] * 3


def test_an_empty_lease_of_edits_alone_says_nothing_about_posts() -> None:
    index = ReadyIndex()
    index.found_none(LEVELS, 9.0, index.version, [leased("s")], posts=False)
    assert (index.edits_at, *seen(index)) == (9.0, -inf, -inf, -inf)
    assert index.note_settled(leased("s")), "an edit may wait behind it"
    assert index.edits_at == -inf


def test_an_empty_lease_without_edits_or_without_ordinary_ones_says_nothing_about_edits() -> None:
    index = ReadyIndex()
    index.found_none(LEVELS, inf, index.version, (), edits=False)
    index.found_none(EXPRESS, inf, index.version, ())
    assert (index.edits_at, *seen(index)) == (-inf, inf, inf, inf)


def test_an_empty_lease_of_edits_that_began_before_an_expectation_is_ignored() -> None:
    index = empty()
    version = index.version
    index.expect(HIGH, 7.0)
    index.found_none(LEVELS, inf, version, (), posts=False)
    assert index.edits_at == 7.0

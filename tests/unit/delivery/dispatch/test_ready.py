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
    return [index.at(level) for level in LEVELS]


def test_at_first_there_may_be_anything() -> None:
    assert seen(ReadyIndex()) == [-inf] * 3


def test_after_a_look_at_all_there_is_nothing() -> None:
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
def test_what_is_put_may_come_with_others_below_it(priority: NotificationPriority, expected: list[float]) -> None:
    index = empty()
    index.put(priority)
    assert seen(index) == expected


def test_what_waits_for_a_moment_is_expected_then_and_the_earliest_counts() -> None:
    index = empty()
    for priority, at in ((LOW, 9.0), (NORMAL, 7.0), (LOW, 8.0), (HIGH, 5.0)):
        index.expect(priority, at)
    assert seen(index) == [inf, 5.0, 7.0]


def test_a_look_that_began_before_something_was_put_is_not_believed() -> None:
    index = empty()
    version = index.version
    index.put(NORMAL)
    index.found_none(LEVELS, inf, version, ())
    assert seen(index) == [inf, inf, -inf]


def test_a_look_that_began_before_something_was_settled_or_expected_is_not_believed() -> None:
    index = ReadyIndex()
    version = index.version
    assert not index.settled(leased("s"))
    index.found_none(LEVELS, inf, version, ())
    assert seen(index)[-1] == -inf
    version = index.version
    index.expect(NORMAL, 5.0)
    index.found_none(LEVELS, inf, version, ())
    assert seen(index)[-1] == -inf


def test_an_express_look_is_believed_though_ordinary_ones_come_and_go_meanwhile() -> None:
    index = empty()
    index.settled(leased("urgent", URGENT))
    version = index.version
    index.put(NORMAL)
    index.expect(LOW, 5.0)
    index.settled(leased("s"))
    index.found_none(LEVELS, inf, version, ())
    assert seen(index) == [inf, inf, -inf]


def test_an_express_look_is_not_believed_where_what_it_passed_may_have_kept_another_waiting() -> None:
    index = empty()
    index.put(HIGH)
    version = index.version
    index.settled(leased("s"))
    index.found_none(EXPRESS, inf, version, [leased("s")])
    assert seen(index) == [inf, -inf, -inf]


def test_a_look_that_is_not_believed_at_all_keeps_nothing_in_mind_of_what_was_in_flight() -> None:
    index = ReadyIndex()
    version = index.version
    index.settled(leased("s"))
    index.found_none(LEVELS, inf, version, [leased("s")])
    assert not index.settled(leased("s"))


def test_what_was_passed_over_for_a_moment_is_expected_then() -> None:
    index = ReadyIndex()
    index.found_none(EXPRESS, 12.5, index.version, ())
    assert seen(index) == [12.5, 12.5, -inf]


def test_what_a_look_at_all_passed_in_flight_may_free_others_when_it_is_settled() -> None:
    index = empty()
    index.put(NORMAL)
    index.found_none(LEVELS, inf, index.version, [leased("s")])
    assert not index.settled(leased("another"))
    assert index.settled(leased("s"))
    assert seen(index) == [-inf] * 3
    assert not index.settled(leased("s"))


def test_an_express_look_is_repeated_behind_what_was_in_flight_when_something_express_was_put() -> None:
    index = empty()
    index.put(HIGH)
    index.found_none(EXPRESS, inf, index.version, [leased("s")])
    assert index.settled(leased("s"))


def test_an_express_look_is_not_repeated_for_every_message_of_an_ordinary_backlog() -> None:
    index = empty()
    index.put(NORMAL)
    index.found_none(EXPRESS, inf, index.version, [leased("s")])
    assert not index.settled(leased("s"))


def test_an_express_delivery_that_is_settled_may_free_others() -> None:
    index = empty()
    assert index.settled(leased("s", HIGH))
    assert seen(index) == [-inf, -inf, inf]


def test_an_express_delivery_in_flight_may_keep_an_ordinary_one_waiting() -> None:
    index = empty()
    index.found_none(EXPRESS, inf, index.version, [leased("s", URGENT)])
    assert index.settled(leased("s", URGENT))
    assert seen(index) == [-inf] * 3


def test_a_look_for_the_urgent_alone_leaves_open_what_was_put_below() -> None:
    index = ReadyIndex()
    index.found_none((URGENT,), inf, index.version, [leased("s")])
    assert seen(index) == [inf, -inf, -inf]
    index.found_none(EXPRESS, inf, index.version, [leased("t")])
    assert index.settled(leased("s"))
    assert index.settled(leased("t"))


def test_looking_again_forgets_what_was_known() -> None:
    index = empty()
    index.look_again()
    assert seen(index) == [-inf] * 3

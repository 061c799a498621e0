from datetime import UTC, datetime
from math import inf

import pytest

from signalpost.delivery.dispatch.prospects import EXPRESS, LEVELS, Prospects
from signalpost.domain.delivery import Delivery, DeliveryId, DeliveryState
from signalpost.domain.priority import NotificationPriority

LOW, NORMAL, HIGH, URGENT = NotificationPriority


def leased(sequence: str, priority: NotificationPriority = NORMAL) -> Delivery:
    until = datetime(2025, 8, 20, tzinfo=UTC)
    return Delivery(DeliveryId(sequence, "here"), DeliveryState.LEASED, priority, 1, sequence, until)


def empty() -> Prospects:
    prospects = Prospects()
    prospects.found_none(LEVELS, inf, prospects.version, ())
    return prospects


def seen(prospects: Prospects) -> list[float]:
    return [prospects.at(level) for level in LEVELS]


def test_at_first_there_may_be_anything() -> None:
    assert seen(Prospects()) == [-inf] * 3


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
    prospects = empty()
    prospects.put(priority)
    assert seen(prospects) == expected


def test_what_waits_for_a_moment_is_expected_then_and_the_earliest_counts() -> None:
    prospects = empty()
    for priority, at in ((LOW, 9.0), (NORMAL, 7.0), (LOW, 8.0), (HIGH, 5.0)):
        prospects.expect(priority, at)
    assert seen(prospects) == [inf, 5.0, 7.0]


def test_a_look_that_began_before_something_was_put_is_not_believed() -> None:
    prospects = empty()
    version = prospects.version
    prospects.put(NORMAL)
    prospects.found_none(LEVELS, inf, version, ())
    assert seen(prospects) == [inf, inf, -inf]


def test_a_look_that_began_before_something_was_settled_or_expected_is_not_believed() -> None:
    prospects = Prospects()
    version = prospects.version
    assert not prospects.settled(leased("s"))
    prospects.found_none(LEVELS, inf, version, ())
    assert seen(prospects)[-1] == -inf
    version = prospects.version
    prospects.expect(NORMAL, 5.0)
    prospects.found_none(LEVELS, inf, version, ())
    assert seen(prospects)[-1] == -inf


def test_an_express_look_is_believed_though_ordinary_ones_come_and_go_meanwhile() -> None:
    prospects = empty()
    prospects.settled(leased("urgent", URGENT))
    version = prospects.version
    prospects.put(NORMAL)
    prospects.expect(LOW, 5.0)
    prospects.settled(leased("s"))
    prospects.found_none(LEVELS, inf, version, ())
    assert seen(prospects) == [inf, inf, -inf]


def test_an_express_look_is_not_believed_where_what_it_passed_may_have_kept_another_waiting() -> None:
    prospects = empty()
    prospects.put(HIGH)
    version = prospects.version
    prospects.settled(leased("s"))
    prospects.found_none(EXPRESS, inf, version, [leased("s")])
    assert seen(prospects) == [inf, -inf, -inf]


def test_a_look_that_is_not_believed_at_all_keeps_nothing_in_mind_of_what_was_in_flight() -> None:
    prospects = Prospects()
    version = prospects.version
    prospects.settled(leased("s"))
    prospects.found_none(LEVELS, inf, version, [leased("s")])
    assert not prospects.settled(leased("s"))


def test_what_was_passed_over_for_a_moment_is_expected_then() -> None:
    prospects = Prospects()
    prospects.found_none(EXPRESS, 12.5, prospects.version, ())
    assert seen(prospects) == [12.5, 12.5, -inf]


def test_what_a_look_at_all_passed_in_flight_may_free_others_when_it_is_settled() -> None:
    prospects = empty()
    prospects.put(NORMAL)
    prospects.found_none(LEVELS, inf, prospects.version, [leased("s")])
    assert not prospects.settled(leased("another"))
    assert prospects.settled(leased("s"))
    assert seen(prospects) == [-inf] * 3
    assert not prospects.settled(leased("s"))


def test_an_express_look_is_repeated_behind_what_was_in_flight_when_something_express_was_put() -> None:
    prospects = empty()
    prospects.put(HIGH)
    prospects.found_none(EXPRESS, inf, prospects.version, [leased("s")])
    assert prospects.settled(leased("s"))


def test_an_express_look_is_not_repeated_for_every_message_of_an_ordinary_backlog() -> None:
    prospects = empty()
    prospects.put(NORMAL)
    prospects.found_none(EXPRESS, inf, prospects.version, [leased("s")])
    assert not prospects.settled(leased("s"))


def test_an_express_delivery_that_is_settled_may_free_others() -> None:
    prospects = empty()
    assert prospects.settled(leased("s", HIGH))
    assert seen(prospects) == [-inf, -inf, inf]


def test_an_express_delivery_in_flight_may_keep_an_ordinary_one_waiting() -> None:
    prospects = empty()
    prospects.found_none(EXPRESS, inf, prospects.version, [leased("s", URGENT)])
    assert prospects.settled(leased("s", URGENT))
    assert seen(prospects) == [-inf] * 3


def test_a_look_for_the_urgent_alone_leaves_open_what_was_put_below() -> None:
    prospects = Prospects()
    prospects.found_none((URGENT,), inf, prospects.version, [leased("s")])
    assert seen(prospects) == [inf, -inf, -inf]
    prospects.found_none(EXPRESS, inf, prospects.version, [leased("t")])
    assert prospects.settled(leased("s"))
    assert prospects.settled(leased("t"))


def test_looking_again_forgets_what_was_known() -> None:
    prospects = empty()
    prospects.look_again()
    assert seen(prospects) == [-inf] * 3

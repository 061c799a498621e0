"""Edits have limits of their own: they take no slot of the messages per minute, and a hold of theirs stops no post."""

from math import inf

import pytest

from signalpost.delivery.pacing.host import Host
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED, Limits, Rate
from signalpost.delivery.pacing.pacer import PaceMemory, Pacer, Slot
from signalpost.domain.priority import NotificationPriority
from signalpost.sinks.evidence import RateFacts, Receipt, Throttled

NORMAL = NotificationPriority.NORMAL
FREE = NOTHING_ASSUMED._replace(reserve=False)
HELD = Throttled("30046", retry_after=300.0, scope="edits")


def edited(pacer: Pacer, at: float, outcome: object = None, times: int = 1) -> None:
    for _ in range(times):
        pacer.end(pacer.begin(at, is_edit=True), at, outcome)


def posted(pacer: Pacer, at: float, outcome: object = None, times: int = 1) -> None:
    for _ in range(times):
        pacer.end(pacer.begin(at), at, outcome)


def answer(limit: int, remaining: int, reset_after: float, scope: str) -> Receipt:
    return Receipt("1", rate=RateFacts(scope, limit, remaining, reset_after))


def test_an_edit_takes_no_slot_of_the_messages_per_minute() -> None:
    pacer = Pacer(FREE._replace(messages_a_minute=2, channel=Rate(3, 60.0)), Host())
    edited(pacer, 0.0, times=9)
    assert pacer.ready_at(0.0, NORMAL) == 0.0
    posted(pacer, 0.0, times=2)
    assert (pacer.ready_at(0.0, NORMAL), pacer.edits_ready_at(0.0)) == (60.0, 0.0)


def test_a_delivery_that_turns_out_to_be_an_edit_gives_its_slot_back() -> None:
    pacer = Pacer(FREE._replace(messages_a_minute=1), Host())
    slot = pacer.begin(0.0)
    assert pacer.ready_at(0.0, NORMAL) == inf
    for _ in range(2):  # the second time changes nothing
        pacer.is_an_edit(slot)
    assert pacer.ready_at(0.0, NORMAL) == 0.0
    pacer.end(slot, 0.0)
    posted(pacer, 0.0)
    assert pacer.ready_at(0.0, NORMAL) == 60.0


def test_an_edit_that_was_not_made_does_not_count() -> None:
    pacer = Pacer(Limits(reserve=False), Host(None))
    slots: list[Slot] = [pacer.begin(0.0, is_edit=True) for _ in range(5)]
    assert pacer.edits_ready_at(0.0) == inf
    for slot in slots:
        pacer.give_back(slot)
    assert pacer.edits_ready_at(0.0) == 0.0


def test_posts_and_edits_share_five_in_two_seconds_until_an_answer_shows_a_bucket_of_their_own() -> None:
    pacer = Pacer(Limits(reserve=False), Host())
    edited(pacer, 0.0, times=3)
    posted(pacer, 0.0, times=2)
    assert (pacer.ready_at(0.0, NORMAL), pacer.edits_ready_at(0.0)) == (2.0, 2.0)
    posted(pacer, 10.0, answer(5, 4, 2.0, "posts"))
    edited(pacer, 10.0, answer(5, 4, 2.0, "edits"))
    posted(pacer, 10.0, times=4)
    assert (pacer.ready_at(10.0, NORMAL), pacer.edits_ready_at(10.0)) == (12.0, 10.0)


def test_until_a_post_is_answered_it_counts_together_with_edits() -> None:
    pacer = Pacer(Limits(reserve=False), Host(None))
    post = pacer.begin(0.0)
    edited(pacer, 0.0, answer(5, 4, 2.0, "shared"))
    for _ in range(3):
        pacer.begin(0.0, is_edit=True)
    assert pacer.edits_ready_at(0.0) == 2.0
    pacer.end(post, 0.1, answer(5, 0, 2.0, "shared"))
    assert pacer.edits_ready_at(0.1) >= 2.0


def test_edits_in_flight_move_to_the_bucket_that_their_answers_show() -> None:
    pacer = Pacer(Limits(reserve=False), Host(None))
    posted(pacer, -9.0, answer(5, 4, 2.0, "posts"))
    slots = [pacer.begin(0.0, is_edit=True) for _ in range(3)]
    for slot in slots:
        pacer.end(slot, 0.0, answer(3, 2, 2.0, "edits"))
    assert (pacer.edits_ready_at(0.0), pacer.ready_at(0.0, NORMAL)) == (2.0, 0.0)


def test_one_bucket_for_both_stays_one() -> None:
    pacer = Pacer(Limits(reserve=False), Host(None))
    posted(pacer, 0.0, answer(5, 4, 2.0, "same"))
    edited(pacer, 0.0, answer(5, 3, 2.0, "same"), times=4)
    assert pacer.ready_at(0.0, NORMAL) == 2.0


def test_a_bucket_that_several_webhooks_share_is_shared_by_their_edits_too() -> None:
    host = Host(None)
    one, other = Pacer(Limits(reserve=False), host), Pacer(Limits(reserve=False), host)
    posted(one, 0.0, answer(5, 4, 2.0, "same"))
    posted(other, 0.0, answer(5, 3, 2.0, "same"))
    edited(other, 0.0, times=3)
    assert one.ready_at(0.0, NORMAL) == 2.0


def test_a_hold_of_edits_stops_no_post_and_all_edits_of_the_channel() -> None:
    host = Host(None)
    one, other = Pacer(FREE, host), Pacer(FREE, host)
    edited(one, 0.0, HELD)
    for pacer in (one, other):
        pacer.set_channel("c")
    assert (one.ready_at(0.0, NORMAL), one.edits_ready_at(0.0), other.edits_ready_at(0.0)) == (0.0, 300.0, 300.0)
    assert (one.is_held(0.0), one.is_held(0.0, is_edit=True), one.is_held(300.0, is_edit=True)) == (False, True, False)


def test_a_hold_of_edits_outlives_a_restart() -> None:
    pacer = Pacer(FREE, Host(None))
    edited(pacer, 0.0, HELD)
    memory = pacer.memory(100.0)
    assert (memory.edits_held_for, memory.is_empty) == (200.0, False)
    again = Pacer(FREE, Host(None))
    again.recall(memory, 0.0)
    assert (again.edits_ready_at(0.0), again.ready_at(0.0, NORMAL)) == (200.0, 0.0)
    joined = memory.joined(PaceMemory((), 0.0, edits_held_for=250.0))
    assert joined.edits_held_for == 250.0


@pytest.mark.parametrize("reserve", [False, True])
def test_the_rate_of_the_host_counts_edits(reserve: bool) -> None:
    pacer = Pacer(NOTHING_ASSUMED._replace(reserve=reserve), Host(Rate(10, 1.0)))
    edited(pacer, 0.0, times=10)
    assert pacer.edits_ready_at(0.0) > 0.9

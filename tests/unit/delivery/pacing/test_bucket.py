from math import inf, nan

import pytest

from signalpost.delivery.pacing.bucket import Bucket
from signalpost.delivery.pacing.limits import Rate
from signalpost.domain.priority import NotificationPriority
from signalpost.sinks.evidence import RateFacts

URGENT, NORMAL = NotificationPriority.URGENT, NotificationPriority.NORMAL


def ready_at(bucket: Bucket, now: float) -> float:
    return bucket.ready_at(now, bucket.limit)


def answered(bucket: Bucket, at: float, facts: RateFacts | None = None) -> Bucket:
    bucket.begin(at)
    mark = bucket.mark(at)
    bucket.end(at)
    if facts is not None:
        bucket.learn(facts, at, mark)
    return bucket


def facts(limit: int, remaining: int, reset_after: float) -> RateFacts:
    return RateFacts("bucket", limit, remaining, reset_after)


def test_the_assumed_limit_holds_until_an_answer_contains_one() -> None:
    bucket = Bucket(Rate(2, 2.0))
    answered(answered(bucket, 0.0), 0.5)
    assert ready_at(bucket, 0.5) == 2.0
    answered(bucket, 2.0, facts(10, 9, 1.0))
    assert ready_at(bucket, 2.0) == 2.0
    assert (bucket.limit, bucket.period) == (10, 1.0)


def test_without_an_assumed_limit_nothing_waits_until_an_answer_contains_one() -> None:
    bucket = Bucket(None)
    for _ in range(1000):
        answered(bucket, 0.0)
    assert ready_at(bucket, 0.0) == 0.0
    assert bucket.used(0.0) == 0
    answered(bucket, 1.0, facts(1, 0, 3.0))
    assert ready_at(bucket, 1.0) == 4.0


def test_a_request_in_flight_at_the_first_answer_is_counted() -> None:
    bucket = Bucket(None)
    bucket.begin(0.0)
    answered(bucket, 0.0, facts(2, 1, 2.0))
    assert ready_at(bucket, 0.0) == 2.0
    bucket.end(1.0)
    answered(bucket, 2.0)
    assert ready_at(bucket, 2.0) == 3.0


def test_the_longest_period_counts_because_answers_are_late() -> None:
    bucket = answered(Bucket(None), 0.0, facts(5, 4, 1.9))
    answered(bucket, 0.1, facts(5, 3, 2.0))
    answered(bucket, 0.2, facts(5, 2, 1.7))
    assert bucket.period == 2.0


def test_a_period_that_really_became_shorter_is_used() -> None:
    bucket = answered(Bucket(None), 0.0, facts(5, 4, 60.0))
    answered(bucket, 100.0, facts(5, 3, 1.0))
    assert bucket.period == 60.0
    answered(bucket, 200.0, facts(5, 4, 1.0))
    assert bucket.period == 1.0


def test_requests_of_others_count_until_the_reset() -> None:
    bucket = answered(Bucket(Rate(5, 2.0)), 0.0, facts(5, 1, 1.5))
    assert ready_at(bucket, 0.0) == 0.0
    answered(bucket, 0.1)
    assert ready_at(bucket, 0.1) == 1.5
    assert ready_at(bucket, 1.5) == 1.5


def test_a_request_that_was_not_made_does_not_reduce_the_rest() -> None:
    bucket = answered(Bucket(Rate(5, 2.0)), 0.0, facts(5, 1, 1.5))
    bucket.begin(0.1)
    assert ready_at(bucket, 0.1) == 1.5
    bucket.give_back(0.0)
    assert ready_at(bucket, 0.1) == 0.1


def test_a_request_in_flight_reduces_the_rest_because_it_may_not_have_arrived() -> None:
    bucket = Bucket(Rate(5, 2.0))
    bucket.begin(0.0)
    answered(bucket, 0.0, facts(5, 1, 1.5))
    assert ready_at(bucket, 0.0) == 1.5


def test_the_last_slot_that_others_left_is_reserved_for_urgent() -> None:
    bucket = answered(Bucket(Rate(5, 2.0)), 0.0, facts(5, 1, 1.5))
    assert bucket.ready_at(0.0, bucket.limit - 1) == 1.5
    assert bucket.ready_at(0.0, bucket.limit) == 0.0


def test_an_answer_without_requests_of_others_ends_the_wait_for_them() -> None:
    bucket = answered(Bucket(Rate(5, 2.0)), 0.0, facts(5, 0, 9.0))
    assert ready_at(bucket, 0.0) == 9.0
    answered(bucket, 1.0, facts(5, 3, 2.0))
    assert ready_at(bucket, 1.0) == 1.0


def test_a_reordered_answer_does_no_harm() -> None:
    bucket = Bucket(Rate(5, 2.0))
    marks = []
    for _ in range(3):
        bucket.begin(0.0)
        marks.append(bucket.mark(0.0))
    for remaining, mark in zip((2, 4, 3), marks, strict=True):
        bucket.end(0.1)
        bucket.learn(facts(5, remaining, 2.0), 0.1, mark)
    assert ready_at(bucket, 0.1) == 0.1
    answered(answered(bucket, 0.1), 0.1)
    assert ready_at(bucket, 0.1) == 2.1


def test_a_slow_answer_is_compared_with_our_requests_at_its_beginning() -> None:
    """The last of six requests is answered when the others have expired here; Discord still counted them."""
    bucket = Bucket(Rate(6, 2.0))
    for _ in range(5):
        answered(bucket, 0.0)
    bucket.begin(1.9)
    mark = bucket.mark(1.9)
    bucket.end(2.4)
    bucket.learn(facts(6, 0, 2.0), 2.4, mark)
    assert ready_at(bucket, 2.4) == 2.4


def test_a_slow_answer_allows_for_requests_that_began_after_it() -> None:
    bucket = Bucket(Rate(5, 2.0))
    bucket.begin(0.0)
    mark = bucket.mark(0.0)
    for _ in range(3):
        answered(bucket, 0.1)
    bucket.end(2.2)
    bucket.learn(facts(5, 1, 1.9), 2.2, mark)
    assert ready_at(bucket, 2.2) == 2.2
    bucket.begin(2.2)
    mark = bucket.mark(2.2)
    bucket.end(2.2)
    bucket.learn(facts(5, 0, 1.9), 2.2, mark)
    assert ready_at(bucket, 2.2) == pytest.approx(4.1)


def test_while_all_slots_are_in_flight_the_time_is_unknown() -> None:
    bucket = answered(Bucket(None), 0.0, facts(1, 0, 1.0))
    bucket.begin(1.0)
    assert ready_at(bucket, 1.0) == inf


@pytest.mark.parametrize(
    "nonsense", [facts(0, 0, 1.0), facts(5, 4, -1.0), facts(5, 4, nan), facts(5, 4, inf), facts(5, 0, 1.7e9)]
)
def test_impossible_rate_facts_are_ignored(nonsense: RateFacts) -> None:
    bucket = answered(Bucket(Rate(5, 2.0)), 0.0, nonsense)
    assert (bucket.limit, bucket.period) == (5, 2.0)
    assert ready_at(bucket, 0.0) == 0.0

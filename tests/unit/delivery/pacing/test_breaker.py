import pickle
from math import inf

import pytest

from signalpost.delivery.pacing.breaker import BreakerMemory, BreakerSettings, BreakerState, CircuitBreaker

CLOSED, OPEN, HALF_OPEN = BreakerState


def message(breaker: CircuitBreaker, now: float, *, fails: bool, jitter: float = 1.0) -> BreakerState | None:
    return breaker.record(breaker.begin(), now, jitter, is_failure=fails)


def probe(breaker: CircuitBreaker, now: float, *, alive: bool, jitter: float = 1.0) -> BreakerState | None:
    return breaker.record_probe(breaker.begin_probe(now), now, jitter, is_alive=alive)


def opened(now: float = 0.0, jitter: float = 1.0) -> CircuitBreaker:
    breaker = CircuitBreaker()
    moves = [message(breaker, now, fails=True, jitter=jitter) for _ in range(5)]
    assert moves == [None, None, None, None, OPEN]
    return breaker


def half_opened() -> CircuitBreaker:
    breaker = opened()
    assert probe(breaker, 2.0, alive=True) is HALF_OPEN
    return breaker


def test_a_closed_breaker_lets_everything_through_and_needs_no_probe() -> None:
    breaker = CircuitBreaker()
    breaker.begin()
    assert (breaker.state, breaker.ready_at(7.0), breaker.probe_at) == (CLOSED, 7.0, inf)


def test_five_failures_in_a_row_open_it() -> None:
    breaker = opened()
    assert (breaker.state, breaker.ready_at(0.0), breaker.trips) == (OPEN, inf, 1)


def test_an_answer_ends_the_row_of_failures() -> None:
    breaker = CircuitBreaker()
    for _ in range(4):
        message(breaker, 0.0, fails=True)
    message(breaker, 0.0, fails=False)
    for _ in range(4):
        assert message(breaker, 0.0, fails=True) is None


def test_half_of_ten_answers_in_a_minute_open_it_without_five_in_a_row() -> None:
    breaker = CircuitBreaker()
    outcomes = [False, True] * 4 + [False]
    assert [message(breaker, float(second), fails=fails) for second, fails in enumerate(outcomes)] == [None] * 9
    assert message(breaker, 9.0, fails=True) is OPEN


def test_fewer_than_half_keep_it_closed() -> None:
    breaker = CircuitBreaker()
    assert {message(breaker, float(n), fails=n % 5 in {0, 2}) for n in range(50)} == {None}


def test_failures_more_than_a_minute_ago_are_forgotten() -> None:
    breaker = CircuitBreaker()
    for n in range(9):
        message(breaker, n / 10, fails=n % 2 == 1)
    assert message(breaker, 60.95, fails=True) is None
    assert message(breaker, 61.0, fails=True) is None


def test_a_busy_minute_takes_little_memory() -> None:
    breaker, sizes = CircuitBreaker(), []
    for n in range(20_000):
        message(breaker, n / 100, fails=False)
        if n in {7_000, 19_999}:
            sizes.append(len(pickle.dumps(breaker)))
    assert sizes[1] < sizes[0] * 1.1


def test_one_probe_is_due_after_each_interval() -> None:
    breaker = opened(now=100.0)
    assert breaker.probe_at == 101.0
    breaker.begin_probe(101.0)
    assert breaker.probe_at == inf


def test_intervals_are_short_at_first_grow_to_five_seconds_and_after_two_minutes_to_a_minute() -> None:
    breaker, times = opened(), []
    while len(times) < 34:
        times.append(breaker.probe_at)
        assert probe(breaker, breaker.probe_at, alive=False) is None
    intervals = [round(later - earlier, 3) for earlier, later in zip([0.0, *times], times, strict=False)]
    assert intervals[:6] == [1.0, 1.8, 1.8, 3.6, 5.0, 5.0]
    assert set(intervals[4:27]) == {5.0}
    assert [round(each) for each in intervals[27:]] == [10, 20, 40, 60, 60, 60, 60]


def test_a_fifth_of_an_interval_is_random() -> None:
    assert opened(jitter=0.0).probe_at == pytest.approx(0.8)
    assert opened(jitter=0.5).probe_at == pytest.approx(0.9)


def test_a_hanging_probe_does_not_delay_the_next_one() -> None:
    breaker = opened()
    for expected in (1.0, 4.0, 8.0, 13.0):  # the second and third are due before the one before them has ended
        assert breaker.probe_at == pytest.approx(expected)
        permit = breaker.begin_probe(expected)
        breaker.record_probe(permit, expected + 3.0, 1.0, is_alive=False)


def test_a_probe_that_ends_after_the_next_was_due_is_followed_at_once() -> None:
    breaker = opened()
    breaker.record_probe(breaker.begin_probe(2.0), 30.0, 1.0, is_alive=False)
    assert breaker.probe_at == 30.0


def test_half_open_lets_one_message_through_and_then_waits_for_its_answer() -> None:
    breaker = half_opened()
    assert (breaker.ready_at(2.0), breaker.probe_at) == (2.0, inf)
    permit = breaker.begin()
    assert breaker.ready_at(2.0) == inf
    assert breaker.record(permit, 2.1, 1.0, is_failure=False) is CLOSED
    assert breaker.ready_at(2.1) == 2.1


def test_a_message_that_fails_on_trial_opens_it_again_without_a_new_trip() -> None:
    breaker = half_opened()
    assert message(breaker, 2.1, fails=True) is OPEN
    assert (breaker.trips, breaker.probe_at) == (1, 3.8)


def test_the_interval_grows_even_if_probes_are_answered_and_messages_are_not() -> None:
    breaker, requests, now = opened(), 5, 0.0
    while now < 60.0:
        now = breaker.probe_at
        assert probe(breaker, now, alive=True, jitter=0.5) is HALF_OPEN
        assert message(breaker, now + 0.1, fails=True, jitter=0.5) is OPEN
        requests += 2
    assert requests < 40


def test_an_unsent_message_on_trial_lets_another_try() -> None:
    breaker = half_opened()
    breaker.give_back(breaker.begin())
    assert (breaker.state, breaker.ready_at(3.0)) == (HALF_OPEN, 3.0)


def test_messages_that_began_before_the_breaker_moved_are_ignored() -> None:
    breaker = CircuitBreaker()
    early = [breaker.begin() for _ in range(7)]
    for permit in early[:5]:
        breaker.record(permit, 0.0, 1.0, is_failure=True)
    assert breaker.record(early[5], 1.0, 1.0, is_failure=False) is None
    probe(breaker, 2.0, alive=True)
    trial = breaker.begin()
    breaker.give_back(early[6])
    assert breaker.record(early[6], 2.0, 1.0, is_failure=True) is None
    assert (breaker.state, breaker.ready_at(2.0)) == (HALF_OPEN, inf)
    assert breaker.record(trial, 2.0, 1.0, is_failure=False) is CLOSED


def test_a_probe_that_began_before_the_breaker_moved_is_ignored() -> None:
    breaker = opened()
    late = breaker.begin_probe(2.0)
    breaker.record_probe(late, 2.0, 1.0, is_alive=True)
    assert breaker.record_probe(late, 3.0, 1.0, is_alive=False) is None
    assert breaker.probe_at == inf


def test_a_second_outage_begins_with_short_intervals_again() -> None:
    breaker = opened()
    for _ in range(40):
        probe(breaker, breaker.probe_at, alive=False)
    now = breaker.probe_at
    probe(breaker, now, alive=True)
    assert message(breaker, now, fails=False) is CLOSED
    for _ in range(5):
        message(breaker, now + 1, fails=True)
    assert (breaker.probe_at, breaker.trips) == (now + 2, 2)


def test_its_numbers_are_configurable() -> None:
    breaker = CircuitBreaker(BreakerSettings(failures_in_a_row=2, first_interval=0.5))
    message(breaker, 0.0, fails=True)
    assert message(breaker, 0.0, fails=True) is OPEN
    assert breaker.probe_at == 0.5


def its_own(breaker: CircuitBreaker, now: float = 0.0) -> BreakerState | None:
    return breaker.record(breaker.begin(), now, 1.0, is_failure=True, is_its_own=True)


def test_the_faults_of_one_message_do_not_open_it() -> None:
    breaker = CircuitBreaker()
    for _ in range(4):
        message(breaker, 0.0, fails=True)
    assert {its_own(breaker) for _ in range(50)} == {None}
    assert message(breaker, 0.0, fails=True) is OPEN, "neither do they break the row"


def test_on_trial_the_fault_of_one_message_lets_the_next_try() -> None:
    breaker = half_opened()
    assert its_own(breaker) is None
    assert (breaker.state, breaker.ready_at(3.0)) == (HALF_OPEN, 3.0)
    assert message(breaker, 3.0, fails=False) is CLOSED


@pytest.mark.parametrize("state", [CLOSED, HALF_OPEN])
def test_an_answered_liveness_probe_moves_nothing_and_a_failed_one_counts(state: BreakerState) -> None:
    breaker = half_opened() if state is HALF_OPEN else CircuitBreaker()
    assert [probe(breaker, 2.0, alive=True) for _ in range(9)] == [None] * 9
    fails = 1 if state is HALF_OPEN else 5
    assert [probe(breaker, 2.0, alive=False) for _ in range(fails)] == [None] * (fails - 1) + [OPEN]


def test_an_answered_liveness_probe_does_not_end_a_row_of_failures() -> None:
    breaker = CircuitBreaker()
    for _ in range(4):
        message(breaker, 0.0, fails=True)
        probe(breaker, 0.0, alive=True)
    assert message(breaker, 0.0, fails=True) is OPEN


def test_it_shows_its_last_state_and_when_it_opened() -> None:
    breaker = opened(7.0)
    assert (breaker.came_from, breaker.opened_at) == (CLOSED, 7.0)
    probe(breaker, 9.0, alive=True)
    assert breaker.came_from is OPEN
    message(breaker, 10.0, fails=True)
    assert (breaker.came_from, breaker.opened_at, breaker.trips) == (HALF_OPEN, 7.0, 1)


def test_its_state_survives_a_restart() -> None:
    assert CircuitBreaker().memory(0.0) is None
    breaker = opened(100.0)
    assert breaker.memory(100.5) == BreakerMemory(open_for=0.5, probe_in=0.5, interval=1.0)
    again = CircuitBreaker()
    assert again.recall(BreakerMemory(open_for=9.0, probe_in=1.0, interval=2.0), 500.0) is OPEN
    assert (again.state, again.came_from, again.opened_at, again.probe_at) == (OPEN, OPEN, 491.0, 501.0)
    assert (again.trips, again.ready_at(500.0)) == (0, inf)
    probe(again, 501.0, alive=False)
    assert again.probe_at == 505.0, "its interval goes on growing"


def test_while_a_probe_is_in_flight_or_a_message_on_trial_the_next_run_probes_at_once() -> None:
    breaker = opened()
    breaker.begin_probe(2.0)
    assert breaker.memory(3.0) == BreakerMemory(3.0, 0.0, 1.0)
    assert half_opened().memory(2.0) == BreakerMemory(2.0, 0.0, 1.0)


def test_no_restored_wait_is_longer_than_the_longest() -> None:
    breaker = CircuitBreaker()
    breaker.recall(BreakerMemory(-5.0, 1e9, 1e9), 100.0)
    assert (breaker.opened_at, breaker.probe_at) == (100.0, 160.0)
    breaker = CircuitBreaker()
    breaker.recall(BreakerMemory(1e6, -3.0, -1.0), 100.0)
    assert breaker.probe_at == 100.0


def test_it_is_failing_until_a_message_is_answered() -> None:
    breaker = CircuitBreaker()
    message(breaker, 0.0, fails=True)
    breaker.rest()
    assert not breaker.is_failing
    breaker = opened()
    breaker.rest()
    assert breaker.is_failing
    probe(breaker, 2.0, alive=True)
    assert breaker.is_failing, "a message may wait"
    message(breaker, 3.0, fails=False)
    assert not breaker.is_failing


def test_it_is_not_failing_if_it_rests_on_trial_until_a_message_fails() -> None:
    breaker = half_opened()
    trial = breaker.begin()
    breaker.rest()
    assert breaker.is_failing, "the message on trial has not ended"
    breaker.give_back(trial)
    breaker.rest()
    assert (breaker.state, breaker.is_failing) == (HALF_OPEN, False)
    assert its_own(breaker) is None
    assert breaker.is_failing
    breaker.rest()
    assert message(breaker, 3.0, fails=True) is OPEN
    assert breaker.is_failing
    recalled = CircuitBreaker()
    recalled.recall(BreakerMemory(2.0, 0.0, 1.0), 0.0)
    assert recalled.is_failing

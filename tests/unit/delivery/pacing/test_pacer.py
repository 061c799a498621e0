import gc
from math import inf
from random import Random

import pytest

from signalpost.delivery.pacing.host import Ban, Host
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED, Limits, Rate
from signalpost.delivery.pacing.pacer import PaceMemory, Pacer
from signalpost.domain.priority import NotificationPriority
from signalpost.sinks.evidence import RateFacts, Receipt, Rejected, Throttled, Unavailable
from signalpost.sinks.port import Answer

LOW, NORMAL, HIGH, URGENT = NotificationPriority
FREE = NOTHING_ASSUMED._replace(reserve=False)


def sent(pacer: Pacer, at: float, outcome: object = None, times: int = 1) -> Pacer:
    for _ in range(times):
        pacer.end(pacer.begin(at), at, outcome)
    return pacer


def answer(limit: int, remaining: int, reset_after: float, scope: str = "webhook") -> Receipt:
    return Receipt("1", rate=RateFacts(scope, limit, remaining, reset_after))


def test_five_in_two_seconds_until_an_answer_contains_a_limit() -> None:
    pacer = sent(Pacer(Limits(reserve=False), Host()), 0.0, times=5)
    assert pacer.ready_at(0.0, NORMAL) == 2.0


def test_28_in_a_minute_of_a_channel_whatever_the_headers_say() -> None:
    pacer = Pacer(Limits(reserve=False), Host())
    for n in range(28):
        sent(pacer, float(n), answer(100, 99, 1.0))
    assert pacer.ready_at(28.0, URGENT) == 60.0


def test_the_operators_limit_a_minute_holds() -> None:
    pacer = Pacer(FREE._replace(messages_a_minute=20), Host(None))
    for n in range(20):
        assert pacer.ready_at(float(n), NORMAL) == n
        sent(pacer, float(n))
    assert pacer.ready_at(20.0, NORMAL) == 60.0


def test_each_priority_may_use_its_part_of_a_minute() -> None:
    pacer = sent(Pacer(NOTHING_ASSUMED._replace(messages_a_minute=30), Host(None)), 0.0, times=24)
    assert [pacer.ready_at(1.0, priority) for priority in (LOW, NORMAL, HIGH, URGENT)] == [60.0, 60.0, 1.0, 1.0]
    sent(pacer, 1.0, times=3)
    assert [pacer.ready_at(1.0, priority) for priority in (HIGH, URGENT)] == [60.0, 1.0]
    sent(pacer, 2.0, times=3)
    assert pacer.ready_at(2.0, URGENT) == 60.0


def test_fifty_a_second_are_shared_by_all_destinations_of_a_host() -> None:
    host = Host()
    one, other = Pacer(FREE, host), Pacer(FREE, host)
    sent(one, 0.0, times=50)
    assert other.ready_at(0.5, URGENT) == pytest.approx(1.05)
    assert Pacer(FREE, Host()).ready_at(0.5, URGENT) == 0.5


def test_hanging_destinations_do_not_block_others_of_their_host() -> None:
    host = Host()
    hanging = Pacer(FREE, host)
    for _ in range(50):
        hanging.begin(0.0)
    assert Pacer(FREE, host).ready_at(2.0, NORMAL) == 2.0


def test_without_assumed_limits_only_answers_limit() -> None:
    pacer = sent(Pacer(FREE, Host(None)), 0.0, times=1000)
    assert pacer.ready_at(0.0, LOW) == 0.0
    sent(pacer, 0.0, answer(1, 0, 5.0))
    assert pacer.ready_at(0.0, LOW) == 5.0


def test_retry_after_pauses_the_destination_for_that_long() -> None:
    host = Host()
    pacer, neighbour = Pacer(FREE, host), Pacer(FREE, host)
    sent(pacer, 10.0, Throttled("slow down", retry_after=2.5, scope="destination"))
    assert pacer.ready_at(10.0, URGENT) == 12.5
    assert neighbour.ready_at(10.0, LOW) == 10.0
    sent(pacer, 11.0, Throttled("slow down", retry_after=0.5, scope="destination"))
    assert pacer.ready_at(11.0, URGENT) == 12.5


def test_a_ban_pauses_every_destination_of_the_host() -> None:
    host = Host()
    sent(Pacer(FREE, host), 10.0, Throttled("banned", retry_after=3600.0, scope="host"))
    assert Pacer(FREE, host).ready_at(10.0, URGENT) == 3610.0


def test_the_limits_in_a_throttled_answer_are_ignored() -> None:
    pacer = Pacer(FREE, Host(None))
    facts = RateFacts("webhook", 1, 0, 3600.0)
    sent(pacer, 0.0, Throttled("hidden limit", retry_after=1.0, scope="destination", rate=facts))
    assert pacer.ready_at(0.0, NORMAL) == 1.0


def test_the_limits_in_any_other_answer_are_used() -> None:
    for evidence in (
        Rejected("bad", rate=RateFacts("b", 1, 0, 9.0)),
        Unavailable("503", rate=RateFacts("b", 1, 0, 9.0)),
    ):
        assert sent(Pacer(FREE, Host(None)), 0.0, evidence).ready_at(0.0, NORMAL) == 9.0


def test_failures_count_as_requests() -> None:
    pacer = sent(Pacer(Limits(reserve=False), Host()), 0.0, Unavailable("refused"), times=5)
    assert pacer.ready_at(0.0, NORMAL) == 2.0


def test_probes_count_as_requests_and_their_own_limit_is_not_used_for_messages() -> None:
    pacer = Pacer(Limits(reserve=False), Host())
    for _ in range(5):
        pacer.end(pacer.begin(0.0, is_probe=True), 0.0, Answer(RateFacts("of a GET", 1, 0, 99.0)))
    assert pacer.ready_at(0.0, NORMAL) == 2.0


def test_a_probes_answer_about_the_limit_of_messages_is_used() -> None:
    pacer = sent(Pacer(FREE, Host(None)), 0.0, answer(5, 4, 2.0))
    pacer.end(pacer.begin(0.0, is_probe=True), 0.0, Answer(RateFacts("webhook", 5, 0, 2.0)))
    assert pacer.ready_at(0.0, NORMAL) == 2.0


def test_an_answer_without_limits_changes_nothing() -> None:
    pacer = sent(Pacer(FREE, Host(None)), 0.0, Receipt("1"))
    sent(pacer, 0.0, Answer())
    assert pacer.ready_at(0.0, NORMAL) == 0.0


def test_a_request_that_was_not_made_leaves_no_trace() -> None:
    pacer = Pacer(Limits(messages_a_minute=1, reserve=False), Host(Rate(1, 1.0)))
    slot = pacer.begin(0.0)
    assert pacer.ready_at(0.0, URGENT) == inf
    pacer.give_back(slot)
    assert pacer.ready_at(0.0, LOW) == 0.0


def test_destinations_with_one_webhook_share_its_bucket_from_the_first_answer() -> None:
    host = Host(None)
    one, other = Pacer(FREE, host), Pacer(FREE, host)
    in_flight = other.begin(0.0)
    sent(one, 0.0, answer(3, 2, 2.0))
    sent(other, 0.0, answer(3, 1, 2.0))
    assert one.ready_at(0.0, NORMAL) == 2.0
    other.end(in_flight, 1.0)
    assert one.ready_at(2.0, NORMAL) == 2.0
    sent(one, 2.0, times=2)
    assert other.ready_at(2.0, NORMAL) == 3.0


def test_requests_in_flight_reduce_the_rest_of_a_shared_bucket() -> None:
    host = Host(None)
    one, other = Pacer(FREE, host), Pacer(FREE, host)
    in_flight = other.begin(0.0)
    sent(one, 0.0, answer(5, 1, 2.0))
    assert one.ready_at(0.0, NORMAL) == 0.0
    sent(other, 0.0, answer(5, 1, 2.0))
    assert one.ready_at(0.0, NORMAL) == 2.0
    other.give_back(in_flight)
    assert one.ready_at(0.0, NORMAL) == 0.0


def test_an_unused_bucket_is_dropped() -> None:
    host = Host(None)
    pacer = sent(Pacer(FREE, host), 0.0, answer(3, 2, 2.0, scope="old"))
    other = sent(Pacer(FREE, host), 0.0, answer(3, 2, 2.0, scope="new"))
    sent(pacer, 0.0, answer(3, 1, 2.0, scope="new"))
    gc.collect()
    assert set(host.buckets) == {"new"}
    assert other.ready_at(0.0, NORMAL) == 2.0  # three were counted, one of them under its old name


def test_destinations_of_one_channel_share_its_limit_and_pauses() -> None:
    host = Host(None)
    limits = Limits(burst=None, channel=Rate(3, 60.0), reserve=False)
    one, other, third = Pacer(limits, host), Pacer(limits, host), Pacer(limits, host)
    sent(one, 0.0, Answer(channel="7"))
    sent(other, 1.0, Answer(channel="7"))
    sent(third, 1.0, Answer(channel="8"))
    sent(other, 2.0)
    assert one.ready_at(2.0, URGENT) == 60.0
    assert third.ready_at(2.0, URGENT) == 2.0
    sent(other, 3.0, Throttled("others write there", retry_after=90.0, scope="destination"))
    assert one.ready_at(3.0, URGENT) == 93.0


def test_a_pause_moves_along_into_a_shared_channel() -> None:
    host = Host(None)
    one, other = Pacer(FREE, host), Pacer(FREE, host)
    one.set_channel("7")
    sent(other, 0.0, Throttled("wait", retry_after=5.0, scope="destination"))
    other.set_channel("7")
    other.set_channel("7")
    assert one.ready_at(0.0, URGENT) == 5.0


@pytest.mark.parametrize("status", [401, 403, 429])
def test_fifty_refusals_in_ten_minutes_pause_a_destination_and_no_other(status: int) -> None:
    host = Host(None)
    pacer = sent(Pacer(FREE, host), 0.0, Rejected("no", status=status))
    sent(pacer, 1.0, Rejected("no", status=status), times=48)
    assert pacer.ready_at(2.0, URGENT) == 2.0
    sent(pacer, 2.0, Rejected("no", status=status))
    assert pacer.ready_at(2.0, URGENT) == 600.0
    assert Pacer(FREE, host).ready_at(2.0, URGENT) == 2.0


def test_500_refusals_in_ten_minutes_pause_the_host() -> None:
    host = Host(None)
    for _ in range(10):
        sent(Pacer(FREE, host), 5.0, Rejected("no", status=401), times=50)
    assert Pacer(FREE, host).ready_at(6.0, URGENT) == 605.0


def test_other_errors_do_not_count_as_refusals() -> None:
    pacer = sent(Pacer(FREE, Host(None)), 0.0, Rejected("bad request", status=400), times=60)
    assert pacer.ready_at(0.0, URGENT) == 0.0


def test_a_429_of_a_limit_shared_with_others_does_not_count_as_a_refusal() -> None:
    others = Throttled("429", retry_after=0.0, scope="destination", status=429, is_shared=True)
    assert sent(Pacer(FREE, Host(None)), 0.0, others, times=60).ready_at(0.0, URGENT) == 0.0
    ours = Throttled("429", retry_after=0.0, scope="destination", status=429)
    assert sent(Pacer(FREE, Host(None)), 0.0, ours, times=60).ready_at(0.0, URGENT) == 600.0


@pytest.mark.parametrize(("status", "ready"), [(401, 600.0), (403, 600.0), (404, 0.0), (200, 0.0)])
def test_a_refused_probe_counts_as_a_refusal(status: int, ready: float) -> None:
    pacer = Pacer(FREE, Host(None))
    for _ in range(50):
        pacer.end(pacer.begin(0.0, is_probe=True), 0.0, Answer(status=status))
    assert pacer.ready_at(0.0, URGENT) == ready


def test_a_shorter_ban_does_not_shorten_a_longer_one_and_each_new_one_is_reported() -> None:
    host = Host()
    host.hold(Ban("403", 600.0), 0.0)
    assert (host.held_until, host.is_kept, host.is_news) == (600.0, False, True)
    host.is_kept, host.is_news = True, False
    host.hold(Ban("429", 5.0), 10.0)
    assert (host.held_until, host.is_kept, host.is_news) == (600.0, True, False)
    assert host.ban(100.0) == Ban("403", 500.0)
    assert host.ban(600.0) is None
    host.hold(Ban("403 again", 60.0), 700.0)
    assert (host.held_until, host.is_kept, host.is_news) == (760.0, False, True)


def test_answers_to_messages_and_probes_contain_the_channel() -> None:
    host = Host(None)
    one, two = (Pacer(FREE._replace(channel=Rate(28, 60.0)), host) for _ in range(2))
    sent(one, 0.0, Receipt("1", channel="77"), times=28)
    assert two.ready_at(0.0, URGENT) == 0.0
    sent(two, 0.0, Receipt("2", channel="77"))
    assert two.ready_at(0.0, URGENT) == 60.0


def test_each_destination_saves_its_own_requests_and_they_count_once_after_a_restart() -> None:
    limits, host = FREE._replace(channel=Rate(28, 60.0)), Host(None)
    before = [sent(Pacer(limits, host), 0.0, Receipt("1", channel="77"), times=10) for _ in range(2)]
    memories = [pacer.memory(1.0) for pacer in before]
    assert [(len(memory.ages), memory.channel) for memory in memories] == [(10, "77"), (10, "77")]
    again = Host(None)
    after = [Pacer(limits, again) for _ in range(2)]
    for pacer, memory in zip(after, memories, strict=True):
        pacer.recall(memory, 100.0)
    sent(after[0], 100.0, times=7)
    assert after[1].ready_at(100.0, URGENT) == 100.0, "27 of 28 are used"
    sent(after[0], 100.0)
    assert after[1].ready_at(100.0, URGENT) == 159.0


def test_the_saved_paces_of_two_names_of_one_webhook_are_joined() -> None:
    one, other = PaceMemory((3.0, 1.0), 5.0), PaceMemory((2.0,), 7.0, "77")
    assert one.joined(other) == other.joined(one) == PaceMemory((3.0, 2.0, 1.0), 7.0, "77")


def test_a_waiter_for_an_end_is_called_once_and_also_for_a_slot_given_back() -> None:
    host, calls = Host(), []
    host.call_when_free(lambda: calls.append("one"), at_end=True)
    host.ended()
    host.ended()
    host.gave_back()
    host.call_when_free(lambda: calls.append("two"), at_end=True)
    host.gave_back()
    assert calls == ["one", "two"]


def test_a_waiter_for_a_slot_is_called_once_and_only_for_a_slot_given_back() -> None:
    host, calls = Host(), []
    host.call_when_free(lambda: calls.append(1), at_end=False)
    host.ended()
    assert calls == []
    host.gave_back()
    host.gave_back()
    assert calls == [1]


def test_messages_sent_before_a_restart_still_count_after_it() -> None:
    limits = Limits(messages_a_minute=30, reserve=False)
    before = Pacer(limits, Host())
    for n in range(28):
        sent(before, 1000.0 + n)
    sent(before, 1030.0, Throttled("wait", retry_after=4.0, scope="destination"))
    memory = before.memory(1031.0)
    after = Pacer(limits, Host())
    after.recall(memory, 5.0)
    assert memory.held_for == 3.0
    assert after.ready_at(5.0, URGENT) == 5.0 + (1061.0 - 1031.0)


def test_a_webhook_moved_to_another_channel_leaves_its_requests_behind() -> None:
    host, limits = Host(None), Limits(burst=None, reserve=False)
    moved, other, there = Pacer(limits, host), Pacer(limits, host), Pacer(limits, host)
    for pacer, channel in ((moved, "1"), (other, "1"), (there, "2")):
        pacer.set_channel(channel)
    for _ in range(10):
        sent(moved, 0.0)
        sent(there, 0.0)
    in_flight = moved.begin(1.0)
    moved.set_channel("2")
    moved.end(in_flight, 2.0)
    for _ in range(16):
        assert moved.ready_at(2.0, URGENT) == 2.0
        sent(moved, 2.0)
    sent(moved, 2.0)
    assert (moved.ready_at(2.0, URGENT), there.ready_at(2.0, URGENT)) == (60.0, 60.0), "it shares the new one"
    assert other.ready_at(2.0, URGENT) == 2.0, "and not the old one"
    sent(moved, 61.0, Throttled("wait", retry_after=90.0, scope="destination"))
    assert (there.ready_at(61.0, URGENT), other.ready_at(61.0, URGENT)) == (151.0, 61.0)


def test_a_webhook_moved_to_a_new_channel_counts_there() -> None:
    host, limits = Host(None), Limits(burst=None, reserve=False)
    moved, other = Pacer(limits, host), Pacer(limits, host)
    for pacer in (moved, other):
        pacer.set_channel("1")
    moved.set_channel("2")
    for _ in range(28):
        sent(moved, 0.0)
    assert (moved.ready_at(0.0, URGENT), other.ready_at(0.0, URGENT)) == (60.0, 0.0)
    Pacer(Limits(channel=None), host).set_channel("3")
    for channel in "12":
        unlimited = Pacer(Limits(channel=None), host)
        unlimited.set_channel("4")
        unlimited.set_channel(channel)


def test_refusals_before_a_restart_still_count_towards_a_pause_after_it() -> None:
    no_access = Rejected("403", status=403)
    before = Pacer(FREE, Host(None))
    for number in range(49):
        sent(before, 1000.0 + number, no_access)
    memory = before.memory(1100.0)
    assert not memory.is_empty
    host = Host(None)
    after, other = Pacer(FREE, host), Pacer(FREE, host)
    after.recall(memory, 5.0)
    assert after.ready_at(5.0, URGENT) == 5.0
    sent(after, 6.0, no_access)
    assert after.ready_at(6.0, URGENT) == 5.0 + 600.0 - 100.0
    assert other.ready_at(6.0, URGENT) == 6.0
    assert host.refusals.used(6.0) == 50
    assert memory.joined(memory).refusals == tuple(sorted([*memory.refusals, *memory.refusals], reverse=True))


def test_without_assumed_limits_nothing_is_saved() -> None:
    memory = sent(Pacer(NOTHING_ASSUMED, Host(None)), 0.0).memory(0.0)
    assert (memory, memory.is_empty) == (PaceMemory((), 0.0), True)


def test_saved_requests_do_no_harm_without_assumed_limits() -> None:
    pacer = Pacer(FREE, Host(None))
    pacer.recall(PaceMemory((1.0, 0.5), 1e12), 10.0)
    assert pacer.ready_at(10.0, LOW) == 10.0 + 86_400.0


@pytest.mark.parametrize("seed", range(10))
def test_after_any_answers_a_request_may_begin_at_the_announced_time(seed: int) -> None:
    random = Random(seed)
    host = Host()
    pacers = [Pacer(Limits(messages_a_minute=random.randint(1, 30)), host) for _ in range(3)]
    now = 1e5 * random.random()
    for _ in range(300):
        pacer, priority = random.choice(pacers), random.choice(list(NotificationPriority))
        now = pacer.ready_at(now, priority)
        assert pacer.ready_at(now, priority) == now
        limit = random.randint(1, 9)
        facts = RateFacts(random.choice("ab"), limit, random.randint(0, limit), 3 * random.random())
        wait = Throttled("wait", retry_after=random.random(), scope=random.choice(["host", "destination"]))
        slot = pacer.begin(now, is_probe=random.random() < 0.1)
        now += random.random() / 10
        if random.random() < 0.1:
            pacer.give_back(slot)
        else:
            pacer.end(slot, now, random.choice([Receipt("1", rate=facts), Answer(facts, random.choice("xy")), wait]))

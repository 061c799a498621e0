from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from signalpost.delivery.dispatch.decide import MOST_ATTEMPTS, LeaseEnd, SendOutcome, decide
from signalpost.delivery.outbox.commands import Settlement
from signalpost.delivery.pacing.backoff import LONGEST_WAIT, Backoff
from signalpost.domain.delivery import NEXT_STATES, Delivery, DeliveryId, DeliveryState
from signalpost.domain.priority import NotificationPriority
from signalpost.errors import Evidence
from signalpost.sinks.evidence import Receipt, Rejected, Throttled, Unavailable, Unconfirmed

NOW = datetime(2025, 8, 20, 5, tzinfo=UTC)
PENDING, LEASED = DeliveryState.PENDING, DeliveryState.LEASED
DELIVERED, UNCONFIRMED = DeliveryState.DELIVERED, DeliveryState.UNCONFIRMED
EXPIRED, DEAD = DeliveryState.EXPIRED, DeliveryState.DEAD

RECEIPT = Receipt("1001")
REFUSED = Rejected("bad request", status=400)
GONE = Rejected("unknown webhook", status=404, is_gone=True)
BUSY = Throttled("slow down", retry_after=2.5, scope="destination")
DOWN = Unavailable("connection refused")
BROKEN = Unconfirmed("bad gateway", status=502)
SILENT = Unconfirmed("the connection was cut")
LAPSED, CUT_OFF, INTERRUPTED, UNSENT = LeaseEnd
KNOWN: list[SendOutcome] = [RECEIPT, REFUSED, GONE, BUSY, DOWN, BROKEN, SILENT, *LeaseEnd]


def delivery(attempts: int = 0, unanswered: int = 0, seconds: float = 600, **facts: Any) -> Delivery:
    """A leased one, valid for so many seconds more."""
    return Delivery(
        DeliveryId("n1", "signals-free"),
        LEASED,
        NotificationPriority.NORMAL,
        1,
        "s1",
        NOW + timedelta(seconds=seconds),
        attempts=attempts,
        unanswered=unanswered,
        **facts,
    )


def verdict(of: Delivery, known: SendOutcome, jitter: float = 1.0) -> tuple[object, ...]:
    """State, seconds to wait, attempts, unanswered, may_repeat."""
    settled = decide(of, known, NOW, jitter)
    wait = None if settled.not_before is None else (settled.not_before - NOW).total_seconds()
    return settled.state.value, wait, settled.attempts, settled.unanswered, settled.may_repeat


FRESH, SHOWN = delivery(), delivery(3, 1, may_repeat=True)
LAST, LAST_SHOWN, LAST_SILENT = delivery(11), delivery(11, may_repeat=True), delivery(11, 1, may_repeat=True)
SHORT, SHORT_SHOWN = delivery(seconds=1), delivery(seconds=1, may_repeat=True)
OVER, OVER_SHOWN = delivery(seconds=0), delivery(seconds=0, may_repeat=True)


@pytest.mark.parametrize(
    ("of", "known", "expected"),
    [
        (FRESH, RECEIPT, ("delivered", None, 1, 0, False)),
        (SHOWN, RECEIPT, ("delivered", None, 4, 1, True)),
        (LAST, RECEIPT, ("delivered", None, 12, 0, False)),
        (OVER, RECEIPT, ("delivered", None, 1, 0, False)),
        (FRESH, REFUSED, ("dead", None, 1, 0, False)),
        (FRESH, GONE, ("dead", None, 1, 0, False)),
        (SHOWN, REFUSED, ("dead", None, 4, 1, True)),
        (FRESH, BUSY, ("pending", 2.5, 0, 0, False)),
        (SHOWN, BUSY, ("pending", 2.5, 3, 1, True)),
        (LAST, BUSY, ("pending", 2.5, 11, 0, False)),
        (SHORT, BUSY, ("expired", None, 0, 0, False)),
        (SHORT_SHOWN, BUSY, ("unconfirmed", None, 0, 0, True)),
        (FRESH, DOWN, ("pending", 1.0, 1, 0, False)),
        (SHOWN, DOWN, ("pending", 8.0, 4, 1, True)),
        (LAST, DOWN, ("dead", None, 12, 0, False)),
        (LAST_SHOWN, DOWN, ("unconfirmed", None, 12, 0, True)),
        (SHORT, DOWN, ("expired", None, 1, 0, False)),
        (SHORT_SHOWN, DOWN, ("unconfirmed", None, 1, 0, True)),
        (FRESH, BROKEN, ("pending", 1.0, 1, 0, True)),
        (SHOWN, BROKEN, ("pending", 8.0, 4, 1, True)),
        (LAST, BROKEN, ("dead", None, 12, 0, True)),
        (LAST_SHOWN, BROKEN, ("dead", None, 12, 0, True)),
        (LAST_SILENT, BROKEN, ("unconfirmed", None, 12, 1, True)),
        (SHORT, BROKEN, ("unconfirmed", None, 1, 0, True)),
        (FRESH, SILENT, ("pending", 1.0, 1, 1, True)),
        (SHOWN, SILENT, ("unconfirmed", None, 4, 2, True)),
        (LAST, SILENT, ("unconfirmed", None, 12, 1, True)),
        (SHORT, SILENT, ("unconfirmed", None, 1, 1, True)),
        (FRESH, LAPSED, ("pending", 1.0, 1, 0, True)),
        (SHOWN, LAPSED, ("pending", 8.0, 4, 1, True)),
        (LAST, LAPSED, ("unconfirmed", None, 12, 0, True)),
        (OVER, LAPSED, ("unconfirmed", None, 1, 0, True)),
        (FRESH, CUT_OFF, ("unconfirmed", None, 1, 1, True)),
        (OVER, CUT_OFF, ("unconfirmed", None, 1, 1, True)),
        (FRESH, INTERRUPTED, ("pending", None, 0, 0, True)),
        (SHOWN, INTERRUPTED, ("pending", None, 3, 1, True)),
        (LAST, INTERRUPTED, ("pending", None, 11, 0, True)),
        (OVER, INTERRUPTED, ("unconfirmed", None, 0, 0, True)),
        (FRESH, UNSENT, ("pending", None, 0, 0, False)),
        (SHOWN, UNSENT, ("pending", None, 3, 1, True)),
        (OVER, UNSENT, ("expired", None, 0, 0, False)),
        (OVER_SHOWN, UNSENT, ("unconfirmed", None, 0, 0, True)),
    ],
)
def test_each_outcome_has_its_verdict(of: Delivery, known: SendOutcome, expected: tuple[object, ...]) -> None:
    assert verdict(of, known) == expected


@pytest.mark.parametrize("known", [BROKEN, SILENT, LAPSED, INTERRUPTED, CUT_OFF])
def test_an_at_most_once_delivery_that_may_have_been_shown_is_unconfirmed(known: SendOutcome) -> None:
    settled = decide(FRESH, known, NOW, 1.0, at_most_once=True)
    assert (settled.state, settled.not_before, settled.may_repeat) == (UNCONFIRMED, None, True)
    assert settled.attempts == decide(FRESH, known, NOW, 1.0).attempts
    usual = str(decide(FRESH, known, NOW, 1.0).reason)
    assert usual in str(settled.reason)
    assert (settled.reason == usual) is (known is CUT_OFF), "it also says why the delivery is not retried"


@pytest.mark.parametrize("known", [RECEIPT, REFUSED, GONE, BUSY, DOWN, UNSENT])
def test_an_at_most_once_delivery_that_was_certainly_not_shown_is_retried(known: SendOutcome) -> None:
    assert decide(FRESH, known, NOW, 1.0, at_most_once=True) == decide(FRESH, known, NOW, 1.0)


def every_settlement() -> list[tuple[Delivery, SendOutcome, Settlement]]:
    of_all_kinds = [
        delivery(attempts, unanswered, seconds, may_repeat=may_repeat)
        for attempts, unanswered, seconds, may_repeat in product(range(12), range(2), (-5, 0, 0.5, 600), (False, True))
    ]
    return [(of, known, decide(of, known, NOW, 0.5)) for of, known in product(of_all_kinds, KNOWN)]


def test_every_verdict_is_an_allowed_transition_from_leased() -> None:
    assert {settled.state for _, _, settled in every_settlement()} == NEXT_STATES[LEASED] - {
        DeliveryState.SUPERSEDED,
        DeliveryState.SUPPRESSED,
    }


def test_a_pending_delivery_can_still_be_sent() -> None:
    for of, known, settled in every_settlement():
        if settled.state is PENDING:
            assert (settled.not_before or NOW) < of.valid_until, (of, known)
            assert settled.attempts < MOST_ATTEMPTS, (of, known)


@pytest.mark.parametrize("known", [DOWN, BROKEN])
def test_attempts_do_not_run_out_while_the_destination_accepts_no_message(known: SendOutcome) -> None:
    settled = decide(LAST, known, NOW, 1.0, takes_messages=False)
    assert (settled.state, settled.attempts, settled.not_before) == (PENDING, 11, NOW + timedelta(seconds=60))
    assert settled.may_repeat is (known is BROKEN)
    assert decide(LAST, known, NOW, 1.0).state is DEAD


def test_a_missing_answer_and_a_crash_count_in_an_outage_too() -> None:
    for known in (SILENT, LAPSED, CUT_OFF):
        assert decide(FRESH, known, NOW, 1.0, takes_messages=False) == decide(FRESH, known, NOW, 1.0)


def test_a_delivery_that_may_have_been_shown_never_expires() -> None:
    """And it never counts as certainly not shown afterwards."""
    for of, known, settled in every_settlement():
        assert settled.may_repeat >= of.may_repeat, (of, known)
        assert not (settled.may_repeat and settled.state is EXPIRED), (of, known)
        assert not (settled.state is UNCONFIRMED and not settled.may_repeat), (of, known)


def test_only_an_outage_of_the_destination_uses_up_attempts() -> None:
    assert {known for _, known, settled in every_settlement() if settled.attempts == 0} == {BUSY, INTERRUPTED, UNSENT}


def test_a_retry_may_not_begin_at_valid_until_itself() -> None:
    assert verdict(delivery(seconds=2.5), BUSY)[0] == "expired"
    assert verdict(delivery(seconds=2.500001), BUSY)[0] == "pending"


def test_a_wait_between_attempts_is_drawn_and_grows() -> None:
    waits = [verdict(delivery(attempts), DOWN, jitter=0.5)[1] for attempts in range(8)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert decide(FRESH, DOWN, NOW, 1.0, Backoff(base=7.0)).not_before == NOW + timedelta(seconds=7)


@pytest.mark.parametrize("demanded", [float("inf"), 1e300, LONGEST_WAIT + 1])
def test_a_requested_wait_is_limited_to_the_calendar(demanded: float) -> None:
    of = delivery(seconds=10 * LONGEST_WAIT)
    assert verdict(of, Throttled("wait", retry_after=demanded, scope="host"))[1] == LONGEST_WAIT


def test_a_verdict_has_the_reason_of_its_evidence() -> None:
    for known in (REFUSED, GONE, BUSY, DOWN, BROKEN, SILENT):
        assert decide(FRESH, known, NOW, 0.5).reason == known.reason
    assert decide(FRESH, RECEIPT, NOW, 0.5).reason is None
    assert decide(FRESH, UNSENT, NOW, 0.5).reason is None
    assert decide(delivery(reason="slow down"), UNSENT, NOW, 0.5).reason == "slow down"
    last = str(decide(LAST, DOWN, NOW, 0.5).reason)
    assert DOWN.reason in last
    assert str(MOST_ATTEMPTS) in last


def test_each_ending_without_an_answer_has_its_own_reason() -> None:
    lapsed, cut_off, interrupted = (decide(FRESH, known, NOW, 0.5).reason for known in (LAPSED, CUT_OFF, INTERRUPTED))
    assert all((lapsed, cut_off, interrupted))
    assert len({lapsed, cut_off, interrupted}) == 3
    assert "valid_until" in str(cut_off)


def test_a_verdict_has_the_id_of_its_delivery_and_no_attempt_or_message() -> None:
    for of, _, settled in every_settlement():
        assert (settled.id, settled.attempt, settled.message) == (of.id, None, None)


def test_unknown_evidence_counts_as_a_missing_answer() -> None:
    assert verdict(FRESH, Evidence("a kind of a later version")) == ("pending", 1.0, 1, 1, True)
    assert decide(FRESH, Evidence("a kind of a later version"), NOW, 1.0).reason == "a kind of a later version"


def test_a_third_missing_answer_is_never_risked() -> None:
    """Even if an earlier version left more unanswered attempts than are allowed now."""
    assert verdict(delivery(5, 7, may_repeat=True), SILENT) == ("unconfirmed", None, 6, 8, True)

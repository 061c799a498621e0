"""Decides the next state of a leased delivery from the outcome of its send. Pure.

    a receipt                       delivered
    Rejected                        dead
    Throttled                       pending, after the wait that it demands; counts no attempt
    Unavailable                     pending, after a backoff; counts one
    Unconfirmed, answered (5xx)     pending, after a backoff; counts one, and may have been shown
    Unconfirmed, unanswered         the same, and counts as unanswered: the second one ends as unconfirmed
                                    (the lane tries it again only after the destination has answered something)
    lapsed                          pending, after a backoff; counts one, and may have been shown: its process is gone,
                                    which says nothing about the destination
    cut off at valid_until          unconfirmed
    interrupted by a stop           pending; counts no attempt, but may have been shown
    unsent                          pending, as if it had never been leased

A send that failed with an answer, or never began, counts as an attempt only if the destination is known to take
messages. Otherwise there is an outage, which says nothing about this message. A delivery stays pending only if it can
still be sent. It is dead after MOST_ATTEMPTS counted attempts, and expired if its next try would come after its
`valid_until`; both become unconfirmed if it may have been shown. But a delivery that was answered each time, and with a
5xx the last time, is dead: the destination rejects this message. A delivery that is sent at most once becomes
unconfirmed as soon as it may have been shown.
See docs/why/0010-evidence-and-decision.md and docs/why/0023-message-failure-or-outage.md.
"""

from datetime import datetime, timedelta

from signalpost.delivery.outbox.commands import Settlement
from signalpost.delivery.pacing.backoff import Backoff, bounded
from signalpost.domain.delivery import Delivery, DeliveryState
from signalpost.domain.words import Word
from signalpost.errors import Evidence
from signalpost.sinks.evidence import Receipt, Rejected, Throttled, Unavailable, Unconfirmed

BACKOFF = Backoff()
MOST_ATTEMPTS = 12
MOST_UNANSWERED = 2


class LeaseEnd(Word):
    """The end of a lease without a receipt or evidence of the sink."""

    LAPSED = "lapsed"
    CUT_OFF = "cut off"
    INTERRUPTED = "interrupted"
    UNSENT = "unsent"


SendOutcome = Receipt | Evidence | LeaseEnd

_REASONS = {
    LeaseEnd.LAPSED: "its process is gone, and it is unknown whether it was sent",
    LeaseEnd.CUT_OFF: "cut off at valid_until, without an answer",
    LeaseEnd.INTERRUPTED: "cut off by a stop, without an answer",
}


def decide(
    delivery: Delivery,
    outcome: SendOutcome,
    now: datetime,
    jitter: float,
    backoff: Backoff = BACKOFF,
    *,
    takes_messages: bool = True,
    at_most_once: bool = False,
) -> Settlement:
    """The verdict on a leased delivery, without its attempt and its message, which the caller adds.

    `takes_messages` is True if the destination was known to accept messages. Only then may this one be at fault.
    """
    tried = _tried(delivery) if takes_messages else delivery
    verdict = _usual(delivery, tried, outcome, now, _wait(delivery, jitter, backoff))
    if at_most_once and verdict.state is DeliveryState.PENDING and may_have_been_shown(outcome):
        return verdict._replace(
            state=DeliveryState.UNCONFIRMED, not_before=None, reason=f"{verdict.reason} (it is sent at most once)"
        )
    return verdict


def may_have_been_shown(outcome: SendOutcome) -> bool:
    """Whether the message may have been shown, without a receipt."""
    return outcome is not LeaseEnd.UNSENT and not isinstance(outcome, Receipt | Rejected | Throttled | Unavailable)


def _usual(delivery: Delivery, tried: Delivery, outcome: SendOutcome, now: datetime, wait: timedelta) -> Settlement:
    match outcome:
        case Receipt():
            return _ended(delivery, DeliveryState.DELIVERED, None, tried=1)
        case Rejected(reason=reason):
            return _ended(delivery, DeliveryState.DEAD, reason, tried=1)
        case Throttled(reason=reason, retry_after=seconds):
            return _again(delivery, reason, now, timedelta(seconds=bounded(seconds)))
        case Unavailable(reason=reason):
            return _again(tried, reason, now, wait)
        case Unconfirmed(is_answered=True):
            return _failed(tried, outcome.reason, now, wait)
        case LeaseEnd.CUT_OFF:
            shown = delivery._replace(may_repeat=True, unanswered=delivery.unanswered + 1)
            return _ended(shown, DeliveryState.UNCONFIRMED, _REASONS[outcome], tried=1)
        case LeaseEnd.INTERRUPTED:
            return _again(delivery._replace(may_repeat=True), _REASONS[outcome], now, None)
        case LeaseEnd.UNSENT:
            return _again(delivery, delivery.reason, now, None)
        case LeaseEnd.LAPSED:
            return _maybe(_tried(delivery), _REASONS[outcome], now, wait, unanswered=False)
        case _:  # no answer, or an unknown kind of evidence: it may have been shown
            return _maybe(_tried(delivery), str(outcome), now, wait, unanswered=True)


def _failed(tried: Delivery, reason: str, now: datetime, wait: timedelta) -> Settlement:
    """A 5xx: the destination answered, and may still have shown it."""
    shown = tried._replace(may_repeat=True)
    if shown.attempts >= MOST_ATTEMPTS and not shown.unanswered:
        return _ended(shown, DeliveryState.DEAD, f"{reason}{_of_most(shown.attempts)}")
    return _again(shown, reason, now, wait)


def _maybe(tried: Delivery, reason: str, now: datetime, wait: timedelta, *, unanswered: bool) -> Settlement:
    shown = tried._replace(may_repeat=True, unanswered=tried.unanswered + unanswered)
    if unanswered and shown.unanswered >= MOST_UNANSWERED:
        return _ended(shown, DeliveryState.UNCONFIRMED, reason)
    return _again(shown, reason, now, wait)


def _again(delivery: Delivery, reason: str | None, now: datetime, wait: timedelta | None) -> Settlement:
    """Pending, unless no further try is possible."""
    if delivery.attempts >= MOST_ATTEMPTS:
        state = DeliveryState.UNCONFIRMED if delivery.may_repeat else DeliveryState.DEAD
        return _ended(delivery, state, f"{reason}{_of_most(delivery.attempts)}")
    not_before = None if wait is None else now + wait
    if (not_before or now) >= delivery.valid_until:
        state = DeliveryState.UNCONFIRMED if delivery.may_repeat else DeliveryState.EXPIRED
        return _ended(delivery, state, reason)
    return _ended(delivery, DeliveryState.PENDING, reason)._replace(not_before=not_before)


def _ended(delivery: Delivery, state: DeliveryState, reason: str | None, tried: int = 0) -> Settlement:
    return Settlement(
        id=delivery.id,
        state=state,
        attempt=None,
        attempts=delivery.attempts + tried,
        unanswered=delivery.unanswered,
        may_repeat=delivery.may_repeat,
        reason=reason,
    )


def _of_most(attempts: int) -> str:
    return f" (attempt {attempts} of {MOST_ATTEMPTS})"


def _tried(delivery: Delivery) -> Delivery:
    return delivery._replace(attempts=delivery.attempts + 1)


def _wait(delivery: Delivery, jitter: float, backoff: Backoff) -> timedelta:
    return timedelta(seconds=backoff.delay(delivery.attempts + 1, jitter))

"""Decides the next state of a leased delivery from the outcome of its send. Has no side effects.

    a receipt                       delivered
    Rejected                        dead
    Throttled                       pending, after `retry_after`; not counted as an attempt
    Unavailable                     pending, after a backoff; counted
    Unconfirmed, answered (5xx)     pending, after a backoff; counted; may have been shown
    Unconfirmed, unanswered         as above; the second unanswered attempt of a delivery makes it unconfirmed
                                    (the lane retries only after the destination has answered a probe or another
                                    message)
    lapsed                          sending was cut short: pending, after a backoff; counted; may have been shown
    cut off at valid_until          unconfirmed
    interrupted by a stop           pending; not counted; may have been shown
    unsent                          pending, as if it had never been leased
    Rejected, the webhook is gone   pending if a fallback can take it; it is then passed on
    CardLost                        pending, to be posted again; dead if it was deleted twice
    Unwanted                        suppressed: there is nothing to show
    Unchanged                       superseded: the message shows it already
    an edit without an answer       as Unavailable: repeating it is harmless

Unavailable and 5xx are counted only if the destination is known to accept messages. Otherwise it is down, and the
message is not to blame. A delivery stays pending only if it can still be sent. It is dead after MOST_ATTEMPTS counted
attempts, and expired if its next try would come after its `valid_until`. If it may have been shown, it is unconfirmed
instead of dead or expired. Exception: after MOST_ATTEMPTS attempts that were all answered, the last one with a 5xx, it
is dead, because the destination rejects this message. A delivery that is sent at most once becomes
unconfirmed as soon as it may have been shown.
See docs/why/0010-evidence-and-decision.md and docs/why/0023-message-failure-or-outage.md.
"""

from datetime import datetime, timedelta

from signalpost.delivery.outbox.commands import CardResult, Settlement
from signalpost.delivery.pacing.backoff import Backoff, bounded
from signalpost.domain.delivery import Delivery, DeliveryState
from signalpost.domain.words import Word
from signalpost.errors import Evidence
from signalpost.sinks.evidence import (
    CardLost,
    Loss,
    Receipt,
    Rejected,
    Throttled,
    Unavailable,
    Unchanged,
    Unconfirmed,
    Unwanted,
)

BACKOFF = Backoff()
MOST_ATTEMPTS = 12
MOST_UNANSWERED = 2


class LeaseEnd(Word):
    """How a lease ended if the sink reported nothing."""

    LAPSED = "lapsed"
    CUT_OFF = "cut off"
    INTERRUPTED = "interrupted"
    UNSENT = "unsent"


SendOutcome = Receipt | Evidence | LeaseEnd

_REASONS = {
    LeaseEnd.LAPSED: "sending was cut short before an answer was saved, so it may or may not have been shown",
    LeaseEnd.CUT_OFF: "not answered by valid_until",
    LeaseEnd.INTERRUPTED: "interrupted by a shutdown before an answer came",
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
    is_edit: bool = False,
    was_deleted: bool = False,
    has_fallback: bool = False,
    is_joined: bool = False,
) -> Settlement:
    """The verdict on a leased delivery, without its attempt and its message, which the caller adds.

    `takes_messages` is True if the destination was known to accept messages. Only then can a failure be this
    message's own fault. An edit may be repeated without harm, so one without an answer counts as Unavailable. A card
    that `was_deleted` is not replaced again. If `has_fallback`, a webhook that is gone does not end it. A delivery that
    `is_joined` with others in one message is not at fault for all of them: after a refusal each is tried alone.
    """
    if isinstance(outcome, Receipt):
        return _settlement(delivery, DeliveryState.DELIVERED, None, counted=1)
    if is_joined and isinstance(outcome, Rejected) and not outcome.is_gone:
        return _after_refusal_of_all(delivery, outcome, now)
    if isinstance(outcome, CardLost):
        return _after_loss(delivery, outcome, now, was_deleted=was_deleted)
    if has_fallback and isinstance(outcome, Rejected) and outcome.is_gone:
        return _retry(delivery, outcome.reason, now, None)
    is_uncertain = is_edit and (may_have_been_shown(outcome) or isinstance(outcome, Unavailable))
    if is_uncertain and not isinstance(outcome, Unavailable):
        outcome = Unavailable(_REASONS[outcome] if isinstance(outcome, LeaseEnd) else str(outcome))
    tried = _tried(delivery) if takes_messages else delivery
    verdict = _verdict(delivery, tried, outcome, now, _wait(delivery, jitter, backoff))
    if is_uncertain:
        return verdict._replace(card=CardResult(0, is_edit=True, is_uncertain=True))
    if at_most_once and verdict.state is DeliveryState.PENDING and may_have_been_shown(outcome):
        return verdict._replace(
            state=DeliveryState.UNCONFIRMED,
            not_before=None,
            reason=f"{verdict.reason} (this kind is sent at most once)",
        )
    return verdict


def may_have_been_shown(outcome: SendOutcome) -> bool:
    """Whether it is uncertain if the message was shown. False with a receipt."""
    return outcome is not LeaseEnd.UNSENT and not isinstance(
        outcome, Receipt | Rejected | Throttled | Unavailable | CardLost
    )


def _verdict(delivery: Delivery, tried: Delivery, outcome: SendOutcome, now: datetime, wait: timedelta) -> Settlement:
    match outcome:
        case Rejected():
            return _after_refusal(delivery, outcome)
        case Throttled(reason=reason, retry_after=seconds):
            return _retry(delivery, reason, now, timedelta(seconds=bounded(seconds)))
        case Unavailable(reason=reason):
            return _retry(tried, reason, now, wait)
        case Unconfirmed(is_answered=True):
            return _after_5xx(tried, outcome.reason, now, wait)
        case LeaseEnd.CUT_OFF:
            maybe_shown = delivery._replace(may_repeat=True, unanswered=delivery.unanswered + 1)
            return _settlement(maybe_shown, DeliveryState.UNCONFIRMED, _REASONS[outcome], counted=1)
        case LeaseEnd.INTERRUPTED:
            return _retry(delivery._replace(may_repeat=True), _REASONS[outcome], now, None)
        case LeaseEnd.UNSENT:
            return _retry(delivery, delivery.reason, now, None)
        case LeaseEnd.LAPSED:
            return _uncertain(_tried(delivery), _REASONS[outcome], now, wait, unanswered=False)
        case _:  # no answer, or an unknown kind of evidence: it may have been shown
            return _uncertain(_tried(delivery), str(outcome), now, wait, unanswered=True)


def _after_refusal(delivery: Delivery, outcome: Rejected) -> Settlement:
    if isinstance(outcome, Unchanged):
        return _settlement(delivery, DeliveryState.SUPERSEDED, f"superseded: {outcome.reason}")
    if isinstance(outcome, Unwanted):
        return _settlement(delivery, DeliveryState.SUPPRESSED, outcome.reason)
    return _settlement(delivery, DeliveryState.DEAD, outcome.reason, counted=1)


def _after_refusal_of_all(delivery: Delivery, outcome: Rejected, now: datetime) -> Settlement:
    """After a message with several deliveries was refused, try each alone. Unwanted ones are suppressed instead."""
    if isinstance(outcome, Unwanted):
        is_wanted = delivery.id.notification_id not in outcome.ids
        return _retry(delivery, delivery.reason, now, None) if is_wanted else _after_refusal(delivery, outcome)
    return _retry(_tried(delivery), outcome.reason, now, None)


def _after_loss(delivery: Delivery, lost: CardLost, now: datetime, *, was_deleted: bool) -> Settlement:
    """Post the card again, unless people deleted it twice."""
    is_stopped = was_deleted and lost.how is Loss.DELETED
    if is_stopped:
        verdict = _settlement(delivery, DeliveryState.DEAD, lost.reason)
    else:
        verdict = _retry(delivery, lost.reason, now, None)
    return verdict._replace(card=CardResult(0, is_edit=True, loss=lost.how, is_stopped=is_stopped))


def _after_5xx(tried: Delivery, reason: str, now: datetime, wait: timedelta) -> Settlement:
    """A 5xx: the destination answered, and may still have shown it."""
    maybe_shown = tried._replace(may_repeat=True)
    if maybe_shown.attempts >= MOST_ATTEMPTS and not maybe_shown.unanswered:
        return _settlement(maybe_shown, DeliveryState.DEAD, f"{reason}{_attempt_count(maybe_shown.attempts)}")
    return _retry(maybe_shown, reason, now, wait)


def _uncertain(tried: Delivery, reason: str, now: datetime, wait: timedelta, *, unanswered: bool) -> Settlement:
    maybe_shown = tried._replace(may_repeat=True, unanswered=tried.unanswered + unanswered)
    if unanswered and maybe_shown.unanswered >= MOST_UNANSWERED:
        return _settlement(maybe_shown, DeliveryState.UNCONFIRMED, reason)
    return _retry(maybe_shown, reason, now, wait)


def _retry(delivery: Delivery, reason: str | None, now: datetime, wait: timedelta | None) -> Settlement:
    """Pending, unless no further try is possible."""
    if delivery.attempts >= MOST_ATTEMPTS:
        state = DeliveryState.UNCONFIRMED if delivery.may_repeat else DeliveryState.DEAD
        return _settlement(delivery, state, f"{reason}{_attempt_count(delivery.attempts)}")
    not_before = None if wait is None else now + wait
    if (not_before or now) >= delivery.valid_until:
        state = DeliveryState.UNCONFIRMED if delivery.may_repeat else DeliveryState.EXPIRED
        return _settlement(delivery, state, reason)
    return _settlement(delivery, DeliveryState.PENDING, reason)._replace(not_before=not_before)


def _settlement(delivery: Delivery, state: DeliveryState, reason: str | None, counted: int = 0) -> Settlement:
    return Settlement(
        id=delivery.id,
        state=state,
        attempt=None,
        attempts=delivery.attempts + counted,
        unanswered=delivery.unanswered,
        may_repeat=delivery.may_repeat,
        reason=reason,
    )


def _attempt_count(attempts: int) -> str:
    return f" (attempt {attempts} of {MOST_ATTEMPTS})"


def _tried(delivery: Delivery) -> Delivery:
    return delivery._replace(attempts=delivery.attempts + 1)


def _wait(delivery: Delivery, jitter: float, backoff: Backoff) -> timedelta:
    return timedelta(seconds=backoff.delay(delivery.attempts + 1, jitter))

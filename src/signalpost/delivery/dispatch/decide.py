"""What follows from what is known of a send: one pure decision for every delivery and every outcome.

    a receipt                       delivered
    Rejected                        dead
    Throttled                       pending, after the wait it asks for; counts no attempt
    Unavailable                     pending, after a backoff; counts one
    Unconfirmed, answered (5xx)     pending, after a backoff; counts one, and may have been shown
    Unconfirmed, unanswered         the same, and counts as unanswered: the second one ends as unconfirmed
                                    (the lane tries it again only after the far end has answered something)
    lapsed                          pending, after a backoff; counts one, and may have been shown: its holder is gone,
                                    which says nothing about the far end
    cut off at valid_until          unconfirmed
    interrupted by a stop           pending; counts no attempt, but may have been shown
    unsent                          pending, as if it had never been leased

What got an answer and failed, or was never sent, counts as an attempt only where the far end takes messages, as far as
is known: else it is an outage, and says nothing of this message. Pending is only what can still be sent. With
MOST_ATTEMPTS counted it is dead, and where it could only be sent after its `valid_until` it is expired; both are
unconfirmed instead if it may have been shown. But what got an answer each time, and a 5xx the last time, is dead: the
far end cannot bear it, and says so. What is to be sent at most once is unconfirmed as soon as it may have been shown.
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


class Ending(Word):
    """How a lease ended that no sink has an answer to."""

    LAPSED = "lapsed"
    CUT_OFF = "cut off"
    INTERRUPTED = "interrupted"
    UNSENT = "unsent"


Known = Receipt | Evidence | Ending
"""What is known of a send."""

_REASONS = {
    Ending.LAPSED: "its holder is gone, and nobody knows whether it was sent",
    Ending.CUT_OFF: "cut off at valid_until, without an answer",
    Ending.INTERRUPTED: "cut off by a stop, without an answer",
}


def decide(
    delivery: Delivery,
    known: Known,
    now: datetime,
    jitter: float,
    backoff: Backoff = BACKOFF,
    *,
    is_taken: bool = True,
    at_most_once: bool = False,
) -> Settlement:
    """The verdict on a leased delivery, without its attempt and its message, which the caller adds.

    `is_taken` tells whether the far end takes messages, as far as is known: only then a failure may be this one's.
    """
    tried = _tried(delivery) if is_taken else delivery
    verdict = _usual(delivery, tried, known, now, _wait(delivery, jitter, backoff))
    if at_most_once and verdict.state is DeliveryState.PENDING and leaves_doubt(known):
        return verdict._replace(
            state=DeliveryState.UNCONFIRMED, not_before=None, reason=f"{verdict.reason} (it is sent at most once)"
        )
    return verdict


def leaves_doubt(known: Known) -> bool:
    """Whether the message may have been shown, and nobody knows."""
    return known is not Ending.UNSENT and not isinstance(known, Receipt | Rejected | Throttled | Unavailable)


def _usual(delivery: Delivery, tried: Delivery, known: Known, now: datetime, wait: timedelta) -> Settlement:
    match known:
        case Receipt():
            return _ended(delivery, DeliveryState.DELIVERED, None, tried=1)
        case Rejected(reason=reason):
            return _ended(delivery, DeliveryState.DEAD, reason, tried=1)
        case Throttled(reason=reason, retry_after=seconds):
            return _again(delivery, reason, now, timedelta(seconds=bounded(seconds)))
        case Unavailable(reason=reason):
            return _again(tried, reason, now, wait)
        case Unconfirmed(is_answered=True):
            return _failed(tried, known.reason, now, wait)
        case Ending.CUT_OFF:
            shown = delivery._replace(may_repeat=True, unanswered=delivery.unanswered + 1)
            return _ended(shown, DeliveryState.UNCONFIRMED, _REASONS[known], tried=1)
        case Ending.INTERRUPTED:
            return _again(delivery._replace(may_repeat=True), _REASONS[known], now, None)
        case Ending.UNSENT:
            return _again(delivery, delivery.reason, now, None)
        case Ending.LAPSED:
            return _maybe(_tried(delivery), _REASONS[known], now, wait, unanswered=False)
        case _:  # no answer, or evidence of a kind that is not known: it may have been shown
            return _maybe(_tried(delivery), str(known), now, wait, unanswered=True)


def _failed(tried: Delivery, reason: str, now: datetime, wait: timedelta) -> Settlement:
    """A 5xx: the far end answered, and may have shown it all the same."""
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
    """Pending, unless there can be no further try."""
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

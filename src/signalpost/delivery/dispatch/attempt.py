"""One call of a sink, with a deadline. Anything that the sink does becomes an outcome.

Users may write sinks. A receipt or evidence with a part of the wrong type, or with text that cannot be stored, must
neither stop the lane nor hide that a message was delivered. So such parts are replaced.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from signalpost.delivery.dispatch.decide import LeaseEnd, SendOutcome
from signalpost.delivery.outbox.commands import Message, OutboxEntry
from signalpost.domain.delivery import Attempt
from signalpost.domain.instant import utc
from signalpost.domain.text import text_of
from signalpost.errors import Evidence, InvalidValue, as_text
from signalpost.sinks.evidence import (
    Answered,
    CardLost,
    RateFacts,
    Receipt,
    Rejected,
    Throttled,
    Unavailable,
    Unconfirmed,
    Unwanted,
)
from signalpost.sinks.port import Answer, Item, Sink
from signalpost.telemetry.log_queue import log_failure, logger

PROBE_TIMEOUT = 3.0
"""Seconds after which a first probe counts as unanswered, and a cut-off send counts as the destination's failure."""
LONGEST_PROBE_TIMEOUT = 15.0
"""Seconds after which any probe counts as unanswered. It is as long as a message may take: slow does not mean down."""

_EVIDENCE = (CardLost, Rejected, Throttled, Unavailable, Unconfirmed)
_LONGEST_ID = 200
_LONGEST_REASON = 2_000
_MOST = 1e9


class SendResult(NamedTuple):
    """The outcome of a send, and how long it took."""

    outcome: SendOutcome
    attempt: Attempt
    """For the delivery's history, unless nothing was sent."""
    took: float
    """Seconds."""

    @property
    def was_sent(self) -> bool:
        """False if nothing left this process."""
        return not isinstance(self.outcome, Unwanted) and self.outcome is not LeaseEnd.UNSENT

    @property
    def is_failure(self) -> bool | None:
        """Whether the destination failed; None if the outcome says nothing about it."""
        match self.outcome:
            case Receipt():
                return False
            case LeaseEnd.CUT_OFF:
                return True if self.took >= PROBE_TIMEOUT else None
            case LeaseEnd() | Unwanted():
                return None
            case outcome:
                return isinstance(outcome, Unavailable | Unconfirmed)


def result_of(outcome: SendOutcome, began_at: datetime, ended_at: datetime, took: float = 0.0) -> SendResult:
    """The result of an attempt, with its outcome in one word: `delivered`, or the name of the evidence."""
    if isinstance(outcome, Receipt):
        return SendResult(outcome, Attempt(began_at, ended_at, "delivered"), took)
    word = type(outcome).__name__.lower() if isinstance(outcome, Evidence) else "unconfirmed"
    return SendResult(outcome, Attempt(began_at, ended_at, word, str(outcome)), took)


def message_of(receipt: Receipt, destination: str, ended_at: datetime) -> Message:
    """The message at the destination."""
    where = receipt.channel, receipt.guild, receipt.webhook, receipt.digest, receipt.has_chart
    return Message(destination, receipt.message_id, receipt.sent_at or ended_at, 1, *where)


def waited(entry: OutboxEntry, now: datetime) -> float:
    """For how many seconds a delivery could have been sent, but was not."""
    accepted_at = entry.notification.accepted_at
    return (now - max(accepted_at, entry.delivery.not_before or accepted_at)).total_seconds()


async def send(destination: str, sink: Sink, entries: Sequence[OutboxEntry], seconds: float) -> SendOutcome:
    """Send the entries as one message, within `seconds`. Raises nothing but CancelledError."""
    items = [
        Item(
            entry.notification,
            entry.delivery.may_repeat,
            entry.card,
            entry.replaces,
            entry.tier,
            entry.closes,
            entry.is_known,
            destination=destination,
            closed_by=entry.closed_by,
        )
        for entry in entries
    ]
    try:
        async with asyncio.timeout(seconds) as deadline:
            receipt: object = await sink.send(items)
    except _EVIDENCE as evidence:
        if isinstance(evidence, Rejected) and evidence.fault is not None:
            logger.error("a message to %s could not be built: %s", destination, evidence.fault)
        return _sound_evidence(evidence)
    except Exception as fault:  # noqa: BLE001  # the worker continues, whatever a sink does
        if deadline.expired():
            return LeaseEnd.CUT_OFF
        return _raised(f"the sink of {destination} failed, and its message may have been shown", fault)
    if isinstance(receipt, Receipt):
        return _sound_receipt(receipt)
    kind = type(receipt).__name__
    logger.error("the sink of %s returned %s instead of a receipt: the message may have been shown", destination, kind)
    return Unconfirmed(f"the sink returned {kind}")


async def probe(destination: str, sink: Sink, interval: float = 0.0) -> Answer | Evidence:
    """Probe the destination. Raises nothing but CancelledError.

    The timeout grows with the `interval` between probes.
    """
    timeout = min(max(PROBE_TIMEOUT, interval), LONGEST_PROBE_TIMEOUT)
    try:
        async with asyncio.timeout(timeout):
            return await sink.probe()
    except _EVIDENCE as evidence:
        return _sound_evidence(evidence)
    except TimeoutError:
        return Unavailable(f"no answer to a probe in {timeout:g} s")
    except Exception as fault:  # noqa: BLE001  # as above
        return _raised(f"the sink of {destination} failed while probing", fault)


def is_alive(answer: Answer | Evidence) -> bool:
    """Whether an answer to a probe shows life. Any but 429 and 5xx does: some destinations do not support probes."""
    return isinstance(answer, Answer | Rejected)


def _raised(failure: str, fault: Exception) -> Unconfirmed:
    """Log something unexpected that a sink raised."""
    log_failure(failure, fault, with_text=False)
    return Unconfirmed(f"the sink raised {type(fault).__name__}")


def _sound_receipt(receipt: Receipt) -> Receipt:
    """The receipt without its invalid parts. A message id that is a whole number becomes text."""
    where = _id(receipt.channel), _id(receipt.guild), _id(receipt.webhook), _id(receipt.digest)
    has_chart = receipt.has_chart is True
    return Receipt(_id(receipt.message_id) or "", _instant(receipt.sent_at), _rate(receipt.rate), *where, has_chart)


def _sound_evidence(evidence: Answered) -> Evidence:
    """The evidence itself, after its invalid parts were replaced."""
    reason = text_of(as_text(evidence), "reason")[:_LONGEST_REASON]
    evidence.args = (reason,)
    evidence.reason = reason
    evidence.rate = _rate(evidence.rate)
    if isinstance(evidence, Throttled):
        seconds = evidence.retry_after
        evidence.retry_after = seconds if _is_amount(seconds) else 0.0
    return evidence


def _id(value: object) -> str | None:
    if type(value) is int:
        value = as_text(value)
    return text_of(value, "id")[:_LONGEST_ID] if isinstance(value, str) else None


def _instant(value: object) -> datetime | None:
    try:
        return utc(value, "sent_at") if isinstance(value, datetime) else None
    except InvalidValue:
        return None


def _rate(value: object) -> RateFacts | None:
    if not isinstance(value, RateFacts):
        return None
    scope, limit, remaining, reset_after = value
    is_sound = isinstance(scope, str) and limit and all(map(_is_amount, (limit, remaining, reset_after)))
    return value if is_sound else None


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value <= _MOST

"""Makes the reports of sinks usable: a lane can work with them, and every store can hold them.

A sink may be anybody's. A receipt or an evidence with a part of the wrong type, or a text that no store can hold, must
not stop the lane, nor hide that a message was delivered.
"""

from datetime import datetime

from signalpost.domain.instant import utc
from signalpost.domain.text import spoken, text_of
from signalpost.errors import Evidence, InvalidValue
from signalpost.sinks.evidence import Answered, RateFacts, Receipt, Throttled

_LONGEST_ID = 200
_LONGEST_REASON = 2_000
_MOST = 1e9


def sound_receipt(receipt: Receipt) -> Receipt:
    """The receipt, without what cannot be used. A message id that is a whole number becomes text."""
    return Receipt(_id(receipt.message_id) or "", _instant(receipt.sent_at), _rate(receipt.rate), _id(receipt.channel))


def sound_evidence(evidence: Answered) -> Evidence:
    """The evidence itself, after its parts that cannot be used were replaced."""
    reason = text_of(spoken(evidence), "reason")[:_LONGEST_REASON]
    evidence.args = (reason,)
    evidence.reason = reason
    evidence.rate = _rate(evidence.rate)
    if isinstance(evidence, Throttled):
        seconds = evidence.retry_after
        evidence.retry_after = seconds if _is_amount(seconds) else 0.0
    return evidence


def _id(value: object) -> str | None:
    if type(value) is int:
        value = spoken(value)
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

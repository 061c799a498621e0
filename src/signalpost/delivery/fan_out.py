"""The deliveries of a notification: one for each of its destinations. Pure."""

import re
from collections.abc import Collection
from datetime import datetime, timedelta

from signalpost.delivery.outbox.cards import is_opening
from signalpost.delivery.outbox.commands import NewDelivery, NewNotification, PutResult
from signalpost.delivery.rank import rank_of
from signalpost.delivery.routing import NO_WEBHOOK, Route, Routing
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.instant import iso
from signalpost.domain.ledger import UnpublishedRule
from signalpost.domain.notification import NEW, Notification
from signalpost.domain.order import OrderKind
from signalpost.domain.side import SignalStatus
from signalpost.domain.signal import Signal
from signalpost.domain.tier import IfEnded, TierCopy
from signalpost.errors import InvalidValue

_WHY_UNPUBLISHED = {
    UnpublishedRule.TOO_OLD: "it had expired when its candle was processed",
    UnpublishedRule.LATE_CORRECTION: "it appeared only when a candle was corrected",
}
_NUMBER = re.compile("#[0-9]+")
_ENDS = (SignalStatus.CLOSED, SignalStatus.CANCELLED, SignalStatus.EXPIRED)
_CANDLE_KEY_LASTS_FOR = timedelta(hours=24)
"""A new signal's idempotency key detects repeats until this long after the signal's expiry."""
_KEY_LASTS_FOR = timedelta(days=7)
"""Any other key detects repeats until this long after acceptance."""


def check_new(signal: Signal) -> None:
    """Raises InvalidValue for a new signal that has already ended, or whose id looks like a signal's number, `#12`."""
    if _NUMBER.fullmatch(signal.signal_id):
        advice = "that would be the number of a signal. Use an id that is more than # and digits"
        raise InvalidValue.of("signal_id", signal.signal_id, advice, code="invalid-name")
    ends = _ENDS if signal.order is OrderKind.MARKET else (*_ENDS, SignalStatus.FILLED)
    if signal.status in ends:
        advice = "a new signal is live. Omit status. Close, cancel or fill the signal after you have sent it"
        raise InvalidValue.of("status", signal.status, advice, code="not-live", limit="PENDING, ACTIVE")


def too_old(signal: Signal, event: str, now: datetime) -> UnpublishedRule | None:
    """The rule for a strategy's new signal that has expired."""
    return UnpublishedRule.TOO_OLD if event == NEW and signal.valid_until <= now else None


def why_unpublished(rule: UnpublishedRule) -> str:
    """The rule by which a signal is recorded but not posted, and why."""
    return f"{rule}: {_WHY_UNPUBLISHED[rule]}"


def deliveries_of(
    notification: Notification, routing: Routing, unpublished: str | None = None
) -> tuple[NewDelivery, ...]:
    """A delivery for each route: pending, or suppressed with the reason. Unpublished ones are all suppressed."""
    stale = unpublished
    if stale is None and notification.valid_until <= notification.accepted_at:
        stale = f"stale: it expired at {iso(notification.valid_until)}"
    copy = routing.copy(notification.user_tier)
    stale = stale or _too_unsure(notification, copy)
    routes = routing.route(notification.payload, notification.user_tier, notification.about)
    return tuple([_delivery(notification, route, stale, copy) for route in routes])


def _delivery(notification: Notification, route: Route, stale: str | None, copy: TierCopy) -> NewDelivery:
    """The delivery along a route. A new signal waits for the tier's release, and its validity starts then."""
    accepted_at = notification.accepted_at
    rank = rank_of(notification.priority, accepted_at)
    if (reason := route.suppressed_for or stale) is not None:
        return NewDelivery(route.destination, rank, DeliveryState.SUPPRESSED, reason)
    signal = notification.payload
    if not copy.delay or not is_opening(notification) or not isinstance(signal, Signal):
        return NewDelivery(route.destination, rank)
    release = accepted_at + copy.delay
    until = release + (notification.valid_until - min(signal.known_at, accepted_at))
    shows_ended = copy.if_ended is IfEnded.SHOW
    return NewDelivery(
        route.destination, rank, not_before=release, valid_until=until, delay=copy.delay, shows_ended=shows_ended
    )


def _too_unsure(notification: Notification, copy: TierCopy) -> str | None:
    signal = notification.payload
    if copy.min_confidence is None or not isinstance(signal, Signal):
        return None
    if signal.confidence_score is not None and signal.confidence_score >= copy.min_confidence:
        return None
    return f"confidence: tier {str(notification.user_tier)!r} gets only signals with {copy.min_confidence} or more"


def only(new: NewNotification, destinations: Collection[str]) -> NewNotification:
    """The notification, for these destinations only: the others have it already."""
    return new._replace(deliveries=tuple(each for each in new.deliveries if each.destination in destinations))


def as_put(new: NewNotification, result: PutResult) -> NewNotification:
    """The notification as it was saved: for some destinations only, or only recorded."""
    saved = new if result.added is None else only(new, result.added)
    return saved if result.unpublished is None else saved.not_posted(result.unpublished)


def is_routed(new: NewNotification) -> bool:
    """Whether at least one destination has a webhook. Its delivery may still be suppressed."""
    return any(each.reason != NO_WEBHOOK for each in new.deliveries)


def key_until(notification: Notification) -> datetime:
    """Until when the idempotency key of a notification detects repeats."""
    if isinstance(notification.payload, Signal) and notification.event == "new":
        return notification.valid_until + _CANDLE_KEY_LASTS_FOR
    return notification.accepted_at + _KEY_LASTS_FOR

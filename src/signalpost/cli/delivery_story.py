"""What happened to a delivery, what comes next and what to do, in sentences. Pure: all it knows is given."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from signalpost.cli.notification_words import kind_of, words_of
from signalpost.cli.time_format import format_duration, format_time
from signalpost.delivery.dispatch.decide import MOST_ATTEMPTS
from signalpost.delivery.facts import read_gone, read_pace
from signalpost.delivery.outbox.commands import Message
from signalpost.delivery.pacing import breaker
from signalpost.domain.alert import Alert
from signalpost.domain.delivery import Attempt, Delivery, DeliveryState
from signalpost.domain.destinations import usual_destination
from signalpost.domain.notification import Notification
from signalpost.domain.signal import Signal

_MEANING_BY_OUTCOME = {
    "delivered": "it was shown",
    "rejected": "it was refused, and always will be",
    "unavailable": "it was surely not shown",
    "throttled": "too many requests: it was not shown, and that counts as no attempt",
    "unconfirmed": "it may have been shown, and nobody knows",
}


class Surroundings(NamedTuple):
    """What a delivery's story depends on beside the delivery itself."""

    now: datetime
    has_owner: bool
    """Whether a service has the store open."""
    is_served: bool
    """Whether that service, or else this configuration, has a webhook for the destination."""
    messages_a_minute: Mapping[str, int | None]
    """The configured destinations, and the limits of their pace."""
    facts: Mapping[str, bytes]
    """What the store remembers of the destination."""
    ahead: int = 0
    """How many deliveries leave its lane before it."""
    failures: int = 0
    """How many of the destination's last attempts failed, in a row."""
    message: Message | None = None
    """The message that shows it."""
    was_revived: bool = False
    """Whether a later turn of it was made."""


class Story(NamedTuple):
    """Sentences: what happened, what comes next, and what a person can do."""

    happened: tuple[str, ...]
    next: tuple[str, ...]
    todo: tuple[str, ...]


def heading(notification: Notification, now: datetime) -> tuple[str, ...]:
    """The lines that say what a ticket is about, for whom, and since and until when it matters."""
    replayed = "" if notification.run is None else f", of the replay {notification.run}"
    accepted = format_time(notification.accepted_at, now)
    tier, priority = notification.user_tier, notification.priority.name
    return (
        f"{notification.id}: {words_of(notification)}",
        f"  Accepted {accepted} as {kind_of(notification)} for tier {tier}{replayed}, with priority {priority}.",
        f"  Its key is {notification.key!r}. It is worth sending until {format_time(notification.valid_until, now)}.",
    )


def story(delivery: Delivery, notification: Notification, history: tuple[Attempt, ...], around: Surroundings) -> Story:
    """The story of one delivery."""
    tries = (_attempt(number, each, around.now) for number, each in enumerate(history, start=1))
    happened = (_why_there(delivery, notification), *tries, *_verdict(delivery, around))
    if delivery.state is DeliveryState.PENDING:
        return Story(happened, tuple(_waiting(delivery, around)), tuple(_todo_waiting(delivery, around)))
    if delivery.state is DeliveryState.LEASED:
        return Story(happened, (_in_flight(around),), () if around.has_owner else (_START,))
    if around.was_revived:
        return Story((*happened, "A person revived it: what becomes of that is told below."), (), ())
    return Story(happened, ("Nothing more happens to it.",), tuple(_todo_ended(delivery, history)))


def _why_there(delivery: Delivery, notification: Notification) -> str:
    destination, payload = delivery.id.destination, notification.payload
    if delivery.id.turn > 1:
        return f"It is turn {delivery.id.turn} for {destination}: {delivery.reason or 'it was revived'}."
    if usual_destination(payload, notification.user_tier) != destination:
        if isinstance(payload, Signal):
            return f"It is for {destination}, where the signals of tier {notification.user_tier} are configured to go."
        return f"It is for {destination}, where {kind_of(notification)} like this is configured to go."
    match payload:
        case Signal():
            return f"It is for {destination}, where signals of tier {notification.user_tier} go."
        case Alert():
            return f"It is for {destination}, where alerts of severity {payload.severity} go."
        case _:
            return f"It is for {destination}, where {kind_of(notification)} goes."


def _attempt(number: int, attempt: Attempt, now: datetime) -> str:
    meaning = _MEANING_BY_OUTCOME.get(attempt.outcome, attempt.outcome)
    detail = f" ({attempt.detail})" if attempt.detail else ""
    took = format_duration(attempt.ended_at - attempt.began_at)
    return f"Attempt {number}, {format_time(attempt.began_at, now)}, took {took}: {meaning}{detail}."


def _verdict(delivery: Delivery, around: Surroundings) -> Iterator[str]:
    reason = delivery.reason or "no reason was kept"
    match delivery.state:
        case DeliveryState.DELIVERED:
            yield _shown(delivery, around)
        case DeliveryState.UNCONFIRMED:
            yield f"It may have been shown or not, and is not tried again: {reason}."
        case DeliveryState.EXPIRED:
            yield f"It expired: {reason}. It was worth sending until {format_time(delivery.valid_until, around.now)}."
        case DeliveryState.SUPERSEDED:
            yield f"It was not sent, because a newer state of the same signal took its place: {reason}."
        case DeliveryState.SUPPRESSED:
            yield f"It was not sent, by a rule: {reason}."
        case DeliveryState.CANCELLED:
            yield f"A person cancelled it: {reason}."
        case DeliveryState.DEAD:
            doubt = " It may have been shown all the same." if delivery.may_repeat else ""
            yield f"It was given up: {reason}.{doubt}"
        case _:
            if delivery.may_repeat:
                yield "An earlier attempt may have been shown, so its next message is marked as a possible repeat."


def _shown(delivery: Delivery, around: Surroundings) -> str:
    if not delivery.message_id:
        return "It was delivered; the far end told no message id."
    when = f", sent {format_time(around.message.sent_at, around.now)}" if around.message else ""
    return f"It was delivered, as message {delivery.message_id}{when}."


def _waiting(delivery: Delivery, around: Surroundings) -> Iterator[str]:
    """Why it waits, the strongest reason first, and until when at most."""
    name, now = delivery.id.destination, around.now
    if delivery.valid_until <= now:
        yield f"It expired {format_time(delivery.valid_until, now)}. The service will not send it and marks it expired."
        return
    if not around.has_owner:
        yield "It waits, because no service runs on this data folder."
    if (ended := read_gone(around.facts)) is not None:
        yield f"{name} is disabled: its webhook is gone for good ({ended.reason}). What waits goes to its next one."
    elif not around.is_served:
        whose = "The running service" if around.has_owner else "This configuration"
        yield f"{whose} has no webhook for {name}: a service that has one delivers it."
    if delivery.not_before is not None and delivery.not_before > now:
        reason = f", because the last attempt ended with: {delivery.reason}" if delivery.reason else ""
        yield f"It is not tried before {format_time(delivery.not_before, now)}{reason}."
    if (held_for := read_pace(around.facts, now).memory.held_for) > 0:
        yield f"{name} asked to be left alone for {format_duration(timedelta(seconds=held_for))} more."
    if around.failures >= breaker.USUAL.failures_in_a_row:
        yield (
            f"The last {around.failures} attempts at {name} failed, so its breaker is probably open: it is asked "
            "invisibly from time to time, and messages go on when it answers. That counts as no attempt."
        )
    if around.ahead:
        yield _ahead(delivery, around)
    left = MOST_ATTEMPTS - delivery.attempts
    yield f"It has {left} of {MOST_ATTEMPTS} attempts left, and expires {format_time(delivery.valid_until, now)}."


def _ahead(delivery: Delivery, around: Surroundings) -> str:
    name = delivery.id.destination
    pace_of = around.messages_a_minute.get(name)
    takes = "" if pace_of is None else f", at {pace_of} messages a minute at most"
    return f"{around.ahead:,} {'deliveries go' if around.ahead > 1 else 'delivery goes'} to {name} before it{takes}."


def _in_flight(around: Surroundings) -> str:
    if around.has_owner:
        return "It is being sent at this moment."
    return (
        "It was being sent when its service ended, so it may have been shown: the next run of the service tries once "
        "more, marked as a possible repeat."
    )


_START = "Start a service on this data folder: `signalpost serve`, or your strategy."


def _todo_waiting(delivery: Delivery, around: Surroundings) -> Iterator[str]:
    name = delivery.id.destination
    if not around.has_owner:
        yield _START
    if read_gone(around.facts) is not None:
        yield f"Give {name} another webhook, or `signalpost destinations enable {name}` to try it anew, and restart."
    elif not around.is_served:
        yield f"Give {name} a webhook (`signalpost destinations list` names its variable), and start anew."
    elif around.failures:
        yield f"Look whether the webhook works: `signalpost destinations test {name}`."


def _todo_ended(delivery: Delivery, history: tuple[Attempt, ...]) -> Iterator[str]:
    name = delivery.id.destination
    anew = f"send it after all: `signalpost deliveries revive {delivery.id.notification_id}@{name}`"
    match delivery.state:
        case DeliveryState.DEAD if history and history[-1].outcome == "rejected":
            yield f"Fix what was rejected. `signalpost destinations test {name}` checks the webhook."
            yield f"If it was the webhook, {anew}."
            yield "If it was what it says, publish it anew under an id of its own (`signalpost publish ... --id`)."
        case DeliveryState.DEAD:
            yield f"See whether the webhook works (`signalpost destinations test {name}`), then {anew}."
        case DeliveryState.UNCONFIRMED:
            yield f"Look into the channel of {name}. If it is not there and still worth it, {anew}."
        case DeliveryState.EXPIRED:
            yield f"If it is still worth it, {anew}."
        case DeliveryState.SUPPRESSED if delivery.reason == "no webhook":
            yield f"Give {name} a webhook: `signalpost destinations list` names its variable."
        case _:
            return

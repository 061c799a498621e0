"""Explains a delivery in sentences: what happened, what happens next, and what you can do. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from signalpost.cli.delivery_lines import kind_of, summary_of
from signalpost.cli.time_format import format_duration, format_time
from signalpost.cli.trade_lines import note_text
from signalpost.delivery.dispatch.decide import MOST_ATTEMPTS
from signalpost.delivery.facts import read_gone, read_pace
from signalpost.delivery.outbox.commands import Message
from signalpost.delivery.pacing import breaker
from signalpost.domain.change import NotePrice
from signalpost.domain.delivery import Attempt, Delivery, DeliveryState
from signalpost.domain.destinations import usual_destination
from signalpost.domain.notification import Notification
from signalpost.domain.recap import Recap
from signalpost.domain.reports import Alert
from signalpost.domain.signal import Signal

_MEANING_BY_OUTCOME = {
    "delivered": "it was shown",
    "rejected": "it was rejected, and a retry would be rejected too",
    "unavailable": "it was certainly not shown",
    "throttled": f"it was not shown because of too many requests; this is not one of its {MOST_ATTEMPTS} attempts",
    "unconfirmed": "it may or may not have been shown",
    "lapsed": "sending was cut short before an answer was saved, so it may or may not have been shown",
}


class Surroundings(NamedTuple):
    """Other facts that a delivery's story depends on."""

    now: datetime
    has_owner: bool
    """True if a service has the store open."""
    is_served: bool
    """True if that service has a webhook for the destination. Without a service, this configuration counts."""
    messages_a_minute: Mapping[str, int | None]
    """The limit of each configured destination; None for no limit."""
    facts: Mapping[str, bytes]
    """The stored facts about the destination."""
    ahead: int = 0
    """The number of deliveries that will be sent to this destination first."""
    failures: int = 0
    """The number of attempts at this destination that failed in a row."""
    message: Message | None = None
    """The message that shows it."""
    was_revived: bool = False
    """True if it was revived: a newer delivery replaces it."""


class Story(NamedTuple):
    """Sentences: what happened, what happens next, and what a person can do."""

    happened: tuple[str, ...]
    next: tuple[str, ...]
    todo: tuple[str, ...]


def heading(notification: Notification, now: datetime) -> tuple[str, ...]:
    """The lines about a ticket: its subject, audience, priority, key and validity."""
    replayed = "" if notification.run is None else f", from the replay {notification.run}"
    accepted = format_time(notification.accepted_at, now)
    tier, priority = notification.user_tier, notification.priority.name
    return (
        f"{notification.id}: {summary_of(notification)}",
        *_price_note(notification),
        f"  Accepted {accepted} as {kind_of(notification)} for tier {tier}{replayed}, with priority {priority}.",
        f"  Its key is {notification.key!r}. It is valid until {format_time(notification.valid_until, now)}.",
    )


def _price_note(notification: Notification) -> Iterator[str]:
    trade = notification.trade
    if trade is not None and trade.price_note is not None and isinstance(trade.last_change, NotePrice):
        yield f"  A price note: {note_text(trade, trade.price_note)}."


def story(delivery: Delivery, notification: Notification, history: tuple[Attempt, ...], around: Surroundings) -> Story:
    """The story of one delivery."""
    tries = (_attempt(number, each, around.now) for number, each in enumerate(history, start=1))
    happened = (_why_there(delivery, notification), *tries, *_verdict(delivery, around))
    if delivery.state is DeliveryState.PENDING:
        return Story(happened, tuple(_waiting(delivery, around)), tuple(_todo_waiting(delivery, around)))
    if delivery.state is DeliveryState.LEASED:
        return Story(happened, (_in_flight(around),), () if around.has_owner else (_START,))
    if around.was_revived:
        return Story((*happened, "It was revived. The new delivery is shown below."), (), ())
    return Story(happened, ("Nothing more will happen.",), tuple(_todo_ended(delivery, history)))


def _why_there(delivery: Delivery, notification: Notification) -> str:
    destination, payload = delivery.id.destination, notification.payload
    if delivery.id.turn > 1:
        return f"This is delivery {delivery.id.turn} to {destination}: {delivery.reason or 'it was revived'}."
    if isinstance(payload, Recap):
        return f"{destination} gets {payload.period.recurrence} recaps because of its setting `recaps`."
    if usual_destination(payload, notification.user_tier) != destination:
        if isinstance(payload, Signal):
            return f"Your configuration sends signals of tier {notification.user_tier} to {destination}."
        return f"Your configuration sends {kind_of(notification)} like this to {destination}."
    match payload:
        case Signal():
            return f"By default, signals of tier {notification.user_tier} are sent to {destination}."
        case Alert():
            return f"By default, alerts of severity {payload.severity} are sent to {destination}."
        case _:
            return f"By default, {kind_of(notification)} is sent to {destination}."


def _attempt(number: int, attempt: Attempt, now: datetime) -> str:
    meaning = _MEANING_BY_OUTCOME.get(attempt.outcome, attempt.outcome)
    detail = f" ({attempt.detail})" if attempt.detail else ""
    took = format_duration(attempt.ended_at - attempt.began_at)
    return f"Attempt {number}, {format_time(attempt.began_at, now)}, took {took}: {meaning}{detail}."


def _verdict(delivery: Delivery, around: Surroundings) -> Iterator[str]:
    reason = delivery.reason or "no reason was stored"
    match delivery.state:
        case DeliveryState.DELIVERED:
            yield _shown(delivery, around)
        case DeliveryState.UNCONFIRMED:
            yield f"It is unknown whether it was shown, and it is not retried: {reason}."
        case DeliveryState.EXPIRED:
            yield f"It expired: {reason}. It was valid until {format_time(delivery.valid_until, around.now)}."
        case DeliveryState.SUPERSEDED:
            yield _superseded(reason)
        case DeliveryState.SUPPRESSED:
            yield f"It was not sent: {reason}."
        case DeliveryState.CANCELLED:
            yield f"A person cancelled it: {reason}."
        case DeliveryState.DEAD:
            doubt = " An earlier attempt may have been shown." if delivery.may_repeat else ""
            yield f"Delivery failed for good: {reason}.{doubt}"
        case _:
            if delivery.may_repeat:
                yield "An earlier attempt may have been shown. If it is sent again, it is marked as a possible repeat."


def _superseded(reason: str) -> str:
    """A sentence that has the word only once, although a stored reason begins with it."""
    successor = reason.removeprefix("superseded by ")
    if successor != reason:
        return f"It was superseded by {successor}, a newer state of the same signal, and not sent."
    return f"It was superseded and not sent: {reason.removeprefix('superseded: ')}."


def _shown(delivery: Delivery, around: Surroundings) -> str:
    if not delivery.message_id:
        return "It was delivered, but the answer had no message id."
    when = f", sent {format_time(around.message.sent_at, around.now)}" if around.message else ""
    return f"It was delivered as message {delivery.message_id}{when}."


def _waiting(delivery: Delivery, around: Surroundings) -> Iterator[str]:
    """Why it waits, the strongest reason first, and until when."""
    name, now = delivery.id.destination, around.now
    if delivery.valid_until <= now:
        end = "unconfirmed" if delivery.may_repeat else "expired"
        yield f"It expired {format_time(delivery.valid_until, now)}. The service will not send it and marks it {end}."
        return
    if not around.has_owner:
        yield "It waits because no service is running on this data folder."
    if (ended := read_gone(around.facts)) is not None:
        reason = f"its webhook is gone for good ({ended.reason})"
        yield f"{name} is disabled because {reason}. A new webhook gets the waiting deliveries."
    elif not around.is_served:
        whose = "The running service" if around.has_owner else "This configuration"
        yield f"{whose} has no webhook for {name}. A service that has one will deliver it."
    if delivery.not_before is not None and delivery.not_before > now:
        reason = f" The last attempt failed: {delivery.reason}." if delivery.reason else ""
        yield f"The next attempt is {format_time(delivery.not_before, now)} at the earliest.{reason}"
    if (held_for := read_pace(around.facts, now).memory.held_for) > 0:
        yield f"{name} accepts no requests for another {format_duration(timedelta(seconds=held_for))} (rate limit)."
    if around.failures >= breaker.USUAL.failures_in_a_row:
        yield (
            f"The last {around.failures} attempts at {name} failed, so its breaker is probably open. The service sends "
            "invisible probes and continues when one is answered. Probes do not count as attempts."
        )
    if around.ahead:
        yield _ahead(delivery, around)
    left = MOST_ATTEMPTS - delivery.attempts
    yield f"It has {left} of {MOST_ATTEMPTS} attempts left and expires {format_time(delivery.valid_until, now)}."


def _ahead(delivery: Delivery, around: Surroundings) -> str:
    name = delivery.id.destination
    pace_of = around.messages_a_minute.get(name)
    limit = "" if pace_of is None else f", at most {pace_of} messages a minute"
    deliveries = "1 delivery goes" if around.ahead == 1 else f"{around.ahead:,} deliveries go"
    return f"{deliveries} to {name} first{limit}."


def _in_flight(around: Surroundings) -> str:
    if around.has_owner:
        return "It is being sent now."
    return (
        "It was being sent when its service ended, so it may have been shown. The next service to start sends it "
        "again, marked as a possible repeat, unless it has expired, has no attempts left, or its kind is sent at most "
        "once."
    )


_START = "Start a service on this data folder: `signalpost serve`, or your strategy."


def _todo_waiting(delivery: Delivery, around: Surroundings) -> Iterator[str]:
    name = delivery.id.destination
    if not around.has_owner:
        yield _START
    if read_gone(around.facts) is not None:
        yield f"Set another webhook for {name} and restart, or retry this one: `signalpost destinations enable {name}`."
    elif not around.is_served:
        yield f"Set a webhook for {name} (`signalpost destinations list` shows its variable) and restart."
    elif around.failures:
        yield f"Check the webhook: `signalpost destinations test {name}`."


def _todo_ended(delivery: Delivery, history: tuple[Attempt, ...]) -> Iterator[str]:
    name = delivery.id.destination
    revive = f"send it again: `signalpost deliveries revive {delivery.id.notification_id}@{name}`"
    match delivery.state:
        case _ if delivery.is_passed_on:
            return
        case DeliveryState.DEAD if history and history[-1].outcome == "rejected":
            yield f"Fix what was rejected. `signalpost destinations test {name}` checks the webhook."
            yield f"If the webhook was the cause, {revive}."
            yield "If the content was the cause, publish it corrected, with another id (`signalpost publish ... --id`)."
        case DeliveryState.DEAD:
            yield f"Check the webhook (`signalpost destinations test {name}`), then {revive}."
        case DeliveryState.UNCONFIRMED:
            yield f"Look in the channel of {name}. If it is not there and still useful, {revive}."
        case DeliveryState.EXPIRED:
            yield f"If it is still useful, {revive}."
        case DeliveryState.SUPPRESSED if delivery.reason == "no webhook":
            yield f"Set a webhook for {name}. `signalpost destinations list` shows its variable."
        case _:
            return

"""Logs events to the standard library's logger `signalpost`; the application configures its handlers."""

from collections.abc import Callable, Mapping
from logging import ERROR, INFO, WARNING
from typing import Any

from signalpost.domain import events
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.instant import iso
from signalpost.domain.ticket import Outcome
from signalpost.telemetry.log_queue import logger

_LEVEL_BY_STATE = {DeliveryState.DEAD: ERROR, DeliveryState.EXPIRED: WARNING, DeliveryState.UNCONFIRMED: WARNING}
_ODD = frozenset({Outcome.REFUSED, Outcome.HELD})
_WATCHED = {
    "silent-feed": ("feed", "has no new candles"),
    "late-feed": ("feed", "is late"),
    "silent": ("stream", "has no new candles"),
    "late": ("stream", "is late"),
    "cache": ("state", "is not saving"),
}
"""The subject and the problem of the incidents of watchdogs."""


def log(event: events.Event) -> None:
    """A listener that logs one line per event, as a warning or an error if a person should act."""
    _LOGGED[type(event)](event)


def _settled(event: events.Settled) -> None:
    delivery = event.delivery
    level = INFO if delivery.is_passed_on else _LEVEL_BY_STATE.get(delivery.state, INFO)
    logger.log(level, "delivery %s is %s%s", delivery.id, delivery.state, _because(delivery.reason))


def _taken(event: events.Taken) -> None:
    ticket = event.ticket
    doubts = "; ".join(("", *ticket.warnings))
    level = WARNING if ticket.outcome in _ODD or doubts else INFO
    logger.log(level, "%s %s%s%s", event.notification.key, ticket.outcome, _because(ticket.reason), doubts)


def _seen(event: events.DestinationSeen) -> None:
    of = "" if event.guild is None else f" of guild {event.guild}"
    if event.channel is not None:
        logger.info("%s posts to channel %s%s", event.destination, event.channel, of)
    if event.others:
        names = ", ".join(event.others)
        logger.warning("%s posts to the same channel as %s: its readers see both", event.destination, names)
    if event.trouble is not None:
        logger.error("%s: %s", event.destination, event.trouble)


def _chart_ended(event: events.ChartEnded) -> None:
    if event.failure is None:
        logger.info("the card of %s in %s has a chart", event.signal_id, event.destination)
    else:
        logger.warning("the card of %s in %s gets no chart: %s", event.signal_id, event.destination, event.failure)


def _card_gone(event: events.CardGone) -> None:
    then = "it is not posted again" if event.is_stopped else "it is posted again"
    logger.warning("the card of %s in %s is lost (%s): %s", event.signal_id, event.destination, event.how, then)


def _banned(event: events.HostBanned) -> None:
    until = iso(event.until.replace(microsecond=0))
    logger.error("%s has blocked this IP; nothing is sent there until %s: %s", event.host, until, event.reason)


def _incident_began(event: events.IncidentBegan) -> None:
    logger.error("%s %s %s: %s", *_subject(event, (event.kind, "fails")), event.reason)


def _incident_ended(event: events.IncidentEnded) -> None:
    subject, name, _ = _subject(event.incident, (event.incident.kind, ""))
    then = "had a problem, and nothing needs it any more" if event.is_unused else "works again"
    logger.warning("%s %s %s", subject, name, then)


def _subject(incident: events.IncidentBegan, usual: tuple[str, str]) -> tuple[str, str, str]:
    subject, problem = _WATCHED.get(incident.kind, usual)
    return subject, incident.name, problem


def _store_moved(event: events.StoreMoved) -> None:
    level, state = (WARNING, "available again") if event.is_well else (ERROR, "unavailable")
    logger.log(level, "the store is %s%s", state, _because(event.reason))


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""


_SENT = "a send to %s was %s after %.3f s%s"
_PROCESSED = "strategy %s processed %d candles in %.3f s"
_PASSED_ON = "delivery %s replaces the one to %s, which cannot be reached"
_GONE = "%s is disabled, because its webhook is gone for good: %s"
_STEPPED = "the system clock jumped by %+.1f s; all waiting times are checked again"
_TOOK_OVER = "the process that delivered has ended or does not respond; this process now delivers to %s"
_LOST = "Process %d took over the deliveries, because this process did not respond. This one only queues messages now."

_LOGGED: Mapping[type[events.Event], Callable[[Any], None]] = {
    events.Settled: _settled,
    events.Taken: _taken,
    events.SendBegan: lambda it: logger.debug("sending %d to %s", len(it.deliveries), it.destination),
    events.SendEnded: lambda it: logger.debug(_SENT, it.destination, it.outcome, it.took_seconds, _because(it.detail)),
    events.CandlesTaken: lambda it: logger.debug(_PROCESSED, it.strategy, it.candles, it.took_seconds),
    events.BreakerMoved: lambda it: logger.warning("the breaker of %s is %s", it.destination, it.state),
    events.DestinationGone: lambda it: logger.error(_GONE, it.destination, it.reason),
    events.DestinationEnabled: lambda it: logger.warning(
        "%s is enabled again; its queued messages are being sent", it.destination
    ),
    events.DestinationSeen: _seen,
    events.HostBanned: _banned,
    events.ChangeRefused: lambda it: logger.error("a change of %s that was held is refused: %s", it.signal, it.reason),
    events.CardGone: _card_gone,
    events.PassedOn: lambda it: logger.warning(_PASSED_ON, it.delivery.id, it.origin),
    events.RowDamaged: lambda it: logger.error("delivery %s is dead: %s", it.delivery.id, it.delivery.reason),
    events.ChartQueued: lambda it: logger.debug("the chart of %s for %s is queued", it.signal_id, it.destination),
    events.ChartEnded: _chart_ended,
    events.ClockStepped: lambda it: logger.warning(_STEPPED, it.seconds),
    events.WorkerFailed: lambda it: logger.error("%s failed and was restarted: %s", it.name, it.detail or it.reason),
    events.WorkerRecovered: lambda it: logger.warning("%s is running again", it.name),
    events.TookOver: lambda it: logger.warning(_TOOK_OVER, ", ".join(it.destinations)),
    events.OwnershipLost: lambda it: logger.error(_LOST, it.process),
    events.IncidentBegan: _incident_began,
    events.IncidentEnded: _incident_ended,
    events.StoreMoved: _store_moved,
}

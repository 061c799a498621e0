"""Logs events to the standard library's logger `signalpost`; the application configures its handlers."""

import logging

from signalpost.domain import events
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.instant import iso
from signalpost.domain.ticket import Outcome
from signalpost.telemetry.log_queue import logger

_LEVEL_BY_STATE = {
    DeliveryState.DEAD: logging.ERROR,
    DeliveryState.EXPIRED: logging.WARNING,
    DeliveryState.UNCONFIRMED: logging.WARNING,
}


def log(event: events.Event) -> None:
    """A listener that logs one line per event, as a warning or an error if a person should act."""
    match event:
        case events.Settled(delivery):
            level = logging.INFO if delivery.is_passed_on else _LEVEL_BY_STATE.get(delivery.state, logging.INFO)
            logger.log(level, "delivery %s is %s%s", delivery.id, delivery.state, _because(delivery.reason))
        case events.Taken(ticket, notification):
            is_odd = ticket.outcome in {Outcome.REFUSED, Outcome.HELD} or ticket.warnings
            level = logging.WARNING if is_odd else logging.INFO
            doubts = "".join(f"; {warning}" for warning in ticket.warnings)
            logger.log(level, "%s %s%s%s", notification.key, ticket.outcome, _because(ticket.reason), doubts)
        case events.SendBegan() | events.SendEnded() | events.CandlesTaken():
            _log_work(event)
        case (
            events.BreakerMoved()
            | events.DestinationGone()
            | events.DestinationEnabled()
            | events.DestinationSeen()
            | events.HostBanned()
        ):
            _log_destination(event)
        case (
            events.ChangeRefused()
            | events.CardGone()
            | events.PassedOn()
            | events.RowDamaged()
            | events.ChartQueued()
            | events.ChartEnded()
        ):
            _log_signal(event)
        case events.ClockStepped(seconds):
            logger.warning("the system clock jumped by %+.1f s; all waiting times are checked again", seconds)
        case events.WorkerFailed() | events.WorkerRecovered() | events.TookOver() | events.OwnershipLost():
            _log_worker(event)
        case events.IncidentBegan() | events.IncidentEnded():
            _log_incident(event)
        case _:
            level, state = (logging.WARNING, "available again") if event.is_well else (logging.ERROR, "unavailable")
            logger.log(level, "the store is %s%s", state, _because(event.reason))


def _log_work(event: events.SendBegan | events.SendEnded | events.CandlesTaken) -> None:
    match event:
        case events.SendBegan(destination, deliveries):
            logger.debug("sending %d to %s", len(deliveries), destination)
        case events.SendEnded(destination, outcome, detail, seconds):
            logger.debug("a send to %s was %s after %.3f s%s", destination, outcome, seconds, _because(detail))
        case _:
            taken = "strategy %s processed %d candles in %.3f s"
            logger.debug(taken, event.strategy, event.candles, event.took_seconds)


def _log_signal(
    event: events.ChangeRefused
    | events.CardGone
    | events.PassedOn
    | events.RowDamaged
    | events.ChartQueued
    | events.ChartEnded,
) -> None:
    match event:
        case events.RowDamaged(delivery):
            logger.error("delivery %s is dead: %s", delivery.id, delivery.reason)
        case events.ChartQueued(destination, signal_id):
            logger.debug("the chart of %s for %s is queued", signal_id, destination)
        case events.ChartEnded(destination, signal_id, None):
            logger.info("the card of %s in %s has a chart", signal_id, destination)
        case events.ChartEnded(destination, signal_id, failure):
            logger.warning("the card of %s in %s gets no chart: %s", signal_id, destination, failure)
        case events.PassedOn(delivery, origin):
            logger.warning("delivery %s replaces the one to %s, which cannot be reached", delivery.id, origin)
        case events.ChangeRefused(signal, reason):
            logger.error("a change of %s that was held is refused: %s", signal, reason)
        case events.CardGone(destination, signal_id, how, is_stopped):
            then = "it is not posted again" if is_stopped else "it is posted again"
            logger.warning("the card of %s in %s is lost (%s): %s", signal_id, destination, how, then)


_WATCHED = {
    "silent-feed": ("feed", "has no new candles"),
    "late-feed": ("feed", "is late"),
    "silent": ("stream", "has no new candles"),
    "late": ("stream", "is late"),
    "cache": ("state", "saves nothing"),
}
"""The subject and the problem of the incidents of watchdogs."""


def _log_incident(event: events.IncidentBegan | events.IncidentEnded) -> None:
    match event:
        case events.IncidentBegan(kind, name, _, _, reason):
            subject, problem = _WATCHED.get(kind, (kind, "fails"))
            logger.error("%s %s %s: %s", subject, name, problem, reason)
        case events.IncidentEnded(incident, is_unused=is_unused):
            subject, _ = _WATCHED.get(incident.kind, (incident.kind, ""))
            then = "had a problem, and nothing needs it any more" if is_unused else "works again"
            logger.warning("%s %s %s", subject, incident.name, then)


def _log_worker(event: events.WorkerFailed | events.WorkerRecovered | events.TookOver | events.OwnershipLost) -> None:
    match event:
        case events.WorkerFailed(name, reason, detail):
            logger.error("%s failed and was restarted: %s", name, detail or reason)
        case events.WorkerRecovered(name):
            logger.warning("%s is running again", name)
        case events.TookOver(destinations):
            names = ", ".join(destinations)
            logger.warning(
                "the process that delivered has ended or does not respond; this process now delivers to %s", names
            )
        case _:
            logger.error(
                "Process %d took over the deliveries, because this process did not respond. This one only queues "
                "messages now.",
                event.process,
            )


def _log_destination(
    event: events.BreakerMoved
    | events.DestinationGone
    | events.DestinationEnabled
    | events.DestinationSeen
    | events.HostBanned,
) -> None:
    match event:
        case events.BreakerMoved(destination, state):
            logger.warning("the breaker of %s is %s", destination, state)
        case events.DestinationGone(destination, reason):
            logger.error("%s is disabled, because its webhook is gone for good: %s", destination, reason)
        case events.DestinationEnabled(destination):
            logger.warning("%s is enabled again; its queued messages are being sent", destination)
        case events.DestinationSeen(destination, channel, guild, others, trouble):
            of = "" if guild is None else f" of guild {guild}"
            logger.info("%s posts to channel %s%s", destination, channel, of)
            if others:
                names = ", ".join(others)
                logger.warning("%s posts to the same channel as %s: its readers see both", destination, names)
            if trouble is not None:
                logger.error("%s: %s", destination, trouble)
        case _:
            until = iso(event.until.replace(microsecond=0))
            logger.error("%s has blocked this IP; nothing is sent there until %s: %s", event.host, until, event.reason)


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""

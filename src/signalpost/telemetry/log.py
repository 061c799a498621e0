"""What happened, in the standard library's logger `signalpost`; the application decides where that goes."""

import logging

from signalpost.domain.delivery import DeliveryState
from signalpost.domain.events import (
    BreakerMoved,
    ClockStepped,
    DestinationEnabled,
    DestinationGone,
    DestinationSeen,
    Event,
    HostBanned,
    OwnershipLost,
    RowDamaged,
    SendBegan,
    SendEnded,
    Settled,
    Taken,
    TookOver,
    WorkerFailed,
    WorkerRecovered,
)
from signalpost.domain.instant import iso
from signalpost.domain.ticket import Outcome
from signalpost.telemetry.log_queue import logger

_LEVEL_BY_STATE = {
    DeliveryState.DEAD: logging.ERROR,
    DeliveryState.EXPIRED: logging.WARNING,
    DeliveryState.UNCONFIRMED: logging.WARNING,
}


def log(event: Event) -> None:
    """A listener that writes one line for each event; what people should act on is a warning or an error."""
    match event:
        case Settled(delivery):
            level = _LEVEL_BY_STATE.get(delivery.state, logging.INFO)
            logger.log(level, "delivery %s is %s%s", delivery.id, delivery.state, _because(delivery.reason))
        case Taken(ticket, notification):
            is_odd = ticket.outcome in {Outcome.REFUSED, Outcome.HELD} or ticket.warnings
            level = logging.WARNING if is_odd else logging.INFO
            doubts = "".join(f"; {warning}" for warning in ticket.warnings)
            logger.log(level, "%s %s%s%s", notification.key, ticket.outcome, _because(ticket.reason), doubts)
        case SendBegan(destination, deliveries):
            logger.debug("sending %d to %s", len(deliveries), destination)
        case SendEnded(destination, outcome, detail, seconds):
            logger.debug("a send to %s was %s after %.3f s%s", destination, outcome, seconds, _because(detail))
        case BreakerMoved() | DestinationGone() | DestinationEnabled() | DestinationSeen() | HostBanned():
            _log_far_end(event)
        case RowDamaged(delivery):
            logger.error("delivery %s is dead: %s", delivery.id, delivery.reason)
        case ClockStepped(seconds):
            logger.warning("the clock was set by %+.1f s: what waits for a time of day is looked at anew", seconds)
        case WorkerFailed() | WorkerRecovered() | TookOver() | OwnershipLost():
            _log_work(event)
        case _:
            level, state = (logging.WARNING, "available again") if event.is_well else (logging.ERROR, "unavailable")
            logger.log(level, "the store is %s%s", state, _because(event.reason))


def _log_work(event: WorkerFailed | WorkerRecovered | TookOver | OwnershipLost) -> None:
    match event:
        case WorkerFailed(name, reason, detail):
            logger.error("%s ended unexpectedly and was started again: %s", name, detail or reason)
        case WorkerRecovered(name):
            logger.warning("%s runs again", name)
        case TookOver(destinations):
            names = ", ".join(destinations)
            logger.warning("the process that delivered is gone: this one delivers now, to %s", names)
        case _:
            logger.error(
                "Process %d took over the deliveries, because this process did not respond. This one only queues "
                "messages now.",
                event.process,
            )


def _log_far_end(event: BreakerMoved | DestinationGone | DestinationEnabled | DestinationSeen | HostBanned) -> None:
    match event:
        case BreakerMoved(destination, state):
            logger.warning("the breaker of %s is %s", destination, state)
        case DestinationGone(destination, reason):
            logger.error("%s is disabled, because its webhook is gone for good: %s", destination, reason)
        case DestinationEnabled(destination):
            logger.warning("%s is enabled: what waits for it is sent again", destination)
        case DestinationSeen(destination, channel, guild, others, trouble):
            of = "" if guild is None else f" of guild {guild}"
            logger.info("%s shows in channel %s%s", destination, channel, of)
            if others:
                names = ", ".join(others)
                logger.warning("%s shows in one channel with %s: who reads it reads both", destination, names)
            if trouble is not None:
                logger.error("%s: %s", destination, trouble)
        case _:
            until = iso(event.until.replace(microsecond=0))
            logger.error("%s shuts this address out, and is sent nothing until %s: %s", event.host, until, event.reason)


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""

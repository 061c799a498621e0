"""Intake's proof of acceptance."""

from typing import NamedTuple

from signalpost.domain.words import Word


class Outcome(Word):
    """What became of a notification at intake."""

    ACCEPTED = "accepted"
    """Written and fsynced; each destination's delivery will reach exactly one terminal state."""
    DUPLICATE = "duplicate"
    """The same thing was accepted before; the ticket carries the first one's id."""
    SUPPRESSED = "suppressed"
    """Written, but meant for no destination, by the rule in `reason`."""
    HELD = "held"
    """The store is unwell; it is kept in memory until it can be written."""
    DIRECT = "direct"
    """Sent without the queue, in one attempt."""
    REFUSED = "refused"
    """Not taken, for `reason`: the caller still has something to do."""


class Ticket(NamedTuple):
    """What a caller holds after handing over a notification. It is true unless the notification was refused."""

    outcome: Outcome
    id: str
    """Asks for the deliveries later; empty where the notification was refused."""
    reason: str | None = None

    def __bool__(self) -> bool:
        return self.outcome is not Outcome.REFUSED

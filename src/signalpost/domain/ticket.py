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
    """The store is unavailable; it is kept in memory until it can be written."""
    DIRECT = "direct"
    """Sent without the queue, in one attempt."""
    REFUSED = "refused"
    """Not taken, for `reason`: the caller still has something to do."""


class Refusal(Word):
    """Why a notification was refused, for those who act on it: `reason` tells a person."""

    CONFLICT = "conflict"
    """Another content was accepted under the same key."""
    NO_DESTINATION = "no-destination"
    """No destination is configured for it."""
    STORE = "store"
    """It could not be written, and is not kept."""
    UNSTORABLE = "unstorable"
    """The store works, but cannot write this one: trying again would not help."""
    NOT_RUNNING = "not-running"
    """No service runs that could take it."""
    TOO_MANY = "too-many"
    """As many as may wait in memory do already."""


class Ticket(NamedTuple):
    """What a caller holds after handing over a notification. It is true unless the notification was refused."""

    outcome: Outcome
    id: str
    """Asks for the deliveries later; empty where the notification was refused."""
    reason: str | None = None
    cause: Refusal | None = None
    """Why it was refused, in one word; None for every other outcome."""
    warnings: tuple[str, ...] = ()
    """What looks wrong in a notification that was taken all the same, such as a candle that opens in the future."""

    @property
    def code(self) -> str | None:
        """Why it was refused, for programs: the value of `cause`. None for every other outcome."""
        return None if self.cause is None else self.cause.value

    def __bool__(self) -> bool:
        return self.outcome is not Outcome.REFUSED

"""Intake's answer to a notification."""

from typing import NamedTuple

from signalpost.domain.words import Word


class Outcome(Word):
    """Intake's result for a notification."""

    ACCEPTED = "accepted"
    """Saved and fsynced. Each destination's delivery will reach exactly one terminal state."""
    DUPLICATE = "duplicate"
    """The same notification was accepted before; the ticket has the id of the first one."""
    SUPPRESSED = "suppressed"
    """Saved, but not sent to any destination, because of the rule in `reason`."""
    HELD = "held"
    """The store is unavailable; the notification is in memory until it can be saved."""
    DIRECT = "direct"
    """Sent without the queue, in one attempt."""
    REFUSED = "refused"
    """Not accepted, because of `reason`. The caller must act on it."""


class Refusal(Word):
    """Why a notification was refused, as a code; `Ticket.reason` is for people."""

    CONFLICT = "conflict"
    """Different content was accepted under the same key."""
    NO_DESTINATION = "no-destination"
    """No destination is configured for it."""
    STORE = "store"
    """The store failed, and the notification is not saved."""
    UNSTORABLE = "unstorable"
    """The store works, but cannot save this notification: a retry would not help."""
    NOT_RUNNING = "not-running"
    """The service is not running."""
    TOO_MANY = "too-many"
    """The queue in memory is full."""
    UNKNOWN_SIGNAL = "unknown-signal"
    """No signal has this id, or the caller may not see it."""
    NOT_POSSIBLE = "not-possible"
    """The signal cannot change this way in its present state; the reason says what is possible."""
    STALE_VERSION = "stale-version"
    """The signal has another version than the change was made for."""


class Ticket(NamedTuple):
    """Returned to the caller of a notification. True unless the notification was refused."""

    outcome: Outcome
    id: str
    """Use it to look up the deliveries later; empty if the notification was refused."""
    reason: str | None = None
    cause: Refusal | None = None
    """Why it was refused; None for every other outcome."""
    warnings: tuple[str, ...] = ()
    """Problems in a notification that was accepted anyway, such as a candle that opens in the future."""
    signal_id: str | None = None
    """The id of the signal that was opened or changed; None if there is none, or it is unknown."""
    version: int | None = None
    """The signal's version, after a change that was accepted; None while it is not known."""

    @property
    def code(self) -> str | None:
        """Why it was refused (the value of `cause`), or the rule that suppressed it. None for every other outcome."""
        if self.outcome is Outcome.SUPPRESSED:
            return (self.reason or "").partition(":")[0]
        return None if self.cause is None else self.cause.value

    def __bool__(self) -> bool:
        return self.outcome is not Outcome.REFUSED

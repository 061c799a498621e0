"""One notification for one destination: its states, their transitions, and its attempts.

    from         to            by
    -            pending       intake
    -            suppressed    intake, naming the rule
    pending      leased        a lane's sender: this commit is the mark "sending"
    pending      expired       the clock: valid_until has come
    pending      unconfirmed   the clock: valid_until has come; or a fallback takes it; an attempt may have been shown
    pending      superseded    intake, with the successor, or a sender: its card shows it already
    pending      suppressed    a sender, naming the rule: its card was never shown, or is gone
    pending      cancelled     a person
    pending      dead          a sender: a fallback takes it, or the store can no longer read it
    leased       pending       a sender: to be retried, or its holder is gone (not_before may be set)
    leased       delivered     a sender, with the destination's receipt
    leased       suppressed    a sender: the operator has turned such messages off
    leased       superseded    a sender: its card shows it already, or a newer state of the same card waits
    leased       unconfirmed   a sender: it may have been shown, and is not tried again
    leased       expired       a sender: valid_until came before anything was sent
    leased       dead          a sender: rejected, or no tries are left

All other states are terminal. A test compares the diagram in docs/reference/states.md with `NEXT_STATES`.
"""

from datetime import datetime
from typing import NamedTuple

from signalpost.domain.priority import NotificationPriority
from signalpost.domain.words import Word


class DeliveryState(Word):
    """The state of a delivery."""

    PENDING = "pending"
    LEASED = "leased"
    DELIVERED = "delivered"
    UNCONFIRMED = "unconfirmed"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"
    DEAD = "dead"

    @property
    def is_terminal(self) -> bool:
        """True if a delivery never leaves this state."""
        return not NEXT_STATES[self]


_S = DeliveryState
NEXT_STATES: dict[DeliveryState, frozenset[DeliveryState]] = {
    _S.PENDING: frozenset({_S.LEASED, _S.EXPIRED, _S.UNCONFIRMED, _S.SUPERSEDED, _S.SUPPRESSED, _S.CANCELLED, _S.DEAD}),
    _S.LEASED: frozenset({_S.PENDING, _S.DELIVERED, _S.UNCONFIRMED, _S.EXPIRED, _S.SUPERSEDED, _S.SUPPRESSED, _S.DEAD}),
    **dict.fromkeys((_S.DELIVERED, _S.UNCONFIRMED, _S.EXPIRED, _S.SUPERSEDED), frozenset()),
    **dict.fromkeys((_S.SUPPRESSED, _S.CANCELLED, _S.DEAD), frozenset()),
}
"""The states that can follow each state."""


class DeliveryId(NamedTuple):
    """Identifies a delivery: notification, destination and turn, which starts at 1 and grows with each revival."""

    notification_id: str
    destination: str
    turn: int = 1

    def __str__(self) -> str:
        return f"{self.notification_id}@{self.destination}" + (f"#{self.turn}" if self.turn > 1 else "")


PASSED_ON = "passed on to "
"""The start of the reason of a delivery that was passed on to a fallback."""


class Delivery(NamedTuple):
    """A delivery as stored in the outbox."""

    id: DeliveryId
    state: DeliveryState
    priority: NotificationPriority
    rank: int
    """Its position in the lane: microseconds since 1970, adjusted by priority. Changes only to move it forward."""
    sequence: str
    """Deliveries of one sequence leave a lane one at a time, in the order in which they were accepted."""
    valid_until: datetime
    not_before: datetime | None = None
    attempts: int = 0
    """Attempts that count. Throttled attempts, attempts cut off by a shutdown and attempts never made do not."""
    unanswered: int = 0
    """How many of the attempts may have been sent but got no answer."""
    may_repeat: bool = False
    """True if an earlier attempt may have been shown."""
    reason: str | None = None
    """Why it is in its state, for people."""
    message_id: str | None = None
    """The destination's id of the message that shows it."""

    @property
    def rule(self) -> str | None:
        """The rule that suppressed it, such as `too-old`; None if none did."""
        return (self.reason or "").partition(":")[0] if self.state is DeliveryState.SUPPRESSED else None

    @property
    def is_passed_on(self) -> bool:
        """Whether it ended because a fallback has it now."""
        return self.reason is not None and self.reason.startswith(PASSED_ON) and self.state.is_terminal


class Attempt(NamedTuple):
    """One try of a delivery, saved with its outcome."""

    began_at: datetime
    ended_at: datetime
    outcome: str
    """`delivered`, or the name of the evidence: rejected, unavailable, throttled, unconfirmed, lapsed."""
    detail: str = ""

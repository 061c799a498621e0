"""One notification owed to one destination: its states, who moves it, and its history.

    from         to            by
    -            pending       intake
    -            suppressed    intake, naming the rule
    pending      leased        a lane's sender: this commit is the mark "sending"
    pending      expired       the clock: valid_until has come
    pending      unconfirmed   the clock, where an earlier attempt may have been shown
    pending      superseded    intake, with the successor
    pending      cancelled     a person
    pending      dead          a sender, where the store cannot read it any more
    leased       pending       a sender: not this time, or the holder is gone (perhaps with not_before)
    leased       delivered     a sender, with the far end's receipt
    leased       unconfirmed   a sender: bytes left, no answer, no more tries
    leased       expired       a sender: valid_until came before anything was sent
    leased       dead          a sender: refused, or no tries left

All others are terminal. The drawing in docs/reference/states.md is compared with `NEXT_STATES` by a test.
"""

from datetime import datetime
from typing import NamedTuple

from signalpost.domain.priority import NotificationPriority
from signalpost.domain.words import Word


class DeliveryState(Word):
    """Where a delivery stands."""

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
        """Whether nothing moves a delivery out of this state."""
        return not NEXT_STATES[self]


_S = DeliveryState
NEXT_STATES: dict[DeliveryState, frozenset[DeliveryState]] = {
    _S.PENDING: frozenset({_S.LEASED, _S.EXPIRED, _S.UNCONFIRMED, _S.SUPERSEDED, _S.CANCELLED, _S.DEAD}),
    _S.LEASED: frozenset({_S.PENDING, _S.DELIVERED, _S.UNCONFIRMED, _S.EXPIRED, _S.DEAD}),
    **dict.fromkeys((_S.DELIVERED, _S.UNCONFIRMED, _S.EXPIRED, _S.SUPERSEDED), frozenset()),
    **dict.fromkeys((_S.SUPPRESSED, _S.CANCELLED, _S.DEAD), frozenset()),
}
"""Where a delivery may go from each state."""


class DeliveryId(NamedTuple):
    """What names a delivery: its notification, its destination, and the turn, which counts up when one is revived."""

    notification_id: str
    destination: str
    turn: int = 1

    def __str__(self) -> str:
        return f"{self.notification_id}@{self.destination}" + (f"#{self.turn}" if self.turn > 1 else "")


class Delivery(NamedTuple):
    """A delivery as the outbox holds it."""

    id: DeliveryId
    state: DeliveryState
    priority: NotificationPriority
    rank: int
    """Its place in the lane: microseconds since 1970, less or more by priority. Never changes but to leave earlier."""
    sequence: str
    """Deliveries of one sequence leave a lane one after the other, in the order in which they were accepted."""
    valid_until: datetime
    not_before: datetime | None = None
    attempts: int = 0
    """Attempts that count: not those that were throttled, cut off by shutdown or never made."""
    unanswered: int = 0
    """Of the attempts, those that may have been sent and got no answer."""
    may_repeat: bool = False
    """Whether an earlier attempt may have been shown."""
    reason: str | None = None
    """Why it stands where it stands, in words."""
    message_id: str | None = None
    """The far end's name for the message that shows it."""


class Attempt(NamedTuple):
    """One try of a delivery, kept with its outcome."""

    began_at: datetime
    ended_at: datetime
    outcome: str
    """`delivered`, or the name of the evidence: rejected, unavailable, throttled, unconfirmed, lapsed."""
    detail: str = ""

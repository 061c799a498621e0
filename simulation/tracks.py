"""What is known of the messages of trades that change: their deliveries, requests and posts."""

from itertools import pairwise
from typing import NamedTuple

from simulation.evidence import UNSURE, Evidence
from simulation.faults import Proof
from simulation.reader import Card
from simulation.recorder import Commit, Request


class Track(NamedTuple):
    """A delivery of a trade's card or of its companion, with its commits and its requests."""

    id: str
    turn: int
    place: str
    trade: str
    version: int
    is_companion: bool
    commits: tuple[Commit, ...]
    requests: tuple[Request, ...]

    def __str__(self) -> str:
        kind = "companion" if self.is_companion else "card"
        return f"{self.trade} v{self.version} ({kind}) for {self.place}" + (f", turn {self.turn}" * (self.turn > 1))

    @property
    def last(self) -> Commit:
        """The final commit."""
        return self.commits[-1]

    @property
    def is_shown(self) -> bool:
        """True if the destination shows its version, as far as the store knows."""
        return self.last.state == "delivered" or self.last.reason == "superseded: its card shows this state"

    @property
    def proofs(self) -> set[Proof]:
        """How its requests ended."""
        return {request.proof for request in self.requests if request.proof is not None}

    @property
    def lapsed(self) -> list[float]:
        """The times at which its lease was found lapsed because its process had died."""
        return [other.at for one, other in pairwise(self.commits) if one.state == "leased" and one.life != other.life]

    @property
    def shown_without_id(self) -> list[float]:
        """When it got a receipt that names no message."""
        return [commit.at for commit in self.commits if commit.state == "delivered" and not commit.message_id]


class Message(NamedTuple):
    """A message that shows a trade at the end, or did until somebody deleted it."""

    id: str
    place: str
    channel: str
    posted: Request
    seen: tuple[Request, ...]
    """All requests that changed it, in the order in which Discord processed them."""


def card_of(message: Message) -> Card:
    """The card that it was posted as."""
    assert isinstance(message.posted.trade, Card)
    return message.posted.trade


def is_sure_replacement(message: Message) -> bool:
    """True if it replaces a card, and cannot be a repeat."""
    card = card_of(message)
    return card.replaces and not card.may_repeat


def late_edits(evidence: Evidence) -> int:
    """How many edits were carried out after their sender had given up."""
    return sum(
        request.method == "PATCH" and request.message_id is not None and is_late(request)
        for request in evidence.requests
    )


def is_late(request: Request) -> bool:
    """True if Discord processed it after its sender had given up."""
    if request.proof not in UNSURE or request.processed is None or request.ended is None:
        return False
    return request.processed > request.true_began + (request.ended - request.began)

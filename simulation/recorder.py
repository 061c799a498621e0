"""What the edges of the machine saw, written down as it happens: the only thing the reader reads.

Times are seconds of the machine's monotonic clock where nothing else is said; `utc` is what the machine took for UTC.
"""

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2s
from typing import NamedTuple

from signalpost.domain.events import Event
from simulation.clocks import Clocks
from simulation.faults import Proof

_ONE_STRETCH = 60.0
OPEN = frozenset({"pending", "leased"})


@dataclass(slots=True)
class Submitted:
    """A notification that was handed in, and what it was answered."""

    ref: str
    """Names it; shown in its message."""
    sequence: str
    order: int
    """Its place in its sequence."""
    kind: str
    event: str
    tier: str
    priority: int
    places: tuple[str, ...]
    """The destinations it is meant for, by hand."""
    valid_until: datetime
    at: float
    utc: datetime
    life: int
    answers: list[tuple[str, str, float, int]] = field(default_factory=list)
    """Outcome, ticket id, when, and in which life; none where the process died before."""


class Part(NamedTuple):
    """A notification as a message shows it."""

    ref: str
    is_marked: bool


@dataclass(slots=True)
class Request:
    """A request as the network saw it."""

    number: int
    life: int
    place: str
    method: str
    parts: tuple[Part, ...]
    began: float
    utc: datetime
    true_began: float
    fault: str | None = None
    proof: Proof | None = None
    """What its end proves to the one who asked; None while it lasts."""
    ended: float | None = None
    status: int | None = None
    is_connected: bool = True
    processed: float | None = None
    """True seconds at which Discord carried it out."""
    message_id: str | None = None
    """The message that it made."""
    wait: float = 0.0
    scope: str | None = None


class Commit(NamedTuple):
    """A delivery as a commit left it."""

    id: str
    turn: int
    place: str
    state: str
    reason: str
    attempts: int
    may_repeat: bool
    message_id: str | None
    at: float
    utc: datetime
    life: int


class Trouble(NamedTuple):
    """A stretch in which something was wrong that a reader has to know of."""

    kind: str
    """`down`, `step`, `suspend`, `gone`."""
    began: float
    ended: float
    place: str = ""


class Breaker(NamedTuple):
    """A breaker moved."""

    place: str
    state: str
    at: float
    life: int


class Recorder:
    """Everything that was seen in a run."""

    def __init__(self, clocks: Clocks) -> None:
        self.clocks = clocks
        self.submitted: list[Submitted] = []
        self.requests: list[Request] = []
        self.commits: list[Commit] = []
        self.troubles: list[Trouble] = []
        self.breakers: list[Breaker] = []
        self.revived: dict[tuple[str, str], list[tuple[float, datetime]]] = {}
        """By ref and destination: when a person asked for it again, and until when that is valid."""
        self.gone_kept: list[tuple[str, float, int]] = []
        """Destination, when it was committed that it is gone, and in which life."""
        self.enabled: list[tuple[str, float]] = []
        self.raised: list[str] = []
        """What a caller got instead of a ticket."""
        self.lives: list[tuple[int, float, float, str]] = []
        """Number, when it began and ended, and how."""
        self.put_back: list[tuple[float, float]] = []
        """When the clock was put back, and by how many seconds."""
        self.store_trouble: list[tuple[float, float]] = []
        """When commits failed, from the first to the last of a stretch."""
        self.left_open: list[tuple[str, int, str]] = []
        """Deliveries that were still open when all had had time enough."""
        self.unwell: set[str] = set()
        """What health reported as wrong in a calm run."""
        self.refs: dict[str, str] = {}
        """The ref of each notification id."""
        self.order = blake2s()
        """Grows with every domain event, in the order in which they happened."""
        self._stands: dict[tuple[str, int, str], tuple[str, int, bool]] = {}

    def happened(self, event: Event) -> None:
        """A process published an event now."""
        self.order.update(f"{self.clocks.seconds()!r} {event!r}\n".encode())

    def committed(self, commit: Commit) -> None:
        """A commit left a delivery so; one that leaves it as it was is none."""
        name = commit.id, commit.turn, commit.place
        now = commit.state, commit.attempts, commit.may_repeat
        if self._stands.get(name) != now:
            self._stands[name] = now
            self.commits.append(commit)

    def store_failed(self) -> None:
        """A commit failed now."""
        now = self.clocks.seconds()
        if self.store_trouble and now - self.store_trouble[-1][1] < _ONE_STRETCH:
            self.store_trouble[-1] = (self.store_trouble[-1][0], now)
        else:
            self.store_trouble.append((now, now))

    def trouble(self, kind: str, seconds: float = 0.0, place: str = "") -> None:
        """Something goes wrong now, for so many seconds."""
        now = self.clocks.seconds()
        self.troubles.append(Trouble(kind, now, now + seconds, place))

"""The record of a run, the only input of the checks.

Times are seconds of the machine's monotonic clock unless noted; `utc` is the machine's UTC, which may be wrong.
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
    """A submitted notification and its answers."""

    ref: str
    """Its unique name, shown in its message."""
    sequence: str
    order: int
    """Its position in its sequence."""
    kind: str
    event: str
    tier: str
    priority: int
    places: tuple[str, ...]
    """Its expected destinations, from a table written by hand."""
    valid_until: datetime
    at: float
    utc: datetime
    life: int
    answers: list[tuple[str, str, float, int]] = field(default_factory=list)
    """Outcome, ticket id, time and life; empty if the process died first."""


class Part(NamedTuple):
    """A notification in a message."""

    ref: str
    is_marked: bool


@dataclass(slots=True)
class Request:
    """A request as seen by the network."""

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
    """What the sender knows at its end; None until then."""
    ended: float | None = None
    status: int | None = None
    is_connected: bool = True
    processed: float | None = None
    """True time in seconds at which Discord processed it."""
    message_id: str | None = None
    """The message it created."""
    wait: float = 0.0
    scope: str | None = None


class Commit(NamedTuple):
    """The state of a delivery after a commit."""

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
    """A disturbance that the checks have to know about."""

    kind: str
    """`down`, `step`, `suspend`, `gone`."""
    began: float
    ended: float
    place: str = ""


class Breaker(NamedTuple):
    """A state change of a breaker."""

    place: str
    state: str
    at: float
    life: int


class Recorder:
    """Collects the record of a run."""

    def __init__(self, clocks: Clocks) -> None:
        self.clocks = clocks
        self.submitted: list[Submitted] = []
        self.requests: list[Request] = []
        self.commits: list[Commit] = []
        self.troubles: list[Trouble] = []
        self.breakers: list[Breaker] = []
        self.revived: dict[tuple[str, str], list[tuple[float, datetime]]] = {}
        """By ref and destination: the time of each revival and the end of its validity."""
        self.gone_kept: list[tuple[str, float, int]] = []
        """Destination, time and life of each commit that a webhook is gone."""
        self.enabled: list[tuple[str, float]] = []
        self.raised: list[str] = []
        """Exceptions that callers got instead of a ticket."""
        self.lives: list[tuple[int, float, float, str]] = []
        """Number, start, end and kind of end of each process."""
        self.put_back: list[tuple[float, float]] = []
        """Times at which the clock was set back, and by how many seconds."""
        self.store_trouble: list[tuple[float, float]] = []
        """Periods of failed commits, from the first to the last failure."""
        self.left_open: list[tuple[str, int, str]] = []
        """Deliveries still open after the final waiting time."""
        self.health_reports: set[str] = set()
        """Problems reported by health in a calm run."""
        self.refs: dict[str, str] = {}
        """The ref of each notification id."""
        self.order = blake2s()
        """A hash over all domain events in order."""
        self._last_by_name: dict[tuple[str, int, str], tuple[str, int, bool]] = {}

    def happened(self, event: Event) -> None:
        """Record an event that a process published now."""
        self.order.update(f"{self.clocks.seconds()!r} {event!r}\n".encode())

    def committed(self, commit: Commit) -> None:
        """Record the state of a delivery after a commit, if it changed."""
        name = commit.id, commit.turn, commit.place
        now = commit.state, commit.attempts, commit.may_repeat
        if self._last_by_name.get(name) != now:
            self._last_by_name[name] = now
            self.commits.append(commit)

    def store_failed(self) -> None:
        """Record that a commit failed now."""
        now = self.clocks.seconds()
        if self.store_trouble and now - self.store_trouble[-1][1] < _ONE_STRETCH:
            self.store_trouble[-1] = (self.store_trouble[-1][0], now)
        else:
            self.store_trouble.append((now, now))

    def trouble(self, kind: str, seconds: float = 0.0, place: str = "") -> None:
        """Record a disturbance that begins now and lasts `seconds`."""
        now = self.clocks.seconds()
        self.troubles.append(Trouble(kind, now, now + seconds, place))

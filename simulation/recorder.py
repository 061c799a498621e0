"""The record of a run, the only input of the checks.

Times are seconds of the machine's monotonic clock unless noted; `utc` is the machine's UTC, which may be wrong.
"""

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2s
from typing import NamedTuple

from signalpost.domain.candle import Candle
from signalpost.domain.events import Event
from simulation.clocks import Clocks
from simulation.faults import Proof
from simulation.reader import Card, Companion
from simulation.trades import Change

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
    trade: Card | tuple[Companion, ...] | None = None
    """What it says about trades that change."""
    edits: str | None = None
    """The message it edits."""
    holds_edits: bool = False
    """Only edits have to wait after its answer."""
    channel: str | None = None
    """Its webhook's channel when Discord processed it."""

    @property
    def trades(self) -> tuple[Card | Companion, ...]:
        """What it says about each trade that changes."""
        return (self.trade,) if isinstance(self.trade, Card) else self.trade or ()


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

    @property
    def passed_on_to(self) -> str | None:
        """The fallback that has it now, if it was passed on."""
        return _named(self.reason, "passed on to ")

    @property
    def passed_on_from(self) -> str | None:
        """The destination from which a fallback got it, until it is tried."""
        return _named(self.reason, "passed on from ")


def _named(reason: str, before: str) -> str | None:
    return reason.removeprefix(before).partition(":")[0] if reason.startswith(before) else None


@dataclass(slots=True)
class Asked:
    """A change that a producer asked for, and its answers."""

    change: Change
    at: float
    life: int
    answers: list[tuple[str, str, int | None, int]] = field(default_factory=list)
    """Outcome, ticket id, version and life; empty if the process died first."""


class Amended(NamedTuple):
    """What the store answered to a change."""

    id: str
    """Of the change's notification, and of its ticket if it is held."""
    change: str
    trade: str
    outcome: str
    refusal: str
    version: int | None
    if_version: int | None
    at: float
    called: datetime
    """The machine's UTC when it was asked for."""


class Recapped(NamedTuple):
    """A commit of the end of a period, with its recap if there was one."""

    kind: str
    of: str
    until: datetime
    ref: str | None
    """None if there was nothing to report."""
    is_repeat: bool
    """The store had the recap already."""
    at: float
    utc: datetime
    life: int
    amended: int
    """How many answers to changes there were when its process read the book."""
    read_at: float


class Told(NamedTuple):
    """The trade, the version and the track that a notification belongs to."""

    trade: str
    version: int
    is_companion: bool


class Booked(NamedTuple):
    """A trade in the book, at the end of the run."""

    number: int
    version: int
    state: str
    cards: tuple[tuple[str, str | None, int], ...]
    """Destination, message and version of each card."""


class Answered(NamedTuple):
    """A feed's answer to a stream."""

    stream: str
    life: int
    asked: datetime
    """The machine's UTC when it was fetched."""
    candles: tuple[Candle, ...]


class Saved(NamedTuple):
    """A commit of a stream's state."""

    stream: str
    life: int
    watermark: datetime
    at: float
    utc: datetime


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
        self.beside: dict[int, str] = {}
        """The kind of end of each process that did not deliver when it ended, by number."""
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
        self.opened: list[Submitted] = []
        """The openings of trades, apart from all other submissions."""
        self.asked: list[Asked] = []
        self.amended: list[Amended] = []
        self.told: dict[str, Told] = {}
        """By notification id, for trades that change."""
        self.names: dict[str, list[str]] = {}
        """The notification ids of each trade that changes."""
        self.states: dict[str, frozenset[str]] = {}
        """The states of all deliveries of such a notification."""
        self.recaps: list[Recapped] = []
        self.reads: dict[int, tuple[int, float]] = {}
        """By life: how many answers to changes there were when it read the book for a recap, and when that was."""
        self.opened_at: dict[str, datetime] = {}
        """When each trade that changes was accepted, by the machine's UTC."""
        self.numbers: dict[str, int] = {}
        """The number of each trade that changes."""
        self.book: dict[str, Booked] = {}
        self.commands = 0
        """How many commands the store has executed."""
        self.deleted: dict[str, float] = {}
        """When a moderator deleted each message."""
        self.order = blake2s()
        """A hash over all domain events in order."""
        self._last_by_name: dict[tuple[str, int, str], tuple[str, int, bool]] = {}
        self._begin_strategies()

    def _begin_strategies(self) -> None:
        self.of_streams: list[Answered | Saved] = []
        """What the streams of strategies were answered, and what they committed, in order."""
        self.following: dict[str, datetime] = {}
        """The time from which the follower needs candles, of each live trade that it has followed."""
        self.pairs: dict[str, str] = {}
        """The pair of each trade of a strategy."""
        self.opened_by: dict[str, int] = {}
        """The number of the command that saved each trade of a strategy."""
        self.ended: dict[str, int] = {}
        """The number of the command that saved the end of each trade."""

    def happened(self, event: Event) -> None:
        """Record an event that a process published now."""
        self.order.update(f"{self.clocks.seconds()!r} {event!r}\n".encode())

    def tell(self, id: str, told: Told) -> None:
        """Record to which trade a notification belongs."""
        if id not in self.told:
            self.names.setdefault(told.trade, []).append(id)
        self.told[id] = told

    def committed(self, commit: Commit) -> None:
        """Record the state of a delivery after a commit, if it changed."""
        name = commit.id, commit.turn, commit.place
        now = commit.state, commit.attempts, commit.may_repeat
        if self._last_by_name.get(name) != now:
            self._last_by_name[name] = now
            self.commits.append(commit)
            if commit.state == "pending":
                self.states.pop(commit.id, None)  # a person may have revived it

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

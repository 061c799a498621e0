"""How a service is, in words; and what is wrong with it, as far as events tell."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from signalpost import clock
from signalpost.delivery.pacing.breaker import BreakerState
from signalpost.domain.events import (
    BreakerMoved,
    DestinationEnabled,
    DestinationGone,
    DestinationSeen,
    Event,
    HostBanned,
    RowDamaged,
    SendEnded,
    StoreMoved,
    WorkerFailed,
    WorkerRecovered,
)
from signalpost.domain.instant import iso
from signalpost.domain.reason import Reason
from signalpost.domain.words import Word

if TYPE_CHECKING:
    from signalpost.delivery.dispatch.gate import Gate

STORE, ROWS = "the store", "damaged rows"

_PAUSE_TOLD = 30.0
"""Seconds; a pause that is over sooner is no trouble."""


class Role(Word):
    """What a running service is to its data folder."""

    OWNER = "owner"
    """It delivers what waits there, whoever put it."""
    PRODUCER = "producer"
    """It takes notifications in and writes them down; another process delivers them."""


class HealthStatus(Word):
    """How the service is, in one word."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """Something is delivered late or not at all, but nothing is lost."""
    UNHEALTHY = "unhealthy"
    """It does not run, or what it takes in is not durable."""


class Health(NamedTuple):
    """How the service is, and why."""

    status: HealthStatus
    reasons: tuple[str, ...] = ()
    """Sentences; each that comes from the service is a `Reason`, and has a `code` too."""


class Trouble:
    """A listener that keeps in mind what is wrong."""

    def __init__(self) -> None:
        self._reasons: dict[str, Reason] = {}
        self._seen: dict[str, Reason] = {}
        self._workers: dict[str, Reason] = {}
        self._breakers: dict[str, str] = {}
        self._bans: dict[str, tuple[datetime, Reason]] = {}
        self._damaged = 0

    def begin(self) -> None:
        """A run begins, which tells anew what is wrong: what was wrong in an earlier one may be well by now."""
        for told in (self._reasons, self._seen, self._workers, self._breakers, self._bans):
            told.clear()
        self._damaged = 0

    def __call__(self, event: Event) -> None:
        """Note what failed or went away, and what recovered."""
        match event:
            case StoreMoved() | RowDamaged():
                self._note_store(event)
            case HostBanned(host, reason, until):
                second = iso(until.replace(microsecond=0))
                self._bans[host] = until, Reason(f"{host} shuts this address out until {second}: {reason}", "banned")
            case WorkerFailed(name, reason):
                self._workers[name] = Reason(f"{name} ended with {reason} and was started again", "worker-failed")
            case WorkerRecovered(name):
                self._workers.pop(name, None)
            case _:
                self._note_destination(event)

    def _note_destination(self, event: Event) -> None:
        match event:
            case DestinationGone(name, reason):
                text = f"{name} is disabled: its webhook is gone for good: {reason}"
                self._reasons[name] = Reason(text, "webhook-gone")
            case DestinationEnabled(name):
                self._reasons.pop(name, None)
            case DestinationSeen(name, trouble=str() as trouble):
                self._seen[name] = Reason(f"{name}: {trouble}", "destination-unusable")
            case DestinationSeen(name) | SendEnded(name, "delivered"):
                self._seen.pop(name, None)  # it takes messages after all
            case BreakerMoved(name, "closed"):
                self._breakers.pop(name, None)
            case BreakerMoved(name, state):
                self._breakers[name] = state
            case _:
                pass

    def _note_store(self, event: StoreMoved | RowDamaged) -> None:
        match event:
            case StoreMoved(True):
                self._reasons.pop(STORE, None)
            case StoreMoved(False, reason):
                self._reasons[STORE] = Reason(f"the store is unavailable: {reason}", "store-failed")
            case _:
                self._damaged += 1
                self._reasons[ROWS] = Reason(_damage(self._damaged), "rows-damaged")

    @property
    def is_of_store(self) -> bool:
        """Whether the store is unavailable."""
        return STORE in self._reasons

    def reasons(self, gates: Mapping[str, "Gate"], now: float) -> tuple[Reason, ...]:
        """Each trouble in words, the oldest first, and those that no event reports: which gates are paused.

        `now` is seconds of their loop's clock; it may be asked from any thread.
        """
        utc = clock.now()
        banned = {host: told for host, (until, told) in tuple(self._bans.items()) if utc < until}
        breakers = tuple(self._breakers.items())
        return (
            *self._reasons.values(),
            *self._seen.values(),
            *tuple(self._workers.values()),
            *(
                Reason(f"the breaker of {name} is {state}{_more_of(gates.get(name), now)}", "breaker-open")
                for name, state in breakers
            ),
            *banned.values(),
            *dict(self._pauses(gates, now, banned)).values(),
        )

    def _pauses(
        self, gates: Mapping[str, "Gate"], now: float, banned: Mapping[str, Reason]
    ) -> Iterator[tuple[str, Reason]]:
        """Who is not asked, a destination or a host, and that in words; what is told otherwise is left out."""
        for name, gate in gates.items():
            pause = gate.paused_for(now)
            if pause is not None and pause.seconds > _PAUSE_TOLD:
                who = pause.host or name
                if not (who in banned or name in self._reasons or name in self._breakers):
                    text = f"{who} is not asked for {pause.seconds:.0f} s more: {pause.reason}"
                    yield who, Reason(text, "destination-paused")


def _damage(count: int) -> str:
    were = "1 delivery was" if count == 1 else f"{count} deliveries were"
    return f"{were} damaged in the store, and will not be sent: `signalpost deliveries list --state dead` shows why"


def _more_of(gate: "Gate | None", now: float) -> str:
    """Since when its breaker is open, and when it is asked again: what no event tells in time."""
    if gate is None or gate.breaker.state is BreakerState.CLOSED:
        return ""
    since = clock.now() - timedelta(seconds=now - gate.breaker.opened_at)
    left = max(0.0, gate.breaker.probe_at - now)
    again = "" if left == inf else f", and it is asked again in {left:.0f} s"
    return f", since {since:%Y-%m-%d %H:%M:%S} UTC{again}"

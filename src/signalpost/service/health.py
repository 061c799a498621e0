"""The health of a service: a status with reasons, and the state behind it, kept from events."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from signalpost import clock
from signalpost.domain import events
from signalpost.domain.instant import iso
from signalpost.domain.reason import Reason
from signalpost.domain.words import Word

if TYPE_CHECKING:
    from signalpost.delivery.dispatch.gate import Gate

STORE, ROWS = "the store", "damaged rows"

_PAUSE_REPORTED = 30.0
"""Seconds; shorter pauses are not reported."""


class Role(Word):
    """Whether a running service delivers from its data folder."""

    OWNER = "owner"
    """It delivers everything that waits there, including notifications of other processes."""
    PRODUCER = "producer"
    """It accepts and saves notifications; another process delivers them."""


class HealthStatus(Word):
    """The service's health in one word."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """Something is delivered late or not at all, but nothing is lost."""
    UNHEALTHY = "unhealthy"
    """The service is not running, or what it accepts is not saved to disk."""


class Health(NamedTuple):
    """The service's status, and why."""

    status: HealthStatus
    reasons: tuple[str, ...] = ()
    """Sentences. Each reason from the service is a `Reason`, which also has a `code`."""


@events.hears(
    events.StoreMoved,
    events.RowDamaged,
    events.HostBanned,
    events.WorkerFailed,
    events.WorkerRecovered,
    events.DestinationGone,
    events.DestinationEnabled,
    events.DestinationSeen,
    events.SendEnded,
    events.PassedOn,
    events.BreakerMoved,
)
class HealthState:
    """A listener that remembers present problems."""

    def __init__(self) -> None:
        self._reasons: dict[str, Reason] = {}
        self._seen: dict[str, Reason] = {}
        self._workers: dict[str, Reason] = {}
        self._bans: dict[str, tuple[datetime, Reason]] = {}
        self._passing_on: set[str] = set()
        """The failing destinations from which something has gone to a fallback."""
        self._damaged = 0

    def begin(self) -> None:
        """Forget the problems of the last run. A new run reports those that are still present."""
        for problems in (self._reasons, self._seen, self._workers, self._bans, self._passing_on):
            problems.clear()
        self._damaged = 0

    def __call__(self, event: events.Event) -> None:
        """Note a problem, or that one is over."""
        match event:
            case events.StoreMoved() | events.RowDamaged():
                self._note_store(event)
            case events.HostBanned(host, reason, until):
                second = iso(until.replace(microsecond=0))
                self._bans[host] = (
                    until,
                    Reason(f"{host} has banned this IP address until {second}: {reason}", "banned"),
                )
            case events.WorkerFailed(name, reason):
                self._workers[name] = Reason(f"{name} failed with {reason} and was restarted", "worker-failed")
            case events.WorkerRecovered(name):
                self._workers.pop(name, None)
            case _:
                self._note_destination(event)

    def _note_destination(self, event: events.Event) -> None:
        match event:
            case events.DestinationGone(name, reason):
                text = f"{name} is disabled: its webhook is gone for good: {reason}"
                self._reasons[name] = Reason(text, "webhook-gone")
            case events.DestinationEnabled(name):
                self._reasons.pop(name, None)
            case events.DestinationSeen(name, trouble=str() as trouble):
                self._seen[name] = Reason(f"{name}: {trouble}", "destination-unusable")
            case events.DestinationSeen(name) | events.SendEnded(name, "delivered"):
                self._seen.pop(name, None)  # it accepts messages after all
            case events.PassedOn(_, name):
                self._passing_on.add(name)
            case events.BreakerMoved(name, "closed"):
                self._passing_on.discard(name)
            case _:
                pass

    def _note_store(self, event: events.StoreMoved | events.RowDamaged) -> None:
        match event:
            case events.StoreMoved(True):
                self._reasons.pop(STORE, None)
            case events.StoreMoved(False, reason):
                self._reasons[STORE] = Reason(f"the store is unavailable: {reason}", "store-failed")
            case _:
                self._damaged += 1
                self._reasons[ROWS] = Reason(_damage(self._damaged), "rows-damaged")

    @property
    def is_of_store(self) -> bool:
        """True if the store is unavailable."""
        return STORE in self._reasons

    def reasons(self, gates: Mapping[str, "Gate"], now: float) -> tuple[Reason, ...]:
        """All present problems, the oldest first, then those that the gates know: failing and paused destinations.

        `now` is the time of the gates' event loop. Any thread may call this.
        """
        utc = clock.now()
        banned = {host: reason for host, (until, reason) in tuple(self._bans.items()) if utc < until}
        return (
            *self._reasons.values(),
            *self._seen.values(),
            *tuple(self._workers.values()),
            *banned.values(),
            *(Reason(self._outage(gate, now), "breaker-open") for gate in gates.values() if gate.breaker.is_failing),
            *dict(self._pauses(gates, now, banned)).values(),
        )

    def _outage(self, gate: "Gate", now: float) -> str:
        """Since when its breaker is open, where its deliveries are, and when it is tried again."""
        breaker = gate.breaker
        since = clock.now() - timedelta(seconds=now - breaker.opened_at)
        left = max(0.0, breaker.probe_at - now)
        again = "" if left == inf else f", next try in {left:.0f} s"
        then = "go to a fallback" if gate.destination in self._passing_on else "wait"
        return (
            f"deliveries to {gate.destination} keep failing, so they {then}: its breaker is {breaker.state}, "
            f"since {since:%Y-%m-%d %H:%M:%S} UTC{again}"
        )

    def _pauses(
        self, gates: Mapping[str, "Gate"], now: float, banned: Mapping[str, Reason]
    ) -> Iterator[tuple[str, Reason]]:
        """The paused destinations and hosts, each with its reason, unless another reason reports them already."""
        for name, gate in gates.items():
            pause = gate.pacer.paused_for(now)
            if pause is not None and pause.seconds > _PAUSE_REPORTED:
                paused = pause.host or name
                if not (paused in banned or name in self._reasons or gate.breaker.is_failing):
                    text = f"nothing is sent to {paused} for another {pause.seconds:.0f} s: {pause.reason}"
                    yield paused, Reason(text, "destination-paused")


def _damage(count: int) -> str:
    are = "1 delivery is" if count == 1 else f"{count} deliveries are"
    return f"{are} damaged in the store and will not be sent: `signalpost deliveries list --state dead` shows why"

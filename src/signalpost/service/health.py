"""How a service is, in words; and what is wrong with it, as far as events tell."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from signalpost import clock
from signalpost.domain.events import (
    BreakerMoved,
    DestinationEnabled,
    DestinationGone,
    DestinationSeen,
    Event,
    HostBanned,
    SendEnded,
    StoreMoved,
)
from signalpost.domain.instant import iso
from signalpost.domain.words import Word

STORE = "the store"


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


class Trouble:
    """A listener that keeps in mind what is wrong."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}
        self._seen: dict[str, str] = {}
        self._breakers: dict[str, str] = {}
        self.more_of_breaker: Callable[[str], str] = lambda _: ""
        """Since when a destination's breaker is open, and when it asks again: what no event tells in time."""
        self._bans: dict[str, tuple[datetime, str]] = {}

    def begin(self) -> None:
        """A run begins, which tells anew what is wrong: what was wrong in an earlier one may be well by now."""
        for told in (self._reasons, self._seen, self._breakers, self._bans):
            told.clear()

    def __call__(self, event: Event) -> None:
        """Note what fell ill or went away, and what is well again."""
        match event:
            case StoreMoved(True):
                self._reasons.pop(STORE, None)
            case StoreMoved(False, reason):
                self._reasons[STORE] = f"the store is unwell: {reason}"
            case DestinationGone(destination, reason):
                self._reasons[destination] = f"{destination} is disabled: its webhook is gone for good: {reason}"
            case DestinationEnabled(destination):
                self._reasons.pop(destination, None)
            case DestinationSeen(destination, trouble=str() as trouble):
                self._seen[destination] = f"{destination}: {trouble}"
            case DestinationSeen(destination) | SendEnded(destination, "delivered"):
                self._seen.pop(destination, None)  # it takes messages after all
            case HostBanned(host, reason, until):
                second = iso(until.replace(microsecond=0))
                self._bans[host] = until, f"{host} shuts this address out until {second}: {reason}"
            case BreakerMoved(destination, "closed"):
                self._breakers.pop(destination, None)
            case BreakerMoved(destination, state):
                self._breakers[destination] = state
            case _:
                pass

    @property
    def is_of_store(self) -> bool:
        """Whether the store is unwell."""
        return STORE in self._reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """Each trouble in words, the oldest first."""
        now = clock.now()
        breakers = (f"the breaker of {d} is {state}{self.more_of_breaker(d)}" for d, state in self._breakers.items())
        return (
            *self._reasons.values(),
            *self._seen.values(),
            *breakers,
            *(told for until, told in self._bans.values() if now < until),
        )

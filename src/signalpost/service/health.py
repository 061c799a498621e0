"""How a service is, in words; and what is wrong with it, as far as events tell."""

from typing import NamedTuple

from signalpost.domain.events import BreakerMoved, DestinationGone, Event, StoreMoved
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

    def __call__(self, event: Event) -> None:
        """Note what fell ill or went away, and what is well again."""
        match event:
            case StoreMoved(True):
                self._reasons.pop(STORE, None)
            case StoreMoved(False, reason):
                self._reasons[STORE] = f"the store is unwell: {reason}"
            case DestinationGone(destination, reason):
                self._reasons[destination] = f"{destination} is gone for good: {reason}"
            case BreakerMoved(destination, "closed"):
                self._reasons.pop(destination, None)
            case BreakerMoved(destination, state):
                self._reasons.setdefault(destination, f"the breaker of {destination} is {state}")
            case _:
                pass

    @property
    def is_of_store(self) -> bool:
        """Whether the store is unwell."""
        return STORE in self._reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """Each trouble in words, the oldest first."""
        return tuple(self._reasons.values())

"""The part of a running service that HTTP uses, as callables."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from signalpost.delivery.outbox.commands import StreamState
from signalpost.domain.delivery import Delivery
from signalpost.domain.notification import Payload
from signalpost.domain.signal import Signal
from signalpost.domain.ticket import Ticket
from signalpost.domain.tier import UserTier
from signalpost.ingest.send_options import SendOptions


class Take(Protocol):
    """Accept a payload, and answer once it is written; if the store is unavailable, refuse it and keep nothing."""

    def __call__(self, payload: Payload, options: SendOptions, event: str) -> Awaitable[Ticket]:
        """The ticket."""
        ...


class Commit(Protocol):
    """Write a stream's state and signals, all or nothing. Raises StoreFailed."""

    def __call__(
        self, state: StreamState, signals: Sequence[Signal], options: SendOptions, event: str
    ) -> Awaitable[list[Ticket]]:
        """A ticket for each signal."""
        ...


class ServiceApi(NamedTuple):
    """Everything that HTTP needs of a service."""

    take: Take
    commit: Commit
    load_state: Callable[[str], Awaitable[StreamState | None]]
    deliveries: Callable[[str], Awaitable[Sequence[Delivery]]]
    health: Callable[[], tuple[str, Sequence[str]]]
    """A word (`healthy`, `degraded`, `unhealthy`), and reasons."""
    rank_by_tier: Mapping[UserTier, int]
    """Of each tier that is known: who has a higher one may send to a lower one."""

"""The operations of a running service that the HTTP API uses."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from signalpost.delivery.outbox.book import BookEntry, FindTrades
from signalpost.domain.change import Change
from signalpost.domain.delivery import Delivery
from signalpost.domain.ledger import StreamState
from signalpost.domain.notification import Payload
from signalpost.domain.ticket import Ticket
from signalpost.domain.tier import UserTier
from signalpost.ingest.send_options import SendOptions
from signalpost.telemetry.families import Family


class Take(Protocol):
    """Accept a payload and return once it is stored; refuse it if the store is unavailable.

    The repeat of a signal that was sent to other tiers than these is refused. `closes` is the number of the trade that
    a new signal reverses.
    """

    def __call__(
        self, payload: Payload, options: SendOptions, tiers: frozenset[UserTier], closes: int | None = None
    ) -> Coroutine[Any, Any, Ticket]:
        """Return the ticket."""
        ...


class Amending(Protocol):
    """Change a signal of the book, if it was sent to none but these tiers; refuse it if the store is unavailable.

    Another change with the same key is a duplicate, and refused if its `request` differs.
    """

    def __call__(
        self,
        name: str,
        change: Change,
        if_version: int | None,
        tiers: frozenset[UserTier],
        key: str | None = None,
        request: bytes | None = None,
    ) -> Coroutine[Any, Any, Ticket]:
        """Return the ticket."""
        ...


Collect = Callable[[], Coroutine[Any, Any, Sequence[Family]]]
"""Collects all metrics, without waiting for a store that hangs."""


class ServiceApi(NamedTuple):
    """The operations, as callables."""

    take: Take
    commit: Callable[[StreamState], Coroutine[Any, Any, object]]
    """Store a stream's state. Raises StoreFailed."""
    load_state: Callable[[str], Coroutine[Any, Any, StreamState | None]]
    deliveries: Callable[[str, frozenset[UserTier]], Coroutine[Any, Any, Sequence[Delivery]]]
    """Of a ticket, if it is for none but these tiers."""
    health: Callable[[], tuple[str, Sequence[str]]]
    """The status (`healthy`, `degraded` or `unhealthy`) and the reasons."""
    rank_by_tier: Mapping[UserTier, int]
    """The rank of each known tier. A token may send for its own tier and for lower ranks."""
    amend: Amending
    trades: Callable[[FindTrades], Coroutine[Any, Any, Sequence[BookEntry]]]
    metrics: Collect

"""The protocol of the state cache, which keeps a copy of each stream's state. A missing or wrong copy does no harm.

A copy counts only if it equals the store's state. See docs/why/0035-the-strategy-lives.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from signalpost.domain.ledger import StreamState


class StateCache(Protocol):
    """Keeps copies of states. Belongs to one event loop. If the cache fails, no method raises or waits for long."""

    @property
    def trouble(self) -> str | None:
        """Why the cache does not work now, for health; None if it works."""
        ...

    async def read(self, streams: Sequence[str]) -> Mapping[str, StreamState]:
        """The copies of these streams that exist and are intact."""
        ...

    async def write(self, states: Iterable[StreamState]) -> None:
        """Save copies in place of older ones."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


class MemoryCache:
    """Keeps copies in memory."""

    trouble = None

    def __init__(self) -> None:
        self._states: dict[str, StreamState] = {}

    async def read(self, streams: Sequence[str]) -> Mapping[str, StreamState]:
        """The copies of these streams that exist."""
        return {name: self._states[name] for name in streams if name in self._states}

    async def write(self, states: Iterable[StreamState]) -> None:
        """Save copies in place of older ones."""
        self._states.update((state.stream, state) for state in states)

    async def close(self) -> None:
        """Forget them."""
        self._states.clear()

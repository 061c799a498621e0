"""The protocol of the state cache: a copy of each stream's state, which is never needed to be right.

A copy is used only if it equals the store's. See docs/why/0035-the-strategy-lives.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from signalpost.domain.ledger import StreamState


class StateCache(Protocol):
    """Keeps copies of states. Belongs to one event loop. No method raises for a failure, or waits long."""

    @property
    def trouble(self) -> str | None:
        """Why it does not work at present, for health; None if it works."""
        ...

    async def read(self, streams: Sequence[str]) -> Mapping[str, StreamState]:
        """The copies of these streams that exist and are intact."""
        ...

    async def write(self, states: Iterable[StreamState]) -> None:
        """Save copies in place of older ones."""
        ...

    async def close(self) -> None:
        """Free what it holds."""
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

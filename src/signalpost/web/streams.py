"""What the way in must remember over a restart: small states, each changed by one request at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from weakref import WeakValueDictionary

import msgspec

from signalpost.delivery.outbox.commands import StreamState
from signalpost.web.door import Door

_FINGERPRINT = "web 1"


class Streams:
    """States by name, as JSON. What is written under another version's fingerprint counts as absent."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def changing(self, stream: str) -> AsyncIterator[dict[str, Any]]:
        """What is known of `stream`, and nobody else changes meanwhile. Raises StoreFailed."""
        lock = self._locks.setdefault(stream, asyncio.Lock())
        async with lock:
            yield await self.known(stream)

    async def known(self, stream: str) -> dict[str, Any]:
        """What is known of `stream` now. Raises StoreFailed."""
        state = await self._door.load_state(stream)
        return {} if state is None or state.fingerprint != _FINGERPRINT else msgspec.json.decode(state.state)


def stream_state(stream: str, watermark: datetime, known: dict[str, Any]) -> StreamState:
    """What is to be remembered of `stream` from now on."""
    return StreamState(stream, _FINGERPRINT, watermark, msgspec.json.encode(known))

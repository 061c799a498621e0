"""Small states that outlive a restart, each changed by one request at a time.

One use is here: the time at which something without a time of its own was sent first, so that its repeat is the same.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakValueDictionary

import msgspec

from signalpost.domain.instant import iso, utc
from signalpost.domain.stream_state import StreamState
from signalpost.ingest.send_options import SendOptions
from signalpost.web.service_api import ServiceApi
from signalpost.web.tokens import Token

_FINGERPRINT = "web 1"
FIRST_TIME_STATES = 256
"""Per token. With the keys per state, this bounds how many first times are kept."""
KEYS_PER_STATE = 32


class Streams:
    """States by name, as JSON. A state with the fingerprint of another version counts as absent."""

    def __init__(self, service: ServiceApi) -> None:
        self._service = service
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def changing(self, stream: str) -> AsyncIterator[dict[str, Any]]:
        """The state of `stream`, which no other request changes within `async with`. Raises StoreFailed."""
        lock = self._locks.setdefault(stream, asyncio.Lock())
        async with lock:
            yield await self.known(stream)

    async def known(self, stream: str) -> dict[str, Any]:
        """The current state of `stream`; empty if there is none. Raises StoreFailed."""
        state = await self._service.load_state(stream)
        return {} if state is None or state.fingerprint != _FINGERPRINT else msgspec.json.decode(state.state)


def stream_state(stream: str, watermark: datetime, known: dict[str, Any]) -> StreamState:
    """The new state of `stream`, to be committed."""
    return StreamState(stream, _FINGERPRINT, watermark, msgspec.json.encode(known))


async def first_time(
    service: ServiceApi,
    streams: Streams,
    token: Token,
    id: str,
    now: datetime,
    options: SendOptions,
    lasts: timedelta = timedelta.max,
) -> datetime:
    """The time at which `id` was sent first: the remembered one, or else `now`, which is then remembered.

    A remembered time counts as long as `lasts`; after that, the same id is new again. The last ids of each token are
    kept, in a bounded number of states. Raises StoreFailed.
    """
    number = int.from_bytes(hashlib.blake2s(id.encode(), digest_size=2).digest()) % FIRST_TIME_STATES
    stream = f"first-times/{token.name}/{number}"
    async with streams.changing(stream) as known:
        # abs: if the clock was set back since, an id that was seen within `lasts` is still a repeat
        if id in known and abs(now - (first := utc(known[id], "first time"))) < lasts:
            return first
        others = [each for each in known.items() if each[0] != id]
        newest = dict(others[-(KEYS_PER_STATE - 1) :])
        await service.commit(stream_state(stream, now, newest | {id: iso(now)}), (), options, "new")
        return now

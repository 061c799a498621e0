"""Remembers when something without a time of its own was sent first, so that its repeat is the same."""

import asyncio
import hashlib
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

import msgspec

from signalpost.domain.instant import iso, utc
from signalpost.domain.stream_state import StreamState
from signalpost.web.service_api import ServiceApi
from signalpost.web.tokens import Token

_FINGERPRINT = "web 1"
FIRST_TIME_STATES = 256
"""Per token. With the keys per state, this bounds how many first times are kept."""
KEYS_PER_STATE = 32


class FirstTimes:
    """Times by id, which outlive a restart. The last ids of each token are kept, in a bounded number of states."""

    def __init__(self, service: ServiceApi) -> None:
        self._service = service
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def of(self, token: Token, id: str, now: datetime, lasts: timedelta = timedelta.max) -> datetime:
        """The time at which `id` was sent first: the remembered one, or else `now`, which is then remembered.

        A remembered time counts as long as `lasts`; after that, the same id is new again. Raises StoreFailed.
        """
        number = int.from_bytes(hashlib.blake2s(id.encode(), digest_size=2).digest()) % FIRST_TIME_STATES
        stream = f"first-times/{token.name}/{number}"
        lock = self._locks.setdefault(stream, asyncio.Lock())
        async with lock:
            state = await self._service.load_state(stream)
            known = {} if state is None or state.fingerprint != _FINGERPRINT else msgspec.json.decode(state.state)
            # abs: if the clock was set back since, an id that was seen within `lasts` is still a repeat
            if id in known and abs(now - (first := utc(known[id], "first time"))) < lasts:
                return first
            others = [each for each in known.items() if each[0] != id]
            newest = dict(others[-(KEYS_PER_STATE - 1) :]) | {id: iso(now)}
            await self._service.commit(StreamState(stream, _FINGERPRINT, now, msgspec.json.encode(newest)))
            return now

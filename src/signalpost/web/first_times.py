"""When something was told first under an idempotency key, so that its repeat, which names no time, is the same.

The last keys are remembered, in as many states as there may be: what is kept is bounded.
"""

import hashlib
from datetime import datetime

from signalpost.domain.instant import iso, utc
from signalpost.web.door import Door, Wishes
from signalpost.web.streams import Streams, stream_state
from signalpost.web.tokens import Token

_STATES = 256
"""For a token."""
_KEYS_A_STATE = 32


async def first_time(door: Door, streams: Streams, token: Token, id: str, now: datetime, wishes: Wishes) -> datetime:
    """The time at which `id` was told first: `now`, which is then remembered, or what was. Raises StoreFailed."""
    number = int.from_bytes(hashlib.blake2s(id.encode(), digest_size=2).digest()) % _STATES
    stream = f"first-times/{token.name}/{number}"
    async with streams.changing(stream) as known:
        if id in known:
            return utc(known[id], "first time")
        newest = dict(list(known.items())[-(_KEYS_A_STATE - 1) :])
        await door.commit(stream_state(stream, now, newest | {id: iso(now)}), (), wishes, "new")
        return now

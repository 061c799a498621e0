"""When something that names no time was told first, so that its repeat is the same.

The last keys are remembered, in as many states as there may be: what is kept is bounded.
"""

import hashlib
from datetime import datetime, timedelta

from signalpost.domain.instant import iso, utc
from signalpost.ingest.send_options import SendOptions
from signalpost.web.door import Door
from signalpost.web.streams import Streams, stream_state
from signalpost.web.tokens import Token

_STATES = 256
"""For a token."""
_KEYS_A_STATE = 32


async def first_time(
    door: Door,
    streams: Streams,
    token: Token,
    id: str,
    now: datetime,
    wishes: SendOptions,
    lasts: timedelta = timedelta.max,
) -> datetime:
    """The time at which `id` was told first: `now`, which is then remembered, or what was. Raises StoreFailed.

    What was counts for as long as it `lasts`: later, the same is told first again.
    """
    number = int.from_bytes(hashlib.blake2s(id.encode(), digest_size=2).digest()) % _STATES
    stream = f"first-times/{token.name}/{number}"
    async with streams.changing(stream) as known:
        # the clock may have been put back since: what is as near as that is a repeat all the same
        if id in known and abs(now - (first := utc(known[id], "first time"))) < lasts:
            return first
        others = [each for each in known.items() if each[0] != id]
        newest = dict(others[-(_KEYS_A_STATE - 1) :])
        await door.commit(stream_state(stream, now, newest | {id: iso(now)}), (), wishes, "new")
        return now

"""What services have kept of far ends, for who sends without one: which webhooks are gone, and who shuts us out.

It is only looked at: no store is made, none has to be there, and one that is locked, damaged, of another version or on
a disk that hangs is as if it were not there. What it holds is read anew each time, because services write it meanwhile.
"""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

from signalpost.delivery.outbox.commands import LoadFacts
from signalpost.errors import StoreFailed, StoreUnusable
from signalpost.telemetry.log_queue import logger

LOOK_WITHIN = 0.5
"""Seconds that a look takes at most."""

Facts = Mapping[str, Mapping[str, bytes]]
"""The facts by the place where they are kept."""


class KeptFacts:
    """Looks at the store at `path` for what is kept at these places. Belongs to one event loop."""

    def __init__(self, path: Path, places: Iterable[str]) -> None:
        self._path = path
        self._places = tuple(places)
        self._looking: asyncio.Task[Facts] | None = None
        self._has_warned = False

    async def look(self) -> Facts:
        """What is kept, as far as that is found out in time. Who comes while another looks shares what is found."""
        looking = self._looking
        if looking is None or looking.done():
            looking = self._looking = asyncio.create_task(self._look(), name="signalpost look at the store")
        await asyncio.wait([looking], timeout=LOOK_WITHIN)
        if looking.done():
            return looking.result()
        self._warn(f"{self._path}: it could not be read within {LOOK_WITHIN:g} s")
        return {}

    async def _look(self) -> Facts:
        try:
            return await asyncio.to_thread(_read, self._path, self._places)
        except (StoreUnusable, StoreFailed, OSError) as fault:
            self._warn(str(fault))
            return {}

    def _warn(self, why: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            logger.warning("what is sent directly is sent without a look at what is known of webhooks: %s", why)


def _read(path: Path, places: tuple[str, ...]) -> Facts:
    if not path.is_file():
        return {}
    from signalpost.delivery.outbox.reader import SqliteReader  # with the store: not before it is needed

    reader = SqliteReader(path)
    try:
        return dict(zip(places, reader.apply([LoadFacts(place) for place in places]), strict=True))
    finally:
        reader.close()

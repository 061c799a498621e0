"""Sends recaps of days and weeks to the destinations that are configured to get them. Only the owner runs it.

See docs/why/0039-a-recap-counts-the-cards.md.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta

from signalpost import clock
from signalpost.config import Config, DestinationConfig
from signalpost.delivery.intake import Intake
from signalpost.delivery.outbox.book import BookEntry, FindTrades
from signalpost.delivery.recaps import recap_of
from signalpost.domain.ledger import StreamState
from signalpost.domain.recap import Period, Recap, Recurrence
from signalpost.domain.tier import UserTier
from signalpost.errors import CommandFailed, StoreFailed

SETTLES_FOR = timedelta(minutes=5)
"""How long to wait for the last results of a period after its end, and after a start."""
_LOOK_EVERY = 60.0
"""Seconds between two looks at the clock, because it may have been set, and before a retry after a failure."""
_CLOCKS_DIFFER = timedelta(minutes=1)


class Recaps:
    """Sends each destination the recap of its last day or week once, even across restarts.

    The end of that period is saved in one transaction with the recap, so a crash neither loses nor repeats one. A recap
    begins where the last one ended, even if the settings have changed since, so no trade is counted twice. After
    downtime only the newest recap is sent. An empty one is not sent.
    """

    def __init__(self, intake: Intake, config: Config) -> None:
        self._intake = intake
        destinations = config.destinations if config.run is None else ()  # a replay has no recaps
        self._wanted = [(each, recurrence) for each in destinations for recurrence in each.recaps]
        self._known: dict[str, datetime] = {}
        """The end of the last period that was considered, by the name of its stream."""

    async def run(self) -> None:
        """Send recaps until cancelled. Those of periods before the first start are not sent."""
        ready_at = clock.now() + SETTLES_FOR
        while self._wanted:
            with suppress(StoreFailed, CommandFailed):
                for destination, recurrence in self._wanted:
                    await self._look(destination, recurrence, ready_at)
            await asyncio.sleep(_LOOK_EVERY)

    async def _look(self, destination: DestinationConfig, recurrence: Recurrence, ready_at: datetime) -> None:
        now = clock.now()
        stream = f"{recurrence} recap of {destination.name}"
        period = destination.recap_days.newest(recurrence, now)
        if stream not in self._known and (saved := await self._intake.load_state(stream)) is not None:
            self._known[stream] = saved.watermark
        known = self._known.get(stream)
        if known is None or known > now:  # it never ran, or the clock was ahead
            await self._save(stream, period)
            return
        if known >= period.until or now < max(ready_at, period.until + SETTLES_FOR):
            return
        period = destination.recap_days.following(period, known)
        wanted = FindTrades(changed_since=period.since - _CLOCKS_DIFFER)
        entries = await self._intake.find(wanted)
        recap = recap_of(entries, period, now, destination.name)
        until = destination.recap_days.next_end(period)
        readers = next(_tiers(entries, destination.name), UserTier.FREE)
        await self._save(stream, period, *(() if recap.is_empty else ((recap.but(valid_until=until), readers),)))

    async def _save(self, stream: str, period: Period, *recaps: tuple[Recap, UserTier]) -> None:
        await self._intake.commit(StreamState(stream, "1", period.until, b""), (), reports=recaps)
        self._known[stream] = period.until


def _tiers(entries: Iterable[BookEntry], destination: str) -> Iterator[UserTier]:
    """The tiers for which a destination shows trades."""
    return (card.tier for entry in entries for card in entry.cards if card.destination == destination)

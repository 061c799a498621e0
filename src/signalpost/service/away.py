"""Posts a list of the signals that a destination's readers missed while the service or a feed was unavailable."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from signalpost import clock
from signalpost.delivery.intake import Intake
from signalpost.delivery.outbox.book import FindTrades
from signalpost.delivery.routing import Routing
from signalpost.domain.digest import Digest, MissedSignal
from signalpost.domain.ledger import StreamState, UnpublishedRule
from signalpost.domain.tier import UserTier
from signalpost.domain.trade import Trade
from signalpost.errors import CommandFailed, StoreClosed, StoreFailed
from signalpost.service.standings import Standings

_STREAM = "digest of missed signals"
"""The stream whose state is the number of the newest trade that was considered."""
_GATHERED_FOR = 15.0
"""Seconds to wait for the missed signals of other streams, and before a retry if the store failed."""


class Away:
    """Sends each destination one digest of the signals that were recorded as too old since the last digest.

    The number of the newest trade that was read is saved together with the digests, so a crash neither loses nor
    repeats one.
    """

    def __init__(self, intake: Intake, routing: Routing, standings: Standings) -> None:
        self._intake = intake
        self._routing = routing
        self._standings = standings
        self._since: datetime | None = None
        self._has_news = asyncio.Event()
        self._has_news.set()  # another process may have ended before its digest

    def missed(self, since: datetime | None) -> None:
        """Send a digest soon. Nothing was posted since `since`; None if that is unknown."""
        if since is not None:
            self._since = since if self._since is None else min(self._since, since)
        self._has_news.set()

    async def run(self) -> None:
        """Send digests until cancelled. Start it before the strategies, so that it misses none of their signals."""
        with suppress(StoreFailed, CommandFailed):
            await self._read_up_to()
        while True:
            await self._has_news.wait()
            await asyncio.sleep(_GATHERED_FOR)
            with suppress(StoreFailed, CommandFailed):
                await self._send(self._standings.of)

    async def close(self) -> None:
        """Send the missed signals at once and without their standings, after `run` was cancelled."""
        if self._has_news.is_set():
            with suppress(StoreFailed, CommandFailed, StoreClosed):
                await self._send(_unknown)

    async def _send(self, standings_of: Callable[[Sequence[Trade]], Awaitable[Mapping[str, str]]]) -> None:
        self._has_news.clear()
        try:
            found = await self._intake.find(FindTrades(above=await self._read_up_to()))
            if found:
                trades = [each.trade for each in reversed(found) if _is_too_old(each.trade)]
                await self._save(found[0].trade.number, self._digests(trades, await standings_of(trades)))
        except BaseException:
            self._has_news.set()
            raise
        self._since = None

    def _digests(self, trades: list[Trade], standings: Mapping[str, str]) -> Iterator[tuple[Digest, UserTier]]:
        missed: dict[str, dict[str, MissedSignal]] = {}
        tiers: dict[str, UserTier] = {}
        for trade in trades:
            signal = trade.signal
            facts = (signal.signal_id, trade.number, signal.pair, signal.signal_type, signal.known_at)
            each = MissedSignal(*facts, standings.get(signal.signal_id))
            for destination, tier in self._readers(trade):
                missed.setdefault(destination, {})[signal.signal_id] = each
                tiers[destination] = tier
        began = min([each.signal.known_at for each in trades], default=clock.now())
        since = began if self._since is None else min(began, self._since)
        for destination, signals in missed.items():
            ordered = tuple(sorted(signals.values(), key=lambda each: each.known_at))
            digest = Digest(destination=destination, since=since, timestamp=clock.now(), signals=ordered)
            yield digest, tiers[destination]

    def _readers(self, trade: Trade) -> Iterator[tuple[str, UserTier]]:
        """The destinations that would have got a signal, with the tier for which it is sent there."""
        signal = trade.signal
        for tier in trade.tiers:
            least = self._routing.copy(tier).min_confidence
            if least is None or (signal.confidence_score is not None and signal.confidence_score >= least):
                routes = self._routing.route(signal, tier)
                yield from ((each.destination, tier) for each in routes if each.suppressed_for is None)

    async def _read_up_to(self) -> int:
        """The number of the newest trade that was considered. At the first start, all earlier trades count as read."""
        newest = await self._intake.find(FindTrades(limit=1))
        saved = await self._intake.load_state(_STREAM)
        if saved is not None and saved.state.isdigit():
            return int(saved.state)
        number = newest[0].trade.number if newest else 0
        await self._save(number, ())
        return number

    async def _save(self, number: int, digests: Iterable[tuple[Digest, UserTier]]) -> None:
        state = StreamState(_STREAM, "1", clock.now(), str(number).encode())
        await self._intake.commit(state, (), reports=tuple(digests))


async def _unknown(_: Sequence[Trade]) -> Mapping[str, str]:
    return {}


def _is_too_old(trade: Trade) -> bool:
    return trade.end is not None and (trade.end.text or "").startswith(f"{UnpublishedRule.TOO_OLD}:")

"""Computes from candles how signals that were never posted would have ended."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta

from signalpost import clock
from signalpost.domain.life import opened
from signalpost.domain.trade import Trade, TradeState, result_of
from signalpost.errors import FeedFailed
from signalpost.service.following import FollowPlan
from signalpost.sinks.discord.cards.wording import gained
from signalpost.trading.feeds.port import Feed, Series
from signalpost.trading.lives import Life, advance
from signalpost.trading.outcomes import begin

_WITHIN = 30.0
"""Seconds to fetch all candles."""
_MOST_CANDLES = 5_000
"""In one fetch."""
_NEXT = timedelta(microseconds=1)


class Standings:
    """Follows signals in memory only. `feeds` are those of the plan, and raise only FeedFailed."""

    def __init__(self, feeds: Mapping[str, Feed], plan: FollowPlan) -> None:
        self._feeds = feeds
        self._plan = plan

    async def of(self, trades: Sequence[Trade]) -> dict[str, str]:
        """The standing of each trade now by the id of its signal: `+0.50R`, `open` or `not filled`, oldest trade first.

        Signals without candles have none. An open trade has no result, because some tiers may not see it yet.
        """
        by_source: dict[Series, list[Trade]] = {}
        for trade in trades:
            if (source := self._plan.source_of(trade.signal)) is not None:
                by_source.setdefault(source, []).append(trade)
        found: dict[str, str] = {}
        with suppress(TimeoutError):
            async with asyncio.timeout(_WITHIN):
                await asyncio.gather(*(self._add(found, source, each) for source, each in by_source.items()))
        return found

    async def _add(self, found: dict[str, str], source: Series, trades: Sequence[Trade]) -> None:
        """Add the standings of the trades of one source."""
        feed, length, now = self._feeds[source.feed], source.timeframe, clock.now()
        lives = []
        for each in trades:
            made = opened(each.signal, each.number, each.tiers, each.signal.known_at)
            by_strategy = self._plan.is_of_strategy(each.signal)
            lives.append(Life(made, begin(made, length, by_strategy=by_strategy)))
        since = min(life.state.since for life in lives)
        with suppress(FeedFailed):
            while quotes := await feed.quotes(source.pair, length, since=since, limit=_MOST_CANDLES):
                if quotes[-1].time < since:
                    break  # a feed that ignores `since` would never end
                candles = [each._replace(closes_at=feed.calendar.closes_at(each.time, length)) for each in quotes]
                advance(lives, [each for each in candles if each.closes_at <= now], now)
                since = quotes[-1].time + _NEXT
            found |= {life.trade.signal.signal_id: _standing(life.trade) for life in lives}


def _standing(trade: Trade) -> str:
    if trade.state is TradeState.OPEN:
        return "open"
    return "not filled" if (result := result_of(trade)) is None else gained(result)

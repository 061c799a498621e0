"""The last signal that each hook opened, for the close that will come: committed together with what is told.

For each token, strategy, pair and timeframe: the open signal, if any, and the last close, by which its repeat is known.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from signalpost import clock
from signalpost.domain.instrument import Instrument
from signalpost.domain.signal import Signal, strategy_slug
from signalpost.domain.ticket import Outcome, Ticket
from signalpost.domain.tier import UserTier
from signalpost.web.closing import Closing
from signalpost.web.door import Door, Wishes
from signalpost.web.problem import Fault, Problem, not_understood
from signalpost.web.streams import Streams, stream_state
from signalpost.web.tokens import Token

_CLOSED_IS_NEWS_FOR = timedelta(hours=24)
_SIGNALS_SEEN = 15
"""Remembered by their ids beside the newest: what comes again opens nothing."""


class HookMemory:
    """Opens and closes signals of hooks. Its methods raise StoreFailed where the store is unwell."""

    def __init__(self, door: Door, streams: Streams) -> None:
        self._door = door
        self._streams = streams

    async def open(self, token: Token, signal: Signal, wishes: Wishes) -> Ticket:
        """Take a new signal, and remember it as the open one.

        A late repeat of an older one, or of one that was closed since, is taken as the duplicate that it is, and opens
        nothing.
        """
        async with self._changing(token, signal.strategy_name, signal.pair, signal.timeframe) as (stream, known):
            seen = known.get("seen", [])
            before = _open(known)
            if signal.signal_id in seen or (before is not None and signal.timestamp < before.timestamp):
                return await self._door.take(signal, wishes, "new")
            newest = [*seen[-_SIGNALS_SEEN:], signal.signal_id]
            remembered = known | {"open": signal.to_dict(), "tier": str(wishes.user_tier), "seen": newest}
            state = stream_state(stream, signal.timestamp, remembered)
            (ticket,) = await self._door.commit(state, (signal,), wishes, "new")
            if ticket.outcome is Outcome.REFUSED:  # it was not told, and what was open before still is
                await self._door.commit(stream_state(stream, signal.timestamp, known), (), wishes, "new")
            return ticket

    async def close(self, token: Token, closing: Closing, wishes: Wishes) -> Ticket:
        """Tell that the open signal is closed, to those to whom it was told. Raises Problem 422 where none is open."""
        async with self._changing(token, closing.strategy, closing.pair, closing.timeframe) as (stream, known):
            told = known.get("closed")
            if told is not None and told["key"] == closing.key:
                before = wishes._replace(user_tier=UserTier(told["tier"]), context=told["context"])
                return await self._door.take(_fresh(Signal.from_dict(told["signal"])), before, "closed")
            opened = _open(known)
            if opened is not None and closing.side is not None and opened.signal_type is not closing.side:
                raise _none_open(closing, f"the open one is a {opened.signal_type}")
            if opened is not None:
                wishes = wishes._replace(user_tier=UserTier(known["tier"]))
            elif (opened := closing.unseen) is None:
                raise _none_open(closing, "nothing is known to be open")
            closed = _fresh(opened.close(closing.reason).at_price(closing.price))
            remembered = {
                "seen": known.get("seen", []),
                "closed": {
                    "key": closing.key,
                    "signal": closed.to_dict(),
                    "tier": str(wishes.user_tier),
                    "context": dict(wishes.context),
                },
            }
            (ticket,) = await self._door.commit(
                stream_state(stream, closed.timestamp, remembered), (closed,), wishes, "closed"
            )
            return ticket

    @asynccontextmanager
    async def _changing(
        self, token: Token, strategy: str, pair: Instrument, timeframe: str
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """A stream's name, and what is known of it. The strategy's name is whole: ids are alike for names that are."""
        stream = f"hook/{token.name}/{pair.symbol}/{timeframe}/{strategy}"
        async with self._streams.changing(stream) as known:
            yield stream, known or await self._before_names_were_whole(token, strategy, pair, timeframe)

    async def _before_names_were_whole(self, token: Token, strategy: str, pair: str, timeframe: str) -> dict[str, Any]:
        """What was kept while names with one slug had one memory, less what another strategy opened."""
        known = await self._streams.known(f"hook/{token.name}/{strategy_slug(strategy)}/{pair}/{timeframe}")
        opened = _open(known)
        return known if opened is None or opened.strategy_name == strategy else known | {"open": None}


def _open(known: Mapping[str, Any]) -> Signal | None:
    return Signal.from_dict(known["open"]) if known.get("open") else None


def _fresh(closed: Signal) -> Signal:
    """An end is news for a day, however old the beginning is."""
    return closed.but(valid_until=clock.now() + _CLOSED_IS_NEWS_FOR)


def _none_open(closing: Closing, why: str) -> Problem:
    asked = f"{closing.pair} {closing.timeframe} of strategy {closing.strategy!r}"
    return not_understood(
        [Fault("action", f"{asked} cannot be closed: {why}; its opening was not told with this token, or it is over")]
    )

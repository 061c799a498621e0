"""The last signal that each hook opened, for the close that will come: committed together with what is told.

For each token, strategy, pair and timeframe: the open signal, if any, and the last close, by which its repeat is known.
What a token can make us keep is bounded: its positions are spread over a fixed number of states, and each state keeps
the newest ones.
"""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from signalpost import clock
from signalpost.delivery.outbox.commands import StreamState
from signalpost.domain.instrument import Instrument
from signalpost.domain.signal import Signal, strategy_slug
from signalpost.domain.ticket import Outcome, Ticket
from signalpost.domain.tier import UserTier
from signalpost.errors import Fault
from signalpost.ingest.send_options import SendOptions
from signalpost.web.problem import Problem, not_understood
from signalpost.web.service_api import ServiceApi
from signalpost.web.streams import Streams, stream_state
from signalpost.web.tokens import Token
from signalpost.web.tradingview import Closing

_CLOSED_IS_NEWS_FOR = timedelta(hours=24)
_STATES = 64
"""For a token."""
_POSITIONS_A_STATE = 16
_LARGEST_STATE = 256 * 1024
"""Bytes of all positions in a state."""
_SIGNALS_SEEN = 15
"""Remembered by their ids beside the newest: what comes again opens nothing."""


class HookMemory:
    """Opens and closes signals of hooks. Its methods raise StoreFailed if the store is unavailable."""

    def __init__(self, service: ServiceApi, streams: Streams) -> None:
        self._service = service
        self._streams = streams

    async def open(self, token: Token, signal: Signal, options: SendOptions) -> Ticket:
        """Take a new signal, and remember it as the open one.

        A late repeat of an older one, or of one that was closed since, is taken as the duplicate that it is, and opens
        nothing.
        """
        async with self._changing(token, signal.strategy_name or "", signal.pair, signal.timeframe) as position:
            known = position.known
            seen = known.get("seen", [])
            before = _open(known)
            if signal.signal_id in seen or (before is not None and signal.timestamp < before.timestamp):
                return await self._service.take(signal, options, "new")
            newest = [*seen[-_SIGNALS_SEEN:], signal.signal_id]
            remembered = known | {"open": signal.to_dict(), "tier": str(options.user_tier), "seen": newest}
            state = position.state(signal.timestamp, remembered)
            (ticket,) = await self._service.commit(state, (signal,), options, "new")
            if ticket.outcome is Outcome.REFUSED:  # it was not told, and what was open before still is
                await self._service.commit(position.state(signal.timestamp, known), (), options, "new")
            return ticket

    async def close(self, token: Token, closing: Closing, options: SendOptions) -> Ticket:
        """Tell that the open signal is closed, to those to whom it was told. Raises Problem 422 where none is open."""
        async with self._changing(token, closing.strategy, closing.pair, closing.timeframe) as position:
            known = position.known
            told = known.get("closed")
            if told is not None and told["key"] == closing.key:
                before = options._replace(user_tier=UserTier(told["tier"]), context=told["context"])
                return await self._service.take(_fresh(Signal.from_dict(told["signal"])), before, "closed")
            opened = _open(known)
            if opened is not None and closing.side is not None and opened.signal_type is not closing.side:
                raise _none_open(closing, f"the open one is a {opened.signal_type}")
            if opened is not None:
                options = options._replace(user_tier=UserTier(known["tier"]))
            elif (opened := closing.unseen) is None:
                raise _none_open(closing, "nothing is known to be open")
            closed = _fresh(opened.close(closing.reason).at_price(closing.price))
            remembered = {
                "seen": known.get("seen", []),
                "closed": {
                    "key": closing.key,
                    "signal": closed.to_dict(),
                    "tier": str(options.user_tier),
                    "context": dict(options.context),
                },
            }
            (ticket,) = await self._service.commit(
                position.state(closed.timestamp, remembered), (closed,), options, "closed"
            )
            return ticket

    @asynccontextmanager
    async def _changing(
        self, token: Token, strategy: str, pair: Instrument, timeframe: str
    ) -> AsyncIterator["_Position"]:
        """What is known of a position. The strategy's name is whole: ids are alike for names that are."""
        name = f"{pair.symbol}/{timeframe}/{strategy}"
        stream = stream_of(token.name, name)
        async with self._streams.changing(stream) as state:
            known = state.get(name)
            if known is None:
                known = await self._of_earlier_versions(token, strategy, pair, timeframe)
            yield _Position(stream, name, known, {each: kept for each, kept in state.items() if each != name})

    async def _of_earlier_versions(
        self, token: Token, strategy: str, pair: Instrument, timeframe: str
    ) -> dict[str, Any]:
        """What was kept while each position had a state of its own."""
        known = await self._streams.known(f"hook/{token.name}/{pair}/{timeframe}/{strategy}")
        return known or await self._before_names_were_whole(token, strategy, pair, timeframe)

    async def _before_names_were_whole(self, token: Token, strategy: str, pair: str, timeframe: str) -> dict[str, Any]:
        """What was kept while names with one slug had one memory, less what another strategy opened."""
        known = await self._streams.known(f"hook/{token.name}/{strategy_slug(strategy)}/{pair}/{timeframe}")
        opened = _open(known)
        return known if opened is None or opened.strategy_name == strategy else known | {"open": None}


def stream_of(token: str, position: str) -> str:
    """The name of the state that keeps a position of a token."""
    number = int.from_bytes(hashlib.blake2s(position.encode(), digest_size=2).digest()) % _STATES
    return f"hooks/{token}/{number}"


class _Position(NamedTuple):
    """What is known of one position, and the others that its state keeps."""

    stream: str
    name: str
    known: dict[str, Any]
    others: dict[str, Any]

    def state(self, watermark: datetime, known: dict[str, Any]) -> StreamState:
        """The state with `known` as the newest position, without the oldest that it has no room for."""
        kept, size = {self.name: known}, len(msgspec.json.encode(known))
        for name, other in reversed(self.others.items()):
            size += len(msgspec.json.encode(other))
            if size > _LARGEST_STATE or len(kept) == _POSITIONS_A_STATE:
                break
            kept[name] = other
        return stream_state(self.stream, watermark, dict(reversed(kept.items())))


def _open(known: Mapping[str, Any]) -> Signal | None:
    return Signal.from_dict(known["open"]) if known.get("open") else None


def _fresh(closed: Signal) -> Signal:
    """An end is news for a day, however old the beginning is."""
    return closed.but(valid_until=clock.now() + _CLOSED_IS_NEWS_FOR)


def _none_open(closing: Closing, why: str) -> Problem:
    position = f"{closing.pair} {closing.timeframe} of strategy {closing.strategy!r}"
    text = f"{position} cannot be closed: {why}; its opening was not sent with this token, or it has ended"
    return not_understood([Fault("nothing-open", text, "action")])

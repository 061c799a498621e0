"""Remembers the signal that each hook opened, so that a later alert can close it. Committed with the deliveries.

For each token, strategy, pair and timeframe it keeps the open signal, if any, and the last close, so that a repeat of
that close is recognised. The storage per token is bounded: positions are spread over a fixed number of states, and
each state keeps the newest ones.
"""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from signalpost import clock
from signalpost.domain.instrument import Instrument
from signalpost.domain.side import SignalStatus
from signalpost.domain.signal import Signal
from signalpost.domain.signal_id import strategy_slug
from signalpost.domain.stream_state import StreamState
from signalpost.domain.ticket import Outcome, Ticket
from signalpost.domain.tier import UserTier
from signalpost.errors import Fault
from signalpost.ingest.send_options import SendOptions
from signalpost.web.problem import Problem, not_understood
from signalpost.web.service_api import ServiceApi
from signalpost.web.streams import Streams, stream_state
from signalpost.web.tokens import Token
from signalpost.web.tradingview import Closing

_CLOSE_VALID_FOR = timedelta(hours=24)
_STATES = 64
"""Per token."""
_POSITIONS_PER_STATE = 16
_LARGEST_STATE = 256 * 1024
"""Bytes of all positions in one state."""
SIGNALS_SEEN = 15
"""Ids remembered beside the newest; a repeat of one of them opens nothing."""


class HookMemory:
    """Opens and closes the signals of hooks. Its methods raise StoreFailed if the store is unavailable."""

    def __init__(self, service: ServiceApi, streams: Streams) -> None:
        self._service = service
        self._streams = streams

    async def open(self, token: Token, signal: Signal, options: SendOptions) -> Ticket:
        """Accept a new signal and remember it as the open one.

        A late repeat of an older signal, or of one that was closed since, is a duplicate and opens nothing.
        """
        async with self._changing(token, signal.strategy_name or "", signal.pair, signal.timeframe or "") as position:
            known = position.known
            seen = known.get("seen", [])
            before = _open(known)
            if signal.signal_id in seen or (before is not None and signal.timestamp < before.timestamp):
                return await self._service.take(signal, options, "new")
            newest = [*seen[-SIGNALS_SEEN:], signal.signal_id]
            remembered = known | {"open": signal.to_dict(), "tier": str(options.user_tier), "seen": newest}
            state = position.state(signal.timestamp, remembered)
            (ticket,) = await self._service.commit(state, (signal,), options, "new")
            if ticket.outcome is Outcome.REFUSED:  # not sent, so the previous one stays open
                await self._service.commit(position.state(signal.timestamp, known), (), options, "new")
            return ticket

    async def close(self, token: Token, closing: Closing, options: SendOptions) -> Ticket:
        """Close the open signal, for the tier it was sent to. Raises Problem 422 if none is open."""
        async with self._changing(token, closing.strategy, closing.pair, closing.timeframe) as position:
            known = position.known
            last = known.get("closed")
            if last is not None and last["key"] == closing.key:
                before = options._replace(user_tier=UserTier(last["tier"]), context=last["context"])
                return await self._service.take(_fresh(Signal.from_dict(last["signal"])), before, "closed")
            opened = _open(known)
            if opened is not None and closing.side is not None and opened.signal_type is not closing.side:
                raise _none_open(closing, f"the open signal is a {opened.signal_type}")
            if opened is not None:
                options = options._replace(user_tier=UserTier(known["tier"]))
            elif (opened := closing.unseen) is None:
                raise _none_open(closing, "no signal is open for it")
            if opened.status is SignalStatus.PENDING:  # only a position is closed, so the order was filled
                opened = opened.but(status=SignalStatus.ACTIVE)
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
        """Yield a position, identified by the full name of its strategy: similar names have the same slug."""
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
        """The data of versions that kept one state per position."""
        known = await self._streams.known(f"hook/{token.name}/{pair}/{timeframe}/{strategy}")
        return known or await self._before_names_were_whole(token, strategy, pair, timeframe)

    async def _before_names_were_whole(self, token: Token, strategy: str, pair: str, timeframe: str) -> dict[str, Any]:
        """The data of versions that kept one state per slug, without the signals of other strategies."""
        known = await self._streams.known(f"hook/{token.name}/{strategy_slug(strategy)}/{pair}/{timeframe}")
        opened = _open(known)
        return known if opened is None or opened.strategy_name == strategy else known | {"open": None}


def stream_of(token: str, position: str) -> str:
    """The name of the state that stores a position of a token."""
    number = int.from_bytes(hashlib.blake2s(position.encode(), digest_size=2).digest()) % _STATES
    return f"hooks/{token}/{number}"


class _Position(NamedTuple):
    """A position, and the other positions in its state."""

    stream: str
    name: str
    known: dict[str, Any]
    others: dict[str, Any]

    def state(self, watermark: datetime, known: dict[str, Any]) -> StreamState:
        """The state with `known` as its newest position, without the oldest ones if it would get too large."""
        kept, size = {self.name: known}, len(msgspec.json.encode(known))
        for name, other in reversed(self.others.items()):
            size += len(msgspec.json.encode(other))
            if size > _LARGEST_STATE or len(kept) == _POSITIONS_PER_STATE:
                break
            kept[name] = other
        return stream_state(self.stream, watermark, dict(reversed(kept.items())))


def _open(known: Mapping[str, Any]) -> Signal | None:
    return Signal.from_dict(known["open"]) if known.get("open") else None


def _fresh(closed: Signal) -> Signal:
    """Give a close its own validity, however old its signal is."""
    return closed.but(valid_until=clock.now() + _CLOSE_VALID_FOR)


def _none_open(closing: Closing, why: str) -> Problem:
    position = f"{closing.pair} {closing.timeframe} of strategy {closing.strategy!r}"
    text = f"cannot close {position}: {why}. The signal to close was not sent with this token, or was closed already"
    return not_understood([Fault("nothing-open", text, "action")])

"""Says in each destination which signals its readers missed while the service, or a feed, was away."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

from signalpost import clock
from signalpost.delivery.outbox.book import BookEntry, FindTrades
from signalpost.delivery.routing import Routing
from signalpost.domain.digest import Digest, MissedSignal
from signalpost.domain.signal import Signal
from signalpost.domain.ticket import Ticket
from signalpost.domain.tier import UserTier
from signalpost.errors import CommandFailed, StoreClosed, StoreFailed

_GATHERED_FOR = 15.0
"""Seconds for which what other streams missed is waited for."""


class Away:
    """Gathers what all streams missed, and sends one digest to each destination."""

    def __init__(
        self,
        accept: Callable[..., Coroutine[Any, Any, Ticket]],
        find: Callable[[FindTrades], Coroutine[Any, Any, tuple[BookEntry, ...]]],
        routing: Routing,
    ) -> None:
        self._accept = accept
        self._find = find
        self._routing = routing
        self._missed: dict[str, dict[str, Signal]] = {}
        self._tiers: dict[str, UserTier] = {}
        self._since: datetime | None = None
        self._sending: asyncio.Task[None] | None = None

    def missed(self, signals: Iterable[Signal], tiers: Iterable[UserTier], since: datetime | None) -> None:
        """Send a digest of these signals soon. Nothing was posted from `since` on; None if that is unknown."""
        for signal in signals:
            for tier in filter(partial(self._gets, signal), tiers):
                for route in self._routing.route(signal, tier):
                    if route.suppressed_for is None:
                        self._missed.setdefault(route.destination, {})[signal.signal_id] = signal
                        self._tiers[route.destination] = tier
            began = signal.known_at if since is None else since
            self._since = began if self._since is None else min(self._since, began)
        if self._missed and self._sending is None:
            self._sending = asyncio.get_running_loop().create_task(self._send_later(), name="signalpost digest")

    def _gets(self, signal: Signal, tier: UserTier) -> bool:
        least = self._routing.copy(tier).min_confidence
        return least is None or (signal.confidence_score is not None and signal.confidence_score >= least)

    async def close(self) -> None:
        """Send what was gathered at once."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
            await self._send()

    async def _send_later(self) -> None:
        await asyncio.sleep(_GATHERED_FOR)
        self._sending = None
        await self._send()

    async def _send(self) -> None:
        missed, self._missed = self._missed, {}
        since, self._since = self._since or clock.now(), None
        with suppress(StoreFailed, CommandFailed, StoreClosed):
            for destination, signals in missed.items():
                ordered = sorted(signals.values(), key=lambda each: each.known_at)
                listed = tuple([await self._listed(each) for each in ordered])
                digest = Digest(destination=destination, since=since, timestamp=clock.now(), signals=listed)
                await self._accept(digest, user_tier=self._tiers[destination])

    async def _listed(self, signal: Signal) -> MissedSignal:
        found = await self._find(FindTrades(name=signal.signal_id, exact=True))
        number = found[0].trade.number if found else 0
        return MissedSignal(signal.signal_id, number, signal.pair, signal.signal_type, signal.known_at)

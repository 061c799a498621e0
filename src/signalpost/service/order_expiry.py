"""Expires limit and stop orders that were not filled in time."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from signalpost import clock
from signalpost.delivery.intake import Intake
from signalpost.delivery.outbox.book import FindTrades
from signalpost.domain.change import ExpireOrder
from signalpost.domain.signal import Signal
from signalpost.domain.trade import TradeState
from signalpost.errors import CommandFailed, StoreFailed

_EVERY = 5.0
_LEAST_REST = 100.0
"""How many times longer it rests than it works."""
_CANDLES_WITHIN = timedelta(days=1)


class OrderExpiry:
    """Expires orders on their cards and with a companion, for the owner of a store.

    If a signal `is_followed`, candles decide: a later candle may show that the order was filled in time. If none does
    within a day, the order expires.
    """

    def __init__(self, intake: Intake, is_followed: Callable[[Signal], bool]) -> None:
        self._intake = intake
        self._is_followed = is_followed

    async def run(self) -> None:
        """Expire overdue orders every few seconds."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            with suppress(StoreFailed, CommandFailed):
                await self.expire_overdue()
            await asyncio.sleep(max(_EVERY, (loop.time() - began) * _LEAST_REST))

    async def expire_overdue(self) -> None:
        """Expire the orders that are overdue now. Raises StoreFailed."""
        now = clock.now()
        pending = FindTrades(states=frozenset({TradeState.PENDING}), only_live=True)
        for entry in await self._intake.find(pending):
            signal = entry.trade.signal
            until = signal.good_until
            if until is not None and until + (_CANDLES_WITHIN if self._is_followed(signal) else timedelta(0)) <= now:
                change = ExpireOrder(at=until, from_feed=True)
                await self._intake.amend(signal.signal_id, change, exact=True, if_version=entry.trade.version)

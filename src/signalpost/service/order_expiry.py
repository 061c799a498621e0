"""Expires limit and stop orders that were not filled in time."""

import asyncio
from contextlib import suppress

from signalpost import clock
from signalpost.delivery.intake import Intake
from signalpost.delivery.outbox.book import FindTrades
from signalpost.domain.change import ExpireOrder
from signalpost.domain.trade import TradeState
from signalpost.errors import CommandFailed, StoreFailed

_EVERY = 5.0
_LEAST_REST = 100.0
"""How many times longer it rests than it works."""
_MOST = 100_000


class OrderExpiry:
    """Expires orders on their cards and with a companion, for the owner of a store."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

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
        pending = FindTrades(states=frozenset({TradeState.PENDING}), only_live=True, limit=_MOST)
        for entry in await self._intake.find(pending):
            until = entry.trade.signal.good_until
            if until is not None and until <= now:
                change = ExpireOrder(at=until, from_feed=True)
                name, version = entry.trade.signal.signal_id, entry.trade.version
                await self._intake.amend(name, change, exact=True, if_version=version)

"""Expires limit and stop orders that were not filled in time."""

import asyncio
from contextlib import suppress
from time import perf_counter

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


async def expire_orders(intake: Intake) -> None:
    """Expire overdue orders every few seconds, on their cards and with a companion."""
    while True:
        began = perf_counter()
        with suppress(StoreFailed, CommandFailed):
            await expire_overdue(intake)
        await asyncio.sleep(max(_EVERY, (perf_counter() - began) * _LEAST_REST))


async def expire_overdue(intake: Intake) -> None:
    """Expire the orders that are overdue now. Raises StoreFailed."""
    now = clock.now()
    for entry in await intake.find(FindTrades(states=frozenset({TradeState.PENDING}), only_live=True, limit=_MOST)):
        until = entry.trade.signal.good_until
        if until is not None and until <= now:
            change = ExpireOrder(at=until, from_feed=True)
            await intake.amend(entry.trade.signal.signal_id, change, exact=True, if_version=entry.trade.version)

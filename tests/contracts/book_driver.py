"""Does to a signal book what intake and a lane do, in tests of stores."""

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from signalpost import Signal
from signalpost.delivery.outbox.book import Amend, Amendment, BookEntry, FindTrades
from signalpost.delivery.outbox.commands import (
    CardResult,
    Find,
    Lease,
    Leased,
    Message,
    NewDelivery,
    NewNotification,
    OutboxEntry,
    Put,
    PutResult,
    Settle,
)
from signalpost.delivery.outbox.port import Outbox
from signalpost.domain.change import Change
from signalpost.domain.delivery import Delivery, DeliveryState
from signalpost.domain.notification import notification_of
from signalpost.domain.tier import UserTier
from signalpost.testing.outbox_samples import verdict

START = datetime.fromisoformat("2026-03-02T09:30:00+00:00")
MINUTE = timedelta(minutes=1)
A, B = "signals-free", "signals-premium"
_S = DeliveryState


def signal(name: str = "s1", **changes: Any) -> Signal:
    facts: dict[str, Any] = {
        "signal_id": name,
        "pair": "EUR_USD",
        "timeframe": "H1",
        "signal_type": "BUY",
        "entry_price": "1.1000",
        "stop_loss": "1.0950",
        "targets": ["1.1050", "1.1100"],
        "timestamp": START - 60 * MINUTE,
    }
    return Signal(**{**facts, **changes})


class Driver:
    """One signal book. `now` is the time of the next command."""

    def __init__(self, outbox: Outbox, path: Path) -> None:
        self.outbox = outbox
        self.path = path
        self.now = START
        self._made = 0

    def _id(self) -> str:
        self._made += 1
        return f"{self._made:04}"

    async def open(
        self,
        made: Signal,
        *lanes: str,
        tier: UserTier = UserTier.FREE,
        run: str | None = None,
        closes: int | None = None,
    ) -> PutResult:
        notification = notification_of(made, user_tier=tier, ticket_id=self._id(), accepted_at=self.now, run=run)
        notification = notification.but(closes=closes)
        deliveries = tuple(NewDelivery(lane, 0) for lane in lanes or (A,))
        item = NewNotification(notification, deliveries, self.now + timedelta(days=1))
        return (await self.outbox.do(Put((item,))))[0]

    async def change(self, change: Change, name: str = "s1", **options: Any) -> Amendment:
        return await self.outbox.do(Amend(name, change, self.now, (self._id(), self._id()), **options))

    async def lease(self, lane: str = A, **options: Any) -> Leased:
        return await self.outbox.do(Lease(lane, self.now, **options))

    async def leased(self, lane: str = A, **options: Any) -> OutboxEntry:
        (entry,) = (await self.lease(lane, **options)).entries
        return entry

    async def settle(self, entry: OutboxEntry, state: DeliveryState = _S.DELIVERED, **changes: Any) -> Delivery:
        version = entry.notification.trade.version if entry.notification.trade else 1
        lane = entry.delivery.id.destination
        if state is _S.DELIVERED:
            name = entry.card.message_id if entry.is_edit and entry.card else f"m{self._id()}"
            changes.setdefault("message", Message(lane, name, self.now, 1, "c1", "g1", "w1"))
        if entry.notification.before is None:
            trade = entry.notification.trade
            shows_end = trade is not None and not trade.state.is_live
            changes.setdefault("card", CardResult(version, entry.is_edit, shows_end=shows_end))
        (settled,) = await self.outbox.do(Settle((verdict(entry.delivery, state, **changes),)))
        return settled

    async def shown(self, lane: str = A) -> OutboxEntry:
        """Open a signal and show it."""
        await self.open(signal(), lane)
        entry = await self.leased(lane)
        await self.settle(entry)
        return entry

    async def find(self, name: str | None = None, **options: Any) -> tuple[BookEntry, ...]:
        return await self.outbox.do(FindTrades(name, **options))

    async def states(self, lane: str = A) -> list[tuple[str, str]]:
        found = await self.outbox.do(Find(destination=lane))
        return [(entry.notification.event, entry.delivery.state) for entry in reversed(found)]


def damage(book: Driver, statement: str) -> None:
    """Run a statement as a person with a tool might."""
    with closing(sqlite3.connect(book.path)) as db:
        db.execute(statement)
        db.commit()

"""An intake on a store in memory, with everything that it needs."""

from collections.abc import Iterable
from datetime import UTC, datetime
from random import Random
from typing import Any

from signalpost import NotificationPriority, Signal, UserTier
from signalpost.delivery.intake import Intake
from signalpost.delivery.outbox.commands import Answer, Command, Find, OutboxEntry
from signalpost.delivery.routing import Routing, Tier
from signalpost.delivery.ticket_ids import TicketIds
from signalpost.domain.events import Event
from signalpost.errors import StoreFailed
from tests.inline_outbox import InlineOutbox
from tests.tmpfs import new_core

NOW = datetime(2026, 1, 5, 16, tzinfo=UTC)


def signal(**fields: Any) -> Signal:
    return Signal(
        **{
            "pair": "EURUSD",
            "timeframe": "H4",
            "signal_type": "BUY",
            "entry_price": "1.1",
            "timestamp": "2026-01-05T12:00:00Z",
            **fields,
        }
    )


class FailingOutbox(InlineOutbox):
    """An outbox whose store fails on demand."""

    def __init__(self, core: Any = None) -> None:
        super().__init__(core or new_core())
        self.fails = False

    async def do(self, command: Command[Answer]) -> Answer:
        if self.fails:
            raise StoreFailed("the disk is full")
        return await super().do(command)


class IntakeHarness:
    """An intake with everything that it needs, its events and its calls of `on_put`."""

    def __init__(
        self,
        *destinations: str,
        run: str | None = None,
        tiers: dict[UserTier, Tier] | None = None,
        core: Any = None,
        outbox: FailingOutbox | None = None,
        seed: int = 7,
        **options: Any,
    ) -> None:
        self.outbox = outbox or FailingOutbox(core)
        self.events: list[Event] = []
        self.woken: list[tuple[tuple[str, ...], NotificationPriority, datetime]] = []
        names = destinations or ("signals-free", "signals-premium", "alerts-critical", "system-status")
        routing = Routing(names, tiers=tiers)
        ids = TicketIds(Random(seed).getrandbits)
        self.intake = Intake(self.outbox, routing, ids, emit=self.events.append, on_put=self._woke, run=run, **options)

    def _woke(self, destinations: Iterable[str], priority: NotificationPriority, valid_until: datetime) -> None:
        self.woken.append((tuple(destinations), priority, valid_until))

    async def rows(self) -> list[OutboxEntry]:
        return list(reversed(await self.outbox.do(Find(limit=100_000))))

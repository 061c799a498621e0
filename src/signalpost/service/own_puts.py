"""What this process put, and another delivers: followed until it has ended."""

import asyncio

from signalpost.delivery.outbox.commands import Find
from signalpost.delivery.outbox.port import Outbox
from signalpost.domain.delivery import Delivery
from signalpost.domain.events import Event, Taken
from signalpost.domain.ticket import Outcome

MOST_FOLLOWED = 10_000
"""Notifications; of more, the oldest are no longer followed."""
MOST_OPEN_SHOWN = 1000
_LOOK_EVERY = 0.05


class OwnPuts:
    """A listener that keeps in mind what was accepted, and can wait until it has ended."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._tickets: dict[str, None] = {}

    def __call__(self, event: Event) -> None:
        """Note what was accepted for at least one destination."""
        match event:
            case Taken(ticket, _, destinations) if destinations and ticket.outcome is Outcome.ACCEPTED:
                self._tickets[ticket.id] = None
                if len(self._tickets) > MOST_FOLLOWED:
                    del self._tickets[next(iter(self._tickets))]
            case _:
                pass

    async def ended(self) -> None:
        """Wait until all of it has ended, one after the other. Raises StoreFailed."""
        while self._tickets:
            oldest = next(iter(self._tickets))
            if await self._open_of(oldest):
                await asyncio.sleep(_LOOK_EVERY)
            else:
                self._tickets.pop(oldest, None)

    async def still_open(self) -> list[Delivery]:
        """Which of it is still open, the first 1,000 deliveries. Raises StoreFailed."""
        found: list[Delivery] = []
        for ticket in list(self._tickets):
            if len(found) < MOST_OPEN_SHOWN:
                found += await self._open_of(ticket)
        return found

    async def _open_of(self, ticket: str) -> list[Delivery]:
        parcels = await self._outbox.do(Find(notification_id=ticket))
        return [each.delivery for each in parcels if not each.delivery.state.is_terminal]

"""The tickets that this process queued and another process delivers, followed until they have ended."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta

from signalpost import clock
from signalpost.delivery.outbox.commands import Open
from signalpost.delivery.outbox.port import Outbox
from signalpost.domain.delivery import Delivery, DeliveryState
from signalpost.domain.events import Event, Taken
from signalpost.domain.ticket import Outcome

MOST_FOLLOWED = 10_000
"""Maximum number of notifications; beyond it, the oldest are no longer followed."""
MAX_OPEN_SHOWN = 1000
_LOOK_EVERY = 0.05
_LOOKS_ALONE = 5
"""Consecutive looks that must find no delivering process before a wait ends: one may just have started."""
_PAGE = 500
_ALL = 2**31
"""A limit for the deliveries of a page, too high to be reached."""


class PendingTickets:
    """A listener that remembers accepted tickets and can wait until they have ended."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._tickets: dict[str, int] = {}
        """How many deliveries of each were open at the last query."""

    @property
    def open(self) -> int:
        """How many deliveries were open when last counted. Any thread may read it."""
        return sum(tuple(self._tickets.values()))

    def __call__(self, event: Event) -> None:
        """Follow a ticket that was accepted for at least one destination."""
        match event:
            case Taken(ticket, _, destinations) if destinations and ticket.outcome is Outcome.ACCEPTED:
                self._tickets[ticket.id] = len(destinations)
                if len(self._tickets) > MOST_FOLLOWED:
                    del self._tickets[next(iter(self._tickets))]
            case _:
                pass

    def follow(self, deliveries: Iterable[Delivery]) -> None:
        """Follow these as well. This process would have delivered them, but another one took over."""
        self._tickets.update(Counter(each.id.notification_id for each in deliveries))

    async def drain(
        self, timeout: float | None, ticket_id: str | None, is_delivered: Callable[[], bool]
    ) -> list[Delivery]:
        """Wait until all tickets, or the given one, have ended; return the first 1,000 deliveries still open.

        Waits up to `timeout` seconds, only while some process delivers (`is_delivered`), and not for a delivery
        that must not be sent within that time. Raises StoreFailed.
        """
        wanted = self._tickets if ticket_id is None else {ticket_id: 1}
        until = None if timeout is None else clock.now() + timedelta(seconds=timeout)
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                looks_alone = 0
                while await self._is_awaited(wanted, until) and looks_alone < _LOOKS_ALONE:
                    looks_alone = 0 if is_delivered() else looks_alone + 1
                    await asyncio.sleep(_LOOK_EVERY)
        return await self._open_of(wanted)

    async def _is_awaited(self, wanted: dict[str, int], until: datetime | None) -> bool:
        """True if any of these may still be sent by `until`. Removes ended tickets up to the first that may."""
        tickets = list(wanted)
        for begin in range(0, len(tickets), _PAGE):
            page = tuple(tickets[begin : begin + _PAGE])
            found = await self._outbox.do(Open(notification_ids=page, limit=_ALL))
            still = Counter(each.id.notification_id for each in found)
            for ticket in page:
                if ticket not in still:
                    wanted.pop(ticket, None)
                elif ticket in wanted:
                    wanted[ticket] = still[ticket]
            if any(_comes(each, until) for each in found):
                return True
        return False

    async def _open_of(self, wanted: dict[str, int]) -> list[Delivery]:
        found: list[Delivery] = []
        tickets = list(wanted)
        for begin in range(0, len(tickets), _PAGE):
            page = tuple(tickets[begin : begin + _PAGE])
            more = await self._outbox.do(Open(notification_ids=page, limit=MAX_OPEN_SHOWN))
            found += more
            if len(found) >= MAX_OPEN_SHOWN:
                break
        return found[:MAX_OPEN_SHOWN]


def _comes(delivery: Delivery, until: datetime | None) -> bool:
    """Whether a delivery is being sent, or may be by `until`: a delayed tier, or a retry, may be due later."""
    if until is None or delivery.not_before is None or delivery.state is not DeliveryState.PENDING:
        return True
    return delivery.not_before <= until

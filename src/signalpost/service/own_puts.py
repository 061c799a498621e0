"""What this process put, and another delivers: followed until it has ended."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import islice

from signalpost.delivery.outbox.commands import Open
from signalpost.delivery.outbox.port import Outbox
from signalpost.domain.delivery import Delivery
from signalpost.domain.events import Event, Taken
from signalpost.domain.ticket import Outcome

MOST_FOLLOWED = 10_000
"""Notifications; of more, the oldest are no longer followed."""
MOST_OPEN_SHOWN = 1000
_LOOK_EVERY = 0.05
_LOOKS_ALONE = 5
"""Looks in a row that have to find no process that delivers: one may just have started."""
_PAGE = 500
_ALL = 2**31
"""Deliveries of a page: however many destinations its notifications have."""


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

    def follow(self, deliveries: Iterable[Delivery]) -> None:
        """Follow these as well: what this process was to deliver when another took over."""
        self._tickets.update((each.id.notification_id, None) for each in deliveries)

    async def drain(
        self, timeout: float | None, ticket_id: str | None, is_delivered: Callable[[], bool]
    ) -> list[Delivery]:
        """Wait until all of it, or one ticket, has ended, and return what is still open, the first 1,000 deliveries.

        Waits for `timeout` seconds at most, and only while `is_delivered` says that some process delivers it. Raises
        StoreFailed.
        """
        wanted = self._tickets if ticket_id is None else {ticket_id: None}
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                looks_alone = 0
                while await self._is_open(wanted) and looks_alone < _LOOKS_ALONE:
                    looks_alone = 0 if is_delivered() else looks_alone + 1
                    await asyncio.sleep(_LOOK_EVERY)
        return await self._open_of(wanted)

    async def _is_open(self, wanted: dict[str, None]) -> bool:
        """Whether any of these is still open; those at the front that have ended are forgotten."""
        while page := tuple(islice(wanted, _PAGE)):
            found = await self._outbox.do(Open(notification_ids=page, limit=_ALL))
            still = {each.id.notification_id for each in found}
            for ticket in page:
                if ticket not in still:
                    wanted.pop(ticket, None)
            if still:
                return True
        return False

    async def _open_of(self, wanted: dict[str, None]) -> list[Delivery]:
        found: list[Delivery] = []
        tickets = list(wanted)
        for begin in range(0, len(tickets), _PAGE):
            page = tuple(tickets[begin : begin + _PAGE])
            more = await self._outbox.do(Open(notification_ids=page, limit=MOST_OPEN_SHOWN))
            found += more
            if len(found) >= MOST_OPEN_SHOWN:
                break
        return found[:MOST_OPEN_SHOWN]

"""Changes of signals: saved in the signal book, and reported once they are."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from signalpost import clock
from signalpost.delivery.deduplication import NO_FILTERS, Filters
from signalpost.delivery.outbox.book import Amend, Amendment, EndTrades, Follow, Permission
from signalpost.delivery.outbox.port import Outbox
from signalpost.delivery.ticket_ids import TicketIds
from signalpost.domain.change import Change
from signalpost.domain.context import Context
from signalpost.domain.events import ChangeRefused, Listener, Settled, Taken
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.ticket import Outcome, Refusal, Ticket
from signalpost.domain.trade import FollowState
from signalpost.errors import CommandFailed
from signalpost.lasting import result_of

_PAGE = 100
"""How many trades are ended in one transaction."""


class Amendments:
    """Turns changes into commands, and answers into tickets. `on_put`, `open_for` and `filters` are as in Intake."""

    def __init__(
        self,
        outbox: Outbox,
        ids: TicketIds,
        *,
        emit: Listener,
        on_put: Callable[[Iterable[str], NotificationPriority, datetime], None],
        run: str | None,
        open_for: timedelta,
        filters: Filters = NO_FILTERS,
    ) -> None:
        self._outbox = outbox
        self._ids = ids
        self._emit = emit
        self._on_put = on_put
        self._run = run
        self._open_for = open_for
        self._filters = filters

    def command(
        self,
        name: str,
        change: Change,
        *,
        exact: bool,
        if_version: int | None,
        may: Permission | None,
        context: Mapping[str, object] | None,
        key: str | None,
        request: bytes | None,
    ) -> Amend:
        """The command for a change that is submitted now."""
        now = clock.now()
        ids = self._ids.next(now), self._ids.next(now)
        about = Context(context or {})
        return Amend(name, change, now, ids, if_version, may, self._run, about, exact, key, request, self._open_for)

    async def save(self, command: Amend) -> Ticket:
        """Save a change. Raises StoreFailed.

        If the caller is cancelled, it may be saved all the same, and is reported.
        """
        return await result_of(asyncio.ensure_future(self._saved(command)))

    async def save_held(self, command: Amend) -> None:
        """Save a change whose caller knows only that it is held. If it is refused, report that. Raises StoreFailed."""
        ticket = await self.save(command)
        if ticket.outcome is Outcome.REFUSED:
            self._emit(ChangeRefused(command.name, ticket.reason or ""))

    async def follow(
        self,
        changes: Sequence[tuple[str, Change]],
        versions: Mapping[str, int],
        states: Mapping[str, FollowState],
        now: datetime,
    ) -> bool:
        """Save what candles did to trades. False, and nothing is saved, if one has changed since. Raises StoreFailed.

        If the caller is cancelled, it may be saved all the same, and is reported.
        """
        amends = tuple(
            Amend(name, change, now, (self._ids.next(now), self._ids.next(now)), open_for=self._open_for)
            for name, change in changes
        )
        command = Follow(amends, versions, states, now, self._run, self._filters)
        return await result_of(asyncio.ensure_future(self._followed(command)))

    async def _followed(self, command: Follow) -> bool:
        answers = await self._outbox.do(command)
        for answer in answers or ():
            self._ticket(answer)
        return answers is not None

    async def end_unheard_of(self) -> int:
        """End some trades that were neither changed nor followed for `open_for`, and return how many.

        Raises StoreFailed.
        """
        now = clock.now()
        ids = tuple(self._ids.next(now) for _ in range(_PAGE))
        ended = await self._outbox.do(EndTrades(now - self._open_for, now, ids))
        for answer in ended:
            self._ticket(answer)
        return len(ended)

    async def _saved(self, command: Amend) -> Ticket:
        try:
            answer = await self._outbox.do(command)
        except CommandFailed as fault:  # it would fail again
            return Ticket(Outcome.REFUSED, "", f"this change cannot be saved: {fault}", Refusal.UNSTORABLE)
        return self._ticket(answer)

    def _ticket(self, answer: Amendment) -> Ticket:
        """Report what an answer changed, and return its ticket."""
        trade, made = answer.trade, answer.notification
        ticket = Ticket(
            answer.outcome,
            answer.repeats if made is None else made.id,
            answer.reason,
            answer.refusal,
            signal_id=None if trade is None else trade.signal.signal_id,
            version=None if trade is None else trade.version,
        )
        if made is not None:
            self._emit(Taken(ticket, made, answer.waiting))
            for delivery in answer.superseded:
                self._emit(Settled(delivery))
            self._on_put(answer.waiting, made.priority, made.valid_until)
        return ticket

"""Accepts notifications: validates, routes, fans out and saves them, and only then confirms them.

Nothing is sent here. If the store is unavailable, notifications are held in memory, in order and up to a limit, and
saved once it is available again. Their tickets say so.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec

from signalpost import clock
from signalpost.delivery.amendments import Amendments
from signalpost.delivery.deduplication import NO_FILTERS, Filters
from signalpost.delivery.fan_out import (
    as_put,
    check_new,
    deliveries_of,
    is_routed,
    key_until,
    only,
    too_old,
    why_unpublished,
)
from signalpost.delivery.kept_task import KeptTask
from signalpost.delivery.outbox.book import Amend, BookEntry, FindTrades, Permission
from signalpost.delivery.outbox.commands import Find, LoadState, NewDelivery, NewNotification, Put, PutResult
from signalpost.delivery.outbox.patience import StoreHealth, try_store
from signalpost.delivery.outbox.port import Outbox
from signalpost.delivery.routing import Routing
from signalpost.delivery.ticket_ids import TicketIds
from signalpost.delivery.tickets import conflict, of_several, ticket_of, warned
from signalpost.domain.change import Change, Revise
from signalpost.domain.delivery import Delivery, DeliveryState
from signalpost.domain.digest import Digest
from signalpost.domain.events import Listener, Taken
from signalpost.domain.former import former_ids
from signalpost.domain.ledger import StreamState, Unpublished, UnpublishedRule
from signalpost.domain.notification import NEW, Notification, Payload, notification_of
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.recap import Recap
from signalpost.domain.signal import Signal
from signalpost.domain.ticket import Outcome, Refusal, Ticket
from signalpost.domain.tier import UserTier
from signalpost.domain.validity import OPEN_FOR, SIGNAL_WITHOUT_TIMEFRAME
from signalpost.errors import CommandFailed, StoreClosed, StoreFailed

MOST_HELD = 10_000
_RECOVERING = "the store is recovering, and earlier notifications are saved first"
_TRY_AGAIN_AFTER = timedelta(seconds=1)


class Intake:
    """Accepts notifications.

    `on_put` is called after each is saved, with its waiting destinations, its priority and its expiry. `open_for` is
    how long a trade may be live without a change, and `valid_for` how long a signal without a timeframe is valid. The
    `filters` apply to new signals and price notes outside replays.
    """

    def __init__(
        self,
        outbox: Outbox,
        routing: Routing,
        ids: TicketIds,
        *,
        emit: Listener,
        on_put: Callable[[Iterable[str], NotificationPriority, datetime], None],
        run: str | None = None,
        health: StoreHealth | None = None,
        open_for: timedelta = OPEN_FOR,
        valid_for: timedelta = SIGNAL_WITHOUT_TIMEFRAME,
        filters: Filters = NO_FILTERS,
    ) -> None:
        self.routing = routing
        """The current routes. They are replaced when another process takes over delivery."""
        self._outbox = outbox
        self._ids = ids
        self._emit = emit
        self._on_put = on_put
        self._run, self._valid_for = run, valid_for
        self._filters = None if run is not None or filters == NO_FILTERS else filters
        self.amendments = Amendments(outbox, ids, emit=emit, on_put=on_put, run=run, open_for=open_for, filters=filters)
        """Saves changes, including those that the service itself makes."""
        self._health = health or StoreHealth(emit)
        self._held: deque[NewNotification | Amend] = deque()
        self._held_by_key: dict[str, Notification] = {}
        self._nothing_held = asyncio.Event()
        self._nothing_held.set()
        self._recovering: KeptTask | None = None
        self._cancelled_saves: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._failure = ""

    @property
    def held(self) -> int:
        """How many notifications wait in memory for the store to be available again."""
        return len(self._held)

    async def accept(
        self,
        payload: Payload,
        *,
        event: str = "new",
        priority: NotificationPriority | int | str | None = None,
        user_tier: UserTier | str | None = None,
        context: Mapping[str, object] | None = None,
        about: str | None = None,
        tiers: frozenset[UserTier] | None = None,
        closes: int | None = None,
        hold: bool = True,
    ) -> Ticket:
        """Accept one notification, and return its ticket once it is saved.

        With `tiers`, a repeat is refused if its signal was sent to a tier that is not among them. `closes` is the
        number of the trade that a new signal reverses. If the store is unavailable, the notification is held in memory,
        or refused without `hold`. Raises InvalidValue, and StoreClosed after the outbox is closed.
        """
        new = self._new(payload, event, priority, user_tier, context, about, closes=closes, tiers=tiers)
        if self._held and is_routed(new):
            return self._hold(new, _RECOVERING, hold=hold)
        try:
            (ticket,) = await self._save((new,), None)
        except StoreFailed as fault:
            return self._hold(new, str(fault), hold=hold)
        except CommandFailed as fault:  # it would fail again, so it is not held
            return self._unstorable(new, fault)
        return ticket

    async def amend(
        self,
        name: str,
        change: Change,
        *,
        exact: bool = False,
        if_version: int | None = None,
        may: Permission | None = None,
        context: Mapping[str, object] | None = None,
        key: str | None = None,
        request: bytes | None = None,
        hold: bool = True,
    ) -> Ticket:
        """Change the trade of a signal, and return the change's ticket once it is saved.

        `name` is the signal's id, its short id, its number, or its pair if exactly one of that pair is live. With
        `exact`, it cannot be a pair, and a number must begin with `#`. `may` limits the signals and the verbs of the
        caller. Another change with the same `key` is a duplicate, or refused if its `request` differs. A change that
        cannot be saved now is held in memory, or refused without `hold`. A held change is checked when it is saved.
        Raises StoreClosed.
        """
        command = self.amendments.command(
            name, change, exact=exact, if_version=if_version, may=may, context=context, key=key, request=request
        )
        if self._held:
            return self._keep(command, command.ids[0], _RECOVERING, hold=hold)
        try:
            ticket = await self.amendments.save(command)
        except StoreFailed as fault:
            return self._keep(command, command.ids[0], str(fault), hold=hold)
        self._recovered()
        return ticket

    async def find(self, wanted: FindTrades) -> tuple[BookEntry, ...]:
        """The matching trades of the signal book; in a replay, only those of the replay. Raises StoreFailed."""
        return await self._outbox.do(msgspec.structs.replace(wanted, run=self._run))

    async def load_state(self, stream: str) -> StreamState | None:
        """The last committed state of a stream; None if there is none. Raises StoreFailed."""
        return await self._outbox.do(LoadState(stream))

    async def commit(
        self,
        state: StreamState,
        signals: Sequence[Signal],
        tiers: Sequence[UserTier | str] = (),
        *,
        event: str = "new",
        priority: NotificationPriority | int | str | None = None,
        context: Mapping[str, object] | None = None,
        unpublished: Sequence[Unpublished] = (),
        closes: Mapping[str, int] = {},
        reports: Sequence[tuple[Digest | Recap, UserTier]] = (),
    ) -> list[Ticket]:
        """Save a stream's state together with the signals of its last candle, all or nothing.

        Each signal is sent to all `tiers` (by default to FREE) and has one ticket. Unpublished and expired signals are
        recorded but not posted. `closes` has the number of the trade that a signal reverses, by the signal's id. The
        `reports` are saved too, without tickets. Raises StoreFailed if the store is unavailable or held notifications
        come first, and CommandFailed if these cannot be saved. Then give the strategy no candle until a retry succeeds.
        """
        items = [*((each, too_old(each, event, clock.now())) for each in signals), *unpublished]
        each_tier = tuple(tiers) or (UserTier.FREE,)
        news = [
            self._new(item, event, priority, tier, context, None, why, closes.get(item.signal_id))
            for item, why in items
            for tier in each_tier
        ]
        news += [self._new(report, NEW, None, tier, None, None) for report, tier in reports]
        if self._held:
            text = f"{len(self._held)} notifications are not saved yet ({self._failure}): try again"
            raise StoreFailed(text, code="not-saved-yet", value=str(len(self._held)))
        try:
            tickets = await self._save(news, state)
        except StoreFailed as fault:
            self.store_failed(str(fault))
            raise
        number = len(each_tier)
        return [of_several(tickets[at : at + number]) for at in range(0, len(items) * number, number)]

    async def revise(self, signal_id: str) -> Ticket:
        """Mark a signal whose candle was corrected so that its cross is gone. Raises StoreFailed."""
        ticket = await self.amend(signal_id, Revise(from_feed=True), exact=True, hold=False)
        if ticket.cause is Refusal.STORE:
            raise StoreFailed(ticket.reason or "", code="not-saved-yet")
        return ticket

    async def all_written(self) -> None:
        """Wait until nothing is held, and everything that was saved is reported."""
        if self._cancelled_saves:
            await asyncio.wait(set(self._cancelled_saves))
        await self._nothing_held.wait()

    async def close(self) -> int:
        """Try once more to save the held notifications, and return how many could not be saved.

        From now on, a notification that cannot be saved is refused, because nothing would save it later.
        """
        self.retire()
        if self._recovering is not None:
            await self._recovering.end()
        with suppress(StoreFailed):
            await self._save_held()
        if self._cancelled_saves:
            await asyncio.wait(set(self._cancelled_saves))
        return len(self._held)

    def retire(self) -> None:
        """From now on, refuse notifications instead of holding them, and do not restart failed tasks."""
        self._is_closed = True
        if self._recovering is not None:
            self._recovering.retire()

    async def _save(self, news: Sequence[NewNotification], state: StreamState | None) -> list[Ticket]:
        """Put the notifications that have a destination, and return the tickets of all in order."""
        routed = tuple([new for new in news if is_routed(new)])
        answers: list[PutResult] = []
        if routed or state:
            try:
                answers = await self._outbox.do(Put(routed, state))
            except asyncio.CancelledError:
                self._report_after_cancel(routed)
                raise
            if not self._held:
                self._recovered()
        results = iter(answers)
        return [self._answered(new, next(results) if new in routed else None) for new in news]

    def _answered(self, new: NewNotification, result: PutResult | None) -> Ticket:
        """The ticket of a notification, after it is reported. Without a result, it has no destination."""
        notification = new.notification
        companions: tuple[str, ...] = ()
        if result is None:
            reason = self.routing.refusal([each.destination for each in new.deliveries], notification.user_tier)
            ticket = Ticket(Outcome.REFUSED, "", reason, Refusal.NO_DESTINATION)
        else:
            new, companions = as_put(new, result), result.companions
            ticket = ticket_of(new, result)
            if result.number is not None:
                notification = notification.but(number=result.number)
        ticket = warned(notification, ticket, self.routing)
        self._report(notification, new.deliveries, ticket, companions)
        return ticket

    def _report_after_cancel(self, routed: Iterable[NewNotification]) -> None:
        """The caller was cancelled, but the notifications may be saved all the same. If so, they must be reported."""
        task = asyncio.get_running_loop().create_task(self._report_saved(routed), name="signalpost cut-off intake")
        self._cancelled_saves.add(task)
        task.add_done_callback(self._cancelled_saves.discard)

    async def _report_saved(self, routed: Iterable[NewNotification]) -> None:
        with suppress(StoreFailed, CommandFailed, StoreClosed):
            for new in routed:
                if deliveries := await self._saved_as(new.notification.id):
                    accepted = only(new, [each.id.destination for each in deliveries])
                    if all(each.state is DeliveryState.SUPPRESSED for each in deliveries):
                        accepted = accepted.not_posted(deliveries[0].reason or "")
                    ticket = ticket_of(accepted, PutResult(Outcome.ACCEPTED, new.notification.id))
                    companions = [each.id.destination for each in await self._saved_as(new.notification.companion_id)]
                    self._report(accepted.notification, accepted.deliveries, ticket, companions)

    async def _saved_as(self, name: str) -> list[Delivery]:
        return [entry.delivery for entry in await self._outbox.do(Find(notification_id=name))]

    def _report(
        self, new: Notification, deliveries: Iterable[NewDelivery], ticket: Ticket, companions: Iterable[str]
    ) -> None:
        waiting = (*[each.destination for each in deliveries if each.state is DeliveryState.PENDING], *companions)
        self._emit(Taken(ticket, new, waiting))
        if ticket.outcome is Outcome.ACCEPTED:
            self._on_put(waiting, new.priority, new.valid_until)

    def _unstorable(self, new: NewNotification, fault: CommandFailed) -> Ticket:
        ticket = Ticket(Outcome.REFUSED, "", f"this notification cannot be saved: {fault}", Refusal.UNSTORABLE)
        self._emit(Taken(ticket, new.notification, ()))
        return ticket

    def _hold(self, new: NewNotification, reason: str, *, hold: bool) -> Ticket:
        notification = new.notification
        self.store_failed(reason)
        first = self._held_by_key.get(notification.key)
        if first is not None and first.content_hash != notification.content_hash:
            ticket = conflict(notification)
        elif first is not None and hold and not self._is_closed:
            # Not a duplicate yet: the one that it repeats is only in memory.
            ticket = Ticket(Outcome.HELD, first.id, reason)
        else:
            ticket = self._keep(new, notification.id, reason, hold=hold)
            if ticket.outcome is Outcome.HELD:
                self._held_by_key[notification.key] = notification
        ticket = warned(notification, ticket, self.routing)
        self._emit(Taken(ticket, notification, ()))
        return ticket

    def _keep(self, item: NewNotification | Amend, name: str, reason: str, *, hold: bool) -> Ticket:
        """Hold in memory what cannot be saved now, if possible."""
        self.store_failed(reason)
        if not hold or self._is_closed:
            return Ticket(Outcome.REFUSED, "", f"the store is unavailable: {reason}", Refusal.STORE)
        if len(self._held) >= MOST_HELD:
            why = f"the store is unavailable ({reason}), and memory is full ({MOST_HELD} notifications are waiting)"
            return Ticket(Outcome.REFUSED, "", f"{why}: send this one yourself", Refusal.TOO_MANY)
        self._held.append(item)
        self._nothing_held.clear()
        return Ticket(Outcome.HELD, name, reason)

    def store_failed(self, reason: str) -> None:
        """Report that the store failed, and retry until it works."""
        self._failure = self._failure or reason
        self._health.failed(Intake, reason)
        if self._recovering is None and not self._is_closed:
            self._recovering = KeptTask("writer of held notifications", self._recover, self._emit)

    def _recovered(self) -> None:
        self._failure = ""
        self._health.succeeded(Intake)

    async def _recover(self) -> None:
        """Save the held notifications as soon as the store is available. If none is held, test it with a write."""
        while self._failure:
            await asyncio.sleep(_TRY_AGAIN_AFTER.total_seconds())
            with suppress(StoreFailed, CommandFailed):
                await (self._save_held() if self._held else try_store(self._outbox))
                if not self._held:  # one may have been held in the meantime
                    self._recovered()
        self._recovering = None

    async def _save_held(self) -> None:
        """Save the held notifications, oldest first. Newer ones are held behind them. Raises StoreFailed."""
        while self._held:
            held = self._held[0]
            if isinstance(held, Amend):
                await self.amendments.save_held(held)
                self._held.popleft()
                continue
            try:
                await self._save((held,), None)
            except CommandFailed as fault:  # the next one must not wait for it forever
                self._unstorable(held, fault)
            self._held.popleft()
            del self._held_by_key[held.notification.key]
        self._nothing_held.set()

    def _new(
        self,
        payload: Payload,
        event: str,
        priority: NotificationPriority | int | str | None,
        user_tier: UserTier | str | None,
        context: Mapping[str, object] | None,
        about: str | None,
        unpublished: UnpublishedRule | None = None,
        closes: int | None = None,
        tiers: frozenset[UserTier] | None = None,
    ) -> NewNotification:
        if event == NEW and isinstance(payload, Signal):
            check_new(payload)
            payload = payload.valid_for(self._valid_for)
        now = clock.now()
        name, run = self._ids.next(now), self._run
        notification = notification_of(
            payload, priority, user_tier, context, event=event, ticket_id=name, accepted_at=now, run=run, about=about
        )
        notification = notification if closes is None else notification.but(closes=closes)
        former = tuple([notification.key_of(each) for each in former_ids(payload)])
        why = None if unpublished is None else why_unpublished(unpublished)
        owed, until = deliveries_of(notification, self.routing, why), key_until(notification)
        return NewNotification(notification, owed, until, former, tiers, why, self._filters)

"""Accepts notifications: validates, routes, fans out and saves them, and only then confirms them.

Nothing is sent here. If the store is unavailable, notifications are held in memory, in order and up to a limit, and
saved once it is available again. Their tickets say so.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from signalpost import clock
from signalpost.delivery.facts import TRIED
from signalpost.delivery.kept_task import KeptTask
from signalpost.delivery.outbox.commands import (
    Find,
    LoadState,
    NewDelivery,
    NewNotification,
    Put,
    PutResult,
    SaveFacts,
)
from signalpost.delivery.outbox.patience import StoreHealth
from signalpost.delivery.outbox.port import Outbox
from signalpost.delivery.rank import rank_of
from signalpost.delivery.routing import NO_WEBHOOK, Routing
from signalpost.delivery.ticket_ids import TicketIds
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.events import Listener, Taken
from signalpost.domain.former import former_ids
from signalpost.domain.instant import iso
from signalpost.domain.notification import Notification, Payload, notification_of
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.signal import Signal
from signalpost.domain.stream_state import StreamState
from signalpost.domain.ticket import Outcome, Refusal, Ticket
from signalpost.domain.tier import UserTier
from signalpost.errors import CommandFailed, StoreClosed, StoreFailed

MOST_HELD = 10_000
_CANDLE_KEY_LASTS_FOR = timedelta(hours=24)
"""A new signal's idempotency key detects repeats until this long after the signal's expiry."""
_KEY_LASTS_FOR = timedelta(days=7)
"""Any other key detects repeats until this long after acceptance."""
_MOST_AHEAD = timedelta(minutes=1)
"""How far in the future a signal's candle may open before the ticket carries a warning."""
_TRY_AGAIN_AFTER = timedelta(seconds=1)


class Intake:
    """Accepts notifications.

    `on_put` is called after each is saved, with its waiting destinations, its priority and its expiry.
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
    ) -> None:
        self.routing = routing
        """The current routes. They are replaced when the process that delivers changes."""
        self._outbox = outbox
        self._ids = ids
        self._emit = emit
        self._on_put = on_put
        self._run = run
        self._health = health or StoreHealth(emit)
        self._held: deque[NewNotification] = deque()
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
        hold: bool = True,
    ) -> Ticket:
        """Accept one notification, and return its ticket once it is saved.

        If the store is unavailable, the notification is held in memory, or refused without `hold`; the ticket says so.
        Raises InvalidValue for invalid arguments, and StoreClosed after the outbox is closed.
        """
        new = self._new(payload, event, priority, user_tier, context, about)
        if self._held and _is_routed(new):
            return self._hold(new, "the store is recovering: earlier notifications are saved first", hold=hold)
        try:
            (ticket,) = await self._save((new,), None)
        except StoreFailed as fault:
            return self._hold(new, str(fault), hold=hold)
        except CommandFailed as fault:  # it would fail again, so it is not held
            return self._unstorable(new, fault)
        return ticket

    async def load_state(self, stream: str) -> StreamState | None:
        """The last committed state of a stream; None if there is none. Raises StoreFailed."""
        return await self._outbox.do(LoadState(stream))

    async def commit(
        self,
        state: StreamState,
        signals: Sequence[Signal],
        user_tier: UserTier | str | None = None,
        *,
        event: str = "new",
        priority: NotificationPriority | int | str | None = None,
        context: Mapping[str, object] | None = None,
    ) -> list[Ticket]:
        """Save a stream's state together with the signals of its last candle, all or nothing.

        Raises StoreFailed if the store is unavailable, or if held notifications must be saved first. Raises
        CommandFailed if these cannot be saved. In both cases, do not feed the strategy another candle until `commit`
        has succeeded.
        """
        news = [self._new(signal, event, priority, user_tier, context, None) for signal in signals]
        if self._held:
            text = f"{len(self._held)} notifications are not saved yet ({self._failure}): try again"
            raise StoreFailed(text, code="not-saved-yet", value=str(len(self._held)))
        try:
            return await self._save(news, state)
        except StoreFailed as fault:
            self._store_failed(str(fault))
            raise

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
        routed = tuple(new for new in news if _is_routed(new))
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
        tickets = []
        for new in news:
            result = next(results) if _is_routed(new) else None
            accepted = new if result is None or result.added is None else _only(new, result.added)
            ticket = self._refused(new) if result is None else _ticket(accepted, result)
            tickets.append(_warned(new.notification, ticket))
            self._report(accepted, tickets[-1])
        return tickets

    def _report_after_cancel(self, routed: Iterable[NewNotification]) -> None:
        """The caller was cancelled, but the notifications may be saved all the same. If so, they must be reported."""
        task = asyncio.get_running_loop().create_task(self._report_saved(routed), name="signalpost cut-off intake")
        self._cancelled_saves.add(task)
        task.add_done_callback(self._cancelled_saves.discard)

    async def _report_saved(self, routed: Iterable[NewNotification]) -> None:
        with suppress(StoreFailed, CommandFailed, StoreClosed):
            for new in routed:
                found = await self._outbox.do(Find(notification_id=new.notification.id))
                if found:
                    accepted = _only(new, [entry.delivery.id.destination for entry in found])
                    self._report(accepted, _ticket(accepted, PutResult(Outcome.ACCEPTED, new.notification.id)))

    def _report(self, new: NewNotification, ticket: Ticket) -> None:
        waiting = tuple(each.destination for each in new.deliveries if each.state is DeliveryState.PENDING)
        self._emit(Taken(ticket, new.notification, waiting))
        if ticket.outcome is Outcome.ACCEPTED:
            self._on_put(waiting, new.notification.priority, new.notification.valid_until)

    def _unstorable(self, new: NewNotification, fault: CommandFailed) -> Ticket:
        ticket = Ticket(Outcome.REFUSED, "", f"this notification cannot be saved: {fault}", Refusal.UNSTORABLE)
        self._emit(Taken(ticket, new.notification, ()))
        return ticket

    def _hold(self, new: NewNotification, reason: str, *, hold: bool) -> Ticket:
        notification = new.notification
        first = self._held_by_key.get(notification.key)
        if first is not None and first.content_hash != notification.content_hash:
            ticket = _conflict(notification)
        elif not hold or self._is_closed:
            ticket = Ticket(Outcome.REFUSED, "", f"the store is unavailable: {reason}", Refusal.STORE)
        elif first is not None:  # not a duplicate yet: the one that it repeats is only in memory
            ticket = Ticket(Outcome.HELD, first.id, reason)
        elif len(self._held) >= MOST_HELD:
            why = f"the store is unavailable ({reason}), and memory is full ({MOST_HELD} notifications are waiting)"
            ticket = Ticket(Outcome.REFUSED, "", f"{why}: send this one yourself", Refusal.TOO_MANY)
        else:
            self._held.append(new)
            self._nothing_held.clear()
            self._held_by_key[notification.key] = notification
            ticket = Ticket(Outcome.HELD, notification.id, reason)
        ticket = _warned(notification, ticket)
        self._emit(Taken(ticket, notification, ()))
        self._store_failed(reason)
        return ticket

    def _store_failed(self, reason: str) -> None:
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
                await (self._save_held() if self._held else self._outbox.do(SaveFacts(TRIED, {"tried": b"1"})))
                if not self._held:  # one may have been held in the meantime
                    self._recovered()
        self._recovering = None

    async def _save_held(self) -> None:
        """Save the held notifications, oldest first. Newer ones are held behind them. Raises StoreFailed."""
        while self._held:
            try:
                await self._save((self._held[0],), None)
            except CommandFailed as fault:  # the next one must not wait for it forever
                self._unstorable(self._held[0], fault)
            del self._held_by_key[self._held.popleft().notification.key]
        self._nothing_held.set()

    def _new(
        self,
        payload: Payload,
        event: str,
        priority: NotificationPriority | int | str | None,
        user_tier: UserTier | str | None,
        context: Mapping[str, object] | None,
        about: str | None,
    ) -> NewNotification:
        now = clock.now()
        notification = notification_of(
            payload,
            priority,
            user_tier,
            context,
            event=event,
            ticket_id=self._ids.next(now),
            accepted_at=now,
            run=self._run,
            about=about,
        )
        former = tuple(map(notification.key_of, former_ids(payload)))
        return NewNotification(
            notification, self._deliveries(notification), _key_until(notification), former_keys=former
        )

    def _refused(self, new: NewNotification) -> Ticket:
        reason = self.routing.refusal([each.destination for each in new.deliveries], new.notification.user_tier)
        return Ticket(Outcome.REFUSED, "", reason, Refusal.NO_DESTINATION)

    def _deliveries(self, notification: Notification) -> tuple[NewDelivery, ...]:
        rank = rank_of(notification.priority, notification.accepted_at)
        stale = None
        if notification.valid_until <= notification.accepted_at:
            stale = f"stale: it expired at {iso(notification.valid_until)}"
        routes = self.routing.route(notification.payload, notification.user_tier, notification.about)
        return tuple(
            NewDelivery(route.destination, rank)
            if (reason := route.suppressed_for or stale) is None
            else NewDelivery(route.destination, rank, DeliveryState.SUPPRESSED, reason)
            for route in routes
        )


def _key_until(notification: Notification) -> datetime:
    if isinstance(notification.payload, Signal) and notification.event == "new":
        return notification.valid_until + _CANDLE_KEY_LASTS_FOR
    return notification.accepted_at + _KEY_LASTS_FOR


def _only(new: NewNotification, destinations: Collection[str]) -> NewNotification:
    """The notification, for these destinations only: the others have it already."""
    return new._replace(deliveries=tuple(each for each in new.deliveries if each.destination in destinations))


def _is_routed(new: NewNotification) -> bool:
    """Whether at least one destination has a webhook. Its delivery may still be suppressed."""
    return any(each.reason != NO_WEBHOOK for each in new.deliveries)


def _ticket(new: NewNotification, result: PutResult) -> Ticket:
    if result.outcome is Outcome.REFUSED:
        return _conflict(new.notification)
    reasons = [each.reason for each in new.deliveries if each.state is DeliveryState.SUPPRESSED]
    if result.outcome is Outcome.ACCEPTED and len(reasons) == len(new.deliveries):
        return Ticket(Outcome.SUPPRESSED, result.notification_id, reasons[0])
    return Ticket(result.outcome, result.notification_id)


def _warned(notification: Notification, ticket: Ticket) -> Ticket:
    """`ticket`, with a warning if a new signal's time is in the future."""
    signal = notification.payload
    if ticket.outcome is Outcome.REFUSED or notification.event != "new" or not isinstance(signal, Signal):
        return ticket
    ahead = signal.timestamp - notification.accepted_at
    if ahead <= _MOST_AHEAD:
        return ticket
    hours = f"{ahead / timedelta(hours=1):.1f} hours"
    warning = f"timestamp is {iso(signal.timestamp)}, {hours} in the future: the time zone is probably wrong"
    return ticket._replace(warnings=(*ticket.warnings, warning))


def _conflict(notification: Notification) -> Ticket:
    reason = f"{notification.key!r} was already accepted with different content: use a different id"
    return Ticket(Outcome.REFUSED, "", reason, Refusal.CONFLICT)

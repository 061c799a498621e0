"""Takes notifications in: validates, routes, fans out, writes down, and only then says yes.

Nothing is sent here. If the store is unavailable, notifications are held in memory, in order and up to a bound, and
written when it is available again; their tickets say so.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import get_args

from signalpost import clock
from signalpost.delivery.kept_task import KeptTask
from signalpost.delivery.outbox.commands import (
    Find,
    LoadState,
    NewDelivery,
    NewNotification,
    Put,
    PutResult,
    SaveFacts,
    StreamState,
)
from signalpost.delivery.outbox.patience import StoreHealth
from signalpost.delivery.outbox.port import Outbox
from signalpost.delivery.rank import rank_of
from signalpost.delivery.routing import NO_WEBHOOK, Routing
from signalpost.delivery.ticket_ids import TicketIds
from signalpost.domain.context import Context
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.events import Listener, Taken
from signalpost.domain.former import former_ids
from signalpost.domain.instant import iso
from signalpost.domain.notification import Notification, Payload
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.signal import Signal
from signalpost.domain.text import id_of, text_of
from signalpost.domain.ticket import Outcome, Refusal, Ticket
from signalpost.domain.tier import UserTier
from signalpost.domain.urgency import usual_priority
from signalpost.domain.words import member
from signalpost.errors import CommandFailed, InvalidValue, StoreClosed, StoreFailed
from signalpost.telemetry.emitter import Emitter

MOST_HELD = 10_000
_CANDLE_KEY_LASTS_FOR = timedelta(hours=24)
_KEY_LASTS_FOR = timedelta(days=7)
_CLOCKS_DIFFER_BY = timedelta(minutes=1)
"""How far ahead a candle may open without a warning."""
_TRY_AGAIN_AFTER = timedelta(seconds=1)
_ITSELF = "(store)"
"""In place of a destination's name: where a store that fell ill is tried."""


class Intake:
    """The way in. `on_put` is told the destinations of what was put, its priority, and until when it is valid."""

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
        """By what is routed from now on."""
        self._outbox = outbox
        self._ids = ids
        self._emit = Emitter.of(emit)
        self._on_put = on_put
        self._run = run
        self._health = health or StoreHealth(emit)
        self._held: deque[NewNotification] = deque()
        self._held_by_key: dict[str, Notification] = {}
        self._nothing_held = asyncio.Event()
        self._nothing_held.set()
        self._recovering: KeptTask | None = None
        self._cut_off: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._trouble = ""

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
        """Take one notification, and say what became of it once that is written down.

        If the store is unavailable it is held, or refused if it is not to be held. Raises InvalidValue for invalid
        arguments, and nothing because a store or a network fails.
        """
        new = self._new(payload, event, priority, user_tier, context, about)
        if self._held and _is_routed(new):
            return self._kept_back(new, "others wait before it", hold=hold)
        try:
            (ticket,) = await self._write((new,), None)
        except StoreFailed as fault:
            return self._kept_back(new, str(fault), hold=hold)
        except CommandFailed as fault:  # it would fail again, so it is not held
            return self._unstorable(new, fault)
        return ticket

    async def load_state(self, stream: str) -> StreamState | None:
        """The last committed state of a stream; None where there is none. Raises StoreFailed."""
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
        """Write a stream's state together with the signals of its last candle, all or nothing.

        Raises StoreFailed where the store cannot, or others are held and must go first, and CommandFailed if these
        cannot be written: the stream must not go on then.
        """
        news = [self._new(signal, event, priority, user_tier, context, None) for signal in signals]
        if self._held:
            text = f"{len(self._held)} notifications are not written down yet ({self._trouble}): try again"
            raise StoreFailed(text, code="not-saved-yet", value=str(len(self._held)))
        try:
            return await self._write(news, state)
        except StoreFailed as fault:
            self._fell_ill(str(fault))
            raise

    async def all_written(self) -> None:
        """Wait until nothing is held, and all is told that was written."""
        if self._cut_off:
            await asyncio.wait(set(self._cut_off))
        await self._nothing_held.wait()

    async def close(self) -> int:
        """Try once more to write what is held, and return how many notifications could not be.

        What the store fails to take from now on is refused, for nobody would write it any more.
        """
        self.retire()
        if self._recovering is not None:
            await self._recovering.end()
        with suppress(StoreFailed):
            await self._write_held()
        if self._cut_off:
            await asyncio.wait(set(self._cut_off))
        return len(self._held)

    def retire(self) -> None:
        """From now on refuse what the store does not take, and start nothing again that ends."""
        self._is_closed = True
        if self._recovering is not None:
            self._recovering.retire()

    async def _write(self, news: Sequence[NewNotification], state: StreamState | None) -> list[Ticket]:
        """Put those that have somewhere to go, and answer for all of them in order."""
        routed = tuple(new for new in news if _is_routed(new))
        answers: list[PutResult] = []
        if routed or state:
            try:
                answers = await self._outbox.do(Put(routed, state))
            except asyncio.CancelledError:
                self._see_to(routed)
                raise
            if not self._held:
                self._recovered()
        results = iter(answers)
        tickets = []
        for new in news:
            result = next(results) if _is_routed(new) else None
            taken = new if result is None or result.added is None else _only(new, result.added)
            ticket = self._refused(new) if result is None else _ticket(taken, result)
            tickets.append(_warned(new.notification, ticket))
            self._tell(taken, tickets[-1])
        return tickets

    def _see_to(self, routed: Iterable[NewNotification]) -> None:
        """Who asked waits no more; what was asked is carried out all the same, and others have to hear of it."""
        task = asyncio.get_running_loop().create_task(self._tell_written(routed), name="signalpost cut-off intake")
        self._cut_off.add(task)
        task.add_done_callback(self._cut_off.discard)

    async def _tell_written(self, routed: Iterable[NewNotification]) -> None:
        with suppress(StoreFailed, CommandFailed, StoreClosed):
            for new in routed:
                found = await self._outbox.do(Find(notification_id=new.notification.id))
                if found:
                    taken = _only(new, [parcel.delivery.id.destination for parcel in found])
                    self._tell(taken, _ticket(taken, PutResult(Outcome.ACCEPTED, new.notification.id)))

    def _tell(self, new: NewNotification, ticket: Ticket) -> None:
        waiting = tuple(each.destination for each in new.deliveries if each.state is DeliveryState.PENDING)
        self._emit(Taken(ticket, new.notification, waiting))
        if ticket.outcome is Outcome.ACCEPTED:
            self._on_put(waiting, new.notification.priority, new.notification.valid_until)

    def _unstorable(self, new: NewNotification, fault: CommandFailed) -> Ticket:
        ticket = Ticket(Outcome.REFUSED, "", f"it cannot be written: {fault}", Refusal.UNSTORABLE)
        self._emit(Taken(ticket, new.notification, ()))
        return ticket

    def _kept_back(self, new: NewNotification, reason: str, *, hold: bool) -> Ticket:
        told = new.notification
        first = self._held_by_key.get(told.key)
        if first is not None and first.content_hash != told.content_hash:
            ticket = _conflict(told)
        elif not hold or self._is_closed:
            ticket = Ticket(Outcome.REFUSED, "", f"the store is unavailable: {reason}", Refusal.STORE)
        elif first is not None:  # no duplicate yet: what it repeats is in memory only
            ticket = Ticket(Outcome.HELD, first.id, reason)
        elif len(self._held) >= MOST_HELD:
            why = f"the store is unavailable ({reason}), and {MOST_HELD} notifications are held: send it yourself"
            ticket = Ticket(Outcome.REFUSED, "", why, Refusal.TOO_MANY)
        else:
            self._held.append(new)
            self._nothing_held.clear()
            self._held_by_key[told.key] = told
            ticket = Ticket(Outcome.HELD, told.id, reason)
        ticket = _warned(told, ticket)
        self._emit(Taken(ticket, told, ()))
        self._fell_ill(reason)
        return ticket

    def _fell_ill(self, trouble: str) -> None:
        """Report that the store failed, and look at it until it is available again."""
        self._trouble = self._trouble or trouble
        self._health.failed(Intake, trouble)
        if self._recovering is None and not self._is_closed:
            self._recovering = KeptTask("writer of held notifications", self._recover, self._emit)

    def _recovered(self) -> None:
        self._trouble = ""
        self._health.succeeded(Intake)

    async def _recover(self) -> None:
        """Write what is held as soon as the store can; where nothing is held, find out whether it could."""
        while self._trouble:
            await asyncio.sleep(_TRY_AGAIN_AFTER.total_seconds())
            with suppress(StoreFailed, CommandFailed):
                await (self._write_held() if self._held else self._outbox.do(SaveFacts(_ITSELF, {"tried": b"1"})))
                if not self._held:  # something may have been, in the meantime
                    self._recovered()
        self._recovering = None

    async def _write_held(self) -> None:
        """Write what is held, oldest first; what came in meanwhile goes behind it. Raises StoreFailed."""
        while self._held:
            try:
                await self._write((self._held[0],), None)
            except CommandFailed as fault:  # the next one must not wait for it for ever
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
        if not isinstance(payload, Payload):
            known = ", ".join(kind.__name__ for kind in get_args(Payload))
            kind = type(payload).__name__
            text = f"a {kind} cannot be sent: give one of {known}"
            raise InvalidValue(text, code="wrong-kind", field="payload", value=kind, limit=known)
        now = clock.now()
        notification = Notification(
            id=self._ids.next(now),
            payload=payload,
            event=id_of(event, "event"),
            priority=usual_priority(payload)
            if priority is None
            else member(NotificationPriority, priority, "priority"),
            user_tier=UserTier.FREE if user_tier is None else UserTier(user_tier),
            accepted_at=now,
            valid_until=payload.valid_until,
            context=Context(context or {}),
            run=self._run,
            about=None if about is None else text_of(about, "about"),
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
            stale = f"stale: it was worth sending until {iso(notification.valid_until)}"
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
    """What was accepted of it: the others have it already."""
    return new._replace(deliveries=tuple(each for each in new.deliveries if each.destination in destinations))


def _is_routed(new: NewNotification) -> bool:
    """Whether anything is left of its routes, be it only to be recorded."""
    return any(each.reason != NO_WEBHOOK for each in new.deliveries)


def _ticket(new: NewNotification, result: PutResult) -> Ticket:
    if result.outcome is Outcome.REFUSED:
        return _conflict(new.notification)
    reasons = [each.reason for each in new.deliveries if each.state is DeliveryState.SUPPRESSED]
    if result.outcome is Outcome.ACCEPTED and len(reasons) == len(new.deliveries):
        return Ticket(Outcome.SUPPRESSED, result.notification_id, reasons[0])
    return Ticket(result.outcome, result.notification_id)


def _warned(told: Notification, ticket: Ticket) -> Ticket:
    """`ticket` with what looks wrong in a signal that was taken all the same."""
    signal = told.payload
    if ticket.outcome is Outcome.REFUSED or told.event != "new" or not isinstance(signal, Signal):
        return ticket
    ahead = signal.timestamp - told.accepted_at
    if ahead <= _CLOCKS_DIFFER_BY:
        return ticket
    hours = f"{ahead / timedelta(hours=1):.1f} hours"
    warning = f"timestamp is {iso(signal.timestamp)}, {hours} in the future: the time zone is probably wrong"
    return ticket._replace(warnings=(*ticket.warnings, warning))


def _conflict(told: Notification) -> Ticket:
    reason = f"{told.key!r} was accepted before with other content: give it an id of its own"
    return Ticket(Outcome.REFUSED, "", reason, Refusal.CONFLICT)

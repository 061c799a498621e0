"""The way without a queue: one attempt to Discord, within this process's pace, and a ticket that says what came of it.

A failed attempt is refused, and the caller still has something to do. One of which nobody knows whether it was shown
is `direct`: to send that again could show it twice.
"""

import asyncio
from collections.abc import Callable
from random import Random

from signalpost import clock
from signalpost.config import Config
from signalpost.delivery.dispatch import attempt
from signalpost.delivery.dispatch.decide import Ending
from signalpost.delivery.dispatch.far_end import CLOCK_GRAIN
from signalpost.delivery.outbox.commands import Parcel
from signalpost.delivery.pacing.host import Host
from signalpost.delivery.pacing.pacer import Pacer, Slot
from signalpost.delivery.rank import rank_of
from signalpost.delivery.routing import Routing
from signalpost.delivery.ticket_ids import TicketIds
from signalpost.domain.delivery import Delivery, DeliveryId, DeliveryState
from signalpost.domain.notification import Notification
from signalpost.domain.ticket import Outcome, Refusal, Ticket
from signalpost.owner.order import Order
from signalpost.sinks.discord.service import DiscordService
from signalpost.sinks.evidence import Receipt, Unconfirmed

LONGEST_WAIT = 30.0
"""Seconds that a notification waits for its slot, and not beyond its `valid_until`."""


class DirectSender:
    """Sends from one event loop, by the routes and within the limits of `config`.

    `pacer_of` knows the pace of a destination where a service in this loop keeps it.
    """

    def __init__(self, config: Config, pacer_of: Callable[[str], Pacer | None] = lambda _: None) -> None:
        by_name = {each.name: each for each in config.destinations}
        self._routing = Routing(by_name, tiers=config.tiers, everything_to=config.everything_to)
        self._discord = DiscordService({name: each.webhook for name, each in by_name.items()})
        hosts = {each.address.host: Host(config.host_rate) for each in by_name.values()}
        self._pacers = {
            name: pacer_of(name) or Pacer(each.limits, hosts[each.address.host]) for name, each in by_name.items()
        }
        self._ids = TicketIds(Random().getrandbits)  # noqa: S311  # ids are no secrets

    async def send(self, order: Order, refused: Ticket) -> Ticket:
        """Send to each destination of the order, once. `refused` is the ticket that had it sent this way."""
        notification = self._notification(order)
        if notification.valid_until <= notification.accepted_at:
            return Ticket(Outcome.SUPPRESSED, "", "stale: it is not worth sending any more")
        routes = self._routing.route(order.payload, order.user_tier)
        names = [route.destination for route in routes if route.suppressed_for is None]
        if not names:
            wanted = ", ".join(route.destination for route in routes) or f"tier {str(order.user_tier)!r}"
            return Ticket(Outcome.REFUSED, "", f"no webhook for {wanted}: set one", Refusal.NO_DESTINATION)
        begun: set[str] = set()
        try:
            tried = await asyncio.gather(*(self._try(name, notification, begun) for name in names))
        except asyncio.CancelledError:  # the loop ends, and somebody waits for the ticket
            return _cut_off(begun, refused)
        told = "; ".join(what for _, what in tried)
        if any(is_shown for is_shown, _ in tried):
            return Ticket(Outcome.DIRECT, "", told)
        return refused._replace(reason=f"{refused.reason}; and sent directly: {told}")

    async def close(self) -> None:
        """Close the connections."""
        await self._discord.close()

    async def _try(self, name: str, notification: Notification, begun: set[str]) -> tuple[bool, str]:
        """Whether it is shown there, or may be, and what happened in words; it is noted in `begun` when it begins."""
        pacer = self._pacers[name]
        slot = await _slot(pacer, notification)
        if slot is None:
            return False, f"{name} has no slot in time for another message: its limits are used up"
        begun.add(name)
        known: object = None
        try:
            parcel = Parcel(_delivery(name, notification), notification)
            known = await attempt.send(name, self._discord.webhook(name), [parcel], _left(notification))
        finally:
            pacer.end(slot, asyncio.get_running_loop().time() + CLOCK_GRAIN, known)
            pacer.host.ended()
        match known:
            case Receipt(message_id):
                return True, f"shown in {name} as message {message_id}"
            case Unconfirmed() | Ending():
                return True, f"nobody knows whether {name} shows it: {known}"
            case _:
                return False, f"not shown in {name}: {known}"

    def _notification(self, order: Order) -> Notification:
        now = clock.now()
        return Notification(
            id=self._ids.next(now),
            payload=order.payload,
            event="new",
            priority=order.priority,
            user_tier=order.user_tier,
            accepted_at=now,
            valid_until=order.payload.valid_until,
            context=order.context,
        )


def _cut_off(begun: set[str], refused: Ticket) -> Ticket:
    if begun:
        return Ticket(Outcome.DIRECT, "", f"nobody knows whether {', '.join(sorted(begun))} shows it: it was cut off")
    return refused._replace(reason=f"{refused.reason}; and it was stopped before it could be sent directly")


async def _slot(pacer: Pacer, notification: Notification) -> Slot | None:
    """A slot of the pace, waited for; None where none comes in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + min(LONGEST_WAIT, _left(notification))
    while (ready_at := pacer.ready_at(loop.time(), notification.priority)) > loop.time():
        if loop.time() >= deadline:
            return None
        woken = asyncio.Event()
        pacer.host.call_when_free(woken.set, at_end=True)
        timer = loop.call_at(min(ready_at, deadline), woken.set)
        try:
            await woken.wait()
        finally:
            timer.cancel()
    return pacer.begin(loop.time())


def _left(notification: Notification) -> float:
    return max(0.0, (notification.valid_until - clock.now()).total_seconds())


def _delivery(destination: str, notification: Notification) -> Delivery:
    return Delivery(
        DeliveryId(notification.id, destination),
        DeliveryState.LEASED,
        notification.priority,
        rank_of(notification.priority, notification.accepted_at),
        notification.sequence,
        notification.valid_until,
    )

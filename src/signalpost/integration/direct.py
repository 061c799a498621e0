"""The way without a queue: one attempt to Discord, within this process's pace, and a ticket that says what came of it.

A failed attempt is refused, and the caller still has something to do. One of which nobody knows whether it was shown
is `direct`: to send that again could show it twice. A webhook that is gone for good is not asked again, nor a host that
shuts this address out, whether that turned out here or a service has kept it.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import Random

from signalpost import clock
from signalpost.config import STORE_FILE, Config
from signalpost.delivery.dispatch import attempt
from signalpost.delivery.dispatch.decide import Ending
from signalpost.delivery.dispatch.far_end import CLOCK_GRAIN, FarEnd
from signalpost.delivery.dispatch.standing import Standing
from signalpost.delivery.facts import Gone, place_of_host, place_of_webhook, read_ban, read_gone
from signalpost.delivery.outbox.commands import Parcel
from signalpost.delivery.pacing.host import Host
from signalpost.delivery.pacing.pacer import Pacer, Slot
from signalpost.delivery.rank import rank_of
from signalpost.delivery.ticket_ids import TicketIds
from signalpost.domain.delivery import Delivery, DeliveryId, DeliveryState
from signalpost.domain.notification import Notification
from signalpost.domain.ticket import Outcome, Refusal, Ticket
from signalpost.errors import StoreClosed
from signalpost.integration.kept_facts import KeptFacts
from signalpost.owner.order import Order
from signalpost.sinks.discord.service import DiscordService
from signalpost.sinks.evidence import Receipt, Rejected, Unconfirmed

LONGEST_WAIT = 30.0
"""Seconds that a notification waits for its slot, and not beyond its `valid_until`."""


class DirectSender:
    """Sends from one event loop, by the routes and within the limits of `config`.

    `far_end_of` knows what a service in this loop knows of a destination, where it delivers.
    """

    def __init__(self, config: Config, far_end_of: Callable[[str], FarEnd | None] = lambda _: None) -> None:
        by_name = {each.name: each for each in config.destinations}
        self._routing = config.routing()
        self._discord = DiscordService({name: each.webhook for name, each in by_name.items()})
        self._far_end_of = far_end_of
        hosts = {each.address.host for each in by_name.values()}
        self._hosts = {host: Host(config.host_rate, name=host) for host in hosts}
        self._pacers = {name: Pacer(each.limits, self._hosts[each.address.host]) for name, each in by_name.items()}
        webhooks = {name: place_of_webhook(each.address.identity) for name, each in by_name.items()}
        standings = {place: Standing(place) for place in webhooks.values()}
        self._standings = {name: standings[place] for name, place in webhooks.items()}
        self._kept = KeptFacts(config.home / STORE_FILE, [*standings, *map(place_of_host, hosts)])
        self._keeping: set[asyncio.Task[None]] = set()
        self._ids = TicketIds(Random().getrandbits)  # noqa: S311  # ids are no secrets

    async def send(self, order: Order, refused: Ticket) -> Ticket:
        """Send to each destination of the order, once. `refused` is the ticket that had it sent this way."""
        notification = self._notification(order)
        if notification.valid_until <= notification.accepted_at:
            return Ticket(Outcome.SUPPRESSED, "", "stale: it is not worth sending any more")
        routes = self._routing.route(order.payload, order.user_tier)
        names = [route.destination for route in routes if route.suppressed_for is None]
        if not names:
            reason = self._routing.refusal([route.destination for route in routes], order.user_tier)
            return Ticket(Outcome.REFUSED, "", reason, Refusal.NO_DESTINATION)
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
        for task in self._keeping:
            task.cancel()
        await self._discord.close()

    async def _try(self, name: str, notification: Notification, begun: set[str]) -> tuple[bool, str]:
        """Whether it is shown there, or may be, and what happened in words; it is noted in `begun` when it begins."""
        far_end = self._far_end_of(name)
        if far_end is None:
            pacer, standing, kept = self._pacers[name], self._standings[name], await self._kept_end(name)
        else:
            pacer, standing, kept = far_end.pacer, far_end.standing, None
        slot = kept or await _slot(pacer, standing, notification)
        if isinstance(slot, Gone):
            return False, f"not shown in {name}: it is disabled, because its webhook is gone for good: {slot.reason}"
        if isinstance(slot, str):
            return False, f"{name} {slot}"
        begun.add(name)
        known: object = None
        try:
            parcel = Parcel(_delivery(name, notification), notification)
            known = await attempt.send(name, self._discord.webhook(name), [parcel], _left(notification))
        finally:
            pacer.end(slot, asyncio.get_running_loop().time() + CLOCK_GRAIN, known)
            pacer.host.ended()
        self._learn(name, far_end, known)
        match known:
            case Receipt(message_id):
                return True, f"shown in {name} as message {message_id}"
            case Unconfirmed() | Ending():
                return True, f"nobody knows whether {name} shows it: {known}"
            case _:
                return False, f"not shown in {name}: {known}"

    async def _kept_end(self, name: str) -> Gone | None:
        """Whether services have kept that its webhook is gone for good; the bans that they have kept are noted."""
        facts = await self._kept.look()
        for host in self._hosts.values():
            if (kept := read_ban(facts.get(place_of_host(host.name), {}), clock.now())) is not None:
                host.hold(kept, asyncio.get_running_loop().time())
        return read_gone(facts.get(self._standings[name].place, {}))

    def _learn(self, name: str, far_end: FarEnd | None, known: object) -> None:
        """Keep in mind that a webhook is gone, and have the service know that and of a ban, where it delivers."""
        if far_end is not None:
            far_end.notice(known)
            task = asyncio.get_running_loop().create_task(_keep(far_end), name="signalpost keep what was learnt")
            self._keeping.add(task)  # nobody waits for it: the store may be what failed
            task.add_done_callback(self._keeping.discard)
        elif isinstance(known, Rejected) and known.is_gone:
            self._standings[name].end(Gone(known.reason, clock.now()))

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


async def _keep(far_end: FarEnd) -> None:
    with suppress(StoreClosed):
        await far_end.remember(asyncio.get_running_loop().time())


async def _slot(pacer: Pacer, standing: Standing, notification: Notification) -> Slot | Gone | str:
    """A slot of the pace, waited for; or why none comes in time, or none is wanted, as soon as that is known."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + min(LONGEST_WAIT, _left(notification))
    while standing.gone is None and (ready_at := pacer.ready_at(loop.time(), notification.priority)) > loop.time():
        if (held := pacer.host.ban(loop.time())) is not None and held.held_for > deadline - loop.time():
            seconds = f"{held.held_for:.0f} s"
            return f"is not asked, because {pacer.host.name} takes nothing for {seconds} more: {held.reason}"
        if pacer.is_held(deadline):
            return f"is not asked, because it told to wait for {pacer.memory(loop.time()).held_for:.0f} s more"
        if loop.time() >= deadline:
            return "has no slot in time for another message: its limits are used up"
        woken = asyncio.Event()
        pacer.host.call_when_free(woken.set, at_end=True)  # which also tells that an answer has come
        timer = loop.call_at(min(ready_at, deadline), woken.set)
        try:
            await woken.wait()
        finally:
            timer.cancel()
    return standing.gone or pacer.begin(loop.time())


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

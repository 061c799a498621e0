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
from signalpost.delivery.dispatch.decide import LeaseEnd, SendOutcome
from signalpost.delivery.dispatch.gate import Gate
from signalpost.delivery.dispatch.gates import Gates
from signalpost.delivery.dispatch.lane import Lane
from signalpost.delivery.facts import Gone, read_gone
from signalpost.delivery.outbox.commands import Parcel
from signalpost.delivery.pacing.pacer import Slot
from signalpost.delivery.rank import rank_of
from signalpost.delivery.ticket_ids import TicketIds
from signalpost.domain.delivery import Delivery, DeliveryId, DeliveryState
from signalpost.domain.notification import Notification
from signalpost.domain.ticket import Outcome, Refusal, Ticket
from signalpost.errors import StoreClosed
from signalpost.integration.kept_facts import KeptFacts
from signalpost.integration.submission import Submission
from signalpost.sinks.discord.service import DiscordService
from signalpost.sinks.evidence import Receipt, Unconfirmed
from signalpost.telemetry.emitter import Emitter

LONGEST_WAIT = 30.0
"""Seconds that a notification waits for its slot, and not beyond its `valid_until`."""


class DirectSender:
    """Sends from one event loop, by the routes and within the limits of `config`.

    `lane_of` returns the lane of a service that delivers from this loop, if there is one: then its gate counts.
    """

    def __init__(self, config: Config, lane_of: Callable[[str], Lane | None] = lambda _: None) -> None:
        self._routing = config.routing()
        self._discord = DiscordService({each.name: each.webhook for each in config.destinations})
        self._lane_of = lane_of
        random = Random()  # noqa: S311  # neither ids nor delays are secrets
        self._gates = Gates(config.host_rate, jitter=random.random, emit=Emitter(()))
        for each in config.destinations:
            sink, address = self._discord.webhook(each.name), each.address
            self._gates.add(each.name, sink, limits=each.limits, host=address.host, webhook=address.identity)
        self._kept = KeptFacts(config.home / STORE_FILE, self._gates.places)
        self._keeping: set[asyncio.Task[None]] = set()
        self._ids = TicketIds(random.getrandbits)

    async def send(self, submission: Submission, refused: Ticket) -> Ticket:
        """Send to each destination of the submission, once. `refused` is the ticket that had it sent this way."""
        notification = self._notification(submission)
        if notification.valid_until <= notification.accepted_at:
            return Ticket(Outcome.SUPPRESSED, "", "stale: it is not worth sending any more")
        routes = self._routing.route(submission.payload, submission.user_tier)
        names = [route.destination for route in routes if route.suppressed_for is None]
        if not names:
            reason = self._routing.refusal([route.destination for route in routes], submission.user_tier)
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
        lane = self._lane_of(name)
        gate = self._gates.by_name[name] if lane is None else lane.gate
        slot = (await self._kept_gone(gate) if lane is None else None) or await _slot(gate, notification)
        if isinstance(slot, Gone):
            return False, f"not shown in {name}: it is disabled, because its webhook is gone for good: {slot.reason}"
        if isinstance(slot, str):
            return False, f"{name} {slot}"
        begun.add(name)
        outcome: SendOutcome | None = None
        try:
            parcel = Parcel(_delivery(name, notification), notification)
            outcome = await attempt.send(name, self._discord.webhook(name), [parcel], _left(notification))
        finally:
            gate.end_direct(slot, asyncio.get_running_loop().time(), outcome)
        if lane is not None:
            self._save(lane)
        match outcome:
            case Receipt(message_id):
                return True, f"shown in {name} as message {message_id}"
            case Unconfirmed() | LeaseEnd():
                return True, f"nobody knows whether {name} shows it: {outcome}"
            case _:
                return False, f"not shown in {name}: {outcome}"

    async def _kept_gone(self, gate: Gate) -> Gone | None:
        """Whether a service has saved that the webhook is gone for good. Bans that it has saved are held, too."""
        facts = await self._kept.look()
        self._gates.hold(facts, asyncio.get_running_loop().time())
        return read_gone(facts.get(gate.webhook.place, {}))

    def _save(self, lane: Lane) -> None:
        """Save what was learnt. Nobody waits for it: the store may be what failed."""
        task = asyncio.get_running_loop().create_task(_save(lane), name="signalpost keep what was learnt")
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    def _notification(self, submission: Submission) -> Notification:
        now = clock.now()
        return Notification(
            id=self._ids.next(now),
            payload=submission.payload,
            event="new",
            priority=submission.priority,
            user_tier=submission.user_tier,
            accepted_at=now,
            valid_until=submission.payload.valid_until,
            context=submission.context,
        )


def _cut_off(begun: set[str], refused: Ticket) -> Ticket:
    if begun:
        return Ticket(Outcome.DIRECT, "", f"nobody knows whether {', '.join(sorted(begun))} shows it: it was cut off")
    return refused._replace(reason=f"{refused.reason}; and it was stopped before it could be sent directly")


async def _save(lane: Lane) -> None:
    with suppress(StoreClosed):
        await lane.save_facts()


async def _slot(gate: Gate, notification: Notification) -> Slot | Gone | str:
    """A slot of the pace, waited for; or why none comes in time, or none is wanted, as soon as that is known."""
    pacer = gate.pacer
    loop = asyncio.get_running_loop()
    deadline = loop.time() + min(LONGEST_WAIT, _left(notification))
    while gate.gone is None and (ready_at := pacer.ready_at(loop.time(), notification.priority)) > loop.time():
        if (held := pacer.host.ban(loop.time())) is not None and held.held_for > deadline - loop.time():
            seconds = f"{held.held_for:.0f} s"
            return f"is not asked, because {pacer.host.name} takes nothing for {seconds} more: {held.reason}"
        if pacer.is_held(deadline):
            return f"is not asked, because it told to wait for {pacer.memory(loop.time()).held_for:.0f} s more"
        if loop.time() >= deadline:
            return "has no slot in time for another message: its limits are used up"
        woken = asyncio.Event()
        gate.call_when_free(woken.set, at_end=True)  # which also tells that an answer has come
        timer = loop.call_at(min(ready_at, deadline), woken.set)
        try:
            await woken.wait()
        finally:
            timer.cancel()
    return gate.gone or pacer.begin(loop.time())


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

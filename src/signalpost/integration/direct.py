"""Direct sends, without the queue: one attempt within this process's pace, and a ticket with the result.

A failed attempt is refused, so the caller can still send it elsewhere. If nobody knows whether a message was shown, its
ticket is `direct`, because sending it again could show it twice. A webhook that is gone gets no request, and neither
does a host that has banned this address, whether this process or a service found that out.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import wait
from contextlib import suppress
from pathlib import Path
from random import Random
from stat import S_ISREG

import msgspec

from signalpost import clock
from signalpost.config import STORE_FILE, Config
from signalpost.config.files import mode_of
from signalpost.delivery.deduplication import SignalHistory, decide
from signalpost.delivery.dispatch import attempt
from signalpost.delivery.dispatch.decide import LeaseEnd, SendOutcome
from signalpost.delivery.dispatch.gate import Gate
from signalpost.delivery.dispatch.gates import Gates, LaneSettings
from signalpost.delivery.dispatch.lane import Lane
from signalpost.delivery.facts import Gone, read_gone
from signalpost.delivery.outbox.commands import LoadFacts, OutboxEntry, Subject
from signalpost.delivery.pacing.pacer import Slot
from signalpost.delivery.rank import rank_of
from signalpost.delivery.ticket_ids import TicketIds
from signalpost.domain.delivery import Delivery, DeliveryId, DeliveryState
from signalpost.domain.notification import NEW, Notification
from signalpost.domain.signal import Signal
from signalpost.domain.ticket import Outcome, Refusal, Ticket
from signalpost.errors import StoreClosed, StoreFailed, StoreUnusable
from signalpost.integration.futures import AwaitableFuture, Deadline
from signalpost.integration.loop_thread import MARGIN, LoopThread
from signalpost.integration.submission import Submission, extended
from signalpost.sinks.discord.service import DiscordService
from signalpost.sinks.evidence import Receipt, Unconfirmed
from signalpost.telemetry.bus import Bus
from signalpost.telemetry.log_queue import log_failure, logger

MOST_WAITING = 10_000
"""Direct sends that may wait or run at once."""
LONGEST_WAIT = 30.0
"""Seconds that a notification waits for its slot, and not beyond its `valid_until`."""
READ_WITHIN = 0.5
"""Seconds to wait for facts from the store. Without them, a direct send goes ahead: the store may be what failed."""

Facts = Mapping[Subject, Mapping[str, bytes]]
"""Facts by subject."""


class DirectSender:
    """Sends on the loop of `thread`, by the routes and within the limits of `config`.

    `lane_of` returns the lane of a service that delivers from this loop, if there is one. Then its gate decides, and
    what the send learns is saved with it. Without a service, the pace lasts as long as this object.
    """

    def __init__(
        self, config: Config, thread: LoopThread, lane_of: Callable[[str], Lane | None] = lambda _: None
    ) -> None:
        self._thread = thread
        self._lane_of = lane_of
        self._routing, self._filters = config.routing(), config.filters
        webhooks = {each.name: each.webhook for each in config.destinations}
        self._discord = DiscordService(webhooks, look=config.look, looks=config.looks)
        random = Random()  # noqa: S311  # neither ids nor delays are secrets
        self._ids = TicketIds(random.getrandbits)
        self._gates = Gates(config.host_rate, jitter=random.random, emit=Bus().emit)
        for each in config.destinations:
            sink, address = self._discord.webhook(each.name), each.address
            self._gates.add(each.name, LaneSettings(sink, each.limits, address.host, address.identity))
        self._saved = SavedFacts(config.home / STORE_FILE, self._gates.subjects)
        self._saving: set[asyncio.Task[None]] = set()
        self._unfinished: set[AwaitableFuture[None]] = set()
        thread.closing.append(self._close)

    def take(self, submission: Submission, refused: Ticket) -> None:
        """Send a submission that was refused with this ticket. From any thread; its future always gets a ticket."""
        if len(self._unfinished) >= MOST_WAITING:
            why = f"{MOST_WAITING} notifications are waiting to be sent directly: send it yourself, or later"
            submission.end(Ticket(Outcome.REFUSED, "", why, Refusal.TOO_MANY))
            return
        begun = self._thread.begin(lambda: self._answer(submission, refused))
        self._unfinished.add(begun)
        begun.add_done_callback(lambda _: self._ended(begun, submission, refused))

    def flush(self, timeout: float) -> int:
        """Wait until everything is sent, for at most `timeout` seconds, and return how much is not."""
        return len(wait(list(self._unfinished), timeout).not_done)

    def stop(self, timeout: float) -> int:
        """Flush, and end the thread."""
        deadline = Deadline(timeout)
        left = self.flush(timeout)
        self._thread.end(deadline.remaining + MARGIN)
        return left

    async def all_sent(self) -> None:
        """Wait until everything taken so far is sent. From any loop."""
        for each in list(self._unfinished):
            await each

    def _ended(self, begun: AwaitableFuture[None], submission: Submission, refused: Ticket) -> None:
        self._unfinished.discard(begun)
        if not submission.future.done():  # the loop had ended before the send began
            submission.end(refused)

    async def _answer(self, submission: Submission, refused: Ticket) -> None:
        ticket = refused
        try:
            ticket = await self._send(submission.notification, refused)
        except Exception as fault:  # noqa: BLE001  # whatever broke: a caller elsewhere must get a ticket
            log_failure("sending directly failed", fault, with_text=False)
            ticket = extended(refused, f"sending directly failed with {type(fault).__name__}")
        finally:
            submission.end(ticket)

    async def _send(self, submitted: Notification, refused: Ticket) -> Ticket:
        """Send to each destination, once."""
        now = clock.now()
        notification = msgspec.structs.replace(submitted, id=self._ids.next(now), accepted_at=now)
        if notification.valid_until <= now:
            return Ticket(Outcome.SUPPRESSED, "", "stale: it has expired")
        if isinstance(notification.payload, Signal) and notification.event == NEW:
            # Without the store, nobody knows what was posted before.
            decision = decide(notification.payload, now, self._filters, SignalHistory())
            if not decision:
                return Ticket(Outcome.SUPPRESSED, "", f"{decision.rule}: {decision.reason}")
        routes = self._routing.route(notification.payload, notification.user_tier)
        names = [route.destination for route in routes if route.suppressed_for is None]
        if not names:
            reason = self._routing.refusal([route.destination for route in routes], notification.user_tier)
            return Ticket(Outcome.REFUSED, "", reason, Refusal.NO_DESTINATION)
        begun: set[str] = set()
        try:
            results = await asyncio.gather(*(self._try(name, notification, begun) for name in names))
        except asyncio.CancelledError:  # the loop ends, and the caller still needs a ticket
            if not begun:
                return extended(refused, "it was stopped before it could be sent directly")
            names = sorted(begun)
            return Ticket(Outcome.DIRECT, "", f"it was cut off: nobody knows whether {', '.join(names)} shows it")
        reason = "; ".join(text for _, text in results)
        if any(is_shown for is_shown, _ in results):
            return Ticket(Outcome.DIRECT, "", reason)
        return extended(refused, f"sent directly: {reason}")

    async def _try(self, name: str, notification: Notification, begun: set[str]) -> tuple[bool, str]:
        """Try one destination, noted in `begun` when the request begins: whether it is or may be shown, and why."""
        lane = self._lane_of(name)
        gate = self._gates.by_name[name] if lane is None else lane.gate
        gone = await self._saved_as_gone(gate) if lane is None else None
        slot = gone or await _slot(gate, notification)
        if isinstance(slot, Gone):
            return False, f"not shown in {name}: it is disabled, because its webhook no longer exists: {slot.reason}"
        if isinstance(slot, str):
            return False, f"not shown in {name}: {slot}"
        begun.add(name)
        outcome: SendOutcome | None = None
        try:
            entry = OutboxEntry(_delivery(name, notification), notification)
            outcome = await attempt.send(name, self._discord.webhook(name), [entry], _left(notification))
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

    async def _saved_as_gone(self, gate: Gate) -> Gone | None:
        """Apply saved bans. If the store says that the webhook is gone, return that."""
        facts = await self._saved.read()
        self._gates.hold(facts, asyncio.get_running_loop().time())
        return read_gone(facts.get(gate.webhook.subject, {}))

    def _save(self, lane: Lane) -> None:
        """Save what the send has learned, without waiting: the store may be what failed."""
        task = asyncio.get_running_loop().create_task(_save(lane), name="signalpost save facts")
        self._saving.add(task)
        task.add_done_callback(self._saving.discard)

    async def _close(self) -> None:
        for task in self._saving:
            task.cancel()
        await self._discord.close()


class SavedFacts:
    """Reads the facts that services have saved about `subjects` in the store at `path`. Belongs to one event loop.

    It creates no store. If the store is missing, locked, damaged, of another version or on a disk that hangs, there are
    no facts. They are read each time, because services change them.
    """

    def __init__(self, path: Path, subjects: Iterable[Subject]) -> None:
        self._path = path
        self._subjects = tuple(subjects)
        self._reading: asyncio.Task[Facts] | None = None
        self._has_warned = False

    async def read(self) -> Facts:
        """The facts, as far as they can be read in time. Concurrent calls share one read."""
        reading = self._reading
        if reading is None or reading.done():
            reading = self._reading = asyncio.create_task(self._read(), name="signalpost read facts")
        await asyncio.wait([reading], timeout=READ_WITHIN)
        if reading.done():
            return reading.result()
        self._warn(f"{self._path}: it could not be read within {READ_WITHIN:g} s")
        return {}

    async def _read(self) -> Facts:
        try:
            return await asyncio.to_thread(_read_facts, self._path, self._subjects)
        except (StoreUnusable, StoreFailed, OSError) as fault:
            self._warn(str(fault))
            return {}

    def _warn(self, why: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            text = (
                "cannot read from the store which webhooks are gone and which hosts are banned; sending directly anyway"
            )
            logger.warning("%s: %s", text, why)


def _read_facts(path: Path, subjects: tuple[Subject, ...]) -> Facts:
    if not S_ISREG(mode_of(path)):
        return {}
    from signalpost.delivery.outbox.reader import SqliteReader  # with the store: not before it is needed

    reader = SqliteReader(path)
    try:
        return dict(zip(subjects, reader.apply([LoadFacts(each) for each in subjects]), strict=True))
    finally:
        reader.close()


async def _save(lane: Lane) -> None:
    with suppress(StoreClosed):
        await lane.save_facts()


async def _slot(gate: Gate, notification: Notification) -> Slot | Gone | str:
    """Wait for a slot of the pace. If none comes in time or the webhook is gone, return why, as soon as it is known."""
    pacer = gate.pacer
    loop = asyncio.get_running_loop()
    deadline = loop.time() + min(LONGEST_WAIT, _left(notification))
    while gate.gone is None and (ready_at := pacer.ready_at(loop.time(), notification.priority)) > loop.time():
        if (held := pacer.host.ban(loop.time())) is not None and held.held_for > deadline - loop.time():
            return f"{pacer.host.name} accepts nothing for another {held.held_for:.0f} s: {held.reason}"
        if pacer.is_held(deadline):
            return f"it requires a wait of another {pacer.memory(loop.time()).held_for:.0f} s"
        if loop.time() >= deadline:
            return "its limits leave no slot for another message in time"
        woken = asyncio.Event()
        gate.pacer.host.call_when_free(woken.set, at_end=True)  # also called at an answer, which may change everything
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

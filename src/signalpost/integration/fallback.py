"""Calls the user's own sender for notifications that the service refused, one at a time, in a thread of its own."""

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import wait
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any

from signalpost import clock
from signalpost.domain.delivery import Delivery, DeliveryState
from signalpost.domain.events import DestinationEnabled, DestinationGone, Event, Settled
from signalpost.domain.instant import iso
from signalpost.domain.notification import NEW, Notification
from signalpost.domain.ticket import Outcome, Refusal, Ticket
from signalpost.errors import InvalidConfiguration, SignalpostError
from signalpost.integration.futures import AwaitableFuture
from signalpost.integration.loop_thread import THREADS, LazyThread, new_loop
from signalpost.integration.submission import Otherwise, Submission, extended
from signalpost.secret import described
from signalpost.telemetry.log_queue import logger

MOST_WAITING = 10_000
"""Notifications that may wait for the sender."""
_REMEMBERED = 1_000
"""Lost notifications that are remembered, so that none is passed on once for each of its destinations."""

Sender = Callable[..., object]
"""A function or coroutine function that takes the signal or alert, alone or with the priority, tier and context, by
name or in this order. It reports a failure by raising, or by returning False."""

_NAMES = ("priority", "user_tier", "additional_context")


class Fallback:
    """Calls `sender` with each notification, in order, in a thread that starts with the first one.

    The sender gets those of `priority`, `user_tier` and `additional_context` that it names. If it requires three
    further arguments with other names, it gets these three, in this order. Its own optional arguments keep their
    defaults. A sender that takes the notification alone does not know the tier, so it must not show premium content to
    free readers. Raises InvalidConfiguration if the sender cannot be called in any of these ways.
    """

    def __init__(self, sender: Sender) -> None:
        self._call = _calling(sender)
        self._sender = sender
        self._waiting: SimpleQueue[Submission | AwaitableFuture[None]] = SimpleQueue()
        self._thread = LazyThread(lambda: Thread(target=self._run, name=f"{THREADS} fallback", daemon=True))
        self._unsent: set[Submission] = set()
        self.called = 0
        self.failed = 0

    @property
    def waiting(self) -> int:
        """The number of notifications that wait or are being sent."""
        return len(self._unsent)

    def take(self, submission: Submission, ticket: Ticket) -> None:
        """Set a `direct` ticket for a submission that was refused with `ticket`, and call the sender later.

        A stale notification is suppressed; one that becomes stale while it waits is not sent. Raises RuntimeError, and
        sets no ticket, if its thread cannot be started.
        """
        if (stale := _staleness(submission)) is not None:
            submission.future.set_result(Ticket(Outcome.SUPPRESSED, "", stale))
            return
        if self.waiting >= MOST_WAITING:
            submission.end(extended(ticket, f"{MOST_WAITING} notifications wait for the fallback"))
            return
        self._thread.start()
        self._unsent.add(submission)
        self._waiting.put(submission)
        submission.future.set_result(Ticket(Outcome.DIRECT, "", f"passed to the fallback: {ticket.reason}"))

    def flush(self, timeout: float) -> int:
        """Wait until the sender has been called with everything, and return how many still wait after `timeout`."""
        if self._thread.has_started:
            reached: AwaitableFuture[None] = AwaitableFuture()
            self._waiting.put(reached)
            if wait([reached], timeout).done:
                return 0
        return self.waiting

    def in_child(self) -> "Fallback":
        """A new one for the same sender, for a child process: the thread and the queue are the parent's."""
        return Fallback(self._sender)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            while True:
                match self._waiting.get():
                    case Submission() as submission:
                        self._send(submission, runner)
                        self._unsent.discard(submission)
                    case reached:
                        reached.set_result(None)

    def _send(self, submission: Submission, runner: asyncio.Runner) -> None:
        if (stale := _staleness(submission)) is not None:
            self.failed += 1
            logger.warning("%s was not passed to the fallback: %s", submission.notification.key, stale)
            return
        self.called += 1
        try:
            answer = self._call(submission)
            if inspect.isawaitable(answer):
                answer = runner.run(_awaited(answer))
        except BaseException as fault:  # noqa: BLE001  # even SystemExit must not end this thread
            self._failed(submission, described(fault, with_text=False))
            return
        if answer is False:
            self._failed(submission, "it returned False")

    def _failed(self, submission: Submission, how: str) -> None:
        self.failed += 1
        key = submission.notification.key
        logger.error("the fallback failed for %s and may not have shown it: %s", key, how)


class LostNotifications:
    """A listener that calls `otherwise` for each new notification whose every destination is gone.

    An alert of the service about itself is not passed on.
    """

    deliveries: Callable[[str], Awaitable[Sequence[Delivery]]]
    """Finds those of a ticket. Set it before the service starts."""

    def __init__(self, otherwise: Otherwise) -> None:
        self._otherwise = otherwise
        self._gone: set[str] = set()
        self._looking: set[asyncio.Task[None]] = set()
        self._taken: deque[str] = deque(maxlen=_REMEMBERED)

    def __call__(self, event: Event) -> None:
        """Note destinations that are gone, and check a notification when one of its deliveries ends at such a one."""
        match event:
            case DestinationGone(name):
                self._gone.add(name)
            case DestinationEnabled(name):
                self._gone.discard(name)
            case Settled(delivery, notification) if notification is not None and delivery.state is DeliveryState.DEAD:
                if notification.event == NEW and notification.about is None:
                    task = asyncio.get_running_loop().create_task(self._look(notification))
                    self._looking.add(task)
                    task.add_done_callback(self._looking.discard)

    async def _look(self, notification: Notification) -> None:
        found: Sequence[Delivery] = ()
        with suppress(SignalpostError):  # the store failed, which is reported
            found = await self.deliveries(notification.id)
        dead = [each for each in found if each.state is not DeliveryState.SUPPRESSED]
        are_gone = all(each.state is DeliveryState.DEAD and each.id.destination in self._gone for each in dead)
        if dead and are_gone and notification.id not in self._taken:
            self._taken.append(notification.id)
            refused = Ticket(Outcome.REFUSED, "", "all its destinations are gone", Refusal.NO_DESTINATION)
            lost = notification
            self._otherwise(Submission(lost.payload, lost.priority, lost.user_tier, lost.context), refused)


def _staleness(submission: Submission) -> str | None:
    until = submission.payload.valid_until
    return f"stale: it expired at {iso(until)}" if until <= clock.now() else None


def _calling(sender: Sender) -> Callable[[Submission], Any]:
    """How to call the sender: with our facts if it names or requires them, or else without.

    An argument with a default and another name is the sender's own option, such as `retries=3`.
    """
    if not callable(sender):
        kind = type(sender).__name__
        text = f"the fallback is a {kind}: pass a function"
        raise InvalidConfiguration(text, code="wrong-kind", field="fallback", value=kind)
    try:
        signature = inspect.signature(sender)
    except (TypeError, ValueError):
        raise _wrong_signature(sender, "has no readable signature") from None
    own = [name for name in _NAMES if name in signature.parameters]
    for names in filter(None, (_NAMES, own)):
        if _fits(signature, (None,), dict.fromkeys(names)):
            return partial(_call_by_name, sender, names)
    if _fits(signature, (None,) * 4, {}) and _has_places(signature):
        return lambda submission: sender(submission.payload, *_facts(submission).values())
    if _fits(signature, (None,), {}):
        return lambda submission: sender(submission.payload)
    raise _wrong_signature(sender, f"takes {signature}", str(signature))


def _has_places(signature: inspect.Signature) -> bool:
    """True if its positions are for our facts: each is required, or has our name."""
    places = list(signature.parameters.values())[1:4]
    return len(places) == len(_NAMES) and all(
        place.name == name or (place.default is place.empty and place.kind is not place.VAR_POSITIONAL)
        for place, name in zip(places, _NAMES, strict=True)
    )


def _call_by_name(sender: Sender, names: Iterable[str], submission: Submission) -> object:
    facts = _facts(submission)
    return sender(submission.payload, **{name: facts[name] for name in names})


def _facts(submission: Submission) -> dict[str, object]:
    sent = submission.notification
    return dict(zip(_NAMES, (sent.priority, sent.user_tier, sent.context), strict=True))


def _fits(signature: inspect.Signature, given: tuple[object, ...], named: Mapping[str, object]) -> bool:
    try:
        signature.bind(*given, **named)
    except TypeError:
        return False
    return True


def _wrong_signature(sender: Sender, why: str, signature: str | None = None) -> InvalidConfiguration:
    name = getattr(sender, "__name__", type(sender).__name__)
    text = (
        f"the fallback {name} {why}: pass a function that can be called with the signal or alert alone, or with "
        f"(signal_or_alert, priority, user_tier, additional_context)"
    )
    return InvalidConfiguration(text, code="wrong-signature", field="fallback", value=signature)


async def _awaited(answer: Any) -> Any:
    return await answer

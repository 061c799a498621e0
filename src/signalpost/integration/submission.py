"""Submissions from any thread to the service's loop: bounded, in order, without a lock and without waiting.

A lock could be held by a thread that does not exist after a fork, or by the frame that a signal handler interrupts. So
there is none: each step is one operation that is atomic in the interpreter, and their order makes it correct.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import Any

from signalpost.domain.notification import Notification, Payload, check_kind, context_of, notification_of
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.ticket import Outcome, Refusal, Ticket
from signalpost.domain.tier import UserTier
from signalpost.domain.words import member
from signalpost.integration.futures import TicketFuture
from signalpost.integration.loop_thread import THREADS, LazyThread
from signalpost.integration.process_end import this_process
from signalpost.service import AsyncNotificationService
from signalpost.service.signal_verbs import SignalChange
from signalpost.telemetry.log_queue import log_failure, logger

MOST_WAITING = 10_000
"""Submissions that may wait for their ticket, plus one for each thread that submits at the same moment."""
NOT_RUNNING = "the service is not running: call on_strategy_start() first"
STOPPED = "the service was stopped: call on_strategy_start() to start it again"
LOG_EVERY = 1.0
"""Seconds between two log lines about refusals. The first refusal is logged at once; those that follow are counted."""
_TAKEN_AT_ONCE = 128
"""Submissions that one turn of the loop begins, so that a burst does not delay running sends."""
_UNSEEN = (Refusal.NOT_RUNNING, Refusal.TOO_MANY)

Otherwise = Callable[["Submission", Ticket], None]
"""Called instead of ending a submission that was refused with this ticket."""
Refused = Callable[[Ticket], None]
"""Called with the ticket of a refusal that no service saw."""


class Submitted(ABC):
    """Something that a caller submits, and the future of its ticket.

    `refused` is called with the ticket of a refusal that is final and that no service saw.
    """

    __slots__ = ("future", "refused")

    def __init__(self, refused: "Refused") -> None:
        self.refused = refused
        self.future = TicketFuture()

    @abstractmethod
    async def answered_by(self, service: AsyncNotificationService) -> Ticket:
        """The service's ticket."""

    def refuse(self, why: str, cause: Refusal) -> None:
        """Refuse it before any service saw it."""
        self.end(Ticket(Outcome.REFUSED, "", why, cause))

    def end(self, ticket: Ticket) -> None:
        """Set a ticket that does not come from the service."""
        if ticket.cause in _UNSEEN:
            self.refused(ticket)
        self.future.set_result(ticket)

    def settle(self, ticket: Ticket) -> None:
        """Set the service's ticket."""
        self.future.set_result(ticket)


class Submission(Submitted):
    """What a caller sends, a payload of `kind` for a tier. Intake makes the notification of it.

    If the service refuses it, `otherwise` answers for it. A conflict is final: something else was accepted under the
    same id, and a second, contradictory one would only confuse readers. Raises InvalidValue for invalid arguments.
    """

    __slots__ = ("_context", "_priority", "_user_tier", "otherwise", "payload")

    def __init__(
        self,
        payload: Payload,
        priority: NotificationPriority | int | str | None = None,
        user_tier: UserTier | str | None = None,
        context: Mapping[str, object] | None = None,
        otherwise: "Otherwise | None" = None,
        refused: "Refused" = lambda _: None,
        kind: Any = Payload,
    ) -> None:
        check_kind(payload, kind)
        self.payload = payload
        self._priority = None if priority is None else member(NotificationPriority, priority, "priority")
        self._user_tier = None if user_tier is None else UserTier(user_tier)
        self._context = context_of(context)
        self.otherwise = otherwise
        super().__init__(refused)

    @property
    def notification(self) -> Notification:
        """The notification as it would be accepted now."""
        return notification_of(self.payload, self._priority, self._user_tier, self._context)

    async def answered_by(self, service: AsyncNotificationService) -> Ticket:
        """The service's ticket. While the store is unavailable, it holds what nobody else would send."""
        return await service.queue_notification(
            self.payload, self._priority, self._user_tier, self._context, hold=self.otherwise is None
        )

    def refuse(self, why: str, cause: Refusal) -> None:
        """Refuse it before any service saw it, unless `otherwise` can answer."""
        if self.otherwise is None:
            super().refuse(why, cause)
        else:
            self.otherwise(self, Ticket(Outcome.REFUSED, "", why, cause))

    def settle(self, ticket: Ticket) -> None:
        """Set the service's ticket, unless it refused and `otherwise` can answer."""
        is_over = ticket.outcome is not Outcome.REFUSED or ticket.cause is Refusal.CONFLICT
        if is_over or self.otherwise is None:
            super().settle(ticket)
        else:
            self.otherwise(self, ticket)


class SubmittedChange(Submitted):
    """A change of a signal. While the store is unavailable it is held in memory, because nobody else can make it."""

    __slots__ = ("_wanted",)

    def __init__(self, wanted: SignalChange, refused: "Refused" = lambda _: None) -> None:
        super().__init__(refused)
        self._wanted = wanted

    async def answered_by(self, service: AsyncNotificationService) -> Ticket:
        """The service's ticket."""
        return await service._change(self._wanted)


def extended(refused: Ticket, more: str) -> Ticket:
    """The refusal with another reason added."""
    return refused._replace(reason=f"{refused.reason}; and {more}")


class SubmissionQueue:
    """Takes submissions from any thread; the service answers them on its loop, in order."""

    def __init__(self, service: AsyncNotificationService, loop: asyncio.AbstractEventLoop) -> None:
        self._service = service
        self._loop = loop
        self._submissions: deque[Submitted] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_open = False
        self._is_woken = False
        self._closed_for: str | None = None

    @property
    def waiting(self) -> int:
        """The number of submissions without a ticket."""
        return len(self._submissions) + len(self._tasks)

    def put(self, submission: Submitted) -> None:
        """Take a submission. Its future always gets a ticket, whatever happens.

        A caller waits for this method alone, so the method calls nothing else.
        """
        if len(self._submissions) + len(self._tasks) >= MOST_WAITING:
            why = f"{MOST_WAITING} notifications are waiting already: send it yourself, or later"
            submission.refuse(why, Refusal.TOO_MANY)
            return
        self._submissions.append(submission)
        if self._closed_for is not None:  # perhaps closed after the last look, so that nobody else would see it
            self._refuse_all()
        elif not self._is_woken:
            self._is_woken = True
            try:
                self._loop.call_soon_threadsafe(self._take)
            except RuntimeError:  # the loop is closed: `close` has been called, or will be
                return

    def open(self) -> None:
        """Begin to take submissions, because the service runs. Call this on the loop."""
        self._is_open = True
        self._take()

    async def committed(self) -> None:
        """Wait until everything submitted so far has its ticket. Call this on the loop."""
        while self._submissions and self._is_open:
            self._begin(len(self._submissions))
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    def close(self, why: str) -> None:
        """Refuse all submissions, waiting and later ones."""
        self._is_open = False
        self._closed_for = self._closed_for or why
        self._refuse_all()

    def _take(self) -> None:
        self._is_woken = False  # before the look: a later submission wakes the loop again
        if self._is_open:
            self._begin(_TAKEN_AT_ONCE)
            if self._submissions and not self._is_woken:
                self._is_woken = True
                self._loop.call_soon(self._take)

    def _begin(self, most: int) -> None:
        for _ in range(min(most, len(self._submissions))):
            task = self._loop.create_task(self._answer(self._submissions.popleft()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, submission: Submitted) -> None:
        ticket = Ticket(Outcome.REFUSED, "", "the service stopped before it accepted this", Refusal.NOT_RUNNING)
        try:
            ticket = await submission.answered_by(self._service)
        except Exception as fault:  # noqa: BLE001  # whatever broke: a caller elsewhere must get a ticket
            log_failure("a notification could not be accepted", fault, with_text=False)
            ticket = Ticket(Outcome.REFUSED, "", f"accepting it failed with {type(fault).__name__}", Refusal.STORE)
        finally:
            submission.settle(ticket)

    def _refuse_all(self) -> None:
        why = self._closed_for or NOT_RUNNING
        while True:
            try:
                submission = self._submissions.popleft()
            except IndexError:
                return
            submission.refuse(why, Refusal.NOT_RUNNING)


class Refusals:
    """Counts the refused submissions that no service saw, and logs them in a thread of its own.

    A signal handler or a `__del__` may submit in the middle of a log line. Logging there could wait for a lock that the
    interrupted frame holds. So a refusal is only counted there, without a lock.
    """

    def __init__(self) -> None:
        self.count = 0
        self._logged = 0
        self._last: str | None = None
        self._logging = Lock()
        self._waking: SimpleQueue[None] = SimpleQueue()
        self._is_woken = False
        self._thread = LazyThread(lambda: Thread(target=self._run, name=f"{THREADS} refusals", daemon=True))

    def add(self, ticket: Ticket) -> None:
        """Count a refusal. Any thread may call this. It neither waits nor raises."""
        self._last = ticket.reason
        self.count += 1  # no lock: threads change, and signal handlers run, at calls and jumps only
        if not self._is_woken:
            self._is_woken = True
            try:
                this_process.call_at_end(self.log)
                self._thread.start()
                self._waking.put(None)
            except RuntimeError:  # no thread can be started now: the next refusal tries again
                self._is_woken = False

    def log(self) -> None:
        """Log the refusals since the last line. Do not call this from a frame that may have interrupted another."""
        with self._logging:
            count = self.count  # read once: others count on meanwhile
            new, self._logged = count - self._logged, count
            if new == 1:
                logger.warning("a notification was refused: %s", self._last)
            elif new:
                logger.warning("%d notifications were refused, the last one because: %s", new, self._last)

    def _run(self) -> None:
        while True:
            self._waking.get()
            self._is_woken = False  # before the look: a later refusal wakes it again
            self.log()
            pause()


def pause() -> None:
    """Wait until the next line may be logged."""
    Event().wait(LOG_EVERY)

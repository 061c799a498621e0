"""An outbox with a thread of its own, which commits in groups.

Commands that arrive during a commit go into the next one. A single command is committed at once. Under load, a group
grows to the number of commands that arrive within one commit.

It detects the writes of other processes with its next batch, or with a check every 100 ms while it is idle. The check
changes nothing, and wakes the loop only if there is news. See docs/why/0026-the-store-thread.md.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any, NamedTuple, TypeVar

from signalpost.delivery.kept_task import WELL_AFTER
from signalpost.delivery.outbox.commands import (
    Answer,
    Command,
    Leased,
    Settle,
    SettledAndLeased,
    Settlement,
)
from signalpost.delivery.outbox.port import Core
from signalpost.domain.delivery import Delivery, DeliveryState
from signalpost.domain.events import Listener, WorkerFailed, WorkerRecovered
from signalpost.errors import CommandFailed, OwnershipLost, StoreClosed, StoreFailed
from signalpost.own_threads import start_thread
from signalpost.secret import described
from signalpost.telemetry.log_queue import log_failure

_NAME = "store thread"
LOOK_EVERY = 0.1
"""Seconds after which an idle outbox checks for writes of other processes."""

Result = TypeVar("Result")
_Request = tuple[Command[Any], asyncio.Future[Any]]


class _Wake(Enum):
    LOOK = "look"


class _Failed(NamedTuple):
    """Why a command was not executed."""

    fault: StoreFailed | CommandFailed | OwnershipLost

    def error(self) -> StoreFailed | CommandFailed | OwnershipLost:
        """A new error for each caller, so that none gets another's traceback."""
        error = type(self.fault).of_all(self.fault.errors)
        error.__cause__ = self.fault
        return error


class _Call(NamedTuple):
    work: Callable[[], Any]
    waiter: asyncio.Future[Any]


class ThreadedOutbox:
    """Executes commands in one writer thread, for the loop on which it was created.

    A command is executed even if its caller no longer waits for the answer. If the loop is closed before the outbox, a
    thread that looks for changes executes the last commands, releases the core and ends.
    """

    def __init__(self, core: Core, emit: Listener | None = None) -> None:
        self._core = core
        self._emit = emit or _ignore
        self._recovering: asyncio.TimerHandle | None = None
        self._abandoning: asyncio.TimerHandle | None = None
        self._listening: list[tuple[Callable[[], Any], Callable[[Any], None]]] = []
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Request | _Wake | _Call | None] = SimpleQueue()
        self._unanswered: deque[tuple[float, asyncio.Future[Any]]] = deque()
        """The arrival of each unanswered command and its caller's future, the oldest first."""
        self._calls: set[asyncio.Future[Any]] = set()
        self._cycle_began_at = monotonic()
        self.is_abandoned = False
        """True if the thread did not end in time, and is no longer waited for."""
        self._chore: tuple[Callable[[], bool], Callable[[], None]] | None = None
        self._is_closed = False
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._thread = Thread(target=self._run, name="signalpost outbox", daemon=True)
        start_thread(self._thread)

    async def do(self, command: Command[Answer]) -> Answer:
        """Execute a command, and return its answer once it is committed.

        Raises StoreFailed if the store fails, CommandFailed if only this command does, StoreClosed after `close`, and
        RuntimeError on another loop.
        """
        if self._is_closed:
            raise StoreClosed("the outbox is closed: start a new one")
        if asyncio.get_running_loop() is not self._loop:
            raise RuntimeError("an outbox belongs to the loop on which it was created: call it from that loop")
        waiter: asyncio.Future[Answer] = self._loop.create_future()
        self._unanswered.append((monotonic(), waiter))
        self._queue.put((command, waiter))
        return await waiter

    async def call(self, work: Callable[[], Result]) -> Result:
        """Call `work` in the writer thread between two batches. Returns its result or raises its error.

        For file calls, which must not block the loop. Raises StoreClosed after `close`.
        """
        if self._is_closed:
            raise StoreClosed("the outbox is closed: start a new one")
        waiter: asyncio.Future[Result] = self._loop.create_future()
        self._calls.add(waiter)
        waiter.add_done_callback(self._calls.discard)
        self._queue.put(_Call(work, waiter))
        return await waiter

    @property
    def oldest_command(self) -> float:
        """Seconds that the oldest command has waited for its answer; 0 if none waits. Safe from any thread."""
        try:
            return max(0.0, monotonic() - self._unanswered[0][0])
        except IndexError:
            return 0.0

    @property
    def stuck_for(self) -> float:
        """Seconds that the thread has spent in one cycle; 0 unless it has a chore. Safe from any thread.

        More than `oldest_command` if the thread hangs in a file call of its own, such as the heartbeat.
        """
        return 0.0 if self._chore is None else max(0.0, monotonic() - self._cycle_began_at)

    def keep_up(self, chore: Callable[[], bool], on_change: Callable[[], None]) -> None:
        """Call `chore` in the writer thread after each batch, and every 100 ms without one.

        If it returns True, `on_change` is called on the loop.
        """
        self._chore = chore, on_change
        self.look()

    def listen(self, find: Callable[[], Result | None], hear: Callable[[Result], None]) -> None:
        """Call `find` in the writer thread after each batch, and every 100 ms without one.

        If it returns something, `hear` is called with that on the loop, before the callers get their answers.
        """
        self._listening.append((find, hear))
        self.look()

    def look(self) -> None:
        """Make the thread soon call the functions that were given to `listen` and `keep_up`."""
        self._queue.put(_Wake.LOOK)

    async def close(self) -> None:
        """Commit the commands received before, end the thread and release the core. Repeated calls are fine."""
        if not self._is_closed:
            self._is_closed = True
            self._queue.put(None)
        await asyncio.shield(self._ended)
        for timer in (self._recovering, self._abandoning):
            if timer is not None:
                timer.cancel()
        if not self.is_abandoned:
            self._thread.join()

    def abandon_after(self, seconds: float) -> None:
        """Call `abandon` after `seconds`, unless `close` has ended by then. A later call replaces an earlier one."""
        if self._abandoning is not None:
            self._abandoning.cancel()
        self._abandoning = self._loop.call_later(seconds, self.abandon)

    def abandon(self) -> None:
        """Stop waiting for a thread that hangs: all callers get StoreClosed, and `close` returns.

        The thread closes the core once the disk answers, or ends with the process.
        """
        self._is_closed = self.is_abandoned = True
        self._queue.put(None)
        waiting = [waiter for _, waiter in self._unanswered]
        for waiter in (*waiting, *self._calls):
            if not waiter.done():
                waiter.set_exception(StoreClosed("the store did not answer before the service was stopped"))
        if not self._ended.done():
            self._ended.set_result(None)

    def _run(self) -> None:
        is_open = True
        while is_open:
            batch: list[_Request] = []
            try:
                is_open = self._cycle(batch)
            except BaseException as end:  # noqa: BLE001  # the thread continues, and the callers get an error
                is_open = not (self._is_closed and self._queue.empty())
                failed = _Failed(StoreFailed(f"the store thread failed with {type(end).__name__}"))
                self._call_on_loop(self._report, type(end).__name__, described(end))
                self._call_on_loop(self._answer, [waiter for _, waiter in batch], [failed] * len(batch))
        fault = None
        try:
            self._core.close()
        except Exception as error:  # noqa: BLE001  # the caller of `close` gets it
            fault = error
        self._call_on_loop(self._end, fault)

    def _cycle(self, batch: list[_Request]) -> bool:
        """Execute the waiting commands, which stay in `batch` until they are answered. False after the last cycle."""
        is_open = self._gather(batch)
        self._cycle_began_at = monotonic()
        answers = self._answers_to(batch) if batch else None
        if answers is not None:
            self._return_leases(batch, answers)
        for find, hear in self._listening:
            if (found := find()) is not None:
                self._call_on_loop(self._notify, hear, found)
        if self._chore is not None:
            self._run_chore(*self._chore)
        if answers is not None:  # after the news, so that a requested count is the most recent one
            waiters = [waiter for _, waiter in batch]
            batch.clear()
            self._call_on_loop(self._answer, waiters, answers)
        return is_open

    def _gather(self, batch: list[_Request]) -> bool:
        """Fill `batch` with the commands that arrived since the last cycle. False once the outbox is closed."""
        try:
            may_wait = not self._listening and self._chore is None
            item = self._queue.get(timeout=None if may_wait else LOOK_EVERY)
            while item is not None:
                if isinstance(item, _Call):
                    self._run_call(item)
                elif not isinstance(item, _Wake):
                    batch.append(item)
                item = self._queue.get_nowait()
        except Empty:
            return not self._loop.is_closed()  # a closed loop: the program forgot to close the outbox
        return False

    def _run_chore(self, chore: Callable[[], bool], on_change: Callable[[], None]) -> None:
        try:
            is_news = chore()
        except Exception as fault:  # noqa: BLE001  # the thread continues, and calls the chore again
            log_failure("the store thread failed at its own work and continues", fault)
            return
        if is_news:
            self._call_on_loop(on_change)

    def _run_call(self, call: _Call) -> None:
        try:
            result, fault = call.work(), None
        except BaseException as error:  # noqa: BLE001  # the caller gets it
            is_usual = isinstance(error, Exception)  # an exception that ends a thread must not end the caller
            result, fault = None, error if is_usual else StoreFailed(f"the call failed with {type(error).__name__}")
        self._call_on_loop(_set, call.waiter, result, fault)

    def _notify(self, hear: Callable[[Any], None], found: Any) -> None:
        if not self._is_closed:
            hear(found)

    def _answers_to(self, batch: list[_Request]) -> list[Any]:
        """An answer, or a `_Failed`, for each command.

        A batch is one transaction. If one of its commands fails for a reason of its own, each half is tried again,
        until the failing command is alone and the others are executed.
        """
        try:
            return self._core.apply([command for command, _ in batch])
        except StoreFailed as fault:
            return [_Failed(fault)] * len(batch)
        except Exception as fault:  # noqa: BLE001  # each caller must get an answer
            if len(batch) == 1:
                return [_Failed(fault if isinstance(fault, OwnershipLost) else command_failed(batch[0][0], fault))]
        middle = len(batch) // 2
        return self._answers_to(batch[:middle]) + self._answers_to(batch[middle:])

    def _return_leases(self, batch: list[_Request], answers: list[Any]) -> None:
        """Return what was leased for callers that no longer wait, such as workers that a stop cancelled meanwhile."""
        unsent = [
            each
            for (_, waiter), answer in zip(batch, answers, strict=True)
            if waiter.done()
            for each in _leased_by(answer)
        ]
        if not unsent:
            return
        try:
            self._core.apply([Settle(tuple(map(_as_before, unsent)))])
        except Exception as fault:  # noqa: BLE001  # the thread continues; the next start finds them leased
            log_failure("deliveries that were leased but not sent could not be returned", fault)

    def _call_on_loop(self, answer: Any, *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(answer, *arguments)
        except RuntimeError:  # the loop was closed before the outbox: no caller is left
            return

    def _answer(self, waiters: list[asyncio.Future[Any]], answers: list[Any]) -> None:
        for _ in waiters:
            self._unanswered.popleft()
        for waiter, answer in zip(waiters, answers, strict=True):
            if waiter.done():
                continue
            if isinstance(answer, _Failed):
                waiter.set_exception(answer.error())
            else:
                waiter.set_result(answer)

    def _report(self, kind: str, detail: str) -> None:
        if self._recovering is not None:
            self._recovering.cancel()
        self._recovering = self._loop.call_later(WELL_AFTER, self._emit, WorkerRecovered(_NAME))
        self._emit(WorkerFailed(_NAME, kind, detail))

    def _end(self, fault: Exception | None) -> None:
        if self.is_abandoned:
            return
        if fault is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(fault)


def command_failed(command: Command[Any], fault: Exception) -> CommandFailed:
    """Log why a command failed, with the frames of `fault`, and return the error for its caller."""
    name = type(command).__name__
    log_failure(f"the store works, but a command ({name}) failed", fault)
    if isinstance(fault, CommandFailed):
        return CommandFailed.of_all(fault.errors)
    return CommandFailed(f"{name} failed ({type(fault).__name__})", field="command", value=name)


def _leased_by(answer: Any) -> list[Delivery]:
    """The deliveries that an answer leases."""
    leased = answer.leased if isinstance(answer, SettledAndLeased) else answer
    return [entry.delivery for entry in leased.entries] if isinstance(leased, Leased) else []


def _as_before(delivery: Delivery) -> Settlement:
    """The verdict on a delivery that was leased and not sent."""
    attempts, unanswered, may_repeat = delivery.attempts, delivery.unanswered, delivery.may_repeat
    return Settlement(
        delivery.id, DeliveryState.PENDING, None, attempts, unanswered, may_repeat, reason=delivery.reason
    )


def _ignore(_: object) -> None:
    """Nobody listens."""


def _set(waiter: asyncio.Future[Any], result: Any, fault: BaseException | None) -> None:
    if waiter.done():
        return
    if fault is None:
        waiter.set_result(result)
    else:
        waiter.set_exception(fault)

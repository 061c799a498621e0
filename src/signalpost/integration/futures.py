"""Waiting between threads: futures that any thread can wait for and any event loop can await, and deadlines."""

import asyncio
import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from functools import partial
from threading import local
from time import monotonic
from typing import Any, TypeVar

from signalpost.delivery.tickets import of_several
from signalpost.domain.ticket import Outcome, Ticket
from signalpost.errors import is_from_keyboard
from signalpost.telemetry.log_queue import log_failure

Result = TypeVar("Result")

_of_thread = local()


def this_thread_must_not_wait() -> None:
    """Mark this thread: it runs one of our loops, so a wait in it would never end."""
    _of_thread.must_not_wait = True


def not_on_our_loop(call: str) -> None:
    """Raise RuntimeError in a thread that must not wait, such as in a ticket's callback or a listener."""
    if hasattr(_of_thread, "must_not_wait"):
        raise RuntimeError(
            f"{call} was called in signalpost's own thread and would wait for that thread: call it in another thread"
        )


class Deadline:
    """A number of seconds from now, by the monotonic clock. Only waits depend on it."""

    def __init__(self, seconds: float) -> None:
        self._until = monotonic() + seconds

    @property
    def remaining(self) -> float:
        """Seconds left, at least 0."""
        return max(0.0, self._until - monotonic())


class AwaitableFuture(Future[Result]):
    """A `concurrent.futures.Future` that can also be awaited, from any loop and as often as you like.

    The work cannot be taken back, so `cancel` does nothing and returns False. Cancelling an await ends only that await.
    """

    def cancel(self) -> bool:
        """Do nothing, and return False."""
        return False

    def add_done_callback(self, fn: Callable[[Future[Result]], object]) -> None:
        """Call `fn` once this is done. Exceptions that it raises are logged and end nothing, not even SystemExit."""
        super().add_done_callback(partial(_called, fn))

    def __await__(self) -> Generator[Any, None, Result]:
        return _awaited(self).__await__()


class TicketFuture(AwaitableFuture[Ticket]):
    """The ticket of a notification, once there is one. If something fails, the ticket says so, and nothing is raised.

    After a fork, the child cannot learn of the ticket. There it is `held`, because the parent holds the notification.
    """

    def __init__(self) -> None:
        super().__init__()
        self._ticket: Ticket | None = None  # read in a child, without the lock that a thread of the parent may hold
        _open.add(self)

    def set_result(self, result: Ticket) -> None:
        """Set the ticket."""
        self._ticket = result
        super().set_result(result)
        _open.discard(self)

    def result(self, timeout: float | None = None) -> Ticket:
        """The ticket, after at most `timeout` seconds. Raises TimeoutError.

        In signalpost's own thread, such as in a callback, it raises RuntimeError if there is no ticket yet.
        """
        if timeout != 0 and not self.done():
            not_on_our_loop("result()")
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """None, once there is a ticket. Waits, times out, and raises RuntimeError, as `result` does."""
        if timeout != 0 and not self.done():
            not_on_our_loop("exception()")
        return super().exception(timeout)

    def leave_to_parent(self) -> None:
        """In a child made by `fork`: end with `held`, because no thread here would ever set the ticket."""
        ticket = self._ticket or _OF_PARENT
        super().__init__()  # with a new lock: the thread that may have held the old one does not exist here
        super().set_result(ticket)


_open: set[TicketFuture] = set()
"""Futures without a ticket, for a child to find. Each operation on it is atomic in the interpreter."""
_OF_PARENT = Ticket(
    Outcome.HELD, "", "it was submitted before the fork: the parent process delivers it, and has its ticket"
)


def _in_child() -> None:
    vars(_of_thread).clear()  # the thread that forked runs none of our loops here
    for future in list(_open):
        future.leave_to_parent()
    _open.clear()


os.register_at_fork(after_in_child=_in_child)


def _called(callback: Callable[[Future[Result]], object], future: Future[Result]) -> None:
    try:
        callback(future)
    except BaseException as fault:  # it runs in a thread of ours
        if is_from_keyboard(fault):
            raise
        log_failure("the callback of a ticket failed", fault, with_text=False)


async def _awaited(future: Future[Result]) -> Result:
    """The future's result. Cancelling this cancels nothing else, and a closed loop causes no error."""
    loop = asyncio.get_running_loop()
    is_done = asyncio.Event()

    def wake(_: object) -> None:
        try:
            loop.call_soon_threadsafe(is_done.set)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    if not future.done():
        future.add_done_callback(wake)
        await is_done.wait()
    return future.result()


def of_all(futures: Sequence[TicketFuture]) -> TicketFuture:
    """A future of one ticket for all `futures`. A single future is returned itself."""
    if len(futures) == 1:
        return futures[0]
    whole = TicketFuture()

    def wait_for(number: int) -> None:
        if number == len(futures):
            whole.set_result(of_several([each.result(0) for each in futures]))
        else:  # one after the other, so that no two threads end it
            futures[number].add_done_callback(lambda _: wait_for(number + 1))

    wait_for(0)
    return whole

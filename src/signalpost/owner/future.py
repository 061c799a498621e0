"""A future that any thread can wait for and any event loop can await."""

import asyncio
import os
from collections.abc import Callable, Generator
from concurrent.futures import Future
from functools import partial
from threading import local
from typing import Any, TypeVar

from signalpost.domain.ticket import Outcome, Ticket
from signalpost.errors import is_from_keyboard
from signalpost.telemetry.failures import log_failure

Result = TypeVar("Result")

_of_thread = local()


def this_thread_must_not_wait() -> None:
    """Called in a thread of signalpost that runs a loop: it is who would bring what is waited for."""
    _of_thread.must_not_wait = True


def not_on_our_loop(what: str) -> None:
    """Raise RuntimeError in a thread that must not wait, such as in a ticket's callback or a listener."""
    if hasattr(_of_thread, "must_not_wait"):
        raise RuntimeError(
            f"{what} would wait for signalpost's own thread, in which this is called: do it in another thread"
        )


class AwaitableFuture(Future[Result]):
    """A `concurrent.futures.Future` that can also be awaited, from any loop and as often as one likes.

    What was handed over cannot be taken back, so `cancel` does nothing and answers False; who stops waiting, stops
    waiting and nothing else.
    """

    def cancel(self) -> bool:
        """Nothing, and False."""
        return False

    def add_done_callback(self, fn: Callable[[Future[Result]], object]) -> None:
        """Have it called once this is done. What it raises is logged, and ends nothing, not even with SystemExit."""
        super().add_done_callback(partial(_called, fn))

    def __await__(self) -> Generator[Any, None, Result]:
        return _awaited(self).__await__()


class TicketFuture(AwaitableFuture[Ticket]):
    """The ticket of what was handed over, once there is one. It never raises because something failed.

    After a fork the child cannot learn of the ticket: there it is `held`, which it is, by the parent.
    """

    def __init__(self) -> None:
        super().__init__()
        _open.add(self)

    def set_result(self, result: Ticket) -> None:
        """Give the ticket to whoever waits for it."""
        super().set_result(result)
        _open.discard(self)

    def result(self, timeout: float | None = None) -> Ticket:
        """The ticket, waited for at most `timeout` seconds. Raises TimeoutError.

        In signalpost's own thread, such as in a callback, it raises RuntimeError where there is no ticket yet.
        """
        if timeout != 0 and not self.done():
            not_on_our_loop("result()")
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """None, once there is a ticket: waited for, and refused in signalpost's own thread, as `result` is."""
        if timeout != 0 and not self.done():
            not_on_our_loop("exception()")
        return super().exception(timeout)

    def leave_to_parent(self) -> None:
        """In a child made by `fork`: nobody here will bring the ticket, and what waits for it waits in the parent."""
        ticket = self._result or _OF_PARENT
        super().__init__()  # with a lock that no thread holds, for the one that held the other is not there any more
        super().set_result(ticket)


_open: set[TicketFuture] = set()
"""Those without a ticket, for a child to find; each step on it is one that the interpreter does not divide."""
_OF_PARENT = Ticket(
    Outcome.HELD, "", "it was handed over before the fork: the parent process delivers it, and has its ticket"
)


def _in_child() -> None:
    vars(_of_thread).clear()  # the thread that forked runs no loop of ours here
    for future in list(_open):
        future.leave_to_parent()
    _open.clear()


os.register_at_fork(after_in_child=_in_child)


def _called(callback: Callable[[Future[Result]], object], future: Future[Result]) -> None:
    try:
        callback(future)
    except BaseException as fault:  # the thread that calls it is not its own
        if is_from_keyboard(fault):
            raise
        log_failure("the callback of a ticket failed", fault, with_text=False)


async def _awaited(future: Future[Result]) -> Result:
    """The future's result. To be cancelled here cancels nothing else, and a loop that is closed is told nothing."""
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

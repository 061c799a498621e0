"""A future that any thread can wait for and any event loop can await."""

import asyncio
import os
from collections.abc import Callable, Generator
from concurrent.futures import Future
from functools import partial
from threading import local
from typing import Any, TypeVar

from signalpost.domain.ticket import Outcome, Ticket
from signalpost.telemetry.log import logger

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
    """The ticket of what was handed over, once there is one. It never raises because something is unwell.

    After a fork the child cannot learn of the ticket: there it is `held`, which it is, by the parent.
    """

    def __init__(self) -> None:
        super().__init__()
        self._process = os.getpid()

    def result(self, timeout: float | None = None) -> Ticket:
        """The ticket, waited for at most `timeout` seconds. Raises TimeoutError.

        In signalpost's own thread, such as in a callback, it raises RuntimeError where there is no ticket yet.
        """
        if self._is_left_to_parent:
            why = "it was handed over before the fork: the parent process delivers it, and has its ticket"
            return Ticket(Outcome.HELD, "", why)
        if timeout != 0 and not self.done():
            not_on_our_loop("result()")
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """None, once there is a ticket: waited for, and refused in signalpost's own thread, as `result` is."""
        if self._is_left_to_parent:
            return None
        if timeout != 0 and not self.done():
            not_on_our_loop("exception()")
        return super().exception(timeout)

    def __await__(self) -> Generator[Any, None, Ticket]:
        if self._process != os.getpid():
            return self.result()
        return (yield from super().__await__())

    @property
    def _is_left_to_parent(self) -> bool:
        # No lock may be touched in a child: a thread that is not there any more may have held it.
        return self._process != os.getpid() and self._state != "FINISHED"


def _called(callback: Callable[[Future[Result]], object], future: Future[Result]) -> None:
    try:
        callback(future)
    except KeyboardInterrupt:  # of who sits before it, not of the callback
        raise
    except BaseException as fault:  # noqa: BLE001  # the thread that calls it is not its own
        logger.error("the callback of a ticket failed with %s", type(fault).__name__)


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

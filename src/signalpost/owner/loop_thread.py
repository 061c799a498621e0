"""A thread with an event loop of its own, to which other threads hand work.

It is a daemon, because a program that ends must not wait for it for ever; `owner.ending` sees to it that what waits is
delivered first. Its loop calls name lookups in threads of its own, because the usual pool of asyncio takes no work any
more once the interpreter begins to end, which is when the last signals are sent.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from threading import Thread, current_thread
from typing import Any, ParamSpec, TypeVar

from signalpost.owner.future import this_thread_must_not_wait

Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")
Work = Callable[[], Coroutine[Any, Any, Result]]

THREADS = "signalpost"
"""How the name of each of our threads begins."""


class LoopThread:
    """A running loop in a thread of its own, until `end`; however it ends, `at_end` is called there at last.

    What `let_go` closes is closed before that, while the loop still runs.
    """

    def __init__(self, name: str, at_end: Callable[[], None] = lambda: None, let_go: Work[None] | None = None) -> None:
        self.loop = new_loop()
        self._let_go = let_go or _nothing
        self._at_end = at_end
        self._ended = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.asked: set[Future[Any]] = set()
        """What was begun and has not ended."""
        self._thread = Thread(target=self._run, name=f"{THREADS} {name}", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def begin(self, work: Work[Result]) -> Future[Result]:
        """Begin `work` on the loop, from any thread; what it returns or raises is the future's.

        It raises CancelledError where the loop ends before the work has.
        """
        future: Future[Result] = Future()
        self.asked.add(future)
        try:
            self.loop.call_soon_threadsafe(self._begin, work, future)
        except RuntimeError:  # the loop is closed, perhaps after the last look at what was asked
            self._give_up(future)
        return future

    def end(self, timeout: float) -> None:
        """End the loop, cancelling what still runs on it, and wait for that for at most `timeout` seconds."""
        try:
            self.loop.call_soon_threadsafe(self._ended.set)
        except RuntimeError:  # it has ended before
            return
        if current_thread() is not self._thread:
            self._thread.join(timeout)

    def _run(self) -> None:
        this_thread_must_not_wait()
        try:
            with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
                life = runner.get_loop().create_task(self._until_ended())
                life.add_done_callback(lambda _: self.loop.stop())
                while not life.done():  # a program's listener may have stopped the loop, which is not its own
                    self.loop.run_forever()
                life.result()
        finally:
            self._at_end()
            for future in list(self.asked):
                self._give_up(future)

    async def _until_ended(self) -> None:
        self.loop.set_default_executor(OwnThreads())
        try:
            await self._ended.wait()
        finally:
            await self._let_go()

    def _begin(self, work: Work[Any], future: Future[Any]) -> None:
        task = self.loop.create_task(work())
        self._tasks.add(task)

        def tell(_: object) -> None:
            self._tasks.discard(task)
            if task.cancelled():
                self._give_up(future)
                return
            self.asked.discard(future)
            if (fault := task.exception()) is not None:
                future.set_exception(fault)
            else:
                future.set_result(task.result())

        task.add_done_callback(tell)

    def _give_up(self, future: Future[Any]) -> None:
        self.asked.discard(future)
        with suppress(InvalidStateError):  # it was given up before
            future.set_exception(CancelledError())


class OwnThreads(ThreadPoolExecutor):
    """Runs each call in a daemon thread of its own: few calls, none of which may be refused or hold up the end."""

    def submit(
        self, fn: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[Result]:
        """Begin a call."""
        future: Future[Result] = Future()
        future.set_running_or_notify_cancel()  # from now on it cannot be cancelled, and always has an end

        def run() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as fault:  # noqa: BLE001  # whoever asked gets it
                future.set_exception(fault)

        Thread(target=run, name=f"{THREADS} call", daemon=True).start()
        return future


async def _nothing() -> None:
    """Let go of nothing."""


def new_loop() -> asyncio.AbstractEventLoop:
    """A new event loop: uvloop's, where that is installed and standard input, output and error are open.

    Where one of these is closed, a socket or file gets its number, and uvloop aborts the process when it closes that.
    """
    try:
        import uvloop

        for number in range(3):
            os.fstat(number)
    except (ImportError, OSError):
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()

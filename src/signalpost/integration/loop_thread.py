"""Threads of our own: one with an event loop, to which other threads submit work, and one that starts when needed.

They are daemons, because a program that ends must not wait for them for ever; `process_end` delivers what is queued
before that. A loop's name lookups run in threads of their own: asyncio's usual pool accepts no work once the
interpreter begins to end, which is when the last signals are sent.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import suppress
from threading import Thread, current_thread
from typing import Any, TypeVar

from signalpost.integration.futures import AwaitableFuture, this_thread_must_not_wait
from signalpost.own_threads import OwnThreads, start_thread
from signalpost.telemetry.log_queue import log_failure

Result = TypeVar("Result")
Work = Callable[[], Coroutine[Any, Any, Result]]

THREADS = "signalpost"
"""The name of each of our threads begins with this."""
MARGIN = 1.0
"""Seconds to wait for a loop's answer beyond its timeout. If it takes longer, the loop hangs."""


class LoopThread:
    """Runs an event loop in a thread of its own until `end`. `at_end` is called there last, however the loop ends.

    Raises RuntimeError if no thread can be started.
    """

    def __init__(self, name: str, at_end: Callable[[], None] = lambda: None) -> None:
        self.loop = new_loop()
        self.closing: list[Work[object]] = []
        """Run on the loop, in this order, before it ends."""
        self.unfinished: set[Future[Any]] = set()
        """Work that was begun and has not ended."""
        self._at_end = at_end
        self._ended = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._thread = Thread(target=self._run, name=f"{THREADS} {name}", daemon=True)
        try:
            start_thread(self._thread)
        except RuntimeError:  # no thread can be started now
            self.loop.close()
            raise

    @property
    def is_alive(self) -> bool:
        """True while the thread runs."""
        return self._thread.is_alive()

    def begin(self, work: Work[Result]) -> AwaitableFuture[Result]:
        """Begin `work` on the loop, from any thread; the future gets its result or exception.

        The exception is CancelledError if the loop ends first.
        """
        future: AwaitableFuture[Result] = AwaitableFuture()
        self.unfinished.add(future)
        try:
            self.loop.call_soon_threadsafe(self._begin, work, future)
        except RuntimeError:  # the loop is closed, and `_run` may have looked at `unfinished` before this was added
            self._give_up(future)
        return future

    def end(self, timeout: float) -> None:
        """End the loop, cancel what still runs on it, and wait for that for at most `timeout` seconds."""
        try:
            self.loop.call_soon_threadsafe(self._ended.set)
        except RuntimeError:  # it has ended already
            return
        if current_thread() is not self._thread:
            self._thread.join(timeout)

    def _run(self) -> None:
        this_thread_must_not_wait()
        try:
            with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
                life = runner.get_loop().create_task(self._until_ended())
                life.add_done_callback(self._stop_loop)
                try:
                    while not life.done():  # a user's listener may stop the loop, which does not belong to it
                        self.loop.run_forever()
                finally:  # if a callback raised SystemExit, the runner runs the loop on until all is closed
                    life.remove_done_callback(self._stop_loop)
                life.result()
        finally:
            self._at_end()
            for future in list(self.unfinished):
                self._give_up(future)

    def _stop_loop(self, _: object) -> None:
        self.loop.stop()

    async def _until_ended(self) -> None:
        try:
            await self._ended.wait()
        finally:  # also if a callback ended the loop, with SystemExit
            for close in self.closing:
                try:
                    await close()
                except Exception as fault:  # noqa: BLE001  # the rest must be closed all the same
                    log_failure("closing failed", fault)

    def _begin(self, work: Work[Any], future: Future[Any]) -> None:
        task = self.loop.create_task(work())
        self._tasks.add(task)

        def finish(_: object) -> None:
            self._tasks.discard(task)
            if task.cancelled():
                self._give_up(future)
                return
            self.unfinished.discard(future)
            if (fault := task.exception()) is not None:
                future.set_exception(fault)
            else:
                future.set_result(task.result())

        task.add_done_callback(finish)

    def _give_up(self, future: Future[Any]) -> None:
        self.unfinished.discard(future)
        with suppress(InvalidStateError):  # it was given up before
            future.set_exception(CancelledError())


class LazyThread:
    """Starts one thread at the first `start`, which may come from any thread or signal handler.

    It takes no lock, because a signal handler could wait for it for ever. If no thread can be started, the next `start`
    tries again.
    """

    def __init__(self, make: Callable[[], Thread]) -> None:
        self._make = make
        self._token = deque((True,))
        """Taken by the call that starts the thread."""

    @property
    def has_started(self) -> bool:
        """True if the thread was started, or is about to be."""
        return not self._token

    def start(self) -> None:
        """Start the thread if it is not running. Raises RuntimeError if none can be started."""
        try:
            self._token.pop()
        except IndexError:
            return
        try:
            start_thread(self._make())
        except BaseException:
            self._token.append(True)
            raise


def new_loop() -> asyncio.AbstractEventLoop:
    """A new event loop with threads of its own: uvloop's if standard input, output and error are open.

    If one of these is closed, a socket or file gets its number, and uvloop aborts the process when that is closed. The
    threads accept work until the process ends, and do not delay its end, even if a file call hangs with its disk.
    """
    try:
        from signalpost.integration.forkable_loop import ForkableLoop

        for number in range(3):
            os.fstat(number)
        loop: asyncio.AbstractEventLoop = ForkableLoop()
    except (ImportError, OSError):
        loop = asyncio.new_event_loop()
    loop.set_default_executor(OwnThreads())
    return loop

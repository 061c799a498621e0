"""When the interpreter ends, stops everything that runs; in a forked child, releases it.

At the end, everything queued is flushed, for at most 5 seconds in all. `atexit` would run after the pools of
`concurrent.futures` stop accepting work, and not at all in a child of `multiprocessing`. Instead, a non-daemon thread
does this, because the interpreter joins it before it ends. The thread waits for the main thread and for all other
non-daemon threads, since they may still submit. Then it stops everything that runs.

After a fork, only the thread that forked exists in the child. The parent's service is released without using or
closing it, because it belongs to the parent.
"""

import os
import threading
from collections.abc import Callable
from typing import Protocol
from weakref import WeakSet

from signalpost.integration.futures import Deadline
from signalpost.integration.loop_thread import MARGIN, THREADS, LazyThread

STOP_WITHIN = 5.0
"""Seconds that the end of the interpreter waits, in all."""


Stop = Callable[[float], object]
"""Delivers for at most these seconds, and stops."""


class Inherited(Protocol):
    """Something that a child made by `fork` must release."""

    def forget_parent(self) -> None:
        """Called in the child, where only this thread exists. A lock held by any other thread is never released."""
        ...


class Guard(threading.Thread):
    """A thread that the interpreter waits for, whichever thread starts it.

    Once it runs, it looks like a daemon to others. Otherwise, code that waits for all non-daemon threads would wait for
    this one, which waits for them.
    """

    def __init__(self, run: Callable[[], None]) -> None:
        self._has_started = False
        super().__init__(target=run, name=f"{THREADS} ending", daemon=False)

    def start(self) -> None:
        """Start it. The interpreter then knows that it must wait for this thread."""
        super().start()
        self._has_started = True

    @property
    def daemon(self) -> bool:  # type: ignore[override]
        """True if others need not wait for it."""
        return self._has_started


class ProcessEnd:
    """Everything to stop or call at the end of this process, and to release in its forked children."""

    def __init__(self) -> None:
        self._inherited: WeakSet[Inherited] = WeakSet()
        self.running: set[Stop] = set()
        """Called when the interpreter ends."""
        self._last_calls: set[Callable[[], None]] = set()
        self._guard = self._new_guard()
        os.register_at_fork(after_in_child=self._release)

    def watch_forks(self, inherited: Inherited) -> None:
        """Notify `inherited` in the child after a fork."""
        self._inherited.add(inherited)

    def stop_at_end(self, stop: Stop) -> None:
        """Call `stop` when the interpreter ends. Raises RuntimeError if no thread can be started."""
        self.running.add(stop)
        self._guard.start()

    def call_at_end(self, call: Callable[[], None]) -> None:
        """Make this call once everything is stopped. Raises RuntimeError if no thread can be started."""
        self._last_calls.add(call)
        self._guard.start()

    def forget(self, stop: Stop) -> None:
        """Do not call `stop` at the end, because its service has stopped already."""
        self.running.discard(stop)

    def _new_guard(self) -> LazyThread:
        return LazyThread(lambda: Guard(self._stop_all))

    def _stop_all(self) -> None:
        threading.main_thread().join()
        while others := _others():
            for thread in others:
                thread.join()
        deadline = Deadline(STOP_WITHIN)
        for stop in list(self.running):
            stop(max(0.0, deadline.remaining - MARGIN))
        for call in list(self._last_calls):
            call()

    def _release(self) -> None:
        self._guard = self._new_guard()
        self.running.clear()
        self._last_calls.clear()
        for each in list(self._inherited):
            each.forget_parent()


def _others() -> list[threading.Thread]:
    """The threads that the interpreter would wait for, except this one."""
    mine = (threading.current_thread(), threading.main_thread())
    return [thread for thread in threading.enumerate() if not thread.daemon and thread not in mine]


this_process = ProcessEnd()

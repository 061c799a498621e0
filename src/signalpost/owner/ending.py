"""What happens to running owners when the interpreter ends, and after a fork.

At the end all that waits is flushed for 5 seconds at most. `atexit` would be too early or too late: it runs after the
pools of `concurrent.futures` refuse work, and not at all in a child of `multiprocessing`. So a thread that the
interpreter joins before it ends waits for the main thread, then for all others that a program would wait for, since
they may still hand over, and then stops what runs.

After a fork only the thread that forked is there in the child: what the parent has running is let go, untouched and
with nothing closed, because it is the parent's.
"""

import os
import threading
from collections.abc import Callable
from typing import Protocol
from weakref import WeakSet

from signalpost.owner.deadline import Deadline
from signalpost.owner.loop_thread import THREADS
from signalpost.owner.owner import MARGIN
from signalpost.owner.start_once import StartOnce

FLUSH_WITHIN = 5.0
"""Seconds that the end of the interpreter waits for, in all."""


class Ended(Protocol):
    """What is to be stopped at the end."""

    def stop(self, timeout: float) -> object:
        """Deliver what waits for at most `timeout` seconds, and stop."""
        ...


class Inherited(Protocol):
    """What a child must let go of."""

    def forget_parent(self) -> None:
        """Called in a child: nothing runs here, and every lock may be held by a thread that is gone."""
        ...


class _Guard(threading.Thread):
    """The interpreter waits for it, as for no daemon, whichever thread starts it.

    Once it runs it calls itself a daemon to others: who waits for all that are none would wait for one that waits for
    them.
    """

    def __init__(self, run: Callable[[], None]) -> None:
        self._has_started = False
        super().__init__(target=run, name=f"{THREADS} ending", daemon=False)

    def start(self) -> None:
        """Start it; the interpreter has noted by then that it has to wait."""
        super().start()
        self._has_started = True

    @property
    def daemon(self) -> bool:  # type: ignore[override]
        """Whether others need not wait for it."""
        return self._has_started


class Ending:
    """What this process knows of its end."""

    def __init__(self) -> None:
        self._inherited: WeakSet[Inherited] = WeakSet()
        self._running: set[Ended] = set()
        self._to_tell: set[Callable[[], None]] = set()
        self._guard = self._new_guard()
        os.register_at_fork(after_in_child=self._let_go)

    def watch_forks(self, inherited: Inherited) -> None:
        """Have it told when it finds itself in a child."""
        self._inherited.add(inherited)

    def stop_at_end(self, ended: Ended) -> None:
        """Have it stopped when the interpreter ends. Raises RuntimeError where no thread can be started."""
        self._running.add(ended)
        self._guard.begin()

    def tell_at_end(self, tell: Callable[[], None]) -> None:
        """Have it called when everything is stopped at the interpreter's end. Raises RuntimeError as `stop_at_end`."""
        self._to_tell.add(tell)
        self._guard.begin()

    def stopped(self, ended: Ended) -> None:
        """It runs no more."""
        self._running.discard(ended)

    def _new_guard(self) -> StartOnce:
        return StartOnce(lambda: _Guard(self._stop_all))

    def _stop_all(self) -> None:
        threading.main_thread().join()
        while others := _others():
            for thread in others:
                thread.join()
        deadline = Deadline(FLUSH_WITHIN)
        for ended in list(self._running):
            ended.stop(max(0.0, deadline.remaining - MARGIN))
        for tell in list(self._to_tell):
            tell()

    def _let_go(self) -> None:
        self._guard = self._new_guard()
        self._running.clear()
        self._to_tell.clear()
        for each in list(self._inherited):
            each.forget_parent()


def _others() -> list[threading.Thread]:
    """The threads that the interpreter would wait for, but this one."""
    mine = (threading.current_thread(), threading.main_thread())
    return [thread for thread in threading.enumerate() if not thread.daemon and thread not in mine]


of_this_process = Ending()

"""The logger `signalpost`, written by a thread of its own, so that no handler can block or break the caller.

A handler may block for ever, such as one that writes to a pipe that nobody reads, and it may raise anything. The caller
only checks the level, makes the record and puts it on a bounded queue. Handlers, filters and propagation stay the
host's: the thread calls `Logger.handle`. See docs/why/0029-logging-never-blocks.md.
"""

import atexit
import logging
import os
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue

from signalpost.errors import is_from_keyboard

MOST_WAITING = 20_000
"""Lines that wait for a slow handler; further ones are dropped and counted."""
FLUSH_WITHIN = 1.0
"""Seconds that the lines which still wait get at the end of the interpreter."""

Work = Callable[[], object]


class LogQueue:
    """Writes lines to a logger of the standard library in a daemon thread, in the order in which they were put.

    From any thread, also from a signal's handler. Nothing here waits for the thread but `flush`, and nothing raises but
    Ctrl-C. The thread begins with the first line, and anew in a child made by `fork`: what waited is the parent's.
    """

    def __init__(self, name: str = "signalpost", *, most: int = MOST_WAITING) -> None:
        self._logger = logging.getLogger(name)
        self._most = most
        self._begin_anew()
        os.register_at_fork(after_in_child=self._begin_anew)

    @property
    def dropped(self) -> int:
        """How many lines were lost: the queue was full, or a handler raised."""
        return self._dropped

    @property
    def waiting(self) -> int:
        """How many lines are not written yet."""
        return self._waiting.qsize()

    def debug(self, message: str, *args: object) -> None:
        """Log with level DEBUG."""
        self._log(logging.DEBUG, message, args)

    def info(self, message: str, *args: object) -> None:
        """Log with level INFO."""
        self._log(logging.INFO, message, args)

    def warning(self, message: str, *args: object) -> None:
        """Log with level WARNING."""
        self._log(logging.WARNING, message, args)

    def error(self, message: str, *args: object) -> None:
        """Log with level ERROR."""
        self._log(logging.ERROR, message, args)

    def log(self, level: int, message: str, *args: object) -> None:
        """Log with this level."""
        self._log(level, message, args)

    def put(self, write: Work) -> None:
        """Have the thread call `write`, which writes one line; a full queue drops it."""
        if self._waiting.qsize() < self._most:
            self._waiting.put(write)
            self._begin_thread()
        else:
            self._drop()

    def flush(self, timeout: float = FLUSH_WITHIN) -> bool:
        """Wait until what was put so far is written, for at most `timeout` seconds; whether it is."""
        if self._thread is None and not self.waiting:  # nothing was ever logged
            return True
        if self.is_own_thread():  # a handler that flushes would wait for itself
            return False
        written = threading.Event()
        self._waiting.put(written.set)
        return self._begin_thread() and written.wait(timeout)

    def is_own_thread(self) -> bool:
        """Whether the caller runs in the thread that writes, and may block."""
        return threading.current_thread() is self._thread

    def _begin_anew(self) -> None:
        self._waiting: SimpleQueue[Work] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._counting = threading.RLock()  # it can be taken again by a signal's handler
        self._dropped = 0

    def _log(self, level: int, message: str, args: tuple[object, ...]) -> None:
        try:
            if not self._logger.isEnabledFor(level):
                return
            path, line, function, _ = self._logger.findCaller(stacklevel=3)
            record = self._logger.makeRecord(self._logger.name, level, path, line, message, args, None, function)
        except BaseException as fault:
            if is_from_keyboard(fault):
                raise
            self._drop()  # a host's own kind of record or logger is broken
        else:
            self.put(partial(self._logger.handle, record))

    def _drop(self) -> None:
        with self._counting:
            self._dropped += 1

    def _begin_thread(self) -> bool:
        """See that the thread runs; whether it does. Where none can be started, the next line tries again."""
        if self._is_running or not self._starting.acquire(blocking=False):  # another thread is about to start it
            return True
        try:
            if not self._is_running:  # it may have been started since
                self._thread = threading.Thread(target=self._write, name="signalpost log", daemon=True)
                self._thread.start()
        except RuntimeError:
            self._thread = None
            return False
        finally:
            self._starting.release()
        return True

    @property
    def _is_running(self) -> bool:
        thread = self._thread
        return thread is not None and thread.is_alive()

    def _write(self) -> None:
        """Write each line, whatever becomes of it."""
        while True:
            try:
                self._waiting.get()()
            except BaseException:  # noqa: BLE001  # also SystemExit: the lines that follow are to be written
                self._drop()


logger = LogQueue()
"""All that signalpost logs goes through this one."""

atexit.register(logger.flush)

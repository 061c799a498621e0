"""The logger `signalpost`, written by its own thread, so that no handler can block or break the caller.

A handler can block forever, for example on a full pipe, and can raise any exception. The caller only checks the level,
makes the record and puts it on a bounded queue. The thread calls `Logger.handle`, so the application's handlers,
filters and propagation apply. See docs/why/0029-logging-never-blocks.md.
"""

import atexit
import logging
import os
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue

from signalpost.errors import is_from_keyboard
from signalpost.own_threads import start_thread
from signalpost.secret import described

MOST_WAITING = 20_000
"""Maximum number of waiting lines; further ones are dropped and counted."""
FLUSH_WITHIN = 1.0
"""Seconds to write the waiting lines when the interpreter exits."""
PAUSES_WITHIN = 0.5
"""Maximum number of seconds that a fork waits for the line that is being written."""

Work = Callable[[], object]


class LogQueue:
    """Writes lines to a logger of the standard library in a daemon thread, in order.

    Callable from any thread and from signal handlers. Only `flush` waits for the thread. No exception but
    KeyboardInterrupt is raised. The thread starts with the first line. A child made by `fork` starts with an empty
    queue and its own thread. A fork waits for the line that is being written: the child would inherit the locks of its
    handler and stream, which nobody releases there, and could not end.
    """

    def __init__(self, name: str = "signalpost", *, most: int = MOST_WAITING) -> None:
        self._logger = logging.getLogger(name)
        self._most = most
        self._reset()
        os.register_at_fork(before=self._pause, after_in_parent=self._resume, after_in_child=self._reset)

    @property
    def dropped(self) -> int:
        """Number of lines lost because the queue was full or logging them failed."""
        return self._dropped

    @property
    def waiting(self) -> int:
        """Number of lines not written yet."""
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
        """Queue `write`, which writes one line; drop it if the queue is full."""
        if self._waiting.qsize() < self._most:
            self._waiting.put(write)
            self._ensure_thread()
        else:
            self._drop()

    def flush(self, timeout: float = FLUSH_WITHIN) -> bool:
        """Wait up to `timeout` seconds for all queued lines; True if they are written."""
        if self._thread is None and not self.waiting:  # nothing was ever logged
            return True
        if self.is_own_thread():  # a handler that flushes would wait for itself
            return False
        written = threading.Event()
        self._waiting.put(written.set)
        return self._ensure_thread() and written.wait(timeout)

    def is_own_thread(self) -> bool:
        """True if called in the writing thread, which may block."""
        return threading.current_thread() is self._thread

    def _reset(self) -> None:
        self._waiting: SimpleQueue[Work] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._counting = threading.RLock()  # re-entrant, because a signal handler may log
        self._writing = threading.RLock()
        self._pauses = 0
        self._paused_by: int | None = None
        self._dropped = 0

    def _pause(self) -> None:
        # A handler that blocks, or that forks itself, cannot be waited for.
        if not self.is_own_thread() and self._writing.acquire(timeout=PAUSES_WITHIN):
            self._pauses, self._paused_by = self._pauses + 1, threading.get_ident()

    def _resume(self) -> None:
        if self._pauses and self._paused_by == threading.get_ident():  # not of a fork whose own wait timed out
            self._pauses -= 1
            self._writing.release()

    def _log(self, level: int, message: str, args: tuple[object, ...]) -> None:
        try:
            if not self._logger.isEnabledFor(level):
                return
            path, line, function, _ = self._logger.findCaller(stacklevel=3)
            record = self._logger.makeRecord(self._logger.name, level, path, line, message, args, None, function)
        except BaseException as fault:
            if is_from_keyboard(fault):
                raise
            self._drop()  # the application's own logger or record class failed
        else:
            self.put(partial(self._logger.handle, record))

    def _drop(self) -> None:
        with self._counting:
            self._dropped += 1

    def _ensure_thread(self) -> bool:
        """Start the thread if necessary; True if it runs. If it cannot start, the next line tries again."""
        if self._thread is not None or not self._starting.acquire(blocking=False):  # or another thread starts it now
            return True
        try:
            if self._thread is None:  # another caller may have started it
                self._thread = threading.Thread(target=self._write, name="signalpost log", daemon=True)
                start_thread(self._thread)
        except RuntimeError:
            self._thread = None
            return False
        finally:
            self._starting.release()
        return True

    def _write(self) -> None:
        """Write lines forever; count those that fail."""
        while True:
            write = self._waiting.get()
            try:
                with self._writing:
                    write()
            except BaseException:  # noqa: BLE001  # even SystemExit must not lose the following lines
                self._drop()


logger = LogQueue()
"""The logger for all of signalpost."""

atexit.register(logger.flush)


def log_failure(task: str, fault: BaseException, *, level: int = logging.ERROR, with_text: bool = True) -> None:
    """Log one line with `task`, the exception, its frames and its causes.

    Pass `with_text=False` for exceptions of other people's code: their text may quote a secret.
    """
    logger.log(level, "%s: %s", task, described(fault, with_text=with_text))

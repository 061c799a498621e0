"""Starts and stops the service of an integration, and starts it again in a forked child."""

from collections.abc import Callable
from pathlib import Path
from threading import RLock

from signalpost.errors import InvalidConfiguration, SignalpostError
from signalpost.integration.background import BackgroundWork, Turns
from signalpost.integration.futures import Deadline
from signalpost.integration.process_end import this_process
from signalpost.integration.service_thread import ServiceThread
from signalpost.integration.submission import NOT_RUNNING, STOPPED
from signalpost.service import AsyncNotificationService
from signalpost.telemetry.log_queue import logger


class Lifecycle:
    """Runs at most one service thread for an integration, and calls its `stop` when the interpreter ends.

    `make(home)` creates the service; with None, in its configured data folder. In a child made by `fork`, the first
    submission starts a service in the parent's data folder, if the parent had started one.
    """

    def __init__(self, stop: Callable[[float], int], make: Callable[[Path | None], AsyncNotificationService]) -> None:
        self.thread: ServiceThread | None = None
        """The service thread, from the start to the stop."""
        self.lock = RLock()  # a signal handler may enter it again
        self._stop = stop
        self._make = make
        self._turns = Turns()
        self._stopping: ServiceThread | None = None
        self._was_stopped = False
        self._parents_home: Path | None = None
        self._parents_threads: list[ServiceThread | None] = []

    @property
    def not_running(self) -> str:
        """The reason to refuse a submission without a service thread."""
        return STOPPED if self._was_stopped else NOT_RUNNING

    def start(self, within: float, thread: ServiceThread | None = None) -> None:
        """Start the service if none is running or starting, and wait for at most `within` seconds until it runs.

        `thread` is the one that `begin_start` has started.
        """
        with self.lock:
            thread = thread or self._current()
            try:
                thread.wait(within)
            except Exception as fault:
                if not thread.is_starting:
                    self.thread = None
                    this_process.forget(self._stop)
                if isinstance(fault, SignalpostError):  # its text says it all, and the log has the traceback
                    raise fault.with_traceback(None) from None
                raise

    def begin_start(self, within: float) -> BackgroundWork[None]:
        """Begin a start, and return at once. Submissions from now on wait for it, unless an earlier stop still runs."""
        thread: ServiceThread | None = None
        if self._turns.is_idle and self.lock.acquire(blocking=False):  # else it waits for its turn
            try:
                thread = self._current()
            except InvalidConfiguration as fault:
                return BackgroundWork.failed("start", fault)
            finally:
                self.lock.release()
        return self._turns.begin("start", lambda: self.start(within, thread))

    def stop(self, timeout: float) -> int:
        """Stop the service within `timeout` seconds, and return how much is open."""
        with self.lock:
            thread = self._stopping = self.thread
            self.thread = None
            self._was_stopped = self._was_stopped or thread is not None
            self.forget_home()
            this_process.forget(self._stop)
            try:
                return 0 if thread is None else thread.stop(timeout)
            finally:
                self._stopping = None

    def begin_stop(self, timeout: float) -> BackgroundWork[int]:
        """Begin to stop the integration after all starts and stops that have begun."""
        return self._turns.begin("stop", lambda: self._stop(timeout))

    def flush(self, timeout: float) -> int:
        """Wait until everything submitted is saved and delivered as far as possible, and return how much is open."""
        deadline = Deadline(timeout)
        thread, stopping = self.thread, self._stopping
        left = 0 if thread is None else thread.flush(timeout)
        if stopping is not None:  # in another thread, or before a signal handler interrupted it
            left += stopping.wait_for_stop(deadline.remaining)
        return left

    def forget_home(self) -> None:
        """Do not start by itself in the parent's data folder any more."""
        self._parents_home = None

    def forget_parent(self) -> None:
        """Release the parent's thread after a fork, without closing it."""
        self._parents_threads.append(self.thread)  # never collected, because that would close it
        if self.thread is not None:
            self._parents_home = self.thread.service.config.home
        self.thread = self._stopping = None
        self.lock, self._turns = RLock(), Turns()

    def _current(self) -> ServiceThread:
        """The thread that runs or starts, or a new one. The caller holds the lock."""
        thread = self.thread
        if thread is None or not (thread.is_running or thread.is_starting):
            thread = self._new_thread()
        return thread

    def _new_thread(self, home: Path | None = None) -> ServiceThread:
        this_process.stop_at_end(self._stop)
        self.thread = ServiceThread(self._make(home))
        return self.thread

    def start_as_parent(self) -> ServiceThread | None:
        """In a child, start a service in the parent's data folder, even if a relative path leads elsewhere by now.

        Returns its thread; None if the parent ran none, or if it cannot be started.
        """
        if self._parents_home is None:
            return None
        with self.lock:
            try:
                return self.thread or self._new_thread(self._parents_home)
            except (InvalidConfiguration, RuntimeError) as fault:  # RuntimeError if no thread can be started
                logger.error("the service cannot be started after the fork: %s", fault)
                return None

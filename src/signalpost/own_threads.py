"""Starts threads, and runs calls that may hang in them, such as those of files on a network disk."""

import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread
from typing import ParamSpec, TypeVar

Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")


def start_thread(thread: Thread) -> None:
    """Start a thread. Raises RuntimeError if none can be started, also once the interpreter has ended all threads.

    Then, such as in the `__del__` of a global object, `Thread.start` would wait forever.
    """
    if sys.is_finalizing():
        raise RuntimeError("no thread can be started: the interpreter is ending")
    thread.start()


class OwnThreads(ThreadPoolExecutor):
    """Runs each of a few calls in its own daemon thread, so that none is refused or delays the interpreter's end."""

    def submit(
        self, fn: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[Result]:
        """Begin a call."""
        future: Future[Result] = Future()
        future.set_running_or_notify_cancel()  # from now on it cannot be cancelled, and always ends

        def run() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as fault:  # noqa: BLE001  # the caller gets it
                future.set_exception(fault)

        start_thread(Thread(target=run, name="signalpost call", daemon=True))
        return future

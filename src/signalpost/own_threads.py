"""Threads for calls that may hang, such as those of files on a network disk."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread
from typing import ParamSpec, TypeVar

Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")


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

        Thread(target=run, name="signalpost call", daemon=True).start()
        return future

"""Start and stop with a strategy, from async code, a thread or a script; optionally handle SIGTERM and SIGINT.

A start waits until the service runs, so that its caller learns of an error at once. A running event loop never waits:
there, a start or a stop only begins, and you await it.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Generator, Mapping
from contextlib import suppress
from types import FrameType
from typing import Any, Self

from signalpost.integration.background import BackgroundWork
from signalpost.integration.functions import process_wide
from signalpost.integration.integration import FLUSH_WITHIN, NotificationIntegration

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Started:
    """The result of a start, which you may await. Within a running event loop, the start has only begun."""

    def __init__(self, begun: BackgroundWork[None] | None = None) -> None:
        self._begun = begun

    def __repr__(self) -> str:
        return "started" if self._begun is None or self._begun.done() else "starting: await it"

    def __await__(self) -> Generator[Any, None, None]:
        if self._begun is not None:
            yield from self._begun.__await__()


class StillOpen(int):
    """How many notifications or deliveries are still open after a stop. You may await it.

    Within a running event loop, the stop has only begun. The number is then the count at the call. Await it to get the
    number that the stop leaves open.
    """

    _begun: BackgroundWork[int] | None

    def __new__(cls, number: int, begun: BackgroundWork[int] | None = None) -> Self:
        """The number to return for a stop that has begun, or has ended."""
        still_open = super().__new__(cls, number)
        still_open._begun = begun
        return still_open

    def __repr__(self) -> str:
        number = int.__repr__(self)
        return number if self._begun is None else f"stopping, {number} open: await it"

    def __await__(self) -> Generator[Any, None, int]:
        return int(self) if self._begun is None else (yield from self._begun.__await__())


class AsyncNotificationStartup:
    """Starts and stops an integration together with a strategy; by default the integration of the process.

    With `handle_signals`, SIGTERM and SIGINT first flush for at most 5 seconds, then call the previous handler. This
    requires a start in the main thread.
    """

    def __init__(self, integration: NotificationIntegration | None = None, *, handle_signals: bool = False) -> None:
        self.integration = process_wide if integration is None else integration
        self._handle_signals = handle_signals
        self._previous: dict[int, Any] = {}

    def on_strategy_start(self) -> Started:
        """Start the service, and return once it runs. Starting twice is fine.

        Waits for at most 5 seconds. Raises InvalidConfiguration and StoreUnusable, and RuntimeError if it should handle
        signals and this is not the main thread. Within a running event loop it only begins the start, and returns at
        once: await the result, which raises the same. Notifications sent meanwhile wait for the start, but are refused
        while an earlier stop has not ended.
        """
        if self._handle_signals and threading.current_thread() is not threading.main_thread():
            raise RuntimeError(
                "signals can only be handled from the main thread: start there, or without handle_signals"
            )
        loop = _running_loop()
        begun = None
        if loop is None:
            self.integration.start()
        else:
            begun = self.integration.start_async()
        if self._handle_signals:
            self._install()
        return Started(begun)

    def on_strategy_stop(self, timeout: float | None = FLUSH_WITHIN) -> StillOpen:
        """Deliver for at most `timeout` seconds, stop, and return how much is still open.

        Stopping twice, or without a start, is fine. The next start delivers what is open. None waits without a limit.
        Raises InvalidValue, before anything is stopped, for a timeout that is not a number of seconds. Within a running
        event loop it only begins the stop, and returns at once: await the result to get the number.
        """
        loop = _running_loop()
        has_handlers = bool(self._previous) and threading.current_thread() is threading.main_thread()
        if loop is None:
            left = StillOpen(self.integration.stop(timeout))
            if has_handlers:
                self._uninstall()
            return left
        open_now = _still_open(self.integration.get_metrics())
        begun = self.integration.stop_async(timeout)
        if has_handlers:
            begun.add_done_callback(lambda _: self._uninstall_from(loop))
        return StillOpen(open_now, begun)

    def _uninstall_from(self, loop: asyncio.AbstractEventLoop) -> None:
        with suppress(RuntimeError):  # the loop is closed: the handlers stay, and only call the previous ones
            loop.call_soon_threadsafe(self._uninstall)

    def _install(self) -> None:
        for number in _SIGNALS:
            if signal.getsignal(number) != self._on_signal:
                self._previous[number] = signal.signal(number, self._on_signal)

    def _uninstall(self) -> None:
        for number, previous in self._previous.items():
            if signal.getsignal(number) == self._on_signal:  # else the host has set another one meanwhile
                signal.signal(number, previous)
        self._previous.clear()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        previous = self._previous.get(number)
        self.integration.flush(FLUSH_WITHIN)
        if callable(previous):
            previous(number, frame)
        elif previous is signal.SIG_DFL:  # pragma: no cover  # the process ends here, before it can report coverage
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


def _still_open(counts: Mapping[str, int]) -> int:
    """How much is not delivered yet, as far as is known without a query to the store."""
    names = ("hand_overs_waiting", "notifications_held", "queue_depth", "fallback_waiting")
    return sum(max(0, counts[name]) for name in names)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


_process_wide = AsyncNotificationStartup()


def on_strategy_start(*, handle_signals: bool = False) -> Started:
    """Start the process's service, and return once it runs. Starting twice is fine.

    Waits for at most 5 seconds. Within a running event loop it only begins the start, and returns at once: await the
    result. With `handle_signals`, SIGTERM and SIGINT first flush for at most 5 seconds, then call the previous handler.
    Raises InvalidConfiguration and StoreUnusable, and RuntimeError if it should handle signals and this is not the main
    thread.
    """
    return (_signalled if handle_signals else _process_wide).on_strategy_start()


def on_strategy_stop(timeout: float | None = FLUSH_WITHIN) -> StillOpen:
    """Deliver for at most `timeout` seconds, stop, and return how much is still open.

    Stopping twice is fine, and so is starting again. The next start delivers what is open. None waits without a limit.
    Within a running event loop it only begins the stop, and returns at once: await the result to get the number. Raises
    InvalidValue, before anything is stopped, for a timeout that is not a number of seconds.
    """
    return _signalled.on_strategy_stop(timeout)


_signalled = AsyncNotificationStartup(handle_signals=True)

"""Start and stop with a strategy, from async code, a thread or a script; and the signals that end a process, if asked.

A start waits until the service runs, so that what cannot work is known at once, and to whoever started. A running event
loop never waits for it: there, a start and a stop begin, and are awaited.
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


class Done:
    """A start: over, or, within a running event loop, begun. It may be awaited either way."""

    def __init__(self, begun: BackgroundWork[None] | None = None) -> None:
        self._begun = begun

    def __repr__(self) -> str:
        return "started" if self._begun is None or self._begun.done() else "starting: await it"

    def __await__(self) -> Generator[Any, None, None]:
        if self._begun is not None:
            yield from self._begun.__await__()


class Left(int):
    """How many notifications or deliveries are still open, after a stop. It may be awaited.

    Within a running event loop the stop has only begun: the number is what was open then, and what is awaited is what
    the stop leaves open.
    """

    _begun: BackgroundWork[int] | None

    def __new__(cls, number: int, begun: BackgroundWork[int] | None = None) -> Self:
        """Of a stop that is over, or of one that has begun."""
        left = super().__new__(cls, number)
        left._begun = begun
        return left

    def __repr__(self) -> str:
        number = int.__repr__(self)
        return number if self._begun is None else f"stopping, {number} open: await it"

    def __await__(self) -> Generator[Any, None, int]:
        return int(self) if self._begun is None else (yield from self._begun.__await__())


class AsyncNotificationStartup:
    """Starts and stops an integration, by default that of the process, together with a strategy.

    With `handle_signals`, SIGTERM and SIGINT flush for at most 5 seconds and then do what they did before; the start
    must be in the main thread then.
    """

    def __init__(self, integration: NotificationIntegration | None = None, *, handle_signals: bool = False) -> None:
        self.integration = process_wide if integration is None else integration
        self._handle_signals = handle_signals
        self._previous: dict[int, Any] = {}

    def on_strategy_start(self) -> Done:
        """Start the service, and return once it runs. Starting twice is fine.

        Waits for at most 5 seconds. Raises InvalidConfiguration and StoreUnusable, and RuntimeError if signals are to
        be handled and this is not the main thread. Within a running event loop it only begins the start, and returns at
        once: await the result, which raises the same. What is sent meanwhile waits for the start.
        """
        if self._handle_signals and threading.current_thread() is not threading.main_thread():
            raise RuntimeError(
                "signals can only be handled from the main thread: start there, or leave handle_signals out"
            )
        loop = _running_loop()
        begun = None
        if loop is None:
            self.integration.start()
        else:
            begun = self.integration.start_async()
        if self._handle_signals:
            self._install()
        return Done(begun)

    def on_strategy_stop(self, timeout: float | None = FLUSH_WITHIN) -> Left:
        """Deliver what waits for at most `timeout` seconds, stop, and return how much is still open.

        Stopping twice, or what was never started, is fine. What is open is delivered by the next start. None waits
        without bound. Raises InvalidValue, before anything is stopped, for a timeout that is not a number of seconds.
        Within a running event loop it only begins the stop, and returns at once: await the result for the number.
        """
        loop = _running_loop()
        has_handlers = bool(self._previous) and threading.current_thread() is threading.main_thread()
        if loop is None:
            left = Left(self.integration.stop(timeout))
            if has_handlers:
                self._uninstall()
            return left
        open_now = _still_open(self.integration.get_metrics())
        begun = self.integration.stop_async(timeout)
        if has_handlers:
            begun.add_done_callback(lambda _: self._uninstall_from(loop))
        return Left(open_now, begun)

    def _uninstall_from(self, loop: asyncio.AbstractEventLoop) -> None:
        with suppress(RuntimeError):  # the loop is closed: the handlers stay, and only call those of before
            loop.call_soon_threadsafe(self._uninstall)

    def _install(self) -> None:
        for number in _SIGNALS:
            if signal.getsignal(number) != self._on_signal:
                self._previous[number] = signal.signal(number, self._on_signal)

    def _uninstall(self) -> None:
        for number, previous in self._previous.items():
            if signal.getsignal(number) == self._on_signal:  # else the host has set another since
                signal.signal(number, previous)
        self._previous.clear()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        previous = self._previous.get(number)
        self.integration.flush(FLUSH_WITHIN)
        if callable(previous):
            previous(number, frame)
        elif previous is signal.SIG_DFL:  # pragma: no cover  # the process ends here, and with it what it measured
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


def _still_open(counts: Mapping[str, int]) -> int:
    """How much is not delivered or handed on yet, as far as anybody knows without asking the store."""
    names = ("hand_overs_waiting", "notifications_held", "queue_depth", "fallback_waiting")
    return sum(max(0, counts[name]) for name in names)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


_process_wide = AsyncNotificationStartup()


def on_strategy_start(*, handle_signals: bool = False) -> Done:
    """Start the process's service, and return once it runs. Starting twice is fine.

    Waits for at most 5 seconds. Within a running event loop it only begins the start, and returns at once: await the
    result. With `handle_signals`, SIGTERM and SIGINT flush for at most 5 seconds and then do what they did before.
    Raises InvalidConfiguration and StoreUnusable, and RuntimeError if signals are to be handled and this is not the
    main thread.
    """
    return (_signalled if handle_signals else _process_wide).on_strategy_start()


def on_strategy_stop(timeout: float | None = FLUSH_WITHIN) -> Left:
    """Deliver what waits for at most `timeout` seconds, stop, and return how much is still open.

    Stopping twice is fine, and so is starting again. What is open is delivered by the next start. None waits without
    bound. Within a running event loop it only begins the stop, and returns at once: await the result for the number.
    Raises InvalidValue, before anything is stopped, for a timeout that is not a number of seconds.
    """
    return _signalled.on_strategy_stop(timeout)


_signalled = AsyncNotificationStartup(handle_signals=True)

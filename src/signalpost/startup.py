"""Start and stop with a strategy, from async code, a thread or a script; and the signals that end a process, if asked.

A start waits until the service runs, so that what cannot work is known at once, and to whoever started.
"""

import os
import signal
import threading
from collections.abc import Generator
from types import FrameType
from typing import Any

from signalpost.integration.functions import process_wide
from signalpost.integration.integration import FLUSH_WITHIN, NotificationIntegration

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Done:
    """It has started already; this may be awaited all the same."""

    def __repr__(self) -> str:
        return "started"

    def __await__(self) -> Generator[Any, None, None]:
        yield from ()


class Left(int):
    """How many notifications or deliveries are still open. It may be awaited, which changes nothing."""

    def __await__(self) -> Generator[Any, None, int]:
        yield from ()
        return int(self)


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
        """Start the service, and return once it runs; its result may be awaited too. Starting twice is fine.

        Waits for at most 5 seconds. Raises InvalidConfiguration and StoreUnusable, and RuntimeError where signals are
        to be handled and this is not the main thread.
        """
        if self._handle_signals and threading.current_thread() is not threading.main_thread():
            raise RuntimeError(
                "signals can only be handled from the main thread: start there, or leave handle_signals out"
            )
        self.integration.start()
        if self._handle_signals:
            self._install()
        return Done()

    def on_strategy_stop(self, timeout: float | None = FLUSH_WITHIN) -> Left:
        """Deliver what waits for at most `timeout` seconds, stop, and return how much is still open.

        Stopping twice, or what was never started, is fine. What is open is delivered by the next start. None waits
        without bound. Raises InvalidValue, before anything is stopped, for what is no number of seconds.
        """
        left = self.integration.stop(timeout)
        if self._previous and threading.current_thread() is threading.main_thread():
            self._uninstall()
        return Left(left)

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


_process_wide = AsyncNotificationStartup()


def on_strategy_start(*, handle_signals: bool = False) -> Done:
    """Start the process's service, and return once it runs; its result may be awaited too. Starting twice is fine.

    Waits for at most 5 seconds. With `handle_signals`, SIGTERM and SIGINT flush for at most 5 seconds and then do what
    they did before. Raises InvalidConfiguration and StoreUnusable, and RuntimeError where signals are to be handled
    and this is not the main thread.
    """
    return (_signalled if handle_signals else _process_wide).on_strategy_start()


def on_strategy_stop(timeout: float | None = FLUSH_WITHIN) -> Left:
    """Deliver what waits for at most `timeout` seconds, stop, and return how much is still open.

    Stopping twice is fine, and so is starting again. What is open is delivered by the next start. None waits without
    bound. Raises InvalidValue, before anything is stopped, for what is no number of seconds.
    """
    return _signalled.on_strategy_stop(timeout)


_signalled = AsyncNotificationStartup(handle_signals=True)

"""Virtual time: a loop whose clock jumps to the next timer when all tasks wait, so that hours pass in milliseconds.

Limits: it does not see work in threads and never waits for real sockets. Simulate with stores and sinks that run
inline; test threads and sockets in real time.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

from signalpost import clock
from signalpost.domain.instant import Instant, utc

Result = TypeVar("Result")

DAWN = "2025-08-20T05:00:00Z"
"""The default start time."""


class Deadlock(AssertionError):
    """All tasks wait and no timer runs, so nothing would ever happen again."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time. `run_until_complete` raises Deadlock if all tasks wait and no timer runs."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds of virtual time; running code takes none."""
        return self._jumping.now

    def jump(self, seconds: float) -> None:
        """Skip time, as when a machine was suspended: timers due in between run late."""
        self._jumping.now += seconds


class VirtualClock:
    """UTC that follows a loop's time; `step` moves it, like a person or NTP setting a clock."""

    def __init__(self, loop: asyncio.AbstractEventLoop, at: Instant = DAWN) -> None:
        self._loop = loop
        self._began = loop.time()
        self._at = utc(at, "at")

    def now(self) -> datetime:
        """The current instant, aware and in UTC."""
        return self._at + timedelta(seconds=self._loop.time() - self._began)

    def step(self, by: timedelta) -> None:
        """Move the clock forward or back by `by`."""
        self._at += by


def run_virtual(main: Coroutine[Any, Any, Result], at: Instant = DAWN) -> Result:
    """Run a coroutine in virtual time, with `signalpost.clock` starting at `at`.

    Raises Deadlock if all tasks wait and no timer runs.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        before = clock.install(VirtualClock(runner.get_loop(), at))
        try:
            return runner.run(main)
        finally:
            clock.install(before)


class _JumpingSelector(selectors.DefaultSelector):
    """Returns ready events; if there are none, time jumps over the wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise Deadlock("all tasks wait and no timer runs: check which call should have woken them")
        if not ready and timeout:
            self.now += timeout
        return ready

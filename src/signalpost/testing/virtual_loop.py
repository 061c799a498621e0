"""Virtual time: a loop whose clock jumps to the next timer when everyone waits, so that hours pass in milliseconds.

Its limit: work in threads looks idle to it, and real sockets are never waited for. Simulate with stores and sinks that
run inline; test threads and sockets in real time.
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
"""What the clock says at first, where nothing else is asked for."""


class Deadlock(AssertionError):
    """Everyone waits and no timer runs, so nothing would ever happen again: look for who should have woken them."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time. Raises Deadlock out of `run_until_complete` where all wait and no timer runs."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds of virtual time; what happens at once takes none."""
        return self._jumping.now

    def jump(self, seconds: float) -> None:
        """Let time pass at once, as where a machine was suspended: what was due meanwhile is late."""
        self._jumping.now += seconds


class VirtualClock:
    """UTC that follows a loop's time; `step` sets it, as people and machines do with clocks."""

    def __init__(self, loop: asyncio.AbstractEventLoop, at: Instant = DAWN) -> None:
        self._loop = loop
        self._began = loop.time()
        self._at = utc(at, "at")

    def now(self) -> datetime:
        """The present instant, aware and in UTC."""
        return self._at + timedelta(seconds=self._loop.time() - self._began)

    def step(self, by: timedelta) -> None:
        """Set the clock forward, or back, by so much."""
        self._at += by


def run_virtual(main: Coroutine[Any, Any, Result], at: Instant = DAWN) -> Result:
    """Run a coroutine to its end in virtual time, with `signalpost.clock` following it from `at`.

    Raises Deadlock where everyone waits and no timer runs.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        before = clock.install(VirtualClock(runner.get_loop(), at))
        try:
            return runner.run(main)
        finally:
            clock.install(before)


class _JumpingSelector(selectors.DefaultSelector):
    """Returns what is ready; where nothing is, time jumps over the wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise Deadlock("everyone waits and no timer runs: look for who should have woken them")
        if not ready and timeout:
            self.now += timeout
        return ready

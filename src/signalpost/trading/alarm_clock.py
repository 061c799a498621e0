"""Wakes tasks at instants of the clock, even if the clock leaps, and waits until all of them are asleep."""

import asyncio
from datetime import datetime

from signalpost import clock


class AlarmClock:
    """The tasks that sleep until an instant. `rest` waits until all of them are asleep.

    Belongs to one event loop. After setting the clock, call `look_again`.
    """

    def __init__(self) -> None:
        self._alarms: dict[str, asyncio.Event] = {}
        self._rung: set[str] = set()
        self._until: dict[str, datetime | None] = {}
        """Of the tasks that are asleep."""
        self._has_moved = asyncio.Event()

    def enter(self, name: str) -> None:
        """Add a task, which is awake. An earlier ring is forgotten."""
        self._alarms.setdefault(name, asyncio.Event())
        self._rung.discard(name)

    def leave(self, name: str) -> None:
        """Remove a task."""
        self._alarms.pop(name, None)
        self._until.pop(name, None)
        self._has_moved.set()

    async def sleep_until(self, name: str, instant: datetime | None, longest: float) -> bool:
        """Sleep until an instant, for at most `longest` seconds. True if it was rung.

        Without an instant, only a ring or the end of `longest` wakes it.
        """
        left = longest if instant is None else min(longest, (instant - clock.now()).total_seconds())
        if name not in self._rung and left > 0:
            await self._sleep(name, instant, left)
        is_rung = name in self._rung
        self._rung.discard(name)
        return is_rung

    async def _sleep(self, name: str, instant: datetime | None, seconds: float) -> None:
        alarm = self._alarms[name]
        alarm.clear()
        timer = asyncio.get_running_loop().call_later(seconds, alarm.set)
        self._until[name] = instant
        self._has_moved.set()
        try:
            await alarm.wait()
        finally:
            timer.cancel()
            self._until.pop(name, None)

    def ring(self, name: str) -> None:
        """Wake a task, or end its next sleep at once."""
        self._rung.add(name)
        self._alarms[name].set()
        self._until.pop(name, None)

    def look_again(self) -> None:
        """Wake the tasks that are due by the clock."""
        now = clock.now()
        for name in [each for each, until in self._until.items() if until is not None and until <= now]:
            self.ring(name)

    async def rest(self) -> None:
        """Wait until all tasks are asleep."""
        while len(self._until) < len(self._alarms):
            self._has_moved.clear()
            await self._has_moved.wait()

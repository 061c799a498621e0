"""One process's life: it may end at any step at which something outside sees what it does."""

import asyncio
from collections.abc import Coroutine
from typing import Any, NoReturn

EDGES = ("before a commit", "within a commit", "after a commit", "before a request", "after an answer")
"""Where a process can be seen from outside, and may die."""


class Life:
    """Counts the steps of a process, and ends it at the one that was planned.

    A process that is dead does nothing any more: whatever reaches an edge of it waits there until it is cleared away.
    """

    def __init__(self, number: int, began: float) -> None:
        self.number = number
        self.began = began
        self.is_over = asyncio.Event()
        self.is_dead = False
        self.end = "runs"
        self._tasks: list[asyncio.Task[object]] = []
        self._doom: tuple[str, int] | None = None

    def doom(self, edge: str, steps: int) -> None:
        """Let it die at this edge, after so many times more."""
        self._doom = self._doom or (edge, steps)

    def die(self, end: str) -> None:
        """It ends now; nothing of it is seen any more."""
        if not self.is_dead:
            self.is_dead = True
            self.end = end
            self.is_over.set()

    def spawn(self, work: Coroutine[Any, Any, object]) -> None:
        """Let a task of this process work, and hold it: one that waits for ever would be collected otherwise."""
        self._tasks.append(asyncio.get_running_loop().create_task(work))

    def survives(self, edge: str) -> bool:
        """A step: whether the process goes on after it."""
        if self._doom is not None and self._doom[0] == edge:
            self._doom = edge, self._doom[1] - 1
            if self._doom[1] < 0:
                self.die(f"crash {edge}")
        return not self.is_dead

    async def step(self, edge: str) -> None:
        """A step of a task, which goes no further where the process dies."""
        if not self.survives(edge):
            await never()


async def never() -> NoReturn:
    """Wait until cancelled."""
    while True:
        await asyncio.get_running_loop().create_future()

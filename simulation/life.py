"""The life of one process, which can end at any externally visible step."""

import asyncio
from collections.abc import Coroutine
from typing import Any, NoReturn

EDGES = ("before a commit", "within a commit", "after a commit", "before a request", "after an answer")
"""The externally visible steps, at which a process may die."""


class Life:
    """Counts the steps of a process and ends it at the planned one.

    In a dead process, a task that reaches an edge waits there until it is cancelled.
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
        """Plan its death at this edge after `steps` more passes."""
        self._doom = self._doom or (edge, steps)

    def die(self, end: str) -> None:
        """End the process now; it has no further visible effect."""
        if not self.is_dead:
            self.is_dead = True
            self.end = end
            self.is_over.set()

    def spawn(self, work: Coroutine[Any, Any, object]) -> None:
        """Start a task of this process and keep a reference, so that it is not garbage-collected."""
        self._tasks.append(asyncio.get_running_loop().create_task(work))

    def survives(self, edge: str) -> bool:
        """Count a step; True if the process is still alive."""
        if self._doom is not None and self._doom[0] == edge:
            self._doom = edge, self._doom[1] - 1
            if self._doom[1] < 0:
                self.die(f"crash {edge}")
        return not self.is_dead

    async def step(self, edge: str) -> None:
        """Count a step of a task; never return if the process dies."""
        if not self.survives(edge):
            await never()


async def never() -> NoReturn:
    """Wait until cancelled."""
    while True:
        await asyncio.get_running_loop().create_future()

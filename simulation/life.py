"""The life of one process, which can end at any externally visible step."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from functools import partial
from typing import Any, NoReturn
from weakref import WeakSet

EDGES = ("before a commit", "within a commit", "after a commit", "before a request", "after an answer")
"""The externally visible steps, at which a process may die."""


_LIFE: ContextVar["Life"] = ContextVar("the process in which a task runs")


class Life:
    """Counts the steps of a process and ends it at the planned one.

    In a dead process, a task that reaches an edge waits there until it is cancelled; in a frozen one, until it thaws.
    """

    def __init__(self, number: int, began: float) -> None:
        self.number = number
        self.began = began
        self.is_over = asyncio.Event()
        self.is_dead = False
        self.is_deposed = False
        """True once another process has taken over."""
        self.end = "runs"
        self.tasks: WeakSet[asyncio.Task[Any]] = WeakSet()
        """All tasks that run in it."""
        self._spawned: list[asyncio.Task[object]] = []
        self._context = copy_context()
        self._context.run(_LIFE.set, self)
        self._when_thawed: list[Callable[[], object]] | None = None
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

    @property
    def is_frozen(self) -> bool:
        """True while nothing in it runs."""
        return self._when_thawed is not None

    def freeze(self) -> None:
        """Stop the process until it thaws."""
        if self._when_thawed is None:
            self._when_thawed = []

    def thaw(self) -> None:
        """Let it go on."""
        waiting, self._when_thawed = self._when_thawed or [], None
        for each in waiting:
            self.soon(each)

    def soon(self, work: Callable[[], object], seconds: float = 0.0) -> None:
        """Call this in the process, after some time."""
        asyncio.get_running_loop().call_later(seconds, work, context=self._context.copy())

    def when_thawed(self, work: Callable[[], object]) -> None:
        """Do this once it thaws."""
        assert self._when_thawed is not None, "it is frozen"
        self._when_thawed.append(work)

    def depose(self) -> None:
        """Another process delivers from now on."""
        self.is_deposed = True
        self.end = "deposed"
        self.is_over.set()

    def spawn(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[object]:
        """Start a task of this process and keep a reference, so that it is not garbage-collected."""
        task = asyncio.get_running_loop().create_task(work, context=self._context.copy())
        self._spawned.append(task)
        return task

    def survives(self, edge: str) -> bool:
        """Count a step; True if the process is still alive."""
        if self._doom is not None and self._doom[0] == edge:
            self._doom = edge, self._doom[1] - 1
            if self._doom[1] < 0:
                self.die(f"crash {edge}")
        return not self.is_dead

    async def step(self, edge: str) -> None:
        """Count a step of a task; never return if the process dies."""
        if self.is_frozen:
            thawed = asyncio.get_running_loop().create_future()
            self.when_thawed(partial(_set, thawed))
            await thawed
        if not self.survives(edge):
            await never()


def _set(thawed: asyncio.Future[None]) -> None:
    if not thawed.done():
        thawed.set_result(None)


def note_life(
    loop: asyncio.AbstractEventLoop,
    work: Coroutine[Any, Any, Any],
    *,
    context: Context | None = None,
    **others: Any,
) -> asyncio.Task[Any]:
    """Make a task that belongs to the process of its maker. A task factory.

    Of the arguments of `asyncio.Task`, Python 3.14 also passes the name.
    """
    task = asyncio.Task(work, loop=loop, context=context, **others)
    life = _LIFE.get(None) if context is None else context.get(_LIFE)
    if life is not None:
        life.tasks.add(task)
    return task


async def never() -> NoReturn:
    """Wait until cancelled."""
    while True:
        await asyncio.get_running_loop().create_future()

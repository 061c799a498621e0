"""A start or a stop that several may ask for at once, and any of them may be cut off from."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from signalpost.errors import StoreClosed

Result = TypeVar("Result")


class Shared(Generic[Result]):
    """Work of a task of its own, which all who ask for its result wait for together.

    `cut_short` is called with the task where the last who waited was cut off, and nobody has the result.
    """

    def __init__(
        self, work: Coroutine[Any, Any, Result], name: str, cut_short: Callable[[asyncio.Task[Result]], object]
    ) -> None:
        self._task = asyncio.get_running_loop().create_task(work, name=name)
        self._cut_short = cut_short
        self._waiting = 0
        self._is_known = False
        self.is_cut_short = False
        """Whether it was told to end soon, though it may have to close something before that."""

    @property
    def is_under_way(self) -> bool:
        """Whether it goes on, and on the loop that asks: not on one that a child made by `fork` only remembers."""
        return not self._task.done() and self._task.get_loop() is asyncio.get_running_loop()

    async def result(self) -> Result:
        """Wait for it, and return or raise what it does; raises StoreClosed where another cut it short."""
        self._waiting += 1
        try:
            result = await asyncio.shield(self._task)
            self._is_known = True
        except asyncio.CancelledError:
            if self._waiting == 1 and not self._is_known:
                self.cut_short()
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise StoreClosed("the service was stopped before it had started: start it again") from None
        finally:
            self._waiting -= 1
        return result

    async def over(self, within: float | None = None) -> bool:
        """Wait until it has ended, however it does, for `within` seconds at most; whether it has."""
        ended, _ = await asyncio.wait([self._task], timeout=within)
        return bool(ended)

    def cut_short(self) -> None:
        """Have it end soon; once is enough."""
        if not self.is_cut_short:
            self.is_cut_short = True
            self._cut_short(self._task)

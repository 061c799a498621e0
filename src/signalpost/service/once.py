"""Work that several callers share, and that leaves nothing behind if all of them are cancelled."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from threading import Lock
from typing import Any, Generic, TypeVar

from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.errors import StoreClosed, StoreUnusable
from signalpost.lasting import result_of

Result = TypeVar("Result")


class Once(Generic[Result]):
    """One start or one stop, in a task of its own. Everyone who calls `result` waits for the same task.

    If the last caller is cancelled before the result is known, `cut_short` is called with the task.
    """

    def __init__(
        self, work: Coroutine[Any, Any, Result], name: str, cut_short: Callable[[asyncio.Task[Result]], object]
    ) -> None:
        self._task = asyncio.get_running_loop().create_task(work, name=name)
        self._cut_short = cut_short
        self._waiting = 0
        self._is_known = False
        self.is_cut_short = False
        """True once it has to end soon. It may still have to close something."""

    @property
    def is_under_way(self) -> bool:
        """True while it runs on the caller's loop. After a fork, the child only has a copy of the parent's task."""
        return not self._task.done() and self._task.get_loop() is asyncio.get_running_loop()

    async def result(self) -> Result:
        """Wait for the task, and return or raise its result. Raises StoreClosed if another caller cut it short."""
        self._waiting += 1
        try:
            result = await result_of(self._task)
            self._is_known = True
        except asyncio.CancelledError:
            if self._waiting == 1 and not self._is_known:
                self.cut_short()
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise StoreClosed("the service was stopped while it was starting: start it again") from None
        finally:
            self._waiting -= 1
        return result

    async def over(self, within: float | None = None) -> bool:
        """Wait up to `within` seconds until the task has ended in any way; True if it has."""
        ended, _ = await asyncio.wait([self._task], timeout=within)
        return bool(ended)

    def cut_short(self) -> None:
        """Make it end soon. Further calls change nothing."""
        if not self.is_cut_short:
            self.is_cut_short = True
            self._cut_short(self._task)


async def open_store(path: Path, *, owns: bool | None) -> SqliteCore:
    """Open the store at `path` in a thread. Raises StoreUnusable.

    A thread cannot be cancelled. If the caller is, the store is closed again and its lock released; the caller waits
    for that, unless it is cancelled a second time.
    """
    turn = Lock()
    opened: list[SqliteCore] = []
    is_wanted = True

    def work() -> SqliteCore:
        make_home(path.parent)
        core = SqliteCore(path, owns=owns)
        with turn:
            opened.append(core)
            if not is_wanted:
                core.close()
        return core

    opening = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await result_of(opening)
    except asyncio.CancelledError:
        with turn:
            is_wanted = False
            for core in opened:
                core.close()
        await asyncio.wait([opening])
        raise


def make_home(home: Path) -> None:
    """Create the data folder if there is none. Raises StoreUnusable."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        problem = "there is a file in its place" if isinstance(fault, FileExistsError) else fault.strerror
        text = (
            f"{home}: cannot create the data folder ({problem}). Allow this process to create it, or use "
            "another data folder (--home or SIGNALPOST_HOME)."
        )
        raise StoreUnusable(text, code="not-writable", field="SIGNALPOST_HOME", value=str(home)) from fault

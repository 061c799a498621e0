"""A task that runs as long as the service: if it dies, this is reported, and it is restarted."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from signalpost.domain.events import Listener, WorkerFailed, WorkerRecovered
from signalpost.errors import StoreClosed, is_from_keyboard
from signalpost.secret import described

RESTART_AFTER = 1.0
"""Seconds. Nothing restarts if the loop is closed by then: `asyncio.run` closes it after cancelling all tasks."""
WELL_AFTER = 30.0
"""Seconds of running after which it is reported as recovered."""


class KeptTask:
    """Runs `work` until it returns, or until `end`. Belongs to the running loop.

    It dies if others cancel it, and of any exception, even SystemExit. Only Ctrl-C is passed on to the loop.
    """

    def __init__(self, name: str, work: Callable[[], Coroutine[Any, Any, None]], emit: Listener) -> None:
        self._name = name
        self._work = work
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        self._is_ended = False
        self._timer: asyncio.TimerHandle | None = None
        self.task = self._start()
        """The task that runs now, or ran last."""

    def retire(self) -> None:
        """Do not restart it. The current run continues."""
        self._is_ended = True
        if self._timer is not None:
            self._timer.cancel()

    async def end(self) -> None:
        """Cancel it, and wait until it has ended."""
        self.retire()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def _start(self) -> asyncio.Task[None]:
        return self._loop.create_task(self._run(), name=f"signalpost {self._name}")

    async def _run(self) -> None:
        try:
            await self._work()
        except StoreClosed:  # the service stops
            return
        except asyncio.CancelledError as fault:
            self._died(fault)
            raise
        except BaseException as fault:
            if is_from_keyboard(fault):
                raise
            self._died(fault)

    def _died(self, fault: BaseException) -> None:
        if self._is_ended:
            return
        if self._timer is not None:  # it has not run long enough to be reported as recovered
            self._timer.cancel()
        kind, detail = type(fault).__name__, described(fault, with_text=False)
        self._timer = self._loop.call_later(RESTART_AFTER, self._restart, kind, detail)

    def _restart(self, kind: str, detail: str) -> None:
        self.task = self._start()
        self._timer = self._loop.call_later(WELL_AFTER, self._recovered)
        self._emit(WorkerFailed(self._name, kind, detail))

    def _recovered(self) -> None:
        self._timer = None
        self._emit(WorkerRecovered(self._name))

"""Limits how long a request waits for the store. A slow write goes on, and its client is advised to repeat."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from signalpost.errors import StoreClosed, StoreFailed
from signalpost.lasting import result_of
from signalpost.telemetry.log_queue import log_failure
from signalpost.web.problem import Problem, unavailable

ANSWER_WITHIN = 2.0
"""Seconds. TradingView gives up after 3."""
READ_WITHIN = 5.0
"""Seconds for a whole request."""
MOST_PENDING = 512

Answer = TypeVar("Answer")

SAFE = "Repeat the same request. If it was accepted already, the answer is a duplicate."
UNSAFE = "It may have been accepted. Send an id or an Idempotency-Key, so that a repeat is recognised."


class Timeouts:
    """Runs the store operations of requests, and waits for each no longer than the limit."""

    def __init__(self) -> None:
        self._pending: set[asyncio.Task[Any]] = set()

    async def wait(self, work: Coroutine[Any, Any, Answer], then: str = SAFE) -> Answer:
        """Return the result of `work`. Raises Problem 503 if the store fails, or with the advice `then` if it hangs."""
        if len(self._pending) >= MOST_PENDING:
            work.close()
            raise unavailable(
                f"{MOST_PENDING} requests are already waiting for the store. Nothing was accepted; try again.",
                "too-many-requests",
            )
        task = asyncio.get_running_loop().create_task(work)
        self._pending.add(task)
        task.add_done_callback(self._ended)
        try:
            return await asyncio.wait_for(result_of(task), ANSWER_WITHIN)
        except TimeoutError:
            raise unavailable(
                f"The store did not respond within {ANSWER_WITHIN:g} seconds. {then}", "timeout"
            ) from None
        except (StoreFailed, StoreClosed) as fault:
            cause = "not-running" if isinstance(fault, StoreClosed) else "store"
            raise unavailable("The store is unavailable. Nothing was accepted; try again.", cause) from None

    async def end(self, within: float) -> None:
        """Wait at most `within` seconds for pending operations, then cancel the rest."""
        if self._pending:
            await asyncio.wait(self._pending, timeout=within)
        for task in self._pending:
            task.cancel()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._pending.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None and not isinstance(fault, Problem):
            log_failure("An HTTP request failed", fault, level=logging.WARNING, with_text=False)

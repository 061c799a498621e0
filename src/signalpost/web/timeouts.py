"""How long an answer may take, whatever is down: what writes goes on by itself, and its caller is told to ask again."""

import asyncio
import logging
from collections.abc import Coroutine
from http import HTTPStatus
from typing import Any, TypeVar

from signalpost.errors import StoreClosed, StoreFailed
from signalpost.telemetry.failures import log_failure
from signalpost.web.problem import Problem

ANSWER_WITHIN = 2.0
"""Seconds. TradingView gives up after 3."""
MOST_UNDER_WAY = 512
_TRY_AGAIN_AFTER = 5

Answer = TypeVar("Answer")

SAFE = "Repeat the request as it was: what was taken already is told as a duplicate"
UNSAFE = "It may have been taken: a repeat is told apart from another only with an id or an Idempotency-Key"


class Timeouts:
    """Runs what asks the store, and waits for it no longer than an answer may take."""

    def __init__(self, within: float = ANSWER_WITHIN, most: int = MOST_UNDER_WAY) -> None:
        self._within = within
        self._most = most
        self._under_way: set[asyncio.Task[Any]] = set()

    async def wait(self, work: Coroutine[Any, Any, Answer], then: str = SAFE) -> Answer:
        """What `work` returns or raises. Raises Problem 503, which says `then`, where the store fails or is slow."""
        if len(self._under_way) >= self._most:
            work.close()
            raise _unavailable(
                f"{self._most} requests wait for the store already. Nothing was taken; try again", "too-many-requests"
            )
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        try:
            return await asyncio.wait_for(asyncio.shield(task), self._within)
        except TimeoutError:
            raise _unavailable(
                f"the store has not answered within {self._within:g} seconds. {then}", "timeout"
            ) from None
        except (StoreFailed, StoreClosed) as fault:
            cause = "not-running" if isinstance(fault, StoreClosed) else "store"
            raise _unavailable("the store is unavailable. Nothing was taken; try again", cause) from None

    async def end(self, within: float) -> None:
        """Wait at most `within` seconds for what is under way, and give up the rest."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=within)
        for task in self._under_way:
            task.cancel()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None and not isinstance(fault, Problem):
            log_failure("a request failed", fault, level=logging.WARNING, with_text=False)


def _unavailable(detail: str, cause: str) -> Problem:
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, cause=cause, retry_after=_TRY_AGAIN_AFTER)

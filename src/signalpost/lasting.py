"""Waits for tasks that go on if the caller is cancelled."""

import asyncio
from typing import TypeVar

Result = TypeVar("Result")


async def result_of(task: "asyncio.Future[Result]") -> Result:
    """Wait for `task`, and return or raise its result. If the caller is cancelled, the task goes on.

    `asyncio.shield` does the same, but since Python 3.14 it logs an error that comes after that. The text of the error
    could contain a secret.
    """
    if not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.add_done_callback(_retrieve)
            raise
    return task.result()


def _retrieve(task: "asyncio.Future[Result]") -> None:
    """Mark an error as seen: asyncio logs one that nobody has seen."""
    if not task.cancelled():
        task.exception()

"""Waiting for a task that goes on if the caller is cancelled."""

import asyncio
import gc
from typing import Any

import pytest

from signalpost.lasting import result_of


async def _number() -> int:
    await asyncio.sleep(0)
    return 7


async def test_the_result_is_returned_before_and_after_the_task_ends() -> None:
    task = asyncio.create_task(_number())
    assert await result_of(task) == 7
    assert await result_of(task) == 7


async def test_the_error_of_the_task_is_raised() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(result_of(future))
    await asyncio.sleep(0)
    future.set_exception(LookupError("x"))
    with pytest.raises(LookupError):
        await waiting


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_an_end_after_the_caller_was_cancelled_is_not_logged(is_cancelled: bool) -> None:
    logged: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: logged.append(context))
    future: asyncio.Future[int] = loop.create_future()
    waiting = asyncio.create_task(result_of(future))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not future.done()
    if is_cancelled:
        future.cancel()
    else:
        future.set_exception(LookupError("words-to-hide"))
    await asyncio.sleep(0)
    del future, waiting
    gc.collect()
    assert logged == []

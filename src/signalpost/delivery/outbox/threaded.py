"""An outbox with a thread of its own, which commits in groups.

Whatever was asked while the last commit ran goes into the next one. Nobody waits for company: a lone command is
committed at once, and under load a group grows by itself to what arrives within one commit.
"""

import asyncio
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from signalpost.delivery.outbox.commands import Answer, Command
from signalpost.delivery.outbox.port import Core
from signalpost.errors import StoreClosed, StoreFailed

_Asked = tuple[Command[Any], asyncio.Future[Any]]


class ThreadedOutbox:
    """Carries out commands in one writer thread, for the loop on which it was made.

    A command that was asked is carried out, also where nobody waits for its answer any more.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._loop = asyncio.get_running_loop()
        self._asked: SimpleQueue[_Asked | None] = SimpleQueue()
        self._is_closed = False
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._thread = Thread(target=self._run, name="signalpost outbox", daemon=True)
        self._thread.start()

    async def do(self, command: Command[Answer]) -> Answer:
        """Carry out a command, and return its answer once it is committed.

        Raises StoreFailed where the core cannot, StoreClosed after `close`, and RuntimeError on another loop.
        """
        if self._is_closed:
            raise StoreClosed("the outbox is closed: ask before it is stopped, or start a new one")
        if asyncio.get_running_loop() is not self._loop:
            raise RuntimeError("an outbox belongs to the loop on which it was made: hand the command over to that loop")
        waiter: asyncio.Future[Answer] = self._loop.create_future()
        self._asked.put((command, waiter))
        return await waiter

    async def close(self) -> None:
        """Commit what was asked for before, end the thread and release the core; once is enough."""
        if not self._is_closed:
            self._is_closed = True
            self._asked.put(None)
        await asyncio.shield(self._ended)
        self._thread.join()

    def _run(self) -> None:
        is_open = True
        while is_open:
            batch, is_open = self._gathered()
            if batch:
                self._tell(self._answer, [waiter for _, waiter in batch], *self._applied(batch))
        fault = None
        try:
            self._core.close()
        except Exception as error:  # noqa: BLE001  # whoever closes the outbox gets it
            fault = error
        self._tell(self._end, fault)

    def _gathered(self) -> tuple[list[_Asked], bool]:
        """All that was asked since the last time, at least one thing; and whether there will be more."""
        batch: list[_Asked] = []
        asked = self._asked.get()
        while asked is not None:
            batch.append(asked)
            try:
                asked = self._asked.get_nowait()
            except Empty:
                return batch, True
        return batch, False

    def _applied(self, batch: list[_Asked]) -> tuple[list[Any], Exception | None]:
        try:
            return self._core.apply([command for command, _ in batch]), None
        except Exception as fault:  # noqa: BLE001  # whatever it is, those who wait must hear of it
            return [], fault

    def _tell(self, answer: Any, *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(answer, *arguments)
        except RuntimeError:  # the loop was closed before the outbox: nobody waits any more
            return

    def _answer(self, waiters: list[asyncio.Future[Any]], answers: list[Any], fault: Exception | None) -> None:
        if fault is not None:
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_exception(_failure(fault))
            return
        for waiter, answer in zip(waiters, answers, strict=True):
            if not waiter.done():
                waiter.set_result(answer)

    def _end(self, fault: Exception | None) -> None:
        if fault is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(fault)


def _failure(fault: Exception) -> StoreFailed:
    """One for each who waits, so that none gets another's traceback."""
    text = str(fault) if isinstance(fault, StoreFailed) else f"the store broke on a command: {type(fault).__name__}"
    failure = StoreFailed(text)
    failure.__cause__ = fault
    return failure

"""The writer thread survives every exception, and every caller gets an answer."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from signalpost.delivery.outbox.commands import Command, LoadFacts, Subject
from signalpost.delivery.outbox.threaded import ThreadedOutbox


class FailingOnce:
    """A core that raises `fault` once, and then works."""

    def __init__(self, fault: BaseException) -> None:
        self.fault: BaseException | None = fault

    def apply(self, batch: Sequence[Command[Any]]) -> list[Any]:
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        return [getattr(command, "subject", [None])[0] for command in batch]

    def close(self) -> None: ...


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("fault", [SystemExit(), KeyboardInterrupt(), GeneratorExit()])
async def test_the_thread_survives_every_exception_and_every_caller_is_answered(fault: BaseException) -> None:
    outbox = ThreadedOutbox(FailingOnce(fault))
    lost = asyncio.create_task(outbox.do(LoadFacts(Subject("a"))))
    answered, waits = await asyncio.wait([lost], timeout=30)
    again = asyncio.create_task(outbox.do(LoadFacts(Subject("b"))))
    answered_again, waits_again = await asyncio.wait([again], timeout=30)
    kinds = [type(task.exception()).__name__ for task in answered], [task.result() for task in answered_again]
    for task in (*waits, *waits_again):
        task.cancel()
    assert kinds == (["StoreFailed"], ["b"])
    await outbox.close()

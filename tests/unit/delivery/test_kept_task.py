import asyncio

import pytest

from signalpost.delivery.kept_task import RESTART_AFTER, WELL_AFTER, KeptTask
from signalpost.domain.events import Event, WorkerFailed, WorkerRecovered
from signalpost.errors import StoreClosed
from tests.unit.delivery.dispatch.world import virtual, wait


class Work:
    """Waits forever, or raises the given error."""

    def __init__(self) -> None:
        self.began = 0
        self.fault: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def __call__(self) -> None:
        self.began += 1
        self.fault = asyncio.get_running_loop().create_future()
        await self.fault


@virtual
async def test_work_that_dies_is_restarted_and_reported_until_it_has_run_for_30_s() -> None:
    work, events = Work(), list[Event]()
    kept = KeptTask("work", work, events.append)
    await wait(1)
    work.fault.set_exception(SystemExit())
    await wait(RESTART_AFTER + 0.1)
    assert (work.began, [event[:2] for event in events]) == (2, [("work", "SystemExit")])
    await wait(WELL_AFTER - 1)
    work.fault.set_exception(MemoryError())
    await wait(RESTART_AFTER + 0.1)
    assert [type(event) for event in events] == [WorkerFailed, WorkerFailed]
    await wait(WELL_AFTER)
    assert events[2:] == [WorkerRecovered("work")]
    await kept.end()
    await wait(60)
    assert (work.began, len(events), kept.task.cancelled()) == (3, 3, True)


@virtual
async def test_work_that_returns_is_not_restarted() -> None:
    work, events = Work(), list[Event]()
    kept = KeptTask("work", work, events.append)
    await wait(1)
    work.fault.set_result(None)
    await wait(60)
    assert (work.began, events, kept.task.done()) == (1, [], True)
    kept = KeptTask("work", work, events.append)
    await wait(1)
    work.fault.set_exception(StoreClosed("the service stops"))
    await wait(60)
    assert (work.began, events, kept.task.done()) == (2, [], True)


@virtual
async def test_work_that_has_died_is_not_restarted_after_its_end() -> None:
    work, events = Work(), list[Event]()
    kept = KeptTask("work", work, events.append)
    await wait(1)
    kept.task.cancel()
    await wait(0.1)
    await kept.end()
    await wait(60)
    assert (work.began, events) == (1, [])


def test_a_loop_that_cancels_everything_at_its_end_restarts_nothing() -> None:
    events = list[Event]()

    async def forget() -> None:
        KeptTask("work", asyncio.Event().wait, events.append)  # type: ignore[arg-type]  # its result is not used
        await asyncio.sleep(0)

    asyncio.run(forget())
    assert events == []


def test_ctrl_c_is_passed_on_to_the_loop() -> None:
    async def interrupted() -> None:
        raise KeyboardInterrupt

    async def begin() -> None:
        KeptTask("work", interrupted, list[Event]().append)
        await asyncio.Event().wait()

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(begin())

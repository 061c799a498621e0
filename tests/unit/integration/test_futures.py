import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest

from signalpost import Outcome, Ticket
from signalpost.integration.futures import AwaitableFuture, TicketFuture
from signalpost.integration.loop_thread import LoopThread

ACCEPTED = Ticket(Outcome.ACCEPTED, "1")


def test_a_ticket_can_be_waited_for_by_a_thread_and_by_several_loops() -> None:
    future = TicketFuture()

    async def awaited() -> Ticket:
        return await future

    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(future.result, 10), pool.submit(asyncio.run, awaited())]
        future.set_result(ACCEPTED)
        assert [each.result(10) for each in waiting] == [ACCEPTED, ACCEPTED]
    assert asyncio.run(awaited()) == ACCEPTED


async def test_cancelling_an_await_does_not_cancel_the_ticket() -> None:
    future = TicketFuture()
    task = asyncio.ensure_future(future)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert not future.done()
    assert future.cancel() is False
    future.set_result(ACCEPTED)
    assert await asyncio.gather(future, future) == [ACCEPTED, ACCEPTED]


def test_a_loop_closed_meanwhile_causes_no_log_line(caplog: pytest.LogCaptureFixture) -> None:
    future = TicketFuture()

    async def give_up() -> None:
        task = asyncio.ensure_future(future)
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(give_up())
    with caplog.at_level(logging.DEBUG):
        future.set_result(ACCEPTED)
    assert caplog.records == []


async def test_an_exception_is_raised_to_the_awaiting_caller() -> None:
    future: AwaitableFuture[int] = AwaitableFuture()
    fault = LookupError("gone")
    future.set_exception(fault)
    with pytest.raises(LookupError) as raised:
        await future
    assert raised.value is fault


async def test_a_ticket_open_at_a_fork_is_held_in_the_child() -> None:
    inherited, brought, called = TicketFuture(), TicketFuture(), list[object]()
    inherited.add_done_callback(called.append)
    brought.set_result(ACCEPTED)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(inherited._condition.acquire).result()  # by a thread that is not there in the child
    for each in (inherited, brought):
        each.leave_to_parent()
    assert called == [], "what waits in the parent is called there"
    assert wait([inherited, brought], 10).not_done == set()
    assert await inherited == inherited.result()
    assert inherited.exception() is None
    assert inherited.result().outcome is Outcome.HELD
    assert inherited.result().reason
    assert brought.result() == ACCEPTED
    inherited.add_done_callback(called.append)
    assert called == [inherited]


def test_an_interrupt_in_a_callback_is_logged_in_our_threads_and_raised_in_the_main_thread(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    here, there = TicketFuture(), TicketFuture()
    for each in (here, there):
        each.add_done_callback(interrupt)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(there.set_result, ACCEPTED).result()
    (line,) = caplog.messages
    assert "KeyboardInterrupt" in line
    with pytest.raises(KeyboardInterrupt):
        here.set_result(ACCEPTED)


@pytest.mark.parametrize("look", [TicketFuture.result, TicketFuture.exception])
def test_our_own_thread_may_not_wait_for_a_ticket_but_may_read_a_finished_one(
    look: Callable[[TicketFuture], object],
) -> None:
    first, second, refusals = TicketFuture(), TicketFuture(), list[str]()

    def call_back(done: Future[Ticket]) -> None:
        assert isinstance(done, TicketFuture)
        look(done)
        try:
            look(second)
        except RuntimeError as refused:
            refusals.append(str(refused))

    async def bring() -> None:
        first.set_result(ACCEPTED)
        second.set_result(ACCEPTED)

    first.add_done_callback(call_back)
    thread = LoopThread("of a test")
    thread.begin(bring).result(10)
    thread.end(10)
    (refusal,) = refusals
    assert f"{look.__name__}()" in refusal
    assert look(second) == (ACCEPTED if look is TicketFuture.result else None)

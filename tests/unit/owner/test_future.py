import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest

from signalpost import Outcome, Ticket
from signalpost.owner.future import AwaitableFuture, TicketFuture
from signalpost.owner.loop_thread import LoopThread

ACCEPTED = Ticket(Outcome.ACCEPTED, "1")


def test_a_ticket_can_be_waited_for_by_a_thread_and_awaited_by_one_loop_after_the_other() -> None:
    future = TicketFuture()

    async def awaited() -> Ticket:
        return await future

    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(future.result, 10), pool.submit(asyncio.run, awaited())]
        future.set_result(ACCEPTED)
        assert [each.result(10) for each in waiting] == [ACCEPTED, ACCEPTED]
    assert asyncio.run(awaited()) == ACCEPTED


async def test_to_be_cancelled_while_awaiting_cancels_nothing_else() -> None:
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


def test_a_loop_that_was_closed_meanwhile_is_told_nothing_and_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    future = TicketFuture()

    async def give_up() -> None:
        task = asyncio.ensure_future(future)
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(give_up())
    with caplog.at_level(logging.DEBUG):
        future.set_result(ACCEPTED)
    assert caplog.records == []


async def test_what_went_wrong_is_raised_to_who_awaits() -> None:
    future: AwaitableFuture[int] = AwaitableFuture()
    future.set_exception(LookupError("gone"))
    with pytest.raises(LookupError, match="gone"):
        await future


async def test_in_a_child_a_ticket_that_was_open_at_the_fork_is_held_by_the_parent() -> None:
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
    assert "the parent process delivers it" in (inherited.result().reason or "")
    assert brought.result() == ACCEPTED
    inherited.add_done_callback(called.append)
    assert called == [inherited]


def test_a_callback_that_raises_ends_no_thread_of_ours_and_ctrl_c_is_heard_where_it_is_pressed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    here, there = TicketFuture(), TicketFuture()
    for each in (here, there):
        each.add_done_callback(interrupt)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(there.set_result, ACCEPTED).result()
    assert [each.partition(" [")[0] for each in caplog.messages] == [
        "the callback of a ticket failed: KeyboardInterrupt"
    ]
    with pytest.raises(KeyboardInterrupt):
        here.set_result(ACCEPTED)


@pytest.mark.parametrize("ask", [TicketFuture.result, TicketFuture.exception])
def test_the_thread_that_would_bring_a_ticket_is_refused_at_once_and_may_ask_for_one_that_is_there(
    ask: Callable[[TicketFuture], object],
) -> None:
    first, second, told = TicketFuture(), TicketFuture(), list[str]()

    def call_back(done: Future[Ticket]) -> None:
        assert isinstance(done, TicketFuture)
        ask(done)
        try:
            ask(second)
        except RuntimeError as refused:
            told.append(str(refused))

    async def bring() -> None:
        first.set_result(ACCEPTED)
        second.set_result(ACCEPTED)

    first.add_done_callback(call_back)
    thread = LoopThread("owner of a test")
    thread.begin(bring).result(10)
    thread.end(10)
    assert told == [
        f"{ask.__name__}() would wait for signalpost's own thread, in which this is called: do it in another thread"
    ]
    assert ask(second) == (ACCEPTED if ask is TicketFuture.result else None)
